/** Turns a verified response into a session, once. */
import type { Actor } from '../../audit.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { wasClaimedByFormer } from '../../organizations/former-organizations.ts';
import { usesScimGroups } from '../../organizations/groups/group-roles.ts';
import { pinIdentifier } from '../../organizations/identity/pin-identifier.ts';
import { resolveMember } from '../../organizations/identity/resolve-member.ts';
import type { Member } from '../../organizations/members.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { foreseeOwnerChange, reportOwnerLoss, requireUnchanged } from '../../organizations/owners/owner-loss.ts';
import { exceededQuota, noteNewMember } from '../../organizations/quotas/quota-use.ts';
import { quotaExceeded } from '../../organizations/quotas/quotas.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Step, Stored } from '../../store/store.ts';
import { readSession } from '../sessions/browser-sessions.ts';
import { type Login, MEMBER_SESSION } from '../sessions/member-sessions.ts';
import { signOut } from '../sessions/sign-out.ts';
import type { BrowserContext } from './browser-context.ts';
import {
  checkAssertion,
  emailRefusal,
  type IdentifiedUser,
  type RequestMatch,
  roleDenied,
  stopAtFirstFailure,
  type VerifiedResponse,
  withScimGroups,
} from './check-assertion.ts';
import { assertionKey, claimAssertion } from './claims.ts';
import { requireSessionNotEnded } from './end-named-sessions.ts';
import {
  findLoginRequest,
  type LoginRequest,
  requireAnswerTo,
  requireFreshAnswer,
  requireSameBrowser,
  takeRequest,
} from './login-request.ts';
import { type OpenedSession, openSession, revokeAccess } from './open-session.ts';
import { describeSignIn, requireSameSignIn } from './repeated-response.ts';
import { safeReturnTo } from './return-to.ts';

export interface SignInAnswer {
  readonly verified: VerifiedResponse;
  /** The return URL of an unsolicited response. An answer to a request returns to the URL that is stored with the request. */
  readonly unverifiedRelayState: string | undefined;
  /** The pending request of this browser that the response claimed to answer before it was verified. */
  readonly claimedRequest: LoginRequest | undefined;
  readonly browser: BrowserContext;
}

export type SignInResult =
  | {
      readonly kind: 'signed_in';
      readonly sid: string;
      readonly returnTo: string;
      readonly member: Member;
      /** Value of the nonce cookie. It is new if the browser had none. */
      readonly browserNonce: string;
    }
  /** Like `signed_in`, but the browser may have a session of another organization. The user decides which one it keeps. */
  | { readonly kind: 'pending'; readonly sid: string; readonly member: Member; readonly browserNonce: string }
  /** The browser sent a response again that has signed it in, and still has the session. Nothing was written. */
  | { readonly kind: 'repeated'; readonly returnTo: string }
  /** The organization changed after it was read. Nothing was written; the response must be judged again. */
  | { readonly kind: 'outdated' }
  | Extract<RequestMatch, { kind: 'bounced' }>;

/**
 * Signs the user of a verified response in, once. The claims of assertion and request, the member, the session and the audit
 * entries are one commit, which succeeds only while the organization is as it was when the response was judged.
 * @throws saml_structure_ambiguous (second opinion), saml_in_response_to_unknown, saml_login_not_started_here,
 *   saml_unsolicited_forbidden, saml_replayed, saml_name_id_missing, saml_identifier_changed, saml_identifier_ambiguous,
 *   saml_email_missing, saml_expired (single logout ended the identity provider's session), saml_email_domain_forbidden,
 *   saml_role_denied, member_suspended, member_not_provisioned, conflict, store_unavailable
 */
export async function finishSignIn(runtime: Runtime, organization: Stored<Organization>, answer: SignInAnswer): Promise<SignInResult> {
  const { verified, browser } = answer;
  const checked = await checkAssertion(runtime, organization.value, {
    verified,
    run: stopAtFirstFailure,
    matchRequest: () => matchRequest(runtime, organization.value, answer),
  });
  if (checked.kind === 'bounced') return checked;
  const { match, user } = checked;
  if (match.kind === 'used') return answerRepeat(runtime, organization.value, { browser, user, claim: match.claim });
  const presentLogin = browser.sid === undefined ? undefined : await readSession(runtime, MEMBER_SESSION, browser.sid);
  const formerLogin = match.formerLogin ?? presentLogin;
  const isPending =
    browser.sid === undefined
      ? browser.mayHideSession || mayReplaceAnother(organization.value, [match.formerLogin?.organizationId, browser.signedInTo])
      : mayReplaceAnother(organization.value, [presentLogin?.organizationId]);
  return commitSignIn(runtime, organization, { verified, browser, user, match, formerLogin, isPending });
}

