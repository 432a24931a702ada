/**
 * A login, from both ends: `startSignIn` remembers a request and sends the browser to the identity provider; `finishSignIn`
 * takes a verified assertion and lets its person in, once.
 */
import { timingSafeEqual } from 'node:crypto';
import { type Actor, auditStep } from '../../audit.ts';
import { codeOf, GatewayError } from '../../errors.ts';
import { hashOf, newId, newSecret, sha256 } from '../../ids.ts';
import { attributeMapping, requireIdentityProvider, serviceProviderUrls } from '../../organizations/identity-providers.ts';
import { identityKey, MEMBERS, type Member, roleBy } from '../../organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../organizations/organizations.ts';
import { decideRole, type RoleDecision } from '../../organizations/role-mapping.ts';
import { openMessageSigningKey } from '../../organizations/sp-keys.ts';
import type { Runtime } from '../../runtime.ts';
import { createAuthnRequest } from '../../saml/messages/authn-request.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import { type Person, readPerson } from '../../saml/response/person.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { newSid } from '../sessions/browser-sessions.ts';
import { type Login, putLogin } from '../sessions/member-sessions.ts';
import { signOut } from '../sessions/sign-out.ts';
import { claimUntil } from './claims.ts';
import { safeReturnTo } from './return-to.ts';
import { notEnded } from './single-logout.ts';

/** How long a person may take at the identity provider. */
export const REQUEST_TTL_SECONDS = 30 * 60;
const MAX_SESSIONS = 20;

/** What is remembered of a request to the identity provider, under its RelayState. */
export interface LoginRequest {
  readonly requestId: string;
  readonly returnTo: string;
  /** SHA-256 of the browser's nonce cookie: who posts the response must be who asked for it. */
  readonly browserHash: string;
  readonly idpEntityId: string;
  /** The session that this browser had; it ends with the login. Remembered here, as the response's cross-site POST brings no Lax cookie. */
  readonly formerLogin?: Login | undefined;
}

const requestKey = (relayState: string): string => `login:${sha256(relayState)}`;
const assertionKey = (idpEntityId: string, assertionId: string): string => `assertion:${hashOf(idpEntityId, assertionId)}`;

/**
 * Starts an SP-initiated login.
 * @param browserNonce the value of the nonce cookie of this browser
 * @param formerLogin the session that this browser has
 * @throws idp_not_configured, store_unavailable
 */
export async function startSignIn(
  runtime: Runtime,
  organization: Organization,
  returnTo: string | undefined,
  browserNonce: string,
  formerLogin?: Login,
): Promise<BrowserMessage> {
  const relayState = newSecret();
  const { message, request } = await askIdentityProvider(runtime, organization, relayState, browserNonce, returnTo);
  const value = JSON.stringify({ ...request, formerLogin } satisfies LoginRequest);
  await runtime.store.commit(organization.id, [{ do: 'put', key: requestKey(relayState), value, ttlSeconds: REQUEST_TTL_SECONDS }]);
  return message;
}

/**
 * Makes a request to the organization's identity provider, and what to remember of it.
 * @throws idp_not_configured
 */
export async function askIdentityProvider(
  runtime: Runtime,
  organization: Organization,
  relayState: string,
  browserNonce: string,
  returnTo: string | undefined,
): Promise<{ readonly message: BrowserMessage; readonly request: LoginRequest }> {
  const { metadata, settings } = requireIdentityProvider(organization);
  const { entityId, acsUrl } = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
  const request: LoginRequest = {
    requestId: `_${newSecret()}`,
    returnTo: safeReturnTo(returnTo, runtime.config.baseUrl, organization.allowedReturnUrls),
    browserHash: sha256(browserNonce),
    idpEntityId: metadata.entityId,
  };
  const { redirect, post } = metadata.singleSignOn;
  const ssoUrl = redirect ?? post;
  if (ssoUrl === undefined) throw new GatewayError('idp_not_configured', 'The identity provider has no sign-on endpoint that can be used.');
  const signs = settings.signRequests ?? metadata.wantAuthnRequestsSigned;
  const message = await createAuthnRequest({
    id: request.requestId,
    entityId,
    acsUrl,
    ssoUrl,
    binding: redirect === undefined ? 'post' : 'redirect',
    relayState,
    signWith: signs ? await openMessageSigningKey(runtime, organization) : undefined,
    nameIdFormat: settings.nameIdFormat,
    forceAuthn: settings.forceAuthn,
    authnContext: settings.authnContext,
  });
  return { message, request };
}

