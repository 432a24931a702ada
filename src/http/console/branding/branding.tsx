/** The page of an organization's logo, with the forms that set and remove it. */
import { type Request, type Response, Router } from 'express';
import { BrandingPage } from '../../../console/branding-page.tsx';
import { GatewayError } from '../../../errors.ts';
import { removeLogo, setLogo } from '../../../organizations/logo/logo.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { requireKeyWithinLimit } from '../../limits/rate-limits.ts';
import { shownOrganization } from '../../saml/logo.ts';
import { frameOf, redirectWithNotice, sendConsolePage, visitOf } from '../visit.ts';

const TEXTS = {
  removed: 'The logo is removed.',
  fileMissing: 'Choose an image file.',
  saved: 'The logo is saved.',
} as const;

export function brandingPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showBranding(runtime, request, response));
  router.post('/', (request, response) => upload(runtime, request, response));
  router.post('/remove', async (request, response) => {
    await removeLogo(runtime, callerOf(request, response), organizationOf(response).id);
    redirectWithNotice(runtime, response, hrefOf(response), TEXTS.removed);
  });
  return router;
}

const hrefOf = (response: Response): string => `${visitOf(response).base}/branding`;

async function showBranding(runtime: Runtime, request: Request, response: Response, refusal?: GatewayError): Promise<void> {
  const shown = await shownOrganization(runtime, organizationOf(response));
  const problem = refusal && (refusal.facts.detail ?? refusal.textFor('user').advice);
  const page = <BrandingPage frame={frameOf(runtime, request, response)} shown={shown} problem={problem} />;
  sendConsolePage(response, page, refusal?.status ?? 200);
}

/** A file that is refused is explained beside the field. */
async function upload(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { logo } = (request.body ?? {}) as { logo?: unknown };
  try {
    if (!(logo instanceof Uint8Array) || logo.length === 0) throw new GatewayError('validation_failed', TEXTS.fileMissing);
    const organizationId = organizationOf(response).id;
    await requireKeyWithinLimit(runtime, 'logo_changes', organizationId);
    await setLogo(runtime, callerOf(request, response), { organizationId, octets: logo });
  } catch (error) {
    if (!(error instanceof GatewayError) || !['validation_failed', 'payload_too_large'].includes(error.code)) throw error;
    return showBranding(runtime, request, response, error);
  }
  redirectWithNotice(runtime, response, hrefOf(response), TEXTS.saved);
}