/**
 * Returns whether this sign-in may replace a session of another organization.
 * @param signedInTo the organizations that the browser may be signed in to. A visible session cookie decides alone; without one, the
 *   session may have started after the request, and an unsolicited response has no request
 */
const mayReplaceAnother = ({ id }: Organization, signedInTo: readonly (string | undefined)[]): boolean =>
  signedInTo.some((organizationId) => organizationId !== undefined && organizationId !== id);

/** Returns the refusal of a member, so that the assertion is claimed before the user is refused. @throws every other error */
function refusedMember(error: unknown) {
  if (!(error instanceof GatewayError) || error.status !== 403) throw error;
  return { kind: 'refused', refusal: error, requestSteps: [] } as const;
}

/** A refused user is no member. */
const NO_MEMBER = { known: undefined, pin: undefined, linkedBy: undefined };

interface CheckedSignIn {
  readonly verified: VerifiedResponse;
  readonly browser: BrowserContext;
  readonly user: IdentifiedUser;
  readonly match: Extract<RequestMatch, { kind: 'matched' }>;
  /** The session that this browser had. */
  readonly formerLogin: Login | undefined;
  /** Whether the user must be asked before the browser gets the session. */
  readonly isPending: boolean;
}

async function commitSignIn(
  runtime: Runtime,
  stored: Stored<Organization>,
  { verified, browser, user: checked, match, formerLogin, isPending }: CheckedSignIn,
): Promise<SignInResult> {
  const { connection, assertion, settings } = verified;
  const nowMs = runtime.now();
  const { value: organization } = stored;
  const pendingReturnTo = isPending ? match.returnTo : undefined;
  const claimsFor = (opened: OpenedSession | undefined): Step[] => [
    ...requireSessionNotEnded(connection, assertion),
    claimAssertion(settings.idpEntityId, assertion, nowMs, opened && describeSignIn({ ...opened, returnTo: match.returnTo, isPending })),
    ...match.take,
  ];
  return compareAndSet<SignInResult>(async () => {
    const resolved = await resolveMember(runtime.store, stored, { connection, user: checked, nowMs }).catch(refusedMember);
    if (resolved.kind === 'outdated') return resolved;
    const { known, pin: source, linkedBy } = resolved.kind === 'resolved' ? resolved : NO_MEMBER;
    const user = await withScimGroups(runtime.store, organization, { user: checked, connection, member: known?.value });
    const forbiddenEmail = emailRefusal(organization, user);
    const refusal = (resolved.kind === 'refused' ? resolved.refusal : undefined) ?? forbiddenEmail;
    const opened =
      refusal || user.decision.role === 'none'
        ? undefined
        : openSession(
            runtime,
            { organization, connection },
            { assertion, user, known, linkedBy, browser, formerLogin, pendingReturnTo, nowMs },
          );
    const claims = claimsFor(opened);
    const requestSteps = resolved.kind === 'refused' && !forbiddenEmail ? resolved.requestSteps : [];
    // A user without a role who would only now be linked to a member by the email address may be another user, so the member keeps the role.
    const changed = opened || !linkedBy ? known : undefined;
    const joinSteps = (opened && !known && resolved.kind === 'resolved' && resolved.joinSteps) || [];
    const steps = refusal ? requestSteps : [...(opened?.steps ?? revokeAccess(changed)), ...joinSteps];
    const owners = refusal
      ? requireUnchanged(stored) // such a refusal changes no role
      : await foreseeOwnerChange(runtime, stored, { before: changed?.value, after: opened?.member });
    const { auditSteps } = owners;
    // A refused user pins nothing.
    const pin = opened && source;
    const pinning = pin && pinIdentifier(owners.organizationStep, stored, { connection, source: pin, actor: browser.actor, nowMs });
    const { organizationStep, pinSteps } = pinning ?? { organizationStep: owners.organizationStep, pinSteps: [] };
    const result = await runtime.store.commit(organization.id, [...claims, organizationStep, ...steps, ...auditSteps, ...pinSteps], {
      // Revocations and settings wait for replicas, so that a failover cannot undo them.
      replicated: pin !== undefined || linkedBy !== undefined || (!opened && !refusal && steps.length > 0),
    });
    if (result.ok) {
      if (auditSteps.length > 0) await reportOwnerLoss(runtime, organization, 'sign_in');
      if (refusal) throw refusal;
      if (!opened) throw roleDenied(user);
      const { sid, member, browserNonce } = opened;
      if (!known) await noteNewMember(runtime, organization);
      if (isPending) return { kind: 'pending', sid, member, browserNonce };
      await endFormerSession(runtime, browser.actor, { formerLogin, member });
      return { kind: 'signed_in', sid, returnTo: match.returnTo, member, browserNonce };
    }
    if (result.failed === claims.length) return { kind: 'outdated' };
    const failed = claims[result.failed];
    if (failed?.do === 'claim')
      return answerRepeat(runtime, organization, { browser, user: checked, claim: await readClaim(runtime, organization, failed.key) });
    if (failed) throw claimError(failed);
    const quota = exceededQuota(steps[result.failed - claims.length - 1]);
    if (quota) throw quotaExceeded(runtime, organization, quota);
    return RETRY; // the member changed between read and write, for example because the same user signed in elsewhere
  }, 'you were not signed in');
}