/** The browser's side of an answer to the ACS. */
export interface SignInAttempt {
  readonly relayState: string | undefined;
  readonly browserNonce: string | undefined;
  readonly actor: Actor;
  readonly userAgent: string | undefined;
  /** The session that this browser had, if any; it ends with the login. */
  readonly formerLogin: Login | undefined;
}

export type SignInResult =
  | { readonly kind: 'signed_in'; readonly sid: string; readonly login: Login; readonly returnTo: string; readonly member: Member }
  /** The organization is not as it was when it was read: nothing has happened, and the message is to be judged anew. */
  | { readonly kind: 'outdated' }
  /** `idp_initiated: bounce`: the assertion is discarded, an SP-initiated login follows. */
  | { readonly kind: 'bounced'; readonly returnTo: string };

/**
 * Lets the person of a verified assertion in, once: the claim of the assertion and of the request, the member, the session
 * and the audit entry are one commit, and it happens only while the organization is still as it was judged by.
 * @throws saml_in_response_to_unknown, saml_login_not_started_here, saml_unsolicited_forbidden, saml_replayed,
 *   saml_name_id_missing, saml_email_missing, saml_expired (its session was ended by single logout), saml_role_denied,
 *   member_suspended, store_unavailable
 */
export async function finishSignIn(
  runtime: Runtime,
  { value: organization, version }: Stored<Organization>,
  assertion: VerifiedAssertion,
  attempt: SignInAttempt,
): Promise<SignInResult> {
  const identityProvider = requireIdentityProvider(organization);
  const idpEntityId = identityProvider.metadata.entityId;
  const claimKey = assertionKey(idpEntityId, assertion.assertionId);
  const origin = await originOf(runtime, organization, assertion, attempt, claimKey); // 18
  if (origin.kind === 'bounced') return origin;
  const formerLogin = origin.formerLogin ?? attempt.formerLogin;
  const nowMs = runtime.now();
  const claims: Step[] = [
    ...notEnded(organization, assertion),
    claimAssertion(idpEntityId, assertion, nowMs),
    ...origin.take,
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version },
  ];
  const person = readPerson(assertion, attributeMapping(identityProvider)); // 20
  const identity = identityKey(idpEntityId, person);
  const decision = decideRole(organization.roleMapping, person.groups);
  return compareAndSet<SignInResult>(async () => {
    const known = await runtime.store.getUnique(organization.id, MEMBERS, 'identity', identity);
    if (known?.value.suspended) throw new GatewayError('member_suspended');
    const entry =
      decision.role === 'none'
        ? undefined
        : await letIn(runtime, organization, assertion, { ...attempt, formerLogin }, { person, identity, decision, known, nowMs });
    const steps = entry?.steps ?? shutOut(known);
    // Who is shut out loses what they had: like every end of a credential, that survives a failover.
    const result = await runtime.store.commit(organization.id, [...claims, ...steps], { replicated: !entry && steps.length > 0 });
    if (result.ok) {
      if (!entry) throw roleDenied(person);
      await endFormerSession(runtime, attempt.actor, formerLogin, entry.member);
      return { kind: 'signed_in', sid: entry.sid, login: entry.login, returnTo: origin.returnTo, member: entry.member };
    }
    const failed = claims[result.failed];
    if (failed?.do === 'require') return { kind: 'outdated' };
    if (failed) throw claimFailed(failed);
    return RETRY; // somebody else changed the member between reading and writing (another login of the same person)
  }, 'nobody was signed in');
}

/** The session of somebody else that this browser had. The person is let in by now: where the store fails just then, it is told in the log. */
async function endFormerSession(runtime: Runtime, actor: Actor, formerLogin: Login | undefined, { id }: Member): Promise<void> {
  if (!formerLogin || formerLogin.memberId === id) return;
  try {
    await signOut(runtime, { ...actor, kind: 'member', id: formerLogin.memberId }, formerLogin);
  } catch (error) {
    const code = codeOf(error);
    runtime.log.warn({ code, member: formerLogin.memberId }, 'the session that this browser had before was not ended');
  }
}

