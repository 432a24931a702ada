/**
 * A member's record for a check, never older than the check. Checks of one member that come together share one read, and it
 * begins when all of them have come: whoever asks hears of every change that was answered before.
 */
import { MEMBERS, type Member } from '../organizations/members.ts';
import { perRuntime, type Runtime } from '../runtime.ts';

interface ComingRead {
  readonly organizationId: string;
  readonly member: Promise<Member | undefined>;
}

/** Reads that have not begun, by member. */
const comingOf = perRuntime(() => new Map<string, ComingRead>());

/** @throws store_unavailable */
export function readLiveMember(runtime: Runtime, organizationId: string, memberId: string): Promise<Member | undefined> {
  const coming = comingOf(runtime);
  const shared = coming.get(memberId);
  if (shared?.organizationId === organizationId) return shared.member;
  const read: ComingRead = { organizationId, member: readSoon(runtime, coming, organizationId, memberId) };
  if (!shared) coming.set(memberId, read);
  return read.member;
}

async function readSoon(
  runtime: Runtime,
  coming: Map<string, ComingRead>,
  organizationId: string,
  memberId: string,
): Promise<Member | undefined> {
  // What has come by now is looked at before the event loop turns.
  await turnOfTheLoop();
  // Who comes from here on may have been told of a change that this read does not see.
  if (coming.get(memberId)?.organizationId === organizationId) coming.delete(memberId);
  return (await runtime.store.get(organizationId, MEMBERS, memberId))?.value;
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