/**
 * Finds the request that the verified InResponseTo names: a pending request of this organization, sent to this identity provider
 * and started in this browser. An unsolicited response is treated as the organization's settings say.
 * @throws saml_in_response_to_unknown, saml_login_not_started_here, saml_authn_context_mismatch, saml_unsolicited_forbidden,
 *   store_unavailable
 * @see saml-profiles §4.1.4.3, §4.1.5
 */
async function matchRequest(runtime: Runtime, organization: Organization, answer: SignInAnswer): Promise<RequestMatch> {
  const { claimedRequest, browser } = answer;
  const { assertion, settings } = answer.verified;
  const { inResponseTo } = assertion;
  if (inResponseTo === undefined) return matchUnsolicited(runtime, organization, answer);
  const request = claimedRequest?.requestId === inResponseTo ? claimedRequest : await findLoginRequest(runtime, organization, inResponseTo);
  if (!request) {
    // Read after the request was not found, so that the loser of a race between two copies learns the true reason.
    const claim = await runtime.store.peek(organization.id, assertionKey(settings.idpEntityId, assertion));
    if (claim === undefined) throw new GatewayError('saml_in_response_to_unknown');
    return { kind: 'used', claim };
  }
  requireAnswerTo(request, answer.verified);
  requireSameBrowser(request, browser.nonce);
  requireFreshAnswer(request, answer.verified);
  // The answer to a test never creates a session, even if only the signed part of the response shows that it is one.
  if (request.kind !== 'sign_in') throw new GatewayError('saml_in_response_to_unknown');
  return { kind: 'matched', take: [takeRequest(request)], returnTo: request.returnTo, formerLogin: request.formerLogin };
}

/** @throws saml_unsolicited_forbidden; saml_replayed if a deleted organization with the same slug has accepted the assertion */
async function matchUnsolicited(
  runtime: Runtime,
  organization: Organization,
  { verified, unverifiedRelayState }: SignInAnswer,
): Promise<RequestMatch> {
  const { id: connectionId, settings } = verified.connection;
  const { idpInitiated } = settings;
  if (idpInitiated === 'reject') throw new GatewayError('saml_unsolicited_forbidden');
  const returnTo = safeReturnTo(unverifiedRelayState, runtime.config.baseUrl, organization.allowedReturnUrls);
  if (idpInitiated === 'bounce') return { kind: 'bounced', connectionId, returnTo };
  // A solicited response cannot be such a copy: its request was deleted with the organization.
  const key = assertionKey(verified.settings.idpEntityId, verified.assertion);
  if (await wasClaimedByFormer(runtime.store, organization, key)) throw new GatewayError('saml_replayed');
  return { kind: 'matched', take: [], returnTo };
}

interface Repeat {
  readonly browser: BrowserContext;
  readonly user: IdentifiedUser;
  readonly claim: string;
}

/** @throws saml_replayed */
async function answerRepeat(runtime: Runtime, organization: Organization, { browser, user, claim }: Repeat): Promise<SignInResult> {
  const isDenied = user.decision.role === 'none' && !usesScimGroups(organization);
  if (isDenied || emailRefusal(organization, user)) throw new GatewayError('saml_replayed');
  return { kind: 'repeated', ...(await requireSameSignIn(runtime, organization, { claim, browserNonce: browser.nonce })) };
}

/** A claim that has just expired keeps nothing. */
const readClaim = async ({ store }: Runtime, { id }: Organization, key: string): Promise<string> => (await store.peek(id, key)) ?? '';

function claimError(step: Step): GatewayError {
  if (step.do === 'absent') {
    return new GatewayError('saml_expired', {
      detail: 'The identity provider signed you out while this sign-in was in progress.',
      administratorDetail: 'The identity provider ended this session by single logout before the sign-in finished.',
    });
  }
  return new GatewayError('saml_in_response_to_unknown');
}

interface SessionChange {
  readonly formerLogin: Login | undefined;
  readonly member: Member;
}

/** Ends the session that another member had in this browser. A failure is only logged, because the new member is already signed in. */
async function endFormerSession(runtime: Runtime, actor: Actor, { formerLogin, member }: SessionChange): Promise<void> {
  if (!formerLogin || formerLogin.memberId === member.id) return;
  try {
    await signOut(runtime, { ...actor, kind: 'member', id: formerLogin.memberId }, formerLogin);
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, member: formerLogin.memberId }, 'could not end the former session of this browser');
  }
}
