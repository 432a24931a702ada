/**
 * Organizations: tenants. All of one lies in a partition of its own, so that a change and its audit entry are one commit, and
 * a login needs the organization to exist at the moment when it writes. The global partition only has the directory: which
 * slug and which e-mail domains are whose.
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { type Actor, type AuditEvent, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newId, sha256 } from '../ids.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { SigningKey } from '../saml/messages/bindings.ts';
import { makeSelfSignedCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { readTogether } from '../store/read-together.ts';
import { type Collection, GLOBAL, type Step, type Store, type Stored, updateRecord } from '../store/store.ts';
import type { IdentityProvider } from './identity-providers.ts';
import { INITIAL_ROLE_MAPPING, type RoleMapping } from './role-mapping.ts';

/** A key of the service provider: signs requests, opens encrypted assertions. */
export interface SpKey {
  /** PKCS#8 PEM, wrapped for the purpose {@link SP_KEY_PURPOSE}. */
  readonly wrappedPrivateKey: string;
  /** DER as base64. */
  readonly certificate: string;
}

export const SP_KEY_PURPOSE = 'sp-key';

export interface Organization {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** Lower case. A domain belongs to one organization. */
  readonly domains: readonly string[];
  /** URLs that `return_to` and RelayState may lead to besides paths of the gateway. */
  readonly allowedReturnUrls: readonly string[];
  /** Shown in the SP metadata. */
  readonly contactEmail?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly createdAt: string;
  /** The one in use first. */
  readonly spKeys: readonly SpKey[];
  readonly identityProvider?: IdentityProvider | undefined;
  readonly roleMapping: RoleMapping;
  /** Every CLI token ends this long after it was made. */
  readonly cliTokenMaxDays?: number | undefined;
  /** A CLI token pauses while its member's last login is longer ago. */
  readonly cliTokenSsoWithinDays?: number | undefined;
  /** For whom session tokens may be besides the gateway itself. */
  readonly sessionTokenAudiences?: readonly string[] | undefined;
}

/** The record in the organization's partition. Its version is also the lock of what concerns several members at once. */
export const ORGANIZATION: Collection<Organization> = { name: 'organization', indexes: {}, unique: {} };
export const ORGANIZATION_RECORD = 'organization';

interface DirectoryEntry {
  readonly slug: string;
  readonly domains: readonly string[];
  readonly createdAtMs: number;
  /** SHA-256 of the identity provider's entityID: whose is the same. Only a hint, as is the next. */
  readonly idpEntityHash?: string | undefined;
  readonly refreshesMetadata?: boolean | undefined;
}

const DIRECTORY: Collection<DirectoryEntry> = {
  name: 'directory',
  indexes: {
    slug: (entry) => [entry.slug],
    idp: (entry) => (entry.idpEntityHash === undefined ? [] : [entry.idpEntityHash]),
    refreshing: (entry) => (entry.refreshesMetadata ? [''] : []),
  },
  unique: { slug: (entry) => [entry.slug], domain: (entry) => entry.domains },
};

/** Names that are paths of the gateway or would mislead. */
const RESERVED_SLUGS: ReadonlySet<string> = new Set(['api', 'admin', 'global', 'login', 'logout', 'console', 'metadata', 'saml']);

export interface NewOrganization {
  readonly slug: string;
  readonly name: string;
  readonly domains: readonly string[];
  readonly allowedReturnUrls: readonly string[];
  readonly contactEmail?: string | undefined;
  readonly logoUrl?: string | undefined;
  readonly cliTokenMaxDays?: number | undefined;
  readonly cliTokenSsoWithinDays?: number | undefined;
  readonly sessionTokenAudiences?: readonly string[] | undefined;
}

const TWENTY_YEARS_DAYS = 20 * 365;

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
    spKeys: [await makeSpKey(runtime, input.slug)],
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

async function makeSpKey(runtime: Runtime, slug: string): Promise<SpKey> {
  const { privateKeyPem, certificatePem } = await makeSelfSignedCertificate({
    commonName: `samlgate ${slug}`,
    days: TWENTY_YEARS_DAYS,
    nowMs: runtime.now(),
  });
  const certificate = certificatePem.replace(/-----[A-Z ]+-----|\s/g, '');
  return { wrappedPrivateKey: await runtime.secrets.wrap(SP_KEY_PURPOSE, privateKeyPem), certificate };
}

/** The private key of an SP key, PKCS#8 PEM. */
export const openSpKey = (runtime: Runtime, key: SpKey): Promise<string> => runtime.secrets.unwrap(SP_KEY_PURPOSE, key.wrappedPrivateKey);

