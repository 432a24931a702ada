/**
 * Setup links, with which the IT administrator of a customer connects the identity provider without an account. A link can be used
 * once. It opens a session in one browser, for the single sign-on of one organization and nothing else. The link's secret is stored
 * as a hash only. A link is deleted with its organization; a pointer in the global partition finds it and expires with it.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newSecret, newTimeOrderedId, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { type Collection, GLOBAL, type Page, type Step, type Store, type Stored } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_SECONDS, toIsoTime } from '../../time.ts';
import { findConnection, findDefaultConnection, requireConnection } from '../connections/connections.ts';
import { type Connection, getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';

export interface SetupLink {
  /** SHA-256 of the secret in the link. */
  readonly secretHash: string;
  /** The only connection that the link can see and change. Absent if the organization had none: the one that the link creates. */
  readonly connectionId?: string | undefined;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly createdBy: Pick<Actor, 'kind' | 'id' | 'email'>;
  /** When an administrator opened the link and started the setup. */
  readonly usedAtMs?: number;
  readonly revokedAtMs?: number;
}

const SETUP_LINKS: Collection<SetupLink> = { name: 'setup-link', indexes: { all: () => [''] }, unique: {}, counted: 'all' };

/** How long an expired link stays in the list. */
const KEPT_DAYS = 30;
export const MAX_OPEN = 100;
/** Used, revoked and expired links. */
const MAX_CLOSED = 99;
const MAX_STORED = 200;
/** Stores of earlier versions may have more links. Each new one deletes some of them. */
const MAX_READ = 1000;

export type SetupLinkState = 'open' | 'used' | 'revoked' | 'expired';

export function setupLinkState({ usedAtMs, revokedAtMs, expiresAtMs }: SetupLink, nowMs: number): SetupLinkState {
  if (revokedAtMs !== undefined) return 'revoked';
  if (usedAtMs !== undefined) return 'used';
  return expiresAtMs > nowMs ? 'open' : 'expired';
}

const pointerKey = (secretHash: string): string => `setup-link:${secretHash}`;

interface Pointer {
  readonly organizationId: string;
  readonly id: string;
}

export interface NewSetupLink {
  readonly id: string;
  /** For the URL of the link. The secret itself is not stored. */
  readonly secret: string;
  readonly expiresAtMs: number;
}

export interface SetupLinkOptions {
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly expiresInDays: number;
}

/** @throws not_found if there is no such connection; quota_exceeded for too many open links; organization_unknown if the organization has been deleted */
export async function createSetupLink(
  runtime: Runtime,
  actor: Actor,
  { organization, connectionId: requested, expiresInDays }: SetupLinkOptions,
): Promise<NewSetupLink> {
  const { id: organizationId } = organization;
  const connectionId = requested === undefined ? findDefaultConnection(organization)?.id : requireConnection(organization, requested).id;
  await makeRoom(runtime, organizationId);
  const nowMs = runtime.now();
  const id = newTimeOrderedId('lnk', nowMs);
  const secret = newSecret();
  const ttlSeconds = expiresInDays * DAY_SECONDS;
  const expiresAtMs = nowMs + ttlSeconds * 1000;
  const { kind, id: actorId, email } = actor;
  const createdBy = { kind, ...(actorId === undefined ? {} : { id: actorId }), ...(email === undefined ? {} : { email }) };
  const link: SetupLink = { secretHash: sha256(secret), connectionId, createdAtMs: nowMs, expiresAtMs, createdBy };
  const pointer: Pointer = { organizationId, id };
  // The pointer goes first, because a pointer without a link is harmless.
  await runtime.store.commit(GLOBAL, [{ do: 'put', key: pointerKey(link.secretHash), value: JSON.stringify(pointer), ttlSeconds }]);
  const created = await runtime.store.commit(organizationId, [
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    { do: 'below', collection: SETUP_LINKS, count: MAX_STORED },
    { do: 'insert', collection: SETUP_LINKS, id, value: link },
    auditStep(nowMs, actor, 'setup_link.created', {
      details: { setup_link: id, connection: connectionId, expires_at: toIsoTime(expiresAtMs) },
    }),
  ]);
  if (!created.ok) throw created.failed === 1 ? tooManyLinks() : new GatewayError('organization_unknown');
  return { id, secret, expiresAtMs };
}

