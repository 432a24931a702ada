/** Single logout with the identity provider, in both directions and over both bindings. */
import { type Request, type Response, Router } from 'express';
import { countRefusal } from '../../audit-trail/refusal-counts.ts';
import { clearCookie, readCookie, setCookie } from '../../auth/sessions/cookies.ts';
import { answerLogoutRequest, finishSingleLogout, startSingleLogout } from '../../auth/sign-in/single-logout.ts';
import type { IdpLogout } from '../../console/signed-out-page.tsx';
import { codeOf, GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { MemberSession } from '../../organizations/members.ts';
import { getOrganizationById, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { type BrowserMessage, checkRelayState, readRedirect, type UnverifiedMessage } from '../../saml/messages/bindings.ts';
import { limited } from '../limits/rate-limits.ts';
import { actorOf } from '../request-context.ts';
import { sendBrowserMessage } from './browser-message.tsx';
import { readFormOctets, readMessageForm } from './message-form.ts';

export function singleLogoutRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const limit = limited(runtime, 'logout');
  router.get('/saml/:org/slo', limit, (request, response) =>
    handleLogoutMessage(runtime, response, async () => readRedirect(rawQueryOf(request))),
  );
  router.post('/saml/:org/slo', limit, (request, response) => handleLogoutMessage(runtime, response, () => readPost(request, response)));
  return router;
}

/** Returns the query string as it arrived. The signature covers its exact octets, which a parser would not preserve. */
const rawQueryOf = ({ originalUrl }: Request): string => (originalUrl.includes('?') ? originalUrl.slice(originalUrl.indexOf('?') + 1) : '');

async function readPost(request: Request, response: Response): Promise<UnverifiedMessage> {
  await readFormOctets(request, response);
  const message = readMessageForm(request.body, ['SAMLRequest', 'SAMLResponse']);
  checkRelayState(message.unverifiedRelayState);
  return message;
}

async function handleLogoutMessage(runtime: Runtime, response: Response, readMessage: () => Promise<UnverifiedMessage>): Promise<void> {
  response.locals.route = 'slo';
  response.setHeader('Cache-Control', 'no-store');
  const organization = await getOrganization(runtime.store, String(response.req.params.org));
  try {
    // After the organization is found, so that bodies for unknown ones are never read.
    const message = await readMessage();
    if (message.field === 'SAMLRequest') await handleLogoutRequest(runtime, response, { organization, message });
    else await handleLogoutResponse(runtime, response, { organization, message });
  } catch (error) {
    if (error instanceof GatewayError) {
      runtime.metrics.logouts.inc({ outcome: error.code });
      if (error.status < 500) countRefusal(runtime, organization.id, { kind: 'logout', code: error.code });
    }
    throw error;
  }
}

interface LogoutMessage {
  readonly organization: Organization;
  readonly message: UnverifiedMessage;
}

async function handleLogoutRequest(runtime: Runtime, response: Response, { organization, message }: LogoutMessage): Promise<void> {
  const actor = actorOf(response.req, response);
  const { ended, isKnown, answer } = await answerLogoutRequest(runtime, organization, { message, actor });
  runtime.metrics.logouts.inc({ outcome: isKnown ? 'by_identity_provider' : 'unknown_principal' });
  const context = { organization: organization.slug, ended, request_id: response.locals.requestId };
  if (isKnown) runtime.log.info(context, 'the identity provider ended sessions');
  else runtime.log.warn(context, 'the identity provider logged out a user who never signed in here');
  if (answer) return sendBrowserMessage(response, answer);
  // Without an endpoint for the answer, the browser stays here, and the logout at the identity provider is done.
  showOutcome(runtime, response, 'success');
}

async function handleLogoutResponse(runtime: Runtime, response: Response, { organization, message }: LogoutMessage): Promise<void> {
  const outcome = await finishSingleLogout(runtime, organization, message);
  runtime.metrics.logouts.inc({ outcome });
  runtime.log.info(
    { organization: organization.slug, outcome, request_id: response.locals.requestId },
    'the identity provider answered a logout',
  );
  showOutcome(runtime, response, outcome);
}

/** Redirects to the page after a logout. The cookie tells it the outcome, because in the URL anyone could forge it. */
function showOutcome(runtime: Runtime, response: Response, outcome: NonNullable<IdpLogout>): void {
  setCookie(runtime, response, 'logoutOutcome', outcome);
  response.redirect(303, '/logout');
}

/**
 * Returns the message that continues a logout at the identity provider, if it has single logout. The session has already
 * ended here, so a failure is only logged: an error page would suggest that the user is still signed in.
 */
export async function continueLogout(
  runtime: Runtime,
  response: Response,
  { organizationId, session }: { readonly organizationId: string; readonly session: MemberSession },
): Promise<BrowserMessage | undefined> {
  try {
    const organization = await getOrganizationById(runtime.store, organizationId);
    return organization && (await startSingleLogout(runtime, organization, session));
  } catch (error) {
    runtime.log.warn(
      { code: codeOf(error), request_id: response.locals.requestId },
      'could not start single logout; the session has ended here',
    );
    return undefined;
  }
}

const OUTCOMES: readonly NonNullable<IdpLogout>[] = ['success', 'partial', 'failed'];

/** Returns the outcome that the logout left for this page, and clears it. */
export function takeOutcome(runtime: Runtime, request: Request, response: Response): IdpLogout {
  const value = readCookie(runtime, request, 'logoutOutcome');
  if (value === undefined) return undefined;
  clearCookie(runtime, response, 'logoutOutcome');
  return OUTCOMES.find((outcome) => outcome === value);
}
