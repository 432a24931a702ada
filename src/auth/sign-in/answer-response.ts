/**
 * Answers a SAML response that a browser posts to the assertion consumer service. This is the one place that decides, from the
 * decoded form to an outcome; `http/` only carries out what the outcome says.
 */
import { auditStep } from '../../audit.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { getStoredOrganization } from '../../organizations/directory.ts';
import { requireIdentityProvider } from '../../organizations/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import type { UnverifiedMessage } from '../../saml/messages/bindings.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { Stored } from '../../store/store.ts';
import { recordSignIn } from '../sign-in-log/record-sign-in.ts';
import type { BrowserContext } from './browser-context.ts';
import { verifyResponse } from './check-assertion.ts';
import { finishSignIn, type SignInResult } from './finish-sign-in.ts';
import { finishTestSignIn } from './finish-test-sign-in.ts';
import { hasStartedSignIn } from './login-request.ts';
import { isTestRelayState } from './test-sign-in.ts';

/** The rate limits of the assertion consumer service. `http/rate-limits.ts` counts them. */
export interface ResponseLimits {
  /** Whether so many responses from this address, or for this organization, were refused that the next one needs a reason. */
  isOverRefusals(source: ResponseSource): boolean;
  /** Counts one more try for the request with this RelayState, and tells whether it is still allowed. */
  countTry(relayState: string | undefined): Promise<boolean>;
  /** Counts a refusal, and tells whether that was one too many, so that nothing is to be written about it. */
  countRefusal(source: ResponseSource, refusal: CountedRefusal): Promise<boolean>;
  /** The refusal of a response that is not examined. */
  tooManyRefusals(): GatewayError;
}

export interface ResponseSource {
  readonly address: string | undefined;
  readonly organizationId: string;
}

export interface CountedRefusal {
  readonly code: ErrorCode;
  /** Whether a valid signature covers the response. */
  readonly isGenuine: boolean;
}

/** A POST to the assertion consumer service. */
export interface PostedResponse {
  /** Reads and decodes the form. @throws saml_malformed, payload_too_large */
  readonly readForm: () => UnverifiedMessage;
  readonly browser: BrowserContext;
  readonly limits: ResponseLimits;
  /** Runs work when the HTTP response has been sent. */
  readonly afterAnswer: (work: () => void) => void;
}

export type SignInOutcome =
  | Exclude<SignInResult, { kind: 'outdated' }>
  /** A test sign-in has a result, good or bad. */
  | { readonly kind: 'tested'; readonly resultAt: string }
  | { readonly kind: 'refused'; readonly error: GatewayError };

/** A response that is judged again this often has met an organization that changes all the time. */
const MAX_ROUNDS = 20;

/** One judgement of a response, and how far it came. */
interface Round {
  readonly organization: Stored<Organization>;
  readonly posted: PostedResponse;
  readonly isFirst: boolean;
  /** Set once the form is decoded. */
  unverifiedXml?: string;
  /** Set once the response is verified. */
  assertion?: VerifiedAssertion;
}

/**
 * Decides about a posted response and records the outcome: audit trail, rate limits, metrics, log, sign-in log.
 *
 * An administrator's change that happens during the decision takes effect: the response is then judged again, by the changed
 * organization, as if it had just arrived.
 * @param organization the organization whose ACS received the response
 * @throws organization_unknown if the organization is deleted meanwhile; store_unavailable if a refusal cannot be recorded
 */
export async function answerResponse(runtime: Runtime, organization: Stored<Organization>, posted: PostedResponse): Promise<SignInOutcome> {
  let round: Round = { organization, posted, isFirst: true };
  for (let rounds = 1; ; rounds++) {
    const result = await judgeResponse(runtime, round);
    if (result.kind !== 'outdated') return recordOutcome(runtime, round, result);
    if (rounds === MAX_ROUNDS) return recordOutcome(runtime, round, { kind: 'refused', error: tooManyChanges() });
    const { slug } = organization.value;
    round = { organization: await getStoredOrganization(runtime.store, slug), posted, isFirst: false };
  }
}

const tooManyChanges = (): GatewayError =>
  new GatewayError('conflict', 'The settings of the organization changed too often during this sign-in. Sign in again.');

