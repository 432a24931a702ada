import { MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { OPERATOR_SESSION } from '../auth/sessions/operator-sessions.ts';
import { SETUP_SESSION } from '../auth/sessions/setup-sessions.ts';
import type { RawRef } from '../store/raw/raw-entries.ts';

const PREFIXES = [MEMBER_SESSION, OPERATOR_SESSION, SETUP_SESSION].map(({ keyPrefix }) => `${keyPrefix}:`);

/** Returns whether an entry is the session of a member, the operator or a setup link. */
export const isSession = (ref: RawRef): boolean => ref.kind === 'expiring' && PREFIXES.some((prefix) => ref.key.startsWith(prefix));
