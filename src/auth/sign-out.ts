import { type Actor, auditStep } from '../audit.ts';
import { MEMBERS, type MemberSession } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import { updateRecord } from '../store/store.ts';
import type { Login } from './sessions.ts';

/**
 * Ends a browser session, on every replica from the moment when this returns.
 * @returns the session that ended; nothing to end is fine
 */
export async function signOut(runtime: Runtime, actor: Actor, login: Login): Promise<MemberSession | undefined> {
  let ended: MemberSession | undefined;
  await updateRecord(
    runtime.store,
    login.organizationId,
    MEMBERS,
    login.memberId,
    (member) => {
      ended = member.sessions.find(({ id }) => id === login.sessionId);
      return ended && { ...member, sessions: member.sessions.filter((session) => session !== ended) };
    },
    () => [auditStep(runtime.now(), actor, 'logout', { member_id: login.memberId })],
    { replicated: true },
  );
  return ended;
}
