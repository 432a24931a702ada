/** Creates and changes organizations. */
import { type Actor, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import { GLOBAL, type Store } from '../store/store.ts';
import { toIsoTime } from '../time.ts';
import { deleteOrganization } from './deletion.ts';
import { DIRECTORY, type DirectoryEntry } from './directory.ts';
import { claimDomains, requireDomainsFree } from './domains/domain-holders.ts';
import { formerIdsOf } from './former-organizations.ts';
import { finishBeforeSwitch, requireFinishedBeforeSwitch, requireOwnerAfterSwitch } from './groups/switch-groups.ts';
import {
  getOrganizationById,
  type NewOrganization,
  ORGANIZATION,
  ORGANIZATION_RECORD,
  type Organization,
  type OrganizationChanges,
  updateOrganization,
} from './organizations.ts';
import { withQuotas } from './quotas/quotas.ts';
import { INITIAL_ROLE_MAPPING } from './role-mapping.ts';
import { createSpKey } from './sp-keys.ts';

/** Slugs that are paths of the gateway or would mislead users. */
const RESERVED_SLUGS: ReadonlySet<string> = new Set(['api', 'admin', 'global', 'login', 'logout', 'console', 'metadata', 'saml']);

/** How long a directory entry without an organization keeps its slug: a creation may still be running. */
const ABANDONED_AFTER_MS = 60_000;

/** @throws conflict if the slug or a domain is taken; validation_failed for a reserved slug */
export async function createOrganization(runtime: Runtime, actor: Actor, input: NewOrganization): Promise<Organization> {
  if (RESERVED_SLUGS.has(input.slug)) throw new GatewayError('validation_failed', 'This slug is reserved. Choose another one.');
  const { store } = runtime;
  const nowMs = runtime.now();
  await removeAbandonedEntry(runtime, actor, input.slug);
  await requireDomainsFree(runtime, undefined, input.domains);
  const id = newId('org');
  const entry: DirectoryEntry = { slug: input.slug, domains: input.domains, createdAtMs: nowMs };
  const reserved = await store.commit(GLOBAL, [
    { do: 'insert', collection: DIRECTORY, id, value: entry },
    auditStep(nowMs, actor, 'organization.created', { details: { slug: input.slug } }),
  ]);
  if (!reserved.ok) throw new GatewayError('conflict', 'Another organization has this slug or one of these domains.');
  // Read after the slug was reserved, so that no deletion is missed.
  const formerIds = await formerIdsOf(store, input.slug);
  const organization: Organization = {
    id,
    ...input,
    quotas: withQuotas(undefined, input.quotas ?? {}),
    ...(formerIds.length === 0 ? {} : { formerIds }),
    createdAt: toIsoTime(nowMs),
    spKeys: [await createSpKey(runtime, input.slug)],
    connections: [],
    roleMapping: INITIAL_ROLE_MAPPING,
  };
  await store.commit(id, [
    { do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: organization },
    auditStep(nowMs, actor, 'organization.created', { details: { slug: input.slug } }),
  ]);
  return organization;
}

/** Deletes what an interrupted creation, or an interrupted deletion by an earlier version, has left, so that the slug is free again. */
async function removeAbandonedEntry(runtime: Runtime, actor: Actor, slug: string): Promise<void> {
  const { store, now } = runtime;
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  if (!entry || now() - entry.value.createdAtMs < ABANDONED_AFTER_MS) return;
  if (await getOrganizationById(store, entry.id)) return;
  await deleteOrganization(runtime, actor, entry.id);
}

export interface OrganizationChange {
  readonly organizationId: string;
  readonly changes: OrganizationChanges;
  /** The operator's confirmation of groups that leave no owner. */
  readonly allowNoOwner?: boolean | undefined;
}

/**
 * @throws conflict if a domain is taken, if another `groupsFrom` leaves no owner, or if groups are renamed or deleted while it is
 *   switched; organization_unknown
 */
export async function changeOrganization(runtime: Runtime, actor: Actor, change: OrganizationChange): Promise<Organization> {
  const { organizationId, changes, allowNoOwner = false } = change;
  const { groupsFrom } = changes;
  if (groupsFrom !== undefined) await finishBeforeSwitch(runtime, { organizationId, groupsFrom });
  if (changes.domains) {
    // A change that is refused must not claim domains.
    if (groupsFrom !== undefined) await previewOrganization(runtime, change);
    await claimDomains(runtime, organizationId, changes.domains);
  }
  return updateOrganization(runtime, actor, {
    organizationId,
    event: 'organization.changed',
    details: { fields: Object.keys(changes), ...(allowNoOwner ? { allow_no_owner: true } : {}) },
    change: async (before) => {
      const after = await checkedChange(runtime.store, before, change);
      await requireFinishedBeforeSwitch(runtime.store, before, after);
      return after;
    },
  });
}

/** Returns an organization as {@link changeOrganization} would change it. @throws the errors of changeOrganization() */
export async function previewOrganization(runtime: Runtime, change: OrganizationChange): Promise<Organization> {
  const { organizationId, changes } = change;
  if (changes.domains) await requireDomainsFree(runtime, organizationId, changes.domains);
  const organization = await getOrganizationById(runtime.store, organizationId);
  if (!organization) throw new GatewayError('organization_unknown');
  return checkedChange(runtime.store, organization, change);
}

async function checkedChange(
  store: Store,
  before: Organization,
  { changes, allowNoOwner = false }: Omit<OrganizationChange, 'organizationId'>,
): Promise<Organization> {
  const after = changedOrganization(before, changes);
  if (!allowNoOwner) await requireOwnerAfterSwitch(store, before, after);
  return after;
}

const changedOrganization = (organization: Organization, { quotas, ...changes }: OrganizationChanges): Organization => ({
  ...organization,
  ...changes,
  quotas: withQuotas(organization.quotas, quotas ?? {}),
});