/** The claim of an assertion: once, as long as it could be accepted. */
export const claimAssertion = (idpEntityId: string, assertion: VerifiedAssertion, nowMs: number): Step =>
  claimUntil(assertionKey(idpEntityId, assertion.assertionId), assertion.acceptableUntilMs, nowMs);

function claimFailed(step: Step): GatewayError {
  if (step.do === 'absent') return new GatewayError('saml_expired', 'The identity provider has ended this login already.');
  return new GatewayError(step.do === 'claim' ? 'saml_replayed' : 'saml_in_response_to_unknown');
}

type Origin =
  | { readonly kind: 'known'; readonly take: readonly Step[]; readonly returnTo: string; readonly formerLogin?: Login | undefined }
  | { readonly kind: 'bounced'; readonly returnTo: string };

/** Rule 18: a request of this organization and of this browser, alive and unused; or an unsolicited response, as the setting has it. */
async function originOf(
  runtime: Runtime,
  organization: Organization,
  assertion: VerifiedAssertion,
  attempt: SignInAttempt,
  claimKey: string,
): Promise<Origin> {
  const { relayState } = attempt;
  if (assertion.inResponseTo === undefined) return unsolicited(runtime, organization, relayState);
  const key = relayState === undefined ? undefined : requestKey(relayState);
  const value = key === undefined ? undefined : await runtime.store.peek(organization.id, key);
  if (key === undefined || value === undefined) {
    // Read after the request was not found, so that the loser of a race is told the truth.
    if ((await runtime.store.peek(organization.id, claimKey)) !== undefined) throw new GatewayError('saml_replayed');
    throw new GatewayError('saml_in_response_to_unknown');
  }
  const request = JSON.parse(value) as LoginRequest;
  requireAnswerTo(request, organization, assertion);
  requireSameBrowser(request, attempt.browserNonce);
  return { kind: 'known', take: [{ do: 'take', key }], returnTo: request.returnTo, formerLogin: request.formerLogin };
}

/** @throws saml_in_response_to_unknown */
export function requireAnswerTo({ requestId, idpEntityId }: LoginRequest, organization: Organization, assertion: VerifiedAssertion): void {
  if (requestId !== assertion.inResponseTo || idpEntityId !== organization.identityProvider?.metadata.entityId) {
    throw new GatewayError('saml_in_response_to_unknown');
  }
}

/** Whether this browser has started a sign-in here to which this RelayState belongs. One read; nothing is taken. */
export async function hasStartedSignIn(
  { store }: Runtime,
  organization: Organization,
  relayState: string | undefined,
  browserNonce: string | undefined,
): Promise<boolean> {
  const value = relayState === undefined ? undefined : await store.peek(organization.id, requestKey(relayState));
  return value !== undefined && isSameBrowser(JSON.parse(value) as LoginRequest, browserNonce);
}

/** @throws saml_login_not_started_here */
export function requireSameBrowser(request: LoginRequest, browserNonce: string | undefined): void {
  if (!isSameBrowser(request, browserNonce)) throw new GatewayError('saml_login_not_started_here');
}

const isSameBrowser = (request: LoginRequest, browserNonce: string | undefined): boolean =>
  browserNonce !== undefined && timingSafeEqual(Buffer.from(sha256(browserNonce)), Buffer.from(request.browserHash));

function unsolicited(runtime: Runtime, organization: Organization, relayState: string | undefined): Origin {
  const { idpInitiated } = requireIdentityProvider(organization).settings;
  if (idpInitiated === 'reject') throw new GatewayError('saml_unsolicited_forbidden');
  const returnTo = safeReturnTo(relayState, runtime.config.baseUrl, organization.allowedReturnUrls);
  return idpInitiated === 'bounce' ? { kind: 'bounced', returnTo } : { kind: 'known', take: [], returnTo };
}

interface Entrant {
  readonly person: Person;
  readonly identity: string;
  readonly decision: RoleDecision;
  readonly known: Stored<Member> | undefined;
  readonly nowMs: number;
}

interface Entry {
  readonly steps: readonly Step[];
  readonly sid: string;
  readonly login: Login;
  readonly member: Member;
}