/**
 * Deletes links that expired long ago, and the oldest closed ones if there are many.
 * @throws quota_exceeded if the organization has too many open links
 */
async function makeRoom({ store, now }: Runtime, organizationId: string): Promise<void> {
  const links: Stored<SetupLink>[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.find(organizationId, SETUP_LINKS, 'all', { equals: '', limit: MAX_STORED, cursor });
    links.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && links.length < MAX_READ);
  const nowMs = now();
  const closed = links.filter(({ value }) => setupLinkState(value, nowMs) !== 'open');
  const keptSinceMs = nowMs - KEPT_DAYS * DAY_SECONDS * 1000;
  const kept = closed.filter(({ value }) => value.expiresAtMs >= keptSinceMs);
  const tooMany = new Set(kept.slice(0, Math.max(0, kept.length - MAX_CLOSED)));
  for (const link of closed) {
    if (kept.includes(link) && !tooMany.has(link)) continue;
    const { id, version } = link;
    await store.commit(organizationId, [{ do: 'delete', collection: SETUP_LINKS, id, version }]);
  }
  if (links.length - closed.length >= MAX_OPEN) throw tooManyLinks();
}

const tooManyLinks = (): GatewayError =>
  new GatewayError('quota_exceeded', `This organization has ${MAX_OPEN} open setup links, the most that it can have. Revoke some first.`);

