/** Creates, changes and deletes organizations. */
import { type Actor, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import { GLOBAL, type Step, type Store } from '../store/store.ts';
import { claimDomains, DIRECTORY, type DirectoryEntry } from './directory.ts';
import {
  getOrganizationById,
  type NewOrganization,
  ORGANIZATION,
  ORGANIZATION_RECORD,
  type Organization,
  type OrganizationChanges,
  updateOrganization,
} from './organizations.ts';
import { INITIAL_ROLE_MAPPING } from './role-mapping.ts';
import { createSpKey } from './sp-keys.ts';

/** Names that are paths of the gateway or would mislead. */
const RESERVED_SLUGS: ReadonlySet<string> = new Set(['api', 'admin', 'global', 'login', 'logout', 'console', 'metadata', 'saml']);

/** @throws conflict where slug or a domain is taken; validation_failed for a reserved slug */
export async function createOrganization(runtime: Runtime, actor: Actor, input: NewOrganization): Promise<Organization> {
  if (RESERVED_SLUGS.has(input.slug)) throw new GatewayError('validation_failed', 'This slug is reserved.');
  const { store } = runtime;
  const nowMs = runtime.now();
  await removeAbandonedEntry(store, input.slug, nowMs);
  const id = newId('org');
  const entry: DirectoryEntry = { slug: input.slug, domains: input.domains, createdAtMs: nowMs };
  const reserved = await store.commit(GLOBAL, [
    { do: 'insert', collection: DIRECTORY, id, value: entry },
    auditStep(nowMs, actor, 'organization.created', { details: { slug: input.slug } }),
  ]);
  if (!reserved.ok) throw new GatewayError('conflict', 'Another organization has this slug or one of these domains.');
  const organization: Organization = {
    id,
    ...input,
    createdAt: new Date(nowMs).toISOString(),
    spKeys: [await createSpKey(runtime, input.slug)],
    roleMapping: INITIAL_ROLE_MAPPING,
  };
  await store.commit(id, [
    { do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: organization },
    auditStep(nowMs, actor, 'organization.created', { details: { slug: input.slug } }),
  ]);
  return organization;
}

/** A creation or deletion that died half-way leaves a directory entry without organization; after a minute it makes way. */
async function removeAbandonedEntry(store: Store, slug: string, nowMs: number): Promise<void> {
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  if (!entry || nowMs - entry.value.createdAtMs < 60_000) return;
  if (await getOrganizationById(store, entry.id)) return;
  await deleteEverythingOf(store, entry.id);
  await store.commit(GLOBAL, [{ do: 'delete', collection: DIRECTORY, id: entry.id, version: entry.version }]);
}

/** @throws conflict where a domain is taken; organization_unknown */
export async function changeOrganization(runtime: Runtime, actor: Actor, id: string, changes: OrganizationChanges): Promise<Organization> {
  const { domains } = changes;
  if (domains) await claimDomains(runtime.store, id, domains);
  return updateOrganization(runtime, actor, id, 'organization.changed', (organization) => ({ ...organization, ...changes }), {
    fields: Object.keys(changes),
  });
}

/**
 * Deletes an organization with everything in it: members, sessions, tokens, audit trail. May be repeated after a crash: the
 * directory entry, by which it is found, goes last.
 */
export async function deleteOrganization(runtime: Runtime, actor: Actor, id: string): Promise<void> {
  const { store } = runtime;
  await deleteEverythingOf(store, id);
  const entry = await store.get(GLOBAL, DIRECTORY, id);
  if (!entry) return;
  const steps: Step[] = [
    { do: 'delete', collection: DIRECTORY, id, version: entry.version },
    auditStep(runtime.now(), actor, 'organization.deleted', { details: { slug: entry.value.slug } }),
  ];
  await store.commit(GLOBAL, steps, { replicated: true });
}

/** The record first: from then on no login can write into the partition, and nobody's session or token is good. */
async function deleteEverythingOf(store: Store, id: string): Promise<void> {
  for (let isGone = false; !isGone; ) {
    const record = await store.get(id, ORGANIZATION, ORGANIZATION_RECORD);
    const steps = record ? [{ do: 'delete', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: record.version } as const] : [];
    // Also where it is gone already: whoever asks again was perhaps told that a replica had not got it.
    isGone = (await store.commit(id, steps, { replicated: true })).ok;
  }
  await store.purge(id);
}