async function letIn(
  runtime: Runtime,
  organization: Organization,
  assertion: VerifiedAssertion,
  attempt: SignInAttempt,
  entrant: Entrant,
): Promise<Entry> {
  const { known, nowMs } = entrant;
  const sid = newSid(organization.id);
  const absoluteEndMs = nowMs + runtime.config.sessionAbsoluteSeconds * 1000;
  const endsAtMs = Math.min(absoluteEndMs, assertion.sessionNotOnOrAfterMs ?? absoluteEndMs);
  const sessionId = newId('ses');
  const session = {
    id: sessionId,
    createdAtMs: nowMs,
    endsAtMs,
    address: attempt.actor.address,
    userAgent: attempt.userAgent?.slice(0, 256),
    idpEntityId: requireIdentityProvider(organization).metadata.entityId,
    ...(isForLogout(assertion) ? { nameId: assertion.nameId, sessionIndex: assertion.sessionIndex } : {}),
  };
  const kept = (known?.value.sessions ?? []).filter(({ id, endsAtMs: end }) => end > nowMs && id !== attempt.formerLogin?.sessionId);
  const member = memberAfterLogin(entrant, [...kept.slice(-(MAX_SESSIONS - 1)), session]);
  const login: Login = {
    organizationId: organization.id,
    memberId: member.id,
    sessionId,
    csrfToken: newSecret(),
    endsAtMs,
    touchedAtMs: nowMs,
  };
  const actor: Actor = { ...attempt.actor, kind: 'member', id: member.id, email: member.email };
  const roleChanged = known && known.value.role !== member.role;
  const steps: Step[] = [
    known
      ? { do: 'replace', collection: MEMBERS, id: member.id, version: known.version, value: member }
      : { do: 'insert', collection: MEMBERS, id: member.id, value: member },
    putLogin(runtime, sid, login),
    ...(known ? [] : [auditStep(nowMs, actor, 'member.created', { member_id: member.id, details: { email: member.email } })]),
    ...(roleChanged
      ? [
          auditStep(nowMs, { kind: 'identity_provider' }, 'member.role_changed', {
            member_id: member.id,
            details: { from: known.value.role, to: member.role, ...member.roleSource },
          }),
        ]
      : []),
    auditStep(nowMs, actor, 'login.accepted', { member_id: member.id, details: { role: member.role, ...member.roleSource } }),
  ];
  return { steps, sid, login, member };
}

/** What single logout names is kept with the session, which every check reads: no message may make it large. */
const MAX_NAME = 1024;
const isForLogout = ({ nameId, sessionIndex = '' }: VerifiedAssertion): boolean =>
  sessionIndex.length <= MAX_NAME && JSON.stringify(nameId ?? null).length <= 2 * MAX_NAME;

/** As many groups as are shown and offered for rules. The role was decided by all of them. */
const MAX_GROUPS = 500;
const MAX_GROUPS_LENGTH = 16_384;

function keptGroups(groups: readonly string[]): readonly string[] {
  let length = 0;
  return groups.slice(0, MAX_GROUPS).filter((group) => {
    length += group.length;
    return length <= MAX_GROUPS_LENGTH;
  });
}

function memberAfterLogin({ person, identity, decision, known, nowMs }: Entrant, sessions: Member['sessions']): Member {
  const now = toIsoTime(nowMs);
  const { email, name, groupsState } = person;
  const groups = keptGroups(person.groups);
  const base = known?.value ?? { id: newId('usr'), identity, createdAt: now, suspended: false, cliTokens: [] };
  return { ...base, email, name, groups, groupsState, ...roleBy(decision, known?.value), lastLoginAt: now, sessions };
}

/** A member whom the identity provider's groups give no role any more loses what they had, not only this login. */
function shutOut(known: Stored<Member> | undefined): Step[] {
  if (!known) return [];
  const value: Member = { ...known.value, role: 'none', roleSource: { kind: 'default' }, sessions: [] };
  return [{ do: 'replace', collection: MEMBERS, id: known.id, version: known.version, value }];
}

export function roleDenied(person: Person): GatewayError {
  const reasons: Record<Person['groupsState'], string> = {
    absent: 'The identity provider sent no groups for you, and without a group nobody has a role here.',
    over_limit:
      'You are in more groups than the identity provider sends, so no group could be matched. Its administrator limits the groups to those assigned to the application.',
    present: 'None of the groups that the identity provider sent for you has a role here.',
  };
  return new GatewayError('saml_role_denied', { detail: reasons[person.groupsState], got: `groups: ${person.groupsState}` });
}
