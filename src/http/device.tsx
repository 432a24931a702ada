/** `/device`: the pages on which a user confirms the code that `samlgate login` shows (RFC 8628 §3.3). */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { csrfTokenMatches, findSessionPrincipal } from '../auth/authenticate.ts';
import { sessionMiddleware } from '../auth/sessions/browser-sessions.ts';
import { loginOf, MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { answerDeviceLogin, findDeviceLogin, readUserCode } from '../auth/tokens/device-login.ts';
import { DeviceAnsweredPage, DeviceCodePage, DeviceConfirmationPage, DeviceOrganizationPage } from '../console/device-page.tsx';
import { renderPage } from '../console/layout.tsx';
import { GatewayError } from '../errors.ts';
import { getOrganizationById, type Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { SLUG } from './api/field-shapes.ts';
import { checkShape } from './api/request-shapes.ts';
import { requireWithinLimit } from './limits/rate-limits.ts';
import { sendPage } from './pages.ts';
import { actorOf } from './request-context.ts';

const FORM = z.object({ csrf: z.string(), user_code: z.string().max(64), action: z.enum(['approve', 'deny']) });

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
  if (typed === undefined) return sendPage(response, 200, renderPage(<DeviceCodePage />));
  const device = await findByCode(runtime, request, userCode);
  if (!device) return sendPage(response, 404, renderPage(<DeviceCodePage unknown={typed} />));
  const organization = await requireOrganization(runtime, principal.organizationId);
  if (isForOther(device.organization, organization)) {
    return sendPage(response, 200, renderPage(<DeviceOrganizationPage wanted={device.organization ?? ''} organization={organization} />));
  }
  const { member, csrfToken } = principal;
  const page = <DeviceConfirmationPage request={device} member={member} organization={organization} csrfToken={csrfToken} />;
  sendPage(response, 200, renderPage(page));
}

/** Redirects to the sign-in of the organization that the terminal asked for. Keeps the code, so that the user does not type it again. */
function redirectToLogin(response: Response, userCode: string | undefined, organization: string | undefined): void {
  const returnTo = encodeURIComponent(userCode === undefined ? '/device' : `/device?user_code=${userCode}`);
  response.redirect(303, organization === undefined ? `/login?return_to=${returnTo}` : `/saml/${organization}/login?return_to=${returnTo}`);
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

const isForOther = (requestedSlug: string | undefined, { slug }: Organization): boolean =>
  requestedSlug !== undefined && requestedSlug !== slug;

async function answerDevice(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { csrf, user_code: typed, action } = checkShape(FORM, request.body ?? {});
  const userCode = readUserCode(typed);
  const principal = await findSessionPrincipal(runtime, loginOf(request));
  if (!principal) return redirectToLogin(response, userCode, undefined);
  if (!csrfTokenMatches(csrf, principal)) {
    throw new GatewayError('forbidden', 'This form does not belong to your current session. Open the link from the terminal again.');
  }
  const device = await findByCode(runtime, request, userCode);
  if (userCode === undefined || !device) return sendPage(response, 404, renderPage(<DeviceCodePage unknown={typed} />));
  if (isForOther(device.organization, await requireOrganization(runtime, principal.organizationId))) {
    throw new GatewayError('forbidden', 'The terminal wants to sign in to another organization than the one you are signed in to.');
  }
  const approved = action === 'approve';
  await answerDeviceLogin(runtime, actorOf(request, response, principal), principal, { userCode, isApproved: approved });
  sendPage(response, 200, renderPage(<DeviceAnsweredPage approved={approved} />));
}
