/** Builds what a sign-in writes: member, session and audit entries. */
import { type Actor, auditStep } from '../../audit.ts';
import { shortenText } from '../../audit-details.ts';
import { newId, newSecretTriple } from '../../ids.ts';
import type { OrganizationConnection } from '../../organizations/connections/connections.ts';
import { serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import { identityKey, memberIdentifier } from '../../organizations/identity/member-identity.ts';
import { dropSessions, MEMBERS, type Member, type MemberSession, type RoleSource, resolveRole } from '../../organizations/members.ts';
import type { Connection, IdpChange } from '../../organizations/organizations.ts';
import { newMemberSteps } from '../../organizations/quotas/quota-use.ts';
import { quotaOf } from '../../organizations/quotas/quotas.ts';
import type { Runtime } from '../../runtime.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { newSid, sidHashOf } from '../sessions/browser-sessions.ts';
import { type Login, putLogin } from '../sessions/member-sessions.ts';
import { putPendingSignIn } from '../sessions/pending-sign-ins.ts';
import type { BrowserContext } from './browser-context.ts';
import type { IdentifiedUser } from './check-assertion.ts';
import { rememberNameId } from './end-named-sessions.ts';

export interface SessionOptions {
  readonly assertion: VerifiedAssertion;
  readonly user: IdentifiedUser;
  /** The member record of this user, if the user signed in before. */
  readonly known: Stored<Member> | undefined;
  /** The change of the identity provider if this sign-in links the user to the member. */
  readonly linkedBy?: IdpChange | undefined;
  readonly browser: BrowserContext;
  /** The session that this browser had. */
  readonly formerLogin: Login | undefined;
  /** Return URL of a sign-in that waits for the user; undefined if the browser may use the session immediately. */
  readonly pendingReturnTo: string | undefined;
  readonly nowMs: number;
}

export interface OpenedSession {
  readonly steps: readonly Step[];
  readonly sid: string;
  readonly sidHash: string;
  /** Value of the nonce cookie. It is new if the browser had none. */
  readonly browserNonce: string;
  readonly member: Member;
}

/** Returns the steps that create a session, with a new session ID, and create or update its member. */
export function openSession(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  options: SessionOptions,
): OpenedSession {
  const { user, known, linkedBy, browser, formerLogin, pendingReturnTo, nowMs } = options;
  const [secret, csrfToken, nonce] = newSecretTriple();
  const sid = newSid(organization.id, secret);
  const sidHash = sidHashOf(sid);
  const session = { ...newSession(runtime, connection, options), sidHash };
  const kept = (known?.value.sessions ?? []).filter(({ id, endsAtMs }) => endsAtMs > nowMs && id !== formerLogin?.sessionId);
  // One more than the quota ends the oldest, so that no user is kept from signing in.
  const others = quotaOf(organization, 'sessions_per_member') - 1;
  const sessions = [...(others === 0 ? [] : kept.slice(-others)), session];
  const seenNameIds = rememberNameId(known?.value.seenNameIds, session.nameId, {
    idpEntityId: connection.metadata.entityId,
    entityId: serviceProviderUrls(runtime.config.baseUrl, organization.slug).entityId,
  });
  const member: Member = { ...memberAfterSignIn(user, known?.value, { connection, sessions, nowMs }), seenNameIds };
  const login: Login = {
    organizationId: organization.id,
    memberId: member.id,
    sessionId: session.id,
    csrfToken,
    endsAtMs: session.endsAtMs,
    touchedAtMs: nowMs,
  };
  const steps: Step[] = [
    ...(known
      ? [{ do: 'replace', collection: MEMBERS, id: member.id, version: known.version, value: member } as const]
      : [...newMemberSteps(organization, nowMs), { do: 'insert', collection: MEMBERS, id: member.id, value: member } as const]),
    ...dropSessions((known?.value.sessions ?? []).filter((former) => !sessions.includes(former))),
    pendingReturnTo === undefined
      ? putLogin(runtime, sidHash, login)
      : putPendingSignIn(sidHash, { login, returnTo: pendingReturnTo }, nowMs),
    ...auditSteps({ before: known?.value, linkedBy, member, actor: browser.actor, nowMs }),
  ];
  return { steps, sid, sidHash, browserNonce: browser.nonce ?? nonce, member };
}

function newSession(runtime: Runtime, connection: Connection, { assertion, browser, nowMs }: SessionOptions): MemberSession {
  const absoluteEndMs = nowMs + runtime.config.sessionAbsoluteSeconds * 1000;
  return {
    id: newId('ses'),
    createdAtMs: nowMs,
    endsAtMs: Math.min(absoluteEndMs, assertion.sessionNotOnOrAfterMs ?? absoluteEndMs),
    address: browser.actor.address,
    userAgent: browser.userAgent?.slice(0, 256),
    idpEntityId: connection.metadata.entityId,
    ...(fitsRecord(assertion) ? { nameId: assertion.nameId, sessionIndex: assertion.sessionIndex } : {}),
  };
}

/** Single logout names a session by NameID and SessionIndex. Every token check reads the record, so no response may make it large. */
const MAX_LOGOUT_NAME_LENGTH = 1024;
const fitsRecord = ({ nameId, sessionIndex = '' }: VerifiedAssertion): boolean =>
  sessionIndex.length <= MAX_LOGOUT_NAME_LENGTH && JSON.stringify(nameId ?? null).length <= 2 * MAX_LOGOUT_NAME_LENGTH;

function memberAfterSignIn(
  { person, identifier, decision }: IdentifiedUser,
  before: Member | undefined,
  { connection, sessions, nowMs }: { readonly connection: Connection; readonly sessions: Member['sessions']; readonly nowMs: number },
): Member {
  const now = toIsoTime(nowMs);
  const { email, name, groupsState } = person;
  const base = before ?? { id: newId('usr'), createdAt: now, suspended: false, cliTokens: [] };
  return {
    ...base,
    // Replaces a key of earlier versions.
    identity: identityKey(connection, identifier),
    identifier: memberIdentifier(connection, identifier),
    connectionId: connection.id,
    email,
    name,
    ...groupsToKeep(person.groups, decision.group),
    groupsState,
    ...resolveRole(decision, before),
    lastLoginAt: now,
    sessions,
    ...(connection.change ? { idpChange: { id: connection.change.id, outcome: 'signed_in' } } : {}),
    linkRequest: undefined,
  };
}

/** The console shows and suggests this many groups. The role was decided by all of them. */
const MAX_GROUPS = 500;
const MAX_GROUPS_LENGTH = 16_384;

/** @param deciding the group whose rule gave the role, which is always kept */
function groupsToKeep(groups: readonly string[], deciding: string | undefined): Pick<Member, 'groups' | 'groupsTruncated'> {
  const first = firstGroups(groups);
  // A group that SCIM provisions is no group of the assertion.
  const kept =
    deciding === undefined || !groups.includes(deciding) || first.includes(deciding) ? first : firstGroups([deciding, ...groups]);
  return { groups: kept, groupsTruncated: kept.length < groups.length };
}

function firstGroups(groups: readonly string[]): readonly string[] {
  let length = 0;
  return groups.slice(0, MAX_GROUPS).filter((group) => {
    length += group.length;
    return length <= MAX_GROUPS_LENGTH;
  });
}

interface SignInAudit {
  readonly before: Member | undefined;
  readonly linkedBy: IdpChange | undefined;
  readonly member: Member;
  readonly actor: Actor;
  readonly nowMs: number;
}

function auditSteps({ before, linkedBy, member, actor, nowMs }: SignInAudit): Step[] {
  const { id: member_id, email, role, roleSource } = member;
  const memberActor: Actor = { ...actor, kind: 'member', id: member_id, email };
  const steps: Step[] = [];
  if (!before) steps.push(auditStep(nowMs, memberActor, 'member.created', { member_id, details: { email } }));
  if (linkedBy) {
    const details = { by: 'email', connection: member.connectionId, change: linkedBy.id, former_entity_id: linkedBy.fromEntityId };
    steps.push(auditStep(nowMs, memberActor, 'member.linked', { member_id, details }));
  }
  if (before && before.role !== role) {
    const details = { from: before.role, to: role, ...roleSource };
    steps.push(auditStep(nowMs, { kind: 'identity_provider' }, 'member.role_changed', { member_id, details }));
  }
  return [...steps, auditStep(nowMs, memberActor, 'login.accepted', { member_id, details: { role, ...shortened(roleSource) } })];
}

/** Bytes of a group in the entry of a sign-in. Each sign-in leaves one behind. The entry of a changed role has the whole group. */
const MAX_AUDITED_GROUP_BYTES = 96;

const shortened = (source: RoleSource): RoleSource =>
  source.kind === 'rule' ? { ...source, group: shortenText(source.group, MAX_AUDITED_GROUP_BYTES) } : source;

/** Returns the steps for a user without a role: a member loses the role and all sessions. Tokens are useless without a role. */
export function revokeAccess(known: Stored<Member> | undefined): Step[] {
  if (!known) return [];
  const value: Member = { ...known.value, role: 'none', roleSource: { kind: 'default' }, sessions: [] };
  return [{ do: 'replace', collection: MEMBERS, id: known.id, version: known.version, value }, ...dropSessions(known.value.sessions)];
}