/** Returns one page of links, newest first. */
export const listSetupLinks = (
  store: Store,
  organizationId: string,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<SetupLink>> => store.find(organizationId, SETUP_LINKS, 'all', { equals: '', descending: true, ...range });

/**
 * Revokes a link and ends the session that it opened. Revoking a link twice changes nothing.
 * @throws not_found
 */
export async function revokeSetupLink(
  runtime: Runtime,
  actor: Actor,
  { organizationId, id }: { readonly organizationId: string; readonly id: string },
): Promise<void> {
  const nowMs = runtime.now();
  const revoked = await updateRecord(runtime.store, {
    partition: organizationId,
    collection: SETUP_LINKS,
    id,
    change: (link) => (link.revokedAtMs === undefined ? { ...link, revokedAtMs: nowMs } : undefined),
    extraSteps: () => [auditStep(nowMs, actor, 'setup_link.revoked', { details: { setup_link: id } })],
    replicated: true,
  });
  if (!revoked) throw new GatewayError('not_found', 'There is no such setup link.');
}

/**
 * Returns the step that refuses a commit of a setup once its link is revoked.
 * @throws unauthenticated if the link is already revoked
 */
export async function requireLinkStep(store: Store, organizationId: string, linkId: string): Promise<Step> {
  const link = await store.get(organizationId, SETUP_LINKS, linkId);
  if (!link || link.value.revokedAtMs !== undefined) throw new GatewayError('unauthenticated', { variant: 'setup_session_ended' });
  return { do: 'require', collection: SETUP_LINKS, id: linkId, version: link.version };
}

/** Returns the connection that a setup link has created or belongs to. @throws unauthenticated if the link is revoked or has ended */
export async function requireLinkedConnection(store: Store, organization: Organization, linkId: string): Promise<Connection | undefined> {
  const link = await store.get(organization.id, SETUP_LINKS, linkId);
  const target = link && link.value.revokedAtMs === undefined ? findSetupTarget(organization, link) : undefined;
  if (!target) throw new GatewayError('unauthenticated', { variant: 'setup_session_ended' });
  return target.connection;
}

const linkInvalid = () => new GatewayError('not_found', { variant: 'setup_link_invalid' });

export interface OpenSetupLink {
  readonly organization: Organization;
  readonly link: Stored<SetupLink>;
}

/**
 * Finds a link that can still be used. It does not use the link, because mail programs open links before their readers do.
 * @throws not_found
 */
export async function findOpenSetupLink({ store, now }: Runtime, secret: string): Promise<OpenSetupLink> {
  const pointer = await findPointer(store, secret);
  if (pointer === undefined) throw linkInvalid();
  const { organizationId, id } = pointer;
  const [organization, link] = await Promise.all([getOrganizationById(store, organizationId), store.get(organizationId, SETUP_LINKS, id)]);
  if (!organization || !link || setupLinkState(link.value, now()) !== 'open' || !findSetupTarget(organization, link)) throw linkInvalid();
  return { organization, link };
}

async function findPointer(store: Store, secret: string): Promise<Pointer | undefined> {
  const text = await store.peek(GLOBAL, pointerKey(sha256(secret)));
  return text === undefined ? undefined : (JSON.parse(text) as Pointer);
}

/** Returns whether a secret belongs to the link of a setup. The link may already be used. */
export async function isSecretOfSetup(
  { store }: Runtime,
  secret: string,
  { organizationId, linkId }: { readonly organizationId: string; readonly linkId: string },
): Promise<boolean> {
  const pointer = await findPointer(store, secret);
  return pointer?.organizationId === organizationId && pointer.id === linkId;
}

/**
 * Marks a link as used. Of several requests at the same moment, only one succeeds.
 * @param use the link, and the steps that store its session in the same commit
 * @throws not_found
 */
export async function consumeSetupLink(
  runtime: Runtime,
  actor: Actor,
  { organization, link, sessionSteps }: OpenSetupLink & { readonly sessionSteps: readonly Step[] },
): Promise<void> {
  const nowMs = runtime.now();
  const markAsUsed = (before: SetupLink): SetupLink => {
    if (setupLinkState(before, nowMs) !== 'open') throw linkInvalid();
    return { ...before, usedAtMs: nowMs };
  };
  const extraSteps: readonly Step[] = [
    ...sessionSteps,
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    auditStep(nowMs, { ...actor, kind: 'setup_link', id: link.id }, 'setup_link.used', { details: { setup_link: link.id } }),
  ];
  const used = await updateRecord(runtime.store, {
    partition: organization.id,
    collection: SETUP_LINKS,
    id: link.id,
    change: markAsUsed,
    extraSteps: () => extraSteps,
    replicated: true,
  });
  if (!used) throw linkInvalid();
}

interface SetupTarget {
  /** Undefined if the link has yet to create it. */
  readonly connection: Connection | undefined;
}

/**
 * Returns what a link may set up. Undefined if there is nothing left: a link never follows another connection that becomes the default,
 * and it ends with its connection, even if the deleted identity provider is connected again under the same ID.
 */
function findSetupTarget(organization: Organization, { id, value: link }: Stored<SetupLink>): SetupTarget | undefined {
  const { connections, formerConnections = [] } = organization;
  const connection =
    link.connectionId === undefined
      ? // Links from before connections existed set up the migrated connection.
        connections.find(({ setupLinkId, readsFormerKeys }) => setupLinkId === id || readsFormerKeys)
      : findConnection(organization, link.connectionId);
  if (connection) return Date.parse(connection.reconnectedAt ?? '') > link.createdAtMs ? undefined : { connection };
  const hasCreated = formerConnections.some(({ setupLinkId }) => setupLinkId === id);
  return link.connectionId === undefined && connections.length === 0 && !hasCreated ? { connection: undefined } : undefined;
}

/** Returns the connection that a link sets up. Undefined if it was deleted or does not exist yet. */
export const findLinkedConnection = (organization: Organization, link: Stored<SetupLink>): Connection | undefined =>
  findSetupTarget(organization, link)?.connection;

export interface SetupScope {
  readonly organization: Organization;
  /** The connection of the link. Undefined if the link has yet to create it. */
  readonly connectionId: string | undefined;
}

/**
 * Returns the organization and connection that a setup session may access, or undefined if the link was revoked, or if the link, its
 * connection or the organization was deleted.
 */
export async function findSetupScope({ store }: Runtime, organizationId: string, linkId: string): Promise<SetupScope | undefined> {
  const [organization, link] = await Promise.all([
    getOrganizationById(store, organizationId),
    store.get(organizationId, SETUP_LINKS, linkId),
  ]);
  const target = organization && link && link.value.revokedAtMs === undefined ? findSetupTarget(organization, link) : undefined;
  return organization && target && { organization, connectionId: target.connection?.id };
}