/** The decision about a response, in order. */
async function judgeResponse(runtime: Runtime, round: Round): Promise<SignInOutcome | SignInResult> {
  const { posted, isFirst } = round;
  const { browser } = posted;
  const organization = round.organization.value;
  try {
    requireIdentityProvider(organization);
    const { unverifiedXml, unverifiedRelayState: relayState } = posted.readForm();
    round.unverifiedXml = unverifiedXml;
    // A test is examined however many responses were refused, because only the browser that started it gets that far, once.
    if (isTestRelayState(relayState)) {
      const resultAt = await finishTestSignIn(runtime, organization, { unverifiedXml, relayState, browser });
      return { kind: 'tested', resultAt };
    }
    // Once per response, because asking counts as a try.
    if (isFirst) await requireReasonToExamine(runtime, organization, { posted, relayState });
    const verified = await verifyResponse(runtime, organization, unverifiedXml);
    round.assertion = verified.assertion;
    return await finishSignIn(runtime, round.organization, { verified, relayState, browser });
  } catch (error) {
    if (error instanceof GatewayError) return { kind: 'refused', error };
    throw error;
  }
}

/**
 * Checks that a response is worth examining. After too many refusals, only an answer to a sign-in that this browser started is.
 * @throws rate_limited
 */
async function requireReasonToExamine(
  runtime: Runtime,
  organization: Organization,
  { posted, relayState }: { readonly posted: PostedResponse; readonly relayState: string | undefined },
): Promise<void> {
  const { browser, limits } = posted;
  if (!limits.isOverRefusals({ address: browser.actor.address, organizationId: organization.id })) return;
  const isStarted = await hasStartedSignIn(runtime, organization, { relayState, browserNonce: browser.nonce });
  if (!isStarted || !(await limits.countTry(relayState))) throw limits.tooManyRefusals();
}

async function recordOutcome(runtime: Runtime, round: Round, outcome: SignInOutcome): Promise<SignInOutcome> {
  const { posted, unverifiedXml, assertion } = round;
  const { actor } = posted.browser;
  const organization = round.organization.value;
  if (assertion) reportExpiredCertificates(runtime, organization, assertion);
  if (outcome.kind === 'refused') {
    await recordRefusal(runtime, round, outcome.error);
  } else if (outcome.kind === 'signed_in') {
    const { member } = outcome;
    runtime.metrics.logins.inc({ outcome: 'accepted' });
    runtime.log.info(
      { organization: organization.slug, member: member.id, role: member.role, request_id: actor.requestId },
      'sign-in accepted',
    );
    posted.afterAnswer(() => recordSignIn(runtime, organization, { actor, unverifiedXml, assertion, member }));
  }
  return outcome;
}

function reportExpiredCertificates(runtime: Runtime, organization: Organization, assertion: VerifiedAssertion): void {
  for (const fingerprint of assertion.expiredCertificates) {
    runtime.metrics.expiredCertificates.inc();
    runtime.log.warn(
      { organization: organization.slug, fingerprint },
      'a SAML response was verified with an expired certificate of the identity provider',
    );
  }
}

/**
 * Counts a refusal, writes it to the audit trail and notes it for the sign-in log. A store that cannot be reached is only
 * counted in the metrics, and so is a response that was not examined because there are too many.
 */
async function recordRefusal(runtime: Runtime, round: Round, error: GatewayError): Promise<void> {
  const { posted, unverifiedXml, assertion } = round;
  const { actor } = posted.browser;
  const organization = round.organization.value;
  runtime.metrics.logins.inc({ outcome: error.code });
  if (error.status >= 500 || error.code === 'rate_limited') return;
  const source = { address: actor.address, organizationId: organization.id };
  if (await posted.limits.countRefusal(source, { code: error.code, isGenuine: assertion !== undefined })) return;
  posted.afterAnswer(() => recordSignIn(runtime, organization, { actor, unverifiedXml, assertion, error }));
  const { detail, wanted, got } = refusalFactsOf(error);
  const step = auditStep(runtime.now(), actor, 'login.refused', { code: error.code, details: { detail, wanted, got } });
  await runtime.store.commit(organization.id, [step]);
}
