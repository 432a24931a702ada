/** The SAML endpoints of an organization: metadata, login, assertion consumer service. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import { type Actor, auditStep } from '../../audit.ts';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import { sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { readCookie, setCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { loginOf, MEMBER_SESSION, readLogin } from '../../auth/sessions/member-sessions.ts';
import { askSecondOpinion } from '../../auth/sign-in/ask-second-opinion.ts';
import { finishSignIn, hasStartedSignIn, type SignInResult, startSignIn } from '../../auth/sign-in/sign-in.ts';
import { finishTestSignIn, isTestRelayState, requireTester, startTestSignIn } from '../../auth/sign-in/test-sign-in.ts';
import { recordSignIn } from '../../auth/sign-in-log/record-sign-in.ts';
import type { FinishedSignIn } from '../../auth/sign-in-log/sign-in-entry.ts';
import { GatewayError } from '../../errors.ts';
import { newSecret } from '../../ids.ts';
import { getOrganization, getStoredOrganization } from '../../organizations/directory.ts';
import {
  decryptionKeysFor,
  requireIdentityProvider,
  responseSettings,
  serviceProviderUrls,
} from '../../organizations/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { createSpMetadata } from '../../saml/metadata/sp-metadata.ts';
import { acceptResponse, type VerifiedAssertion } from '../../saml/response/response.ts';
import type { Stored } from '../../store/store.ts';
import { countRefusal, isOverRefusals, limited, mayTryAgain, refusedTooOften } from '../rate-limits.ts';
import { actorOf, afterAnswer } from '../request-context.ts';
import { sendBrowserMessage } from './browser-message.tsx';
import { MAX_FORM, readMessageForm } from './message-form.ts';

export function samlRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.param('org', (_request, response, next) => {
    response.locals.route = 'saml';
    next();
  });
  router.get('/saml/:org/metadata', async (request, response) => {
    const organization = await getOrganization(runtime.store, request.params.org);
    response.type('application/samlmetadata+xml').send(spMetadataOf(runtime, organization));
  });
  const sessions = sessionMiddleware(runtime, MEMBER_SESSION);
  const forTests: RequestHandler = (request, response, next) => (request.query.test === '1' ? sessions(request, response, next) : next());
  router.get('/saml/:org/login', limited(runtime, 'login_start'), forTests, async (request, response) => {
    const organization = await getOrganization(runtime.store, String(request.params.org));
    if (request.query.test === '1') {
      const tester = await findSessionPrincipal(runtime, loginOf(request));
      requireTester(tester, organization);
      return sendTestSignIn(runtime, request, response, organization, actorOf(request, response, tester), '/console/sign-ins');
    }
    const returnTo = typeof request.query.return_to === 'string' ? request.query.return_to : undefined;
    const nonce = browserNonce(runtime, request, response);
    sendBrowserMessage(response, await startSignIn(runtime, organization, returnTo, nonce, await readLogin(runtime, request)));
  });
  const readForm = express.raw({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM, inflate: false });
  router.post('/saml/:org/acs', readForm, (request, response) => answerAcs(runtime, request, response));
  return router;
}

export function spMetadataOf({ config }: Pick<Runtime, 'config'>, organization: Organization): string {
  const settings = organization.identityProvider?.settings;
  return createSpMetadata({
    ...serviceProviderUrls(config.baseUrl, organization.slug),
    certificates: organization.spKeys.map((key) => key.certificate),
    wantAssertionsSigned: settings?.requireSignedAssertion ?? false,
    authnRequestsSigned: settings?.signRequests ?? organization.identityProvider?.metadata.wantAuthnRequestsSigned ?? false,
    nameIdFormat: settings?.nameIdFormat,
    displayName: organization.name,
    logoUrl: organization.logoUrl,
    contactEmail: organization.contactEmail,
  });
}

/** Returns the nonce that binds sign-ins to this browser and extends the lifetime of its cookie. All tabs share one nonce. */
function browserNonce(runtime: Runtime, request: Request, response: Response): string {
  const present = readCookie(runtime, request, 'signInNonce');
  const nonce = present !== undefined && /^[\w-]{43}$/.test(present) ? present : newSecret();
  setCookie(runtime, response, 'signInNonce', nonce);
  return nonce;
}

/**
 * Sends the browser to the identity provider to try the sign-in. The caller has seen to it that they may.
 * @param resultsAt path of the page below which the result will be shown
 */
export async function sendTestSignIn(
  runtime: Runtime,
  request: Request,
  response: Response,
  organization: Organization,
  tester: Actor,
  resultsAt: string,
): Promise<void> {
  const nonce = browserNonce(runtime, request, response);
  sendBrowserMessage(response, await startTestSignIn(runtime, organization, { actor: tester, resultsAt }, nonce));
}

/** How far a message has come, for whoever wants to know why it ended there. */
type Progress = { -readonly [P in 'unverifiedXml' | 'assertion']: FinishedSignIn[P] };

type Outcome =
  | SignInResult
  | { readonly kind: 'tested'; readonly resultAt: string }
  | { readonly kind: 'refused'; readonly error: GatewayError };

async function answerAcs(runtime: Runtime, request: Request, response: Response): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  const actor = actorOf(request, response);
  for (let round = 1; ; round++) {
    const organization = await getStoredOrganization(runtime.store, String(request.params.org));
    response.locals.retryHref = `/saml/${organization.value.slug}/login`;
    const progress: Progress = { unverifiedXml: undefined, assertion: undefined };
    const outcome = await judge(runtime, request, organization, actor, progress, round === 1);
    // What an administrator has changed meanwhile counts: the message is judged by it, as if it came only now.
    if (outcome.kind === 'outdated' && round < MAX_ROUNDS) continue;
    return sayOutcome(runtime, response, organization.value, outcome.kind === 'outdated' ? tooManyChanges() : outcome, actor, progress);
  }
}

