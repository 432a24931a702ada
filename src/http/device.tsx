/** `/device`: the pages on which a user confirms the code that `samlgate login` shows (RFC 8628 §3.3). */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { csrfTokenMatches, findSessionPrincipal } from '../auth/authenticate.ts';
import { sessionMiddleware } from '../auth/sessions/browser-sessions.ts';
import { loginOf, MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { answerDeviceLogin, findDeviceLogin, isForOtherOrganization, readUserCode } from '../auth/tokens/device-login.ts';
import { DeviceAnsweredPage, DeviceCodePage, DeviceConfirmationPage, DeviceOrganizationPage } from '../console/device-page.tsx';
import { renderPage } from '../console/layout.tsx';
import { hrefOf } from '../console/parts/paging.tsx';
import { GatewayError } from '../errors.ts';
import { getOrganizationById, type Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { SLUG } from './api/field-shapes.ts';
import { checkShape } from './api/request-shapes.ts';
import { rememberSignedInTo } from './last-organization.ts';
import { requireWithinLimit } from './limits/rate-limits.ts';
import { sendPage } from './pages.ts';
import { actorOf } from './request-context.ts';

const TEXTS = {
  otherSession: 'This form does not belong to your current session. Open the link from the terminal again.',
} as const;

const FORM = z.object({
  csrf: z.string(),
  user_code: z.string().max(64),
  organization: SLUG.optional(),
  action: z.enum(['approve', 'deny']),
});

export function deviceRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const readForm = express.urlencoded({ extended: false, limit: '4kb', inflate: false });
  router.use('/device', sessionMiddleware(runtime, MEMBER_SESSION), (_request, response, next) => {
    response.locals.route = 'device';
    next();
  });
  router.get('/device', (request, response) => showDevice(runtime, request, response));
  router.post('/device', readForm, (request, response) => answerDevice(runtime, request, response));
  return router;
}

async function showDevice(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const typed = typeof request.query.user_code === 'string' ? request.query.user_code.slice(0, 64) : undefined;
  const userCode = typed === undefined ? undefined : readUserCode(typed);
  const principal = await findSessionPrincipal(runtime, loginOf(request));
  if (!principal) return redirectToLogin(response, userCode, SLUG.safeParse(request.query.organization).data);
  rememberSignedInTo(runtime, response, principal.organizationId);
  if (typed === undefined) return sendPage(response, 200, renderPage(<DeviceCodePage />));
  const device = await findByCode(runtime, request, userCode);
  if (!device) return sendPage(response, 404, renderPage(<DeviceCodePage unknown={typed} />));
  const organization = await requireOrganization(runtime, principal.organizationId);
  if (isForOtherOrganization(device, organization.id)) {
    const { organization: requested = '' } = device;
    const signInHref = signInAddress(device.userCode, requested);
    return sendPage(
      response,
      200,
      renderPage(<DeviceOrganizationPage requested={requested} current={organization} signInHref={signInHref} />),
    );
  }
  const { member, csrfToken } = principal;
  const browser = { address: request.ip, nowMs: runtime.now() };
  const page = (
    <DeviceConfirmationPage request={device} browser={browser} member={member} organization={organization} csrfToken={csrfToken} />
  );
  sendPage(response, 200, renderPage(page));
}

function redirectToLogin(response: Response, userCode: string | undefined, organization: string | undefined): void {
  response.redirect(303, signInAddress(userCode, organization));
}

/** Returns the sign-in of the organization that the terminal asked for. Keeps the code, so that the user does not type it again. */
function signInAddress(userCode: string | undefined, organization: string | undefined): string {
  const returnTo = userCode === undefined ? '/device' : `/device?user_code=${userCode}`;
  return hrefOf(organization === undefined ? '/login' : `/saml/${organization}/login`, { return_to: returnTo });
}

/** Counts every attempt, so that the code of another user cannot be guessed. @throws rate_limited */
async function findByCode(runtime: Runtime, request: Request, userCode: string | undefined): ReturnType<typeof findDeviceLogin> {
  if (userCode === undefined) return undefined;
  await requireWithinLimit(runtime, 'device_code', request);
  return findDeviceLogin(runtime, userCode);
}

async function requireOrganization({ store }: Runtime, id: string): Promise<Organization> {
  const organization = await getOrganizationById(store, id);
  if (!organization) throw new GatewayError('organization_unknown');
  return organization;
}

async function answerDevice(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { csrf, user_code: typed, organization, action } = checkShape(FORM, request.body ?? {});
  const userCode = readUserCode(typed);
  const principal = await findSessionPrincipal(runtime, loginOf(request));
  if (!principal) return redirectToLogin(response, userCode, organization);
  if (!csrfTokenMatches(csrf, principal)) {
    throw new GatewayError('forbidden', TEXTS.otherSession);
  }
  const device = await findByCode(runtime, request, userCode);
  if (userCode === undefined || !device) return sendPage(response, 404, renderPage(<DeviceCodePage unknown={typed} />));
  const approved = action === 'approve';
  await answerDeviceLogin(runtime, actorOf(request, response, principal), principal, { userCode, isApproved: approved });
  sendPage(response, 200, renderPage(<DeviceAnsweredPage approved={approved} />));
}