const MAX_OPENED_KEYS = 1000;
const openedKeys = perRuntime(() => new Map<string, KeyObject>());

/** The organization's private keys, the one in use first; the others are kept for a rollover. Opened ones stay in memory, by certificate. */
export async function openDecryptionKeys(runtime: Runtime, { spKeys }: Organization): Promise<KeyObject[]> {
  const opened = openedKeys(runtime);
  const keys: KeyObject[] = [];
  for (const spKey of spKeys) {
    const key = opened.get(spKey.certificate) ?? createPrivateKey(await openSpKey(runtime, spKey));
    if (opened.size >= MAX_OPENED_KEYS) opened.clear();
    opened.set(spKey.certificate, key);
    keys.push(key);
  }
  return keys;
}

/** The key that signs what we send to the organization's identity provider. */
export async function openSigningKey(runtime: Runtime, { spKeys: [key] }: Organization): Promise<SigningKey> {
  if (!key) throw new GatewayError('internal', { cause: 'an organization has no key of its own' });
  const lines = key.certificate.match(/.{1,64}/g) ?? [];
  const certificatePem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { privateKeyPem: await openSpKey(runtime, key), certificatePem };
}

/** Wraps the private keys of all organizations with the present secret where the previous one did. */
export async function rewrapSpKeys(runtime: Runtime): Promise<void> {
  const { store, secrets, log } = runtime;
  for await (const id of organizationIds(store)) {
    const outdated = (await getOrganizationById(store, id))?.spKeys.filter((key) => secrets.isOutdated(key.wrappedPrivateKey)) ?? [];
    const rewrapped = new Map<string, string>();
    for (const key of outdated) {
      try {
        rewrapped.set(key.wrappedPrivateKey, await secrets.wrap(SP_KEY_PURPOSE, await openSpKey(runtime, key)));
      } catch {
        log.error(
          { organization: id },
          'a key of the service provider was wrapped with a secret that is neither the present nor the previous one',
        );
      }
    }
    if (rewrapped.size === 0) continue;
    await updateRecord(store, id, ORGANIZATION, ORGANIZATION_RECORD, (organization) => ({
      ...organization,
      spKeys: organization.spKeys.map((key) => ({
        ...key,
        wrappedPrivateKey: rewrapped.get(key.wrappedPrivateKey) ?? key.wrappedPrivateKey,
      })),
    }));
  }
}

/** Slug to id, as last seen. Only a hint that saves a read: the record that it leads to must have the slug. */
const slugHints = new WeakMap<Store, Map<string, string>>();
const MAX_HINTS = 10_000;

/** @throws organization_unknown */
export const getOrganization = async (store: Store, slug: string): Promise<Organization> =>
  (await getStoredOrganization(store, slug)).value;

/** With its version. @throws organization_unknown */
export async function getStoredOrganization(store: Store, slug: string): Promise<Stored<Organization>> {
  const hints = slugHints.get(store) ?? new Map<string, string>();
  slugHints.set(store, hints);
  const hint = hints.get(slug);
  const hinted = hint === undefined ? undefined : await readTogether(store, hint, ORGANIZATION, ORGANIZATION_RECORD);
  if (hinted?.value.slug === slug) return hinted;
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  const organization = entry && (await store.get(entry.id, ORGANIZATION, ORGANIZATION_RECORD));
  if (!organization) throw new GatewayError('organization_unknown');
  if (hints.size >= MAX_HINTS) hints.clear();
  hints.set(slug, organization.value.id);
  return organization;
}

export const getOrganizationById = async (store: Store, id: string): Promise<Organization | undefined> =>
  (await store.get(id, ORGANIZATION, ORGANIZATION_RECORD))?.value;

/** The organization that has this e-mail domain. */
export async function findOrganizationByDomain(store: Store, domain: string): Promise<Organization | undefined> {
  const wanted = domain.toLowerCase();
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'domain', wanted);
  const organization = entry && (await getOrganizationById(store, entry.id));
  return organization?.domains.includes(wanted) ? organization : undefined;
}

/** By slug. */
export async function listOrganizations(
  store: Store,
  range: { limit: number; cursor?: string | undefined },
): Promise<{ items: Organization[]; nextCursor: string | null }> {
  const page = await store.find(GLOBAL, DIRECTORY, 'slug', range);
  const found = await Promise.all(page.items.map((entry) => getOrganizationById(store, entry.id)));
  return { items: found.filter((organization) => organization !== undefined), nextCursor: page.nextCursor };
}