const MAX_ROUNDS = 20;

const tooManyChanges = () =>
  ({
    kind: 'refused',
    error: new GatewayError('conflict', 'The organization was changed too often meanwhile; nobody was signed in.'),
  }) as const;

async function judge(
  runtime: Runtime,
  request: Request,
  organization: Stored<Organization>,
  actor: Actor,
  progress: Progress,
  isFirst: boolean,
): Promise<Outcome> {
  try {
    requireIdentityProvider(organization.value);
    const { unverifiedXml, unverifiedRelayState: relayState } = readMessageForm(request.body, ['SAMLResponse']);
    progress.unverifiedXml = unverifiedXml;
    const browserNonce = readCookie(runtime, request, 'signInNonce');
    // It is looked at only where this browser has started it, and only once, however many were refused.
    if (isTestRelayState(relayState)) {
      const { resultAt } = await finishTestSignIn(runtime, organization.value, { unverifiedXml, relayState, browserNonce, actor });
      return { kind: 'tested', resultAt };
    }
    // Asked once for a message: it counts.
    if (isFirst) await requireReasonToLook(runtime, organization.value, actor.address, relayState, browserNonce);
    const decryptionKeys = await decryptionKeysFor(runtime, organization.value, unverifiedXml);
    const settings = responseSettings(organization.value, runtime.config.baseUrl, decryptionKeys);
    const assertion = acceptResponse(unverifiedXml, settings, runtime.now());
    progress.assertion = assertion;
    await askSecondOpinion(runtime, organization.value, unverifiedXml, settings, assertion);
    return await finishSignIn(runtime, organization, assertion, {
      relayState,
      browserNonce,
      actor,
      userAgent: request.headers['user-agent'],
      formerLogin: await readLogin(runtime, request),
    });
  } catch (error) {
    if (error instanceof GatewayError) return { kind: 'refused', error };
    throw error;
  }
}

async function sayOutcome(
  runtime: Runtime,
  response: Response,
  organization: Organization,
  outcome: Exclude<Outcome, { kind: 'outdated' }>,
  actor: Actor,
  progress: Progress,
): Promise<void> {
  if (progress.assertion) tellExpiredCertificates(runtime, organization, progress.assertion);
  if (outcome.kind === 'refused') {
    const { error } = outcome;
    await recordRefusal(runtime, response, organization, { actor, ...progress, result: { error } });
    throw error;
  }
  if (outcome.kind === 'tested') return seeOther(response, outcome.resultAt);
  if (outcome.kind === 'bounced') {
    return seeOther(response, `/saml/${organization.slug}/login?return_to=${encodeURIComponent(outcome.returnTo)}`);
  }
  setSignedCookie(runtime, response, 'member', outcome.sid);
  const { member } = outcome;
  runtime.metrics.logins.inc({ outcome: 'accepted' });
  runtime.log.info(
    { organization: organization.slug, member: member.id, role: member.role, request_id: response.locals.requestId },
    'login accepted',
  );
  afterAnswer(response, () => recordSignIn(runtime, organization, { actor, ...progress, result: { member } }));
  seeOther(response, outcome.returnTo);
}

/** A browser goes on by the header alone; a page for whoever does not would be made for nobody. */
const seeOther = (response: Response, to: string): void => void response.status(303).location(to).end();

/**
 * Where too many messages were refused, one is looked at only where it answers a sign-in that this browser has started.
 * @throws rate_limited
 */
async function requireReasonToLook(
  runtime: Runtime,
  organization: Organization,
  address: string | undefined,
  relayState: string | undefined,
  browserNonce: string | undefined,
): Promise<void> {
  if (!isOverRefusals(runtime, address, organization.id)) return;
  const isStarted = await hasStartedSignIn(runtime, organization, relayState, browserNonce);
  if (!isStarted || !(await mayTryAgain(runtime, relayState))) throw refusedTooOften();
}

function tellExpiredCertificates(runtime: Runtime, organization: Organization, assertion: VerifiedAssertion): void {
  for (const fingerprint of assertion.expiredCertificates) {
    runtime.metrics.expiredCertificates.inc();
    runtime.log.warn(
      { organization: organization.slug, fingerprint },
      'login verified with an identity provider certificate past its date',
    );
  }
}

/**
 * A refusal is counted, written to the organization's audit trail and noted for its sign-in log; but for a store that can't be
 * reached, and what was not even looked at because there is too much of it.
 */
async function recordRefusal(
  runtime: Runtime,
  response: Response,
  organization: Organization,
  ended: FinishedSignIn & { readonly result: { readonly error: GatewayError } },
): Promise<void> {
  const { error } = ended.result;
  runtime.metrics.logins.inc({ outcome: error.code });
  if (error.status >= 500 || error.code === 'rate_limited') return;
  if (await countRefusal(runtime, ended.actor.address, organization.id, error.code, ended.assertion !== undefined)) return;
  afterAnswer(response, () => recordSignIn(runtime, organization, ended));
  const { detail, wanted, got } = error.facts;
  const step = auditStep(runtime.now(), ended.actor, 'login.refused', { code: error.code, details: { detail, wanted, got } });
  await runtime.store.commit(organization.id, [step]);
}
