/** Lists the groups of recent verified responses whose users are no members, so that rules can be written before the first sign-in. */
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { getLogEntry, listLogEntries, type SignInLogEntry } from './sign-in-log.ts';

/** Each entry is a read of its own. The groups of members are stored with the members. */
const MAX_ENTRIES = 10;
const SEARCHED_ENTRIES = 200;

/** Returns the groups of the last tests and refused sign-ins, the newest first. @throws store_unavailable */
export async function listRecentGroups(runtime: Runtime, organizationId: string): Promise<readonly string[]> {
  const { items } = await listLogEntries(runtime, organizationId, { limit: SEARCHED_ENTRIES });
  const verified = items.filter(({ isVerified, kind, outcome }) => isVerified && (kind === 'test' || outcome === 'refused'));
  const entries = await Promise.all(verified.slice(0, MAX_ENTRIES).map(({ id }) => findLogEntry(runtime, organizationId, id)));
  return [...new Set(entries.flatMap((entry) => (entry?.isVerified ? (entry.groups?.groups ?? []) : [])))];
}

/** An entry may expire between the list and the read. */
async function findLogEntry(runtime: Runtime, organizationId: string, id: string): Promise<SignInLogEntry | undefined> {
  try {
    return await getLogEntry(runtime, organizationId, id);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'not_found') return undefined;
    throw error;
  }
}
