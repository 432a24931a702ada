/** How the sign-ins of an organization go, from its sign-in log. One read of one record, however many sign-ins there were. */
import type { ErrorCode } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { listLogEntries, type SignInLogSummary } from './sign-in-log.ts';

export interface SignInHealth {
  readonly lastSignInMs: number | undefined;
  /** Since when every response has been refused, if several with a trusted signature were. */
  readonly failingSinceMs: number | undefined;
  /** Since when responses with an unknown signature have arrived, if several did. Anyone can send these. */
  readonly unknownSignatureSinceMs: number | undefined;
}

/** One or two refusals are the problem of a user. */
const MIN_REFUSALS = 3;
/** All entries of a log. */
const MAX_ENTRIES = 250;

/** Refusals that concern one user or one attempt, and not the connection. */
const OF_ONE_USER: ReadonlySet<ErrorCode> = new Set([
  'member_suspended',
  'saml_role_denied',
  'saml_email_domain_forbidden',
  'saml_replayed',
  'saml_login_not_started_here',
  'saml_in_response_to_unknown',
]);

/** Anyone can send responses without a trusted signature, so they never make a connection look broken. An accepted sign-in ends the failure. */
const concernsConnection = ({ code, isVerified }: SignInLogSummary): boolean => code !== undefined && !OF_ONE_USER.has(code) && isVerified;

/** After the identity provider renewed its certificate, its responses look like forged ones. */
const hasUnknownSignature = ({ code, isVerified }: SignInLogSummary): boolean => !isVerified && code === 'saml_signature_invalid';

/** Returns when the first of several refusals happened. @param newestFirst the refusals */
const sinceMs = (newestFirst: readonly SignInLogSummary[]): number | undefined =>
  newestFirst.length >= MIN_REFUSALS ? newestFirst.at(-1)?.atMs : undefined;

/** @throws store_unavailable */
export async function readSignInHealth(runtime: Runtime, organizationId: string): Promise<SignInHealth> {
  const { items } = await listLogEntries(runtime, organizationId, { limit: MAX_ENTRIES });
  const logins = items.filter(({ kind }) => kind === 'login');
  const last = logins.findIndex(({ outcome }) => outcome === 'accepted');
  const refused = last === -1 ? logins : logins.slice(0, last);
  return {
    lastSignInMs: last === -1 ? undefined : logins[last]?.atMs,
    failingSinceMs: sinceMs(refused.filter(concernsConnection)),
    unknownSignatureSinceMs: sinceMs(refused.filter(hasUnknownSignature)),
  };
}
