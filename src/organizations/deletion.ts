/**
 * Deletes organizations. A deletion is recorded first, and ends with the organization's data, which may take minutes. In between, every
 * step can be repeated, so any replica continues after a crash:
 *
 * 1. The organization's record is deleted. From then on no user can sign in. The members' records still list their credentials, so the
 *    deletion waits until no replica has a cached copy of the record. Then no session or token is valid.
 * 2. The directory entry is deleted, so that slug and domains are free. A new organization gets a partition of its own.
 * 3. The partition is deleted in the background, at a cost that depends on this organization only. Claims of used assertions stay until
 *    they expire (see `former-organizations.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Actor, auditStep } from '../audit.ts';
import { codeOf } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { confirmReplicated } from '../store/confirm-replicated.ts';
import { eachRecord } from '../store/each-record.ts';
import { type Collection, GLOBAL, type Step, type Store } from '../store/store.ts';
import { DIRECTORY } from './directory.ts';
import { ASSERTION_CLAIMS, rememberDeletion } from './former-organizations.ts';
import { cliTokenUseKey, MEMBERS } from './members.ts';
import { CREDENTIAL_RULES_LEASE_MS, ORGANIZATION, ORGANIZATION_RECORD } from './organizations.ts';

interface Deletion {
  readonly startedAtMs: number;
  readonly actor: Actor;
}

/** The deletions that are not complete, by organization ID. */
const DELETIONS: Collection<Deletion> = { name: 'deletion', indexes: { all: () => [''] }, unique: {} };

/** Added to the lease, because a timer may fire slightly early. */
const LEASE_MARGIN_MS = 50;
/**
 * A deletion is complete when its partition was deleted after this time. Until then, a request that had begun before may still write
 * to the partition. An expiring value measures the time, because the clocks of two replicas may differ.
 */
const WRITERS_END_WITHIN_SECONDS = 60;
const writersKey = (id: string): string => `deletion-writers:${id}`;
/** One replica deletes a partition, and renews its claim meanwhile. If it crashes, another one continues after this time. */
const CLAIM_SECONDS = 60;
const RENEW_CLAIM_EVERY_MS = 20_000;
const claimKey = (id: string): string => `deletion:${id}`;
/** Recorded uses of CLI tokens that one commit deletes, unless a single member has more. */
const TOKEN_USES_AT_ONCE = 200;

/** The partitions that this process deletes, one after the other. */
const queueOf = perRuntime(() => ({ end: Promise.resolve() }));

/**
 * Deletes an organization with its members, sessions, tokens and audit trail. When it returns, the organization is unknown everywhere,
 * no replica accepts a credential of its members, and its data is being deleted.
 * @throws store_unavailable; the deletion then continues in the background if it was recorded
 */
export async function deleteOrganization(runtime: Runtime, actor: Actor, id: string): Promise<void> {
  const { store } = runtime;
  if (!(await store.get(GLOBAL, DIRECTORY, id))) return;
  const value: Deletion = { startedAtMs: runtime.now(), actor };
  // Fails if the deletion was recorded before. It still waits until the replicas have acknowledged the record.
  const recorded = await store.commit(GLOBAL, [{ do: 'insert', collection: DELETIONS, id, value }], { replicated: true });
  if (!recorded.ok) await confirmReplicated(store, GLOBAL);
  await close(runtime, actor, id);
  const queue = queueOf(runtime);
  queue.end = queue.end.then(() => deletePartition(runtime, id)).catch((error: unknown) => logFailure(runtime, id, error));
}

/** Continues the deletions that are not complete. One that fails is logged, and does not hold up the others. */
export async function resumeDeletions(runtime: Runtime): Promise<void> {
  await queueOf(runtime).end;
  for await (const { id, value } of eachRecord(runtime.store, { partition: GLOBAL, collection: DELETIONS, index: 'all' })) {
    try {
      await close(runtime, value.actor, id);
      await deletePartition(runtime, id);
    } catch (error) {
      logFailure(runtime, id, error);
    }
  }
}

const logFailure = ({ log }: Runtime, id: string, error: unknown): void =>
  log.warn({ organization: id, code: codeOf(error) }, 'the data of a deleted organization could not be deleted; trying again');

