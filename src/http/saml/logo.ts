/** The logo of an organization: the image, and where pages find it. */
import { type Response, Router } from 'express';
import type { ShownOrganization } from '../../console/organization-mark.tsx';
import { GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { ImageType } from '../../organizations/logo/image-header.ts';
import { findLogo, findLogoImage, logoPath } from '../../organizations/logo/logo.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { YEAR_SECONDS } from '../assets.ts';
import { limited } from '../limits/rate-limits.ts';

export async function shownOrganization({ store }: Pick<Runtime, 'store'>, { id, slug, name }: Organization): Promise<ShownOrganization> {
  const logo = await findLogo(store, id);
  return logo === undefined ? { name } : { name, logo: { ...logo, path: logoPath(slug, logo) } };
}

export function logoRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/saml/:org/logo/:hash', limited(runtime, 'logo'), async (request, response) => {
    const found = await findByHash(runtime, request.params);
    // The same answer for an unknown organization, so that addresses of logos do not tell which organizations exist.
    if (!found) throw new GatewayError('not_found');
    sendLogo(response, found);
  });
  return router;
}

interface FoundLogo {
  readonly type: ImageType;
  readonly image: Buffer;
}

/** Reads the image only if the hash is right, because strangers can send any number of wrong ones. */
async function findByHash({ store }: Runtime, { org = '', hash }: { readonly org?: string; readonly hash?: string }) {
  const organization = await getOrganization(store, org).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  });
  const logo = organization && (await findLogo(store, organization.id));
  if (!organization || !logo || logo.hash !== hash) return undefined;
  const image = await findLogoImage(store, organization.id, logo);
  return image && { type: logo.type, image };
}

/** Sends an image of a tenant from the gateway's own origin. Opened by itself, it is a sandboxed document that can load and run nothing. */
function sendLogo(response: Response, { type, image }: FoundLogo): void {
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', `public, max-age=${YEAR_SECONDS}, immutable`);
  response.type(type).send(image);
}
