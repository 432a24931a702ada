import { MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { OPERATOR_SESSION } from '../auth/sessions/operator-sessions.ts';
import { PENDING_SIGN_IN } from '../auth/sessions/pending-sign-ins.ts';
import { SETUP_SESSION } from '../auth/sessions/setup-sessions.ts';
import type { RawRef } from '../store/raw/raw-entries.ts';

const PREFIXES = [MEMBER_SESSION, PENDING_SIGN_IN, OPERATOR_SESSION, SETUP_SESSION].map(({ keyPrefix }) => `${keyPrefix}:`);

/**
 * Returns whether an entry is the session of a member, the operator or a setup link, or a pending sign-in, which becomes a session. A
 * session in a member's record cannot be used without one of these entries, because only they name it.
 */
export const isSession = (ref: RawRef): boolean => ref.kind === 'expiring' && PREFIXES.some((prefix) => ref.key.startsWith(prefix));
