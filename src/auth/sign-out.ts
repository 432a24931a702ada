import { type Actor, auditStep } from '../audit.ts';
import { MEMBERS } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import { updateRecord } from '../store/store.ts';
import type { Login } from './sessions.ts';

/** Ends a browser session, on every replica from the moment when this returns. Nothing to end is fine. */
export async function signOut(runtime: Runtime, actor: Actor, login: Login): Promise<void> {
  await updateRecord(
    runtime.store,
    login.organizationId,
    MEMBERS,
    login.memberId,
    (member) => {
      const sessions = member.sessions.filter(({ id }) => id !== login.sessionId);
      return sessions.length === member.sessions.length ? undefined : { ...member, sessions };
    },
    () => [auditStep(runtime.now(), actor, 'logout', { member_id: login.memberId })],
  );
}
