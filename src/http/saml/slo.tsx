/** Single logout with the identity provider, in both directions and over both bindings. */
import express, { type Request, type Response, Router } from 'express';
import { clearCookie, readCookie, setCookie } from '../../auth/sessions/cookies.ts';
import { answerLogoutRequest, finishSingleLogout, startSingleLogout } from '../../auth/sign-in/single-logout.ts';
import type { IdpLogout } from '../../console/signed-out-page.tsx';
import { codeOf, GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { MemberSession } from '../../organizations/members.ts';
import { getOrganizationById, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { type BrowserMessage, checkRelayState, readRedirect, type UnverifiedMessage } from '../../saml/messages/bindings.ts';
import { limited } from '../rate-limits.ts';
import { actorOf } from '../request-context.ts';
import { sendBrowserMessage } from './browser-message.tsx';
import { MAX_FORM, readMessageForm } from './message-form.ts';

export function singleLogoutRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const readForm = express.raw({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM, inflate: false });
  const limit = limited(runtime, 'logout');
  router.get('/saml/:org/slo', limit, (request, response) => hear(runtime, request, response, () => readRedirect(queryOf(request))));
  router.post('/saml/:org/slo', limit, readForm, (request, response) => hear(runtime, request, response, () => readPost(request.body)));
  return router;
}

/** As it came: the signature is over its octets, which no parser gives back. */
const queryOf = ({ originalUrl }: Request): string => (originalUrl.includes('?') ? originalUrl.slice(originalUrl.indexOf('?') + 1) : '');

function readPost(body: unknown): UnverifiedMessage {
  const message = readMessageForm(body, ['SAMLRequest', 'SAMLResponse']);
  checkRelayState(message.unverifiedRelayState);
  return message;
}

async function hear(runtime: Runtime, request: Request, response: Response, read: () => UnverifiedMessage): Promise<void> {
  response.locals.route = 'slo';
  response.setHeader('Cache-Control', 'no-store');
  const organization = await getOrganization(runtime.store, String(request.params.org));
  try {
    const message = read();
    if (message.field === 'SAMLRequest') await answer(runtime, request, response, organization, message);
    else await finish(runtime, response, organization, message);
  } catch (error) {
    if (error instanceof GatewayError) runtime.metrics.logouts.inc({ outcome: error.code });
    throw error;
  }
}

/** The identity provider asks. */
async function answer(
  runtime: Runtime,
  request: Request,
  response: Response,
  organization: Organization,
  message: UnverifiedMessage,
): Promise<void> {
  const { ended, answer } = await answerLogoutRequest(runtime, organization, message, actorOf(request, response));
  runtime.metrics.logouts.inc({ outcome: 'by_identity_provider' });
  runtime.log.info({ organization: organization.slug, ended, request_id: response.locals.requestId }, 'identity provider ended sessions');
  if (answer) return sendBrowserMessage(response, answer);
  // It has nowhere to take an answer, and it is done there.
  setCookie(runtime, response, 'logoutOutcome', 'success');
  response.redirect(303, '/logout');
}

/** The identity provider answers. */
async function finish(runtime: Runtime, response: Response, organization: Organization, message: UnverifiedMessage): Promise<void> {
  const outcome = await finishSingleLogout(runtime, organization, message);
  runtime.metrics.logouts.inc({ outcome });
  runtime.log.info(
    { organization: organization.slug, outcome, request_id: response.locals.requestId },
    'identity provider answered a logout',
  );
  setCookie(runtime, response, 'logoutOutcome', outcome);
  response.redirect(303, '/logout');
}

/**
 * The message that goes on with a logout at the identity provider, where there is one. The session has ended by now, so
 * nothing that fails here may look as if it had not.
 */
export async function continueLogout(
  runtime: Runtime,
  response: Response,
  organizationId: string,
  session: MemberSession,
): Promise<BrowserMessage | undefined> {
  try {
    const organization = await getOrganizationById(runtime.store, organizationId);
    return organization && (await startSingleLogout(runtime, organization, session));
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, request_id: response.locals.requestId }, 'single logout could not be started; the session has ended here');
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
