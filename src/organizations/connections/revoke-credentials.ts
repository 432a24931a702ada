/**
 * Revokes the sessions and CLI tokens of the members of a connection that was disabled or deleted, or of those members who have not
 * signed in since its identity provider changed.
 *
 * The commit that disables or deletes the connection also saves it in the organization's `revokingConnections`. From then on, every
 * check of a credential refuses those that are left (see `auth/authenticate.ts`). No new credential is revoked: either no user can sign in
 * through the connection, or a sign-in takes the member off the list. After a crash any replica continues.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { eachRecord } from '../../store/each-record.ts';
import { nextTurn } from '../../store/next-turn.ts';
import type { Step, Store, Stored } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { noteRevocation, organizationsWithRevocation } from '../directory.ts';
import { dropSessions, hasSignedInSince, MEMBERS, type Member, withoutCredentials } from '../members.ts';
import { type Connection, getOrganizationById, type Organization, type RevokingConnection, updateOrganization } from '../organizations.ts';
import { resumeEach } from '../resume-each.ts';
import { findFormerConnection } from './connections.ts';

const GATEWAY: Actor = { kind: 'gateway' };
/** Members per commit, which takes about 5 ms of CPU time with SQLite. */
const BATCH_SIZE = 25;

/** Returns the organization with a connection whose credentials must be revoked. */
export function withRevocation(organization: Organization, { id: connectionId, metadata: { entityId } }: Connection): Organization {
  const others = (organization.revokingConnections ?? []).filter((each) => each.connectionId !== connectionId);
  const hasFormerMembers = findFormerConnection(organization)?.id === connectionId;
  return { ...organization, revokingConnections: [...others, { connectionId, entityId, hasFormerMembers }] };
}

/**
 * Returns the organization with a connection whose members lose their credentials unless they have signed in since a change.
 * @throws conflict while all members of the connection are losing theirs
 */
export function withPendingRevocation(organization: Organization, connection: Connection, pendingSince: string): Organization {
  const all = withRevocation(organization, connection);
  if (organization.revokingConnections?.some((each) => each.connectionId === connection.id && each.pendingSince !== pendingSince)) {
    throw new GatewayError('conflict', 'The credentials of the members of this connection are still being revoked. Try again in a minute.');
  }
  const revokingConnections = all.revokingConnections?.map((each) =>
    each.connectionId === connection.id ? { ...each, pendingSince } : each,
  );
  return { ...all, revokingConnections };
}

/**
 * Returns a member without the credentials that a connection takes away: all of its own members', and the sessions that it opened
 * for members who have signed in through another connection since. Undefined if there is nothing to take away.
 */
export function withoutCredentialsOf(member: Member, connection: RevokingConnection): Member | undefined {
  const { connectionId, entityId, hasFormerMembers, pendingSince } = connection;
  const isOwn = member.connectionId === undefined ? hasFormerMembers : member.connectionId === connectionId;
  if (pendingSince !== undefined && (!isOwn || hasSignedInSince(member, pendingSince))) return undefined;
  if (isOwn) return member.sessions.length > 0 || member.cliTokens.length > 0 ? withoutCredentials(member) : undefined;
  const sessions = member.sessions.filter((session) => session.idpEntityId !== entityId);
  return sessions.length < member.sessions.length ? { ...member, sessions } : undefined;
}

/**
 * Revokes what `revokingConnections` of an organization names. When it returns, no replica accepts any of these credentials.
 * @throws store_unavailable; the revocation then continues in the background
 */
export async function finishRevocations(runtime: Runtime, actor: Actor, organizationId: string): Promise<void> {
  const { store } = runtime;
  const organization = await noteAgain(store, organizationId);
  for (const connection of organization?.revokingConnections ?? []) {
    const members = await revokeCredentials(runtime, organizationId, connection);
    await updateOrganization(runtime, actor, {
      organizationId,
      event: 'connection.credentials_revoked',
      details: { connection: connection.connectionId, members },
      change: ({ revokingConnections = [], ...rest }) => {
        // One that was saved meanwhile may revoke more.
        const others = revokingConnections.filter((each) => !isDeepStrictEqual(each, connection));
        if (others.length === revokingConnections.length) return undefined;
        return { ...rest, revokingConnections: others.length === 0 ? undefined : others };
      },
    });
  }
  await noteRevocation(store, organizationId, false);
  // Another revocation may have been saved since.
  await noteAgain(store, organizationId);
}

/** The note from before the commit is deleted if another replica finished an earlier revocation between the two. */
async function noteAgain(store: Store, organizationId: string): Promise<Organization | undefined> {
  const organization = await getOrganizationById(store, organizationId);
  if (organization?.revokingConnections !== undefined) await noteRevocation(store, organizationId, true);
  return organization;
}

/** Continues the revocations that a crash has interrupted. */
export function resumeRevocations(runtime: Runtime): Promise<void> {
  return resumeEach(runtime, organizationsWithRevocation(runtime.store), {
    name: 'revoking the credentials of a disabled or deleted connection',
    resume: (id) => finishRevocations(runtime, GATEWAY, id),
  });
}

/**
 * Reads all members of the organization, because members stored by earlier versions are in no index by connection. The index by email
 * is stable: only a sign-in changes the address, and the connection allows none.
 * @returns the number of members who lost credentials
 */
async function revokeCredentials(runtime: Runtime, organizationId: string, connection: RevokingConnection): Promise<number> {
  let revoked = 0;
  let batch: Stored<Member>[] = [];
  const flush = async () => {
    await nextTurn(); // the turn may have read a page
    if (batch.length > 0) revoked += await revokeBatch(runtime, { organizationId, connection, batch });
    batch = [];
  };
  for await (const member of eachRecord(runtime.store, { partition: organizationId, collection: MEMBERS, index: 'email' })) {
    if (!withoutCredentialsOf(member.value, connection)) continue;
    batch.push(member);
    if (batch.length === BATCH_SIZE) await flush();
  }
  await flush();
  return revoked;
}

interface Batch {
  readonly organizationId: string;
  readonly connection: RevokingConnection;
  readonly batch: readonly Stored<Member>[];
}

const dropEnded = (before: Member, after: Member | undefined): Step[] =>
  dropSessions(after ? before.sessions.filter((session) => !after.sessions.includes(session)) : []);

/** Revokes the credentials of some members in one commit, or in a commit each if one of them has changed since it was read. */
async function revokeBatch({ store, now }: Runtime, { organizationId, connection, batch }: Batch): Promise<number> {
  const auditEntry = (memberId: string): Step => {
    const details = { connection: connection.connectionId };
    return auditStep(now(), GATEWAY, 'sessions.ended', { member_id: memberId, details });
  };
  const steps = batch.flatMap(({ id, version, value }): Step[] => {
    const after = withoutCredentialsOf(value, connection);
    return [{ do: 'replace', collection: MEMBERS, id, version, value: after }, ...dropEnded(value, after), auditEntry(id)];
  });
  if ((await store.commit(organizationId, steps, { replicated: true })).ok) return batch.length;
  let revoked = 0;
  for (const { id } of batch) {
    let ended: Step[] = [];
    await updateRecord(store, {
      partition: organizationId,
      collection: MEMBERS,
      id,
      // Keeps a session that the member has since started through another connection.
      change: (member) => {
        const after = withoutCredentialsOf(member, connection);
        ended = dropEnded(member, after);
        return after;
      },
      extraSteps: () => {
        revoked++;
        return [...ended, auditEntry(id)];
      },
      replicated: true,
    });
  }
  return revoked;
}
