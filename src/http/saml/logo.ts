/** The logo of an organization: the image, and where pages find it. */
import { type Response, Router } from 'express';
import type { ShownOrganization } from '../../console/organization-mark.tsx';
import { GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import { findLogo, type Logo, logoPath } from '../../organizations/logo/logo.ts';
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
    const logo = await findByHash(runtime, request.params);
    // The same answer for an unknown organization, so that addresses of logos do not tell which organizations exist.
    if (!logo) throw new GatewayError('not_found');
    sendLogo(response, logo);
  });
  return router;
}

async function findByHash({ store }: Runtime, { org = '', hash }: { readonly org?: string; readonly hash?: string }) {
  const organization = await getOrganization(store, org).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  });
  const logo = organization && (await findLogo(store, organization.id));
  return logo?.hash === hash ? logo : undefined;
}

/** Sends an image of a tenant from the gateway's own origin. Opened by itself, it is a sandboxed document that can load and run nothing. */
function sendLogo(response: Response, { type, data }: Logo): void {
  response.setHeader('Content-Security-Policy', "default-src 'none'; sandbox");
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', `public, max-age=${YEAR_SECONDS}, immutable`);
  response.type(type).send(Buffer.from(data, 'base64'));
}
