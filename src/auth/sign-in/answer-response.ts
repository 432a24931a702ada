/**
 * Answers a SAML response that a browser posts to the assertion consumer service. The decision is made here, from the form to
 * the outcome. `http/` reads the request, and sets the cookie or redirects as the outcome says.
 */
import { countRefusal } from '../../audit-trail/refusal-counts.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { findConnection, type OrganizationConnection, requireDefaultConnection } from '../../organizations/connections/connections.ts';
import { serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import { canRecoverKeys, recoverKeys } from '../../organizations/connections/recover-keys.ts';
import { getStoredOrganization } from '../../organizations/directory.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { needsUnknownKey } from '../../saml/crypto/signature.ts';
import type { UnverifiedMessage } from '../../saml/messages/bindings.ts';
import { unverifiedDestinationOf, unverifiedIssuerOf } from '../../saml/messages/unverified-issuer.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { unverifiedInResponseTo } from '../../saml/response/response-structure.ts';
import type { Stored } from '../../store/store.ts';
import { recordSignIn } from '../sign-in-log/record-sign-in.ts';
import { auditRefusal } from '../sign-in-log/refusal-audit.ts';
import type { BrowserContext, Client } from './browser-context.ts';
import { type VerifiedResponse, verifyResponse } from './check-assertion.ts';
import { finishSignIn, type SignInResult } from './finish-sign-in.ts';
import { finishTestSignIn, type TestResult } from './finish-test-sign-in.ts';
import { findClaimedRequest, type LoginRequest, type TestRequest } from './login-request.ts';
import { requireActive, selectConnection } from './select-connection.ts';

/** The rate limits of the assertion consumer service. `http/limits/response-limits.ts` counts them. */
export interface ResponseLimits {
  /**
   * Admits a response before its body is read.
   * @param mayAnswerRequest whether the browser has the cookie of a started sign-in. It is not verified.
   * @throws rate_limited
   */
  admit(source: ResponseSource, mayAnswerRequest: boolean): Admission;
  /** Counts an unsolicited response for which metadata would be fetched. Returns whether it may be. */
  countUnsolicitedFetch(address: string | undefined): Promise<boolean>;
}

/** A response that was admitted. */
export interface Admission {
  /**
   * Checks that this is not one more copy of a response that was examined before. It is refused before its signature is verified.
   * @throws rate_limited
   */
  requireNewResponse(unverifiedXml: string): void;
  /** Occupies one of the copies that the limit allows. Call it when the signature is verified, because anyone can send other copies. */
  reserveCopy(): void;
  /**
   * Checks that a response is worth examining. After too many refusals, it must claim to answer a sign-in that this browser started.
   * @param requestId the pending request of this browser that the response claims to answer
   * @throws rate_limited
   */
  requireReason(requestId: string | undefined): Promise<void>;
  /**
   * Waits until it is this response's turn to be verified.
   * @returns a function that ends the turn
   * @throws rate_limited if too many responses wait, or if the client is gone
   */
  takeTurn(waiting: WaitingResponse): Promise<() => void>;
  /** Counts a refusal. Returns whether it exceeds the limit, so that it is not recorded. */
  countRefusal(refusal: CountedRefusal): Promise<boolean>;
  /** Returns what the requests that led to a sign-in have counted. Call it only if the sign-in consumed a started request. */
  countAccepted(): Promise<void>;
  /** Ends the examination. Until then, the response occupies one of the refusals that the limits allow. */
  release(): void;
}

export interface WaitingResponse {
  /** Octets of the form. */
  readonly octets: number;
  readonly client: Client;
  /** The pending request of this browser that the response claims to answer. */
  readonly requestId: string | undefined;
}

export interface ResponseSource {
  readonly address: string | undefined;
  readonly organizationId: string;
}

export interface CountedRefusal {
  /** Undefined if the response was not refused, but did not sign the user in either. */
  readonly code: ErrorCode | undefined;
  /** Set if a valid signature covers the response. */
  readonly assertionId: string | undefined;
}

export interface ResponseForm extends UnverifiedMessage {
  /** Octets of the form. */
  readonly octets: number;
}

/** A POST to the assertion consumer service. */
export interface PostedResponse {
  /** Reads and decodes the form. Later calls return the same. @throws saml_malformed, payload_too_large */
  readonly readForm: () => Promise<ResponseForm>;
  readonly client: Client;
  readonly browser: BrowserContext;
  readonly limits: ResponseLimits;
  /** Runs work when the HTTP response has been sent. */
  readonly afterAnswer: (work: () => void) => void;
}

export type SignInOutcome =
  | Exclude<SignInResult, { kind: 'outdated' }>
  /** A test sign-in has a result, accepted or refused. */
  | Extract<TestResult, { kind: 'tested' }>
  | { readonly kind: 'refused'; readonly error: GatewayError };

/** Gives up on an organization that changes faster than a response can be judged. */
const MAX_ROUNDS = 20;

/** One attempt to judge a response, and how far it got. */
interface Round {
  readonly organization: Stored<Organization>;
  readonly posted: PostedResponse;
  readonly isFirst: boolean;
  /** Set once the limits have admitted the response. */
  admission?: Admission;
  /** The ID of the test whose response this is. Set while no other response to it is examined as one. */
  testId?: string;
  /** Set once the form is decoded. */
  unverifiedXml?: string;
  /** Set once the Issuer has selected it. */
  connection?: Connection;
  /** Set once the response is verified. */
  assertion?: VerifiedAssertion;
}

/**
 * Decides about a posted response and records the outcome in audit trail, rate limits, metrics, log and sign-in log.
 *
 * If an administrator changes the organization during the decision, the response is judged again, as if it had arrived after
 * the change.
 * @param organization the organization whose ACS received the response
 * @throws organization_unknown if the organization is deleted meanwhile; store_unavailable if a refusal cannot be recorded
 */
export async function answerResponse(runtime: Runtime, organization: Stored<Organization>, posted: PostedResponse): Promise<SignInOutcome> {
  let round: Round = { organization, posted, isFirst: true };
  try {
    for (let rounds = 1; ; rounds++) {
      const result = await judgeResponse(runtime, round);
      if (result.kind !== 'outdated') return await recordOutcome(runtime, round, result);
      if (rounds === MAX_ROUNDS) return await recordOutcome(runtime, round, { kind: 'refused', error: tooManyChanges() });
      const { slug } = organization.value;
      const { admission, testId } = round;
      const present = await getStoredOrganization(runtime.store, slug);
      round = { organization: present, posted, isFirst: false, ...(admission && { admission }), ...(testId !== undefined && { testId }) };
    }
  } finally {
    round.admission?.release();
    if (round.testId !== undefined) testsOf(runtime).delete(round.testId);
  }
}

const tooManyChanges = (): GatewayError =>
  new GatewayError('conflict', 'The organization’s settings changed too often during this sign-in. Sign in again.');

/** Judges a response, step by step. A GatewayError of any step becomes a refusal. */
async function judgeResponse(runtime: Runtime, round: Round): Promise<SignInOutcome | SignInResult> {
  const { posted, isFirst } = round;
  const { browser } = posted;
  const organization = round.organization.value;
  try {
    requireDefaultConnection(organization);
    const source = { address: browser.actor.address, organizationId: organization.id };
    round.admission ??= posted.limits.admit(source, browser.nonce !== undefined);
    const form = await posted.readForm();
    const { unverifiedXml, unverifiedRelayState, octets } = form;
    round.unverifiedXml = unverifiedXml;
    const claimedRequest = await findClaimedRequest(runtime, organization, { unverifiedXml, browserNonce: browser.nonce });
    // Tests are exempt from the refusal limits: each has one result, in the browser that started it. Copies meanwhile are not.
    if (claimedRequest?.kind === 'test' && claimTest(runtime, round, claimedRequest))
      return await judgeTest(runtime, round, { form, claimedRequest });
    if (isFirst) round.admission.requireNewResponse(unverifiedXml);
    const endTurn = await round.admission.takeTurn({ octets, client: posted.client, requestId: claimedRequest?.requestId });
    const verified = await verifyInTurn(runtime, round, { unverifiedXml, posted, claimedRequest, endTurn }).finally(endTurn);
    if (!verified) return { kind: 'outdated' };
    round.assertion = verified.assertion;
    if (isFirst) round.admission.reserveCopy();
    return await finishSignIn(runtime, round.organization, { verified, unverifiedRelayState, claimedRequest, browser });
  } catch (error) {
    if (error instanceof GatewayError) return { kind: 'refused', error };
    throw error;
  }
}

/** The IDs of the tests whose responses are being examined. */
const testsOf = perRuntime(() => new Set<string>());

/** Returns whether this is the only response that is examined as the result of the test. */
function claimTest(runtime: Runtime, round: Round, { requestId }: TestRequest): boolean {
  if (round.testId === requestId) return true;
  if (testsOf(runtime).has(requestId)) return false;
  testsOf(runtime).add(requestId);
  round.testId = requestId;
  return true;
}

/** Judges the response to a test. Each of its verifications has a turn. */
async function judgeTest(
  runtime: Runtime,
  { organization, posted, admission }: Round,
  { form, claimedRequest }: { readonly form: ResponseForm; readonly claimedRequest: TestRequest },
): Promise<TestResult> {
  const { unverifiedXml, octets } = form;
  const inTurn = async <T>(verify: (endTurn: () => void) => Promise<T>): Promise<T> => {
    const endTurn = (await admission?.takeTurn({ octets, client: posted.client, requestId: claimedRequest.requestId })) ?? (() => {});
    return verify(endTurn).finally(endTurn);
  };
  const isRecovered = await inTurn((endTurn) =>
    recoversKeysForTest(runtime, organization.value, { unverifiedXml, posted, claimedRequest, endTurn }),
  );
  if (isRecovered) return { kind: 'outdated' };
  const { browser } = posted;
  return inTurn((endTurn) => finishTestSignIn(runtime, organization, { unverifiedXml, request: claimedRequest, browser, endTurn }));
}

interface UnverifiedAnswer {
  /** Ends the turn of the response. */
  readonly endTurn: () => void;
  readonly unverifiedXml: string;
  readonly posted: PostedResponse;
  readonly claimedRequest: LoginRequest | undefined;
}

/** @returns undefined if the connection has new keys, so that the response must be judged again */
async function verifyInTurn(runtime: Runtime, round: Round, answer: UnverifiedAnswer): Promise<VerifiedResponse | undefined> {
  const organization = round.organization.value;
  if (round.isFirst) {
    // Copies may have been examined while this one waited.
    round.admission?.requireNewResponse(answer.unverifiedXml);
    // In the first round only, because this counts as a try.
    await round.admission?.requireReason(answer.claimedRequest?.requestId);
  }
  const connection = selectConnection(organization, answer.unverifiedXml);
  round.connection = connection;
  requireActive(connection);
  return verifyOrRecoverKeys(runtime, { organization, connection }, answer);
}

/**
 * Verifies a response. If only a key is missing, because the identity provider has a new certificate, the metadata may be fetched.
 * @returns undefined if the connection has new keys, so that the response must be judged again
 */
async function verifyOrRecoverKeys(
  runtime: Runtime,
  at: OrganizationConnection,
  answer: UnverifiedAnswer,
): Promise<VerifiedResponse | undefined> {
  try {
    return await verifyResponse(runtime, at, answer.unverifiedXml);
  } catch (error) {
    // A fetch may take seconds.
    answer.endTurn();
    if (!needsUnknownKey(error) || !(await isWorthFetching(runtime, at, answer)) || !(await recoverKeys(runtime, at))) throw error;
    return undefined;
  }
}

/** Like {@link verifyOrRecoverKeys}, for a test. Its refusals are findings of the test, so they are left to it. */
async function recoversKeysForTest(
  runtime: Runtime,
  organization: Organization,
  answer: UnverifiedAnswer & { readonly claimedRequest: TestRequest },
): Promise<boolean> {
  const connection = findConnection(organization, answer.claimedRequest.connectionId);
  if (!connection || !canRecoverKeys(connection)) return false;
  try {
    return (await verifyOrRecoverKeys(runtime, { organization, connection }, answer)) === undefined;
  } catch (error) {
    if (error instanceof GatewayError && error.status < 500) return false;
    throw error;
  }
}

/**
 * Returns whether metadata may be fetched for a response with an unknown key. Its Issuer is that of the connection. It must be sent
 * to this ACS, and claim to answer a pending request of this browser to this connection, or be unsolicited and within a rate limit.
 */
async function isWorthFetching(
  { config }: Runtime,
  { organization, connection }: OrganizationConnection,
  { unverifiedXml, posted, claimedRequest }: UnverifiedAnswer,
): Promise<boolean> {
  if (!canRecoverKeys(connection)) return false;
  // If it is the only connection, the Issuer has selected nothing so far.
  const { entityId } = connection.metadata;
  if ((unverifiedIssuerOf(unverifiedXml) ?? entityId) !== entityId) return false;
  const destination = unverifiedDestinationOf(unverifiedXml);
  if (destination !== undefined && destination !== serviceProviderUrls(config.baseUrl, organization.slug).acsUrl) return false;
  if (claimedRequest) return claimedRequest.connectionId === connection.id;
  if (unverifiedInResponseTo(unverifiedXml) !== undefined || connection.settings.idpInitiated !== 'accept') return false;
  return posted.limits.countUnsolicitedFetch(posted.browser.actor.address);
}

async function recordOutcome(runtime: Runtime, round: Round, outcome: SignInOutcome): Promise<SignInOutcome> {
  const { posted, connection, unverifiedXml, assertion, admission } = round;
  const { actor } = posted.browser;
  const organization = round.organization.value;
  if (assertion) reportExpiredCertificates(runtime, organization, assertion);
  if (outcome.kind === 'refused') {
    await recordRefusal(runtime, round, outcome.error);
  } else if (outcome.kind === 'signed_in' || outcome.kind === 'pending') {
    const { member } = outcome;
    runtime.metrics.countLogin('accepted', organization.slug);
    runtime.log.info(
      { organization: organization.slug, member: member.id, role: member.role, request_id: actor.requestId },
      'sign-in accepted',
    );
    posted.afterAnswer(() => {
      // An organization can sign its users in without a started request as often as it likes.
      if (assertion?.inResponseTo !== undefined) void admission?.countAccepted();
      recordSignIn(runtime, organization, { actor, connection, unverifiedXml, assertion, member });
    });
  } else if (outcome.kind === 'repeated' || outcome.kind === 'bounced') {
    if (outcome.kind === 'repeated') runtime.metrics.countLogin('repeated', organization.slug);
    await admission?.countRefusal({ code: undefined, assertionId: assertion?.assertionId });
  }
  return outcome;
}

function reportExpiredCertificates(runtime: Runtime, organization: Organization, assertion: VerifiedAssertion): void {
  for (const fingerprint of assertion.expiredCertificates) {
    runtime.metrics.expiredCertificates.inc();
    const fields = { organization: organization.slug, fingerprint };
    runtime.log.warn(fields, 'a SAML response was verified with an expired certificate of the identity provider');
  }
}

/**
 * Records a refusal in rate limits, metrics, audit trail or refusal counters, and the sign-in log. Failures of the gateway appear in
 * the metrics only. Responses that exceed a limit are only counted.
 */
async function recordRefusal(runtime: Runtime, round: Round, error: GatewayError): Promise<void> {
  const { posted, connection, unverifiedXml, assertion, admission } = round;
  const { actor } = posted.browser;
  const organization = round.organization.value;
  const { code } = error;
  runtime.metrics.countLogin(code, organization.slug);
  if (error.status >= 500) return;
  // A response that was read costs something, even if it was not examined.
  const isOverLimit = await admission?.countRefusal({ code, assertionId: assertion?.assertionId });
  if (isOverLimit || code === 'rate_limited') return countRefusal(runtime, organization.id, { kind: 'sign_in', code });
  posted.afterAnswer(() => recordSignIn(runtime, organization, { actor, connection, unverifiedXml, assertion, error }));
  await auditRefusal(runtime, organization, { actor, connection, assertion, error });
}