/** Every organization's id. */
export async function* organizationIds(store: Store): AsyncGenerator<string> {
  for (let cursor: string | undefined, more = true; more; ) {
    const page = await store.find(GLOBAL, DIRECTORY, 'slug', { limit: 200, cursor });
    for (const { id } of page.items) yield id;
    cursor = page.nextCursor ?? undefined;
    more = cursor !== undefined;
  }
}

/**
 * Notes in the directory what concerns several organizations. Called before the organization itself is changed, so that a
 * crash between the two leaves a hint too many, never one too few.
 */
export async function noteIdentityProvider(store: Store, id: string, idp: { entityId: string; refreshesMetadata: boolean }): Promise<void> {
  const idpEntityHash = sha256(idp.entityId);
  const { refreshesMetadata } = idp;
  const entry = await updateRecord(store, GLOBAL, DIRECTORY, id, (before) =>
    before.idpEntityHash === idpEntityHash && before.refreshesMetadata === refreshesMetadata
      ? undefined
      : { ...before, idpEntityHash, refreshesMetadata },
  );
  if (!entry) throw new GatewayError('organization_unknown');
}

/** Whether another organization has an identity provider with this entityID. */
export async function isEntityIdShared(store: Store, id: string, entityId: string): Promise<boolean> {
  const { items } = await store.find(GLOBAL, DIRECTORY, 'idp', { equals: sha256(entityId), limit: 200 });
  for (const entry of items) {
    if (entry.id === id) continue;
    const organization = await getOrganizationById(store, entry.id);
    if (organization?.identityProvider?.metadata.entityId === entityId) return true;
  }
  return false;
}

/** The organizations whose metadata is fetched again from time to time (perhaps one too many). */
export async function* organizationsWithRefresh(store: Store): AsyncGenerator<Organization> {
  let cursor: string | undefined;
  do {
    const page = await store.find(GLOBAL, DIRECTORY, 'refreshing', { limit: 200, cursor });
    for (const entry of page.items) {
      const organization = await getOrganizationById(store, entry.id);
      if (organization) yield organization;
    }
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

export type OrganizationChanges = Partial<Omit<NewOrganization, 'slug'>>;

/** @throws conflict where a domain is taken; organization_unknown */
export async function changeOrganization(runtime: Runtime, actor: Actor, id: string, changes: OrganizationChanges): Promise<Organization> {
  const { domains } = changes;
  if (domains) await claimDomains(runtime.store, id, domains);
  return updateOrganization(runtime, actor, id, 'organization.changed', (organization) => ({ ...organization, ...changes }), {
    fields: Object.keys(changes),
  });
}

/** The directory first: a domain is another's or ours before the organization shows it. */
async function claimDomains(store: Store, id: string, domains: readonly string[]): Promise<void> {
  for (const domain of domains) {
    const holder = await store.getUnique(GLOBAL, DIRECTORY, 'domain', domain);
    if (holder && holder.id !== id) throw new GatewayError('conflict', 'Another organization has one of these domains.');
  }
  const entry = await updateRecord(store, GLOBAL, DIRECTORY, id, (before) => ({ ...before, domains }));
  if (!entry) throw new GatewayError('organization_unknown');
}

/**
 * Changes the record of an organization, with an audit entry in the same commit, on every replica of the store before it returns.
 * @param event undefined for what is nobody's decision and changes nothing that matters; it waits for no replica
 * @param change undefined leaves everything as it is, without an entry
 * @param more what else is in the commit; it must not fail
 * @throws organization_unknown, conflict; store_unavailable, also where it is done (or was before) but a replica of the store has not got it
 */
export async function updateOrganization(
  runtime: Runtime,
  actor: Actor,
  id: string,
  event: AuditEvent | undefined,
  change: (organization: Organization) => Organization | undefined,
  details?: Readonly<Record<string, unknown>>,
  more: (before: Organization, after: Organization) => readonly Step[] = () => [],
): Promise<Organization> {
  const entry = (before: Organization, after: Organization) => [
    ...more(before, after),
    ...(event === undefined ? [] : [auditStep(runtime.now(), actor, event, details === undefined ? {} : { details })]),
  ];
  // A failover must not bring back a certificate or a role rule that was taken away.
  const options = { replicated: event !== undefined };
  const stored = await updateRecord(runtime.store, id, ORGANIZATION, ORGANIZATION_RECORD, change, entry, options);
  if (!stored) throw new GatewayError('organization_unknown');
  return stored.value;
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

/**
 * The id behind a slug, also of an organization whose deletion died half-way.
 * @throws organization_unknown
 */
export async function organizationIdOf(store: Store, slug: string): Promise<string> {
  const entry = await store.getUnique(GLOBAL, DIRECTORY, 'slug', slug);
  if (!entry) throw new GatewayError('organization_unknown');
  return entry.id;
}