/**
 * Deletes the record of an organization and its directory entry, if they still exist. The directory entry is deleted last, so that a
 * call that finds it deleted can rely on the wait of the call that deleted it.
 */
async function close({ store, now }: Runtime, actor: Actor, id: string): Promise<void> {
  await deleteRecord(store, id);
  if (!(await store.get(GLOBAL, DIRECTORY, id))) return;
  await untilCredentialsAreRefused(store, id);
  await compareAndSet(async () => {
    const entry = await store.get(GLOBAL, DIRECTORY, id);
    if (!entry) return undefined;
    const audit = auditStep(now(), actor, 'organization.deleted', { details: { slug: entry.value.slug } });
    const remember = await rememberDeletion(store, entry.value.slug, id);
    const writers = { do: 'put', key: writersKey(id), value: '', ttlSeconds: WRITERS_END_WITHIN_SECONDS } as const;
    const steps = [{ do: 'delete', collection: DIRECTORY, id, version: entry.version } as const, remember, writers, audit];
    return (await store.commit(GLOBAL, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

async function deleteRecord(store: Store, id: string): Promise<void> {
  await compareAndSet(async () => {
    const record = await store.get(id, ORGANIZATION, ORGANIZATION_RECORD);
    const steps = record ? [{ do: 'delete', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: record.version } as const] : [];
    // Also if the record is already gone: the first attempt may have ended before every replica acknowledged it.
    return (await store.commit(id, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

/**
 * Waits until no replica accepts a credential of an organization whose record was deleted. Without members there are none, and there
 * will be none, because the commit that creates a member requires the organization's record.
 */
async function untilCredentialsAreRefused(store: Store, id: string): Promise<void> {
  const { items } = await store.find(id, MEMBERS, 'email', { limit: 1 });
  if (items.length > 0) await sleep(CREDENTIAL_RULES_LEASE_MS + LEASE_MARGIN_MS);
}

async function deletePartition(runtime: Runtime, id: string): Promise<void> {
  const { store, log } = runtime;
  if (!(await store.commit(GLOBAL, [{ do: 'claim', key: claimKey(id), ttlSeconds: CLAIM_SECONDS }])).ok) return;
  const deletion = await store.get(GLOBAL, DELETIONS, id);
  if (!deletion) return;
  const isLast = (await store.peek(GLOBAL, writersKey(id))) === undefined;
  const renewal = setInterval(() => {
    const renew = { do: 'put', key: claimKey(id), value: '', ttlSeconds: CLAIM_SECONDS } as const;
    store.commit(GLOBAL, [renew]).catch(() => {}); // without a claim, another replica only repeats the work
  }, RENEW_CLAIM_EVERY_MS);
  try {
    await deleteTokenUses(store, id);
    await store.purge(id, ASSERTION_CLAIMS);
  } finally {
    clearInterval(renewal);
  }
  // The global partition may be on another node of a cluster. A failover of this one must not bring back what nothing deletes again.
  if (isLast) await confirmReplicated(store, id);
  const done = { do: 'delete', collection: DELETIONS, id, version: deletion.version } as const;
  await store.commit(GLOBAL, [{ do: 'drop', key: claimKey(id) }, ...(isLast ? [done] : [])]);
  if (isLast) log.info({ organization: id }, 'deleted all data of an organization');
}

/**
 * Deletes the recorded uses of the CLI tokens, which hold addresses and user agents. In a Redis partition of an earlier layout, the
 * purge does not find expiring values, and these would stay for 400 days.
 */
async function deleteTokenUses(store: Store, id: string): Promise<void> {
  let steps: Step[] = [];
  const flush = async () => {
    if (steps.length > 0) await store.commit(id, steps);
    steps = [];
  };
  for await (const { value } of eachRecord(store, { partition: id, collection: MEMBERS, index: 'email' })) {
    for (const token of value.cliTokens) steps.push({ do: 'drop', key: cliTokenUseKey(token.id) });
    if (steps.length >= TOKEN_USES_AT_ONCE) await flush();
  }
  await flush();
}
