import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { dropSessions, MEMBERS, type MemberSession } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import { updateRecord } from '../../store/update-record.ts';
import type { Login } from './member-sessions.ts';

/**
 * Ends a member's session immediately, on every replica.
 * @returns the session that ended; undefined if it had ended before
 * @throws store_unavailable
 */
export async function signOut(runtime: Runtime, actor: Actor, login: Login): Promise<MemberSession | undefined> {
  const [ended] = (await endSessions(runtime, actor, login, { event: 'logout', isEnding: ({ id }) => id === login.sessionId })) ?? [];
  return ended;
}

/** The member whose sessions end. */
export interface SessionOwner {
  readonly organizationId: string;
  readonly memberId: string;
}

/**
 * Ends one session of a member from another session or by an administrator.
 * @throws not_found if the member has no such session, store_unavailable
 */
export async function endSession(runtime: Runtime, actor: Actor, owner: SessionOwner, sessionId: string): Promise<MemberSession> {
  const [ended] = (await endSessions(runtime, actor, owner, { event: 'sessions.ended', isEnding: ({ id }) => id === sessionId })) ?? [];
  if (!ended) throw new GatewayError('not_found', 'This session does not exist or has already ended.');
  return ended;
}

/**
 * Ends all sessions of a member.
 * @param keptId the session in which the member does this; it stays
 * @returns how many valid sessions ended
 * @throws not_found if there is no such member, store_unavailable
 */
export async function endAllSessions(runtime: Runtime, actor: Actor, owner: SessionOwner, keptId?: string): Promise<number> {
  const ended = await endSessions(runtime, actor, owner, { event: 'sessions.ended', isEnding: ({ id }) => id !== keptId });
  if (!ended) throw new GatewayError('not_found', 'This member does not exist.');
  return ended.filter(({ endsAtMs }) => endsAtMs > runtime.now()).length;
}

interface Ending {
  readonly event: AuditEvent;
  readonly isEnding: (session: MemberSession) => boolean;
}

/**
 * Removes sessions from the member's record, in one commit with an audit entry. Commits nothing if no session matches.
 * @returns the sessions that ended; undefined if there is no such member
 */
async function endSessions(
  runtime: Runtime,
  actor: Actor,
  { organizationId, memberId }: SessionOwner,
  { event, isEnding }: Ending,
): Promise<readonly MemberSession[] | undefined> {
  let ended: readonly MemberSession[] = [];
  const stored = await updateRecord(runtime.store, {
    partition: organizationId,
    collection: MEMBERS,
    id: memberId,
    change: (member) => {
      ended = member.sessions.filter(isEnding);
      return ended.length === 0 ? undefined : { ...member, sessions: member.sessions.filter((session) => !ended.includes(session)) };
    },
    extraSteps: () => {
      const details = event === 'logout' ? {} : { details: { ended: ended.map(({ id }) => id) } };
      return [auditStep(runtime.now(), actor, event, { member_id: memberId, ...details })];
    },
    replicated: true,
  });
  // Only now, because a sign-out that replicas did not acknowledge must find the session when it is repeated.
  if (ended.length > 0) await runtime.store.commit(organizationId, dropSessions(ended));
  return stored && ended;
}
