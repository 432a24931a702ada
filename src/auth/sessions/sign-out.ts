import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { MEMBERS, type MemberSession } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import { updateRecord } from '../../store/update-record.ts';
import type { Login } from './member-sessions.ts';

/**
 * Ends a browser session, on every replica from the moment when this returns.
 * @returns the session that ended; nothing to end is fine
 */
export async function signOut(runtime: Runtime, actor: Actor, login: Login): Promise<MemberSession | undefined> {
  const [ended] = (await dropSessions(runtime, actor, login, 'logout', ({ id }) => id === login.sessionId)) ?? [];
  return ended;
}

/** Whose sessions. */
export interface SessionOwner {
  readonly organizationId: string;
  readonly memberId: string;
}

/**
 * Ends one session of a member from elsewhere.
 * @throws not_found where it is none of theirs (any more), store_unavailable
 */
export async function endSession(runtime: Runtime, actor: Actor, owner: SessionOwner, sessionId: string): Promise<MemberSession> {
  const [ended] = (await dropSessions(runtime, actor, owner, 'sessions.ended', ({ id }) => id === sessionId)) ?? [];
  if (!ended) throw new GatewayError('not_found', 'There is no such session; it may have ended already.');
  return ended;
}

/**
 * Ends all sessions of a member, but for one where somebody does that from within it.
 * @returns how many were still good
 * @throws not_found, store_unavailable
 */
export async function endAllSessions(runtime: Runtime, actor: Actor, owner: SessionOwner, keptId?: string): Promise<number> {
  const ended = await dropSessions(runtime, actor, owner, 'sessions.ended', ({ id }) => id !== keptId);
  if (!ended) throw new GatewayError('not_found', 'There is no such member.');
  return ended.filter(({ endsAtMs }) => endsAtMs > runtime.now()).length;
}

/** One commit with its audit entry; without one where there is nothing to end. @returns undefined where there is no such member */
async function dropSessions(
  runtime: Runtime,
  actor: Actor,
  owner: SessionOwner,
  event: AuditEvent,
  isEnding: (session: MemberSession) => boolean,
): Promise<readonly MemberSession[] | undefined> {
  const { organizationId, memberId } = owner;
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
  return stored && ended;
}
