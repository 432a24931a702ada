/**
 * Keeps domains unique across organizations. The directory holds the domains of each organization, those that the operator set and
 * those that were verified, and no two entries may share one. The organization's own record decides; the directory changes first
 * when an organization gets a domain, and last when it loses one.
 */
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import { GLOBAL, type Store, type Stored } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { MINUTE_MS } from '../../time.ts';
import { DIRECTORY, type DirectoryEntry } from '../directory.ts';
import { getOrganizationById } from '../organizations.ts';
import { type DomainClaim, hasVerifiedDomain } from './domain-claims.ts';

/** A verification that takes longer was interrupted between its two commits, and its domain is free again. */
const INTERRUPTED_AFTER_MS = 10 * MINUTE_MS;

const without = (entry: DirectoryEntry, domain: string): DirectoryEntry => ({
  ...entry,
  verifiedDomains: entry.verifiedDomains?.filter((held) => held.domain !== domain),
});

/** Returns the directory entry that has the domain. Frees a domain that an interrupted verification left there. */
export function findDomainHolder({ store, now }: Runtime, domain: string): Promise<Stored<DirectoryEntry> | undefined> {
  return compareAndSet<Stored<DirectoryEntry> | undefined>(async () => {
    const entry = await store.getUnique(GLOBAL, DIRECTORY, 'domain', domain);
    if (!entry || entry.value.domains.includes(domain)) return entry;
    const held = entry.value.verifiedDomains?.find((each) => each.domain === domain);
    if (held && now() - held.claimedAtMs < INTERRUPTED_AFTER_MS) return entry;
    const organization = await getOrganizationById(store, entry.id);
    if (organization && hasVerifiedDomain(organization, domain)) return entry;
    return (await replaceEntry(store, entry, without(entry.value, domain))) ? undefined : RETRY;
  });
}

const replaceEntry = async (store: Store, { id, version }: Stored<DirectoryEntry>, value: DirectoryEntry): Promise<boolean> =>
  (await store.commit(GLOBAL, [{ do: 'replace', collection: DIRECTORY, id, version, value }], { replicated: true })).ok;

/**
 * @param id the organization that wants the domains; undefined for a new one
 * @throws conflict if another organization has one of them
 */
export async function requireDomainsFree(runtime: Runtime, id: string | undefined, domains: readonly string[]): Promise<void> {
  for (const domain of domains) {
    const holder = await findDomainHolder(runtime, domain);
    if (holder && holder.id !== id) throw new GatewayError('conflict', 'Another organization has one of these domains.');
  }
}

/**
 * Replaces the domains that the operator sets. Verified domains stay. Call it before the organization itself changes.
 * @throws conflict if another organization has one of the domains; organization_unknown
 */
export async function claimDomains(runtime: Runtime, id: string, domains: readonly string[]): Promise<void> {
  await requireDomainsFree(runtime, id, domains);
  const change = (before: DirectoryEntry) => ({ ...before, domains });
  const entry = await updateRecord(runtime.store, { partition: GLOBAL, collection: DIRECTORY, id, change });
  if (!entry) throw new GatewayError('organization_unknown');
}

/**
 * Gives a verified domain to an organization. Of several organizations at the same moment, one succeeds.
 * @throws conflict if another organization has the domain; organization_unknown
 */
export async function claimVerifiedDomain(runtime: Runtime, id: string, { domain, token }: DomainClaim): Promise<void> {
  const { store, now } = runtime;
  await compareAndSet<true>(async () => {
    const holder = await findDomainHolder(runtime, domain);
    if (holder && holder.id !== id) {
      throw new GatewayError('conflict', 'Another organization has this domain. Only the operator of this gateway can transfer it.');
    }
    const entry = await store.get(GLOBAL, DIRECTORY, id);
    if (!entry) throw new GatewayError('organization_unknown');
    const others = without(entry.value, domain).verifiedDomains ?? [];
    const verifiedDomains = [...others, { domain, token, claimedAtMs: now() }];
    return (await replaceEntry(store, entry, { ...entry.value, verifiedDomains })) || RETRY;
  });
}

/** Frees a domain that the organization lost or removed, unless it has been verified again since. */
export async function releaseVerifiedDomain(store: Store, id: string, { domain, token }: DomainClaim): Promise<void> {
  await compareAndSet<true>(async () => {
    const entry = await store.get(GLOBAL, DIRECTORY, id);
    const isHeld = entry?.value.verifiedDomains?.some((held) => held.domain === domain && held.token === token);
    if (!entry || !isHeld) return true;
    const organization = await getOrganizationById(store, id);
    if (organization && hasVerifiedDomain(organization, domain)) return true;
    return (await replaceEntry(store, entry, without(entry.value, domain))) || RETRY;
  });
}
