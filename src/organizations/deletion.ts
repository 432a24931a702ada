/**
 * Deletes organizations. A deletion is recorded first, and ends with the organization's data, which may take minutes. In between, every
 * step can be repeated, so any replica continues after a crash:
 *
 * 1. The organization's record is deleted. From then on no user can sign in, and no session or token is valid.
 * 2. The directory entry is deleted, so that slug and domains are free. A new organization gets a partition of its own.
 * 3. The partition is deleted in the background, at a cost that depends on this organization only. Claims of used assertions stay until
 *    they expire (see `former-organizations.ts`).
 */
import { type Actor, auditStep } from '../audit.ts';
import { codeOf } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { eachRecord } from '../store/each-record.ts';
import { type Collection, GLOBAL, type Store, type Stored } from '../store/store.ts';
import { DIRECTORY } from './directory.ts';
import { ASSERTION_CLAIMS, rememberDeletion } from './former-organizations.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from './organizations.ts';

interface Deletion {
  readonly startedAtMs: number;
  readonly actor: Actor;
}

/** The deletions that are not complete. The id is that of the organization. */
const DELETIONS: Collection<Deletion> = { name: 'deletion', indexes: { all: () => [''] }, unique: {} };

/**
 * A deletion is complete when its partition was deleted after this time. Until then, a request that had begun before may still write
 * to the partition.
 */
const WRITERS_END_WITHIN_MS = 60_000;
/** One replica deletes a partition. If it crashes, another one continues after that. */
const CLAIM_SECONDS = 60;

/** The partitions that this process deletes, one after the other. */
const queueOf = perRuntime(() => ({ end: Promise.resolve() }));

/**
 * Deletes an organization with its members, sessions, tokens and audit trail. When it returns, the organization is unknown everywhere,
 * and its data is being deleted.
 * @throws store_unavailable; the deletion then continues in the background if it was recorded
 */
export async function deleteOrganization(runtime: Runtime, actor: Actor, id: string): Promise<void> {
  const { store } = runtime;
  if (!(await store.get(GLOBAL, DIRECTORY, id))) return;
  const value: Deletion = { startedAtMs: runtime.now(), actor };
  // Fails if the deletion was recorded before. It still waits until the replicas have acknowledged the record.
  const recorded = await store.commit(GLOBAL, [{ do: 'insert', collection: DELETIONS, id, value }], { replicated: true });
  if (!recorded.ok) await store.commit(GLOBAL, [], { replicated: true });
  await close(runtime, actor, id);
  const queue = queueOf(runtime);
  queue.end = queue.end
    .then(() => deletePartition(runtime, id))
    .catch((error: unknown) => {
      runtime.log.warn({ organization: id, code: codeOf(error) }, 'the data of a deleted organization could not be deleted; trying again');
    });
}

/** Continues the deletions that are not complete. */
export async function resumeDeletions(runtime: Runtime): Promise<void> {
  await queueOf(runtime).end;
  for await (const { id, value } of eachRecord(runtime.store, { partition: GLOBAL, collection: DELETIONS, index: 'all' })) {
    await close(runtime, value.actor, id);
    await deletePartition(runtime, id);
  }
}

/** Deletes the record of an organization and its directory entry, if they still exist. */
async function close({ store, now }: Runtime, actor: Actor, id: string): Promise<void> {
  await deleteRecord(store, id);
  await compareAndSet(async () => {
    const entry = await store.get(GLOBAL, DIRECTORY, id);
    if (!entry) return undefined;
    const audit = auditStep(now(), actor, 'organization.deleted', { details: { slug: entry.value.slug } });
    const remember = await rememberDeletion(store, entry.value.slug, id);
    const steps = [{ do: 'delete', collection: DIRECTORY, id, version: entry.version } as const, remember, audit];
    return (await store.commit(GLOBAL, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

async function deleteRecord(store: Store, id: string): Promise<void> {
  await compareAndSet(async () => {
    const record = await store.get(id, ORGANIZATION, ORGANIZATION_RECORD);
    const steps = record ? [{ do: 'delete', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: record.version } as const] : [];
    // Also if the record is gone already: the first attempt may have ended before every replica acknowledged it.
    return (await store.commit(id, steps, { replicated: true })).ok ? undefined : RETRY;
  });
}

async function deletePartition({ store, log, now }: Runtime, id: string): Promise<void> {
  const claimKey = `deletion:${id}`;
  if (!(await store.commit(GLOBAL, [{ do: 'claim', key: claimKey, ttlSeconds: CLAIM_SECONDS }])).ok) return;
  const deletion: Stored<Deletion> | undefined = await store.get(GLOBAL, DELETIONS, id);
  if (!deletion) return;
  const isLast = now() - deletion.value.startedAtMs >= WRITERS_END_WITHIN_MS;
  await store.purge(id, ASSERTION_CLAIMS);
  const done = { do: 'delete', collection: DELETIONS, id, version: deletion.version } as const;
  await store.commit(GLOBAL, [{ do: 'drop', key: claimKey }, ...(isLast ? [done] : [])]);
  if (isLast) log.info({ organization: id }, 'deleted all data of an organization');
}
