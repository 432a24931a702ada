/**
 * SCIM tokens, with which the identity provider of one connection provisions users. A connection has at most two, so that one can
 * replace the other without a gap. Only a hash is stored. A token is valid while it is stored, its connection is active, and the
 * organization's record says that the connection is provisioned, which ends when the connection is disabled or deleted.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newId, newSecret, sha256 } from '../../ids.ts';
import { findConnection, requireConnection, withoutProvisioning } from '../../organizations/connections/connections.ts';
import { getOrganization } from '../../organizations/directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../organizations/organizations.ts';
import type { ScimTarget } from '../../organizations/provisioning/scim-users.ts';
import { isProvisioned } from '../../organizations/provisioning/scim-users.ts';
import type { Runtime } from '../../runtime.ts';
import { compareAndSet, RETRY } from '../../store/compare-and-set.ts';
import type { Collection, Page, Step, Store, Stored } from '../../store/store.ts';
import { DAY_MS, toIsoTime } from '../../time.ts';
import { deleteTokenUse } from './token-use.ts';

const SCIM_TOKEN_PREFIX = 'samlgate_scim_';

export interface ScimToken {
  readonly id: string;
  readonly name: string;
  readonly connectionId: string;
  /** SHA-256 of the token. */
  readonly hash: string;
  readonly slot: number;
  readonly createdAtMs: number;
  readonly expiresAtMs?: number | undefined;
  readonly createdBy: Pick<Actor, 'kind' | 'id' | 'email'>;
}

const SLOTS = [0, 1] as const;
const slotKey = (connectionId: string, slot: number): string => `${connectionId}:${slot}`;

const SCIM_TOKENS: Collection<ScimToken> = {
  name: 'scim-token',
  indexes: { all: () => [''] },
  unique: { hash: ({ hash }) => [hash], slot: ({ connectionId, slot }) => [slotKey(connectionId, slot)] },
};

const isExpired = ({ expiresAtMs }: ScimToken, nowMs: number): boolean => expiresAtMs !== undefined && expiresAtMs <= nowMs;

export interface NewScimToken {
  readonly organizationId: string;
  readonly name: string;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly expiresInDays?: number | undefined;
}

export interface CreatedScimToken extends ScimToken {
  /** Returned only now. */
  readonly token: string;
}

const readSlots = async (store: Store, organizationId: string, connectionId: string): Promise<readonly Stored<ScimToken>[]> => {
  const tokens = await Promise.all(SLOTS.map((slot) => store.getUnique(organizationId, SCIM_TOKENS, 'slot', slotKey(connectionId, slot))));
  return tokens.filter((token) => token !== undefined);
};

/** Returns the tokens of a connection: at most two. */
export const listConnectionTokens = async (store: Store, organizationId: string, connectionId: string): Promise<readonly ScimToken[]> =>
  (await readSlots(store, organizationId, connectionId)).map(({ value }) => value);

const WARN_BEFORE_MS = 14 * DAY_MS;

/** Returns the tokens of an organization that expire within 14 days or have expired, without those that another token outlives. */
export async function findEndingTokens({ store, now }: Runtime, { id, scimConnections = [] }: Organization): Promise<readonly ScimToken[]> {
  const soonMs = now() + WARN_BEFORE_MS;
  const isEnding = (token: ScimToken) => isExpired(token, soonMs);
  const ofConnections = await Promise.all(scimConnections.map((connectionId) => listConnectionTokens(store, id, connectionId)));
  return ofConnections.flatMap((tokens) => (tokens.every(isEnding) ? tokens : []));
}

/** @throws organization_unknown, not_found, idp_not_configured; conflict if the connection is disabled, or already has two valid tokens */
export async function createScimToken(runtime: Runtime, actor: Actor, options: NewScimToken): Promise<CreatedScimToken> {
  const { store, now } = runtime;
  const { organizationId } = options;
  const token = `${SCIM_TOKEN_PREFIX}${newSecret()}`;
  return compareAndSet<CreatedScimToken>(async () => {
    const nowMs = now();
    const stored = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!stored) throw new GatewayError('organization_unknown');
    const connection = requireConnection(stored.value, options.connectionId);
    if (connection.state === 'disabled') throw new GatewayError('conflict', 'This connection is disabled. Enable it first.');
    const present = await readSlots(store, organizationId, connection.id);
    // Tokens that were ended with their connection must not become valid again.
    const ended = present.filter(({ value }) => isExpired(value, nowMs) || !isProvisioned(stored.value, connection));
    const valid = present.filter((each) => !ended.includes(each));
    const slot = SLOTS.find((each) => !valid.some(({ value }) => value.slot === each));
    if (slot === undefined) {
      throw new GatewayError('conflict', 'This connection has two SCIM tokens, the most that it can have. Revoke one of them first.');
    }
    const { kind, id: actorId, email } = actor;
    const created: ScimToken = {
      id: newId('sct'),
      name: options.name,
      connectionId: connection.id,
      hash: sha256(token),
      slot,
      createdAtMs: nowMs,
      ...(options.expiresInDays === undefined ? {} : { expiresAtMs: nowMs + options.expiresInDays * DAY_MS }),
      createdBy: { kind, ...(actorId === undefined ? {} : { id: actorId }), ...(email === undefined ? {} : { email }) },
    };
    const others = (stored.value.scimConnections ?? []).filter((each) => each !== connection.id);
    const value: Organization = { ...stored.value, scimConnections: [...others, connection.id] };
    const details = {
      scim_token: created.id,
      name: created.name,
      connection: connection.id,
      ...(created.expiresAtMs === undefined ? {} : { expires_at: toIsoTime(created.expiresAtMs) }),
    };
    const steps: Step[] = [
      { do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value },
      ...ended.map(({ id, version }): Step => ({ do: 'delete', collection: SCIM_TOKENS, id, version })),
      { do: 'insert', collection: SCIM_TOKENS, id: created.id, value: created },
      auditStep(nowMs, actor, 'scim_token.created', { details }),
    ];
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? { ...created, token } : RETRY;
  });
}

/** Returns one page of tokens, expired ones and those of disabled connections included. */
export const listScimTokens = (
  store: Store,
  organizationId: string,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<ScimToken>> => store.find(organizationId, SCIM_TOKENS, 'all', { equals: '', ...range });

/** Returns whether requests with a token are currently answered. */
export function scimTokenState(organization: Organization, token: ScimToken, nowMs: number): 'valid' | 'expired' | 'connection_inactive' {
  if (isExpired(token, nowMs)) return 'expired';
  const connection = findConnection(organization, token.connectionId);
  return connection?.state === 'active' && isProvisioned(organization, connection) ? 'valid' : 'connection_inactive';
}

/** Revokes a token. No replica accepts it when the call returns. @throws not_found, organization_unknown */
export async function revokeScimToken(
  { store, now }: Runtime,
  actor: Actor,
  { organizationId, id }: { readonly organizationId: string; readonly id: string },
): Promise<void> {
  await compareAndSet<true>(async () => {
    const stored = await store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!stored) throw new GatewayError('organization_unknown');
    const token = await store.get(organizationId, SCIM_TOKENS, id);
    if (!token) throw new GatewayError('not_found', 'There is no such SCIM token.');
    const { connectionId, name } = token.value;
    const others = (await readSlots(store, organizationId, connectionId)).filter((each) => each.id !== id);
    const value = others.length > 0 ? stored.value : { ...stored.value, ...withoutProvisioning(stored.value, connectionId) };
    const steps: Step[] = [
      // Also if nothing changes, so that of two tokens that are revoked at the same moment one is seen as the last.
      { do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value },
      { do: 'delete', collection: SCIM_TOKENS, id, version: token.version },
      deleteTokenUse(id),
      auditStep(now(), actor, 'scim_token.revoked', { details: { scim_token: id, name, connection: connectionId } }),
    ];
    return (await store.commit(organizationId, steps, { replicated: true })).ok ? true : RETRY;
  });
}

/** A SCIM client, and what it may change. */
export interface ScimPrincipal extends ScimTarget {
  readonly tokenId: string;
}

/**
 * Authenticates a SCIM client. Organizations that do not exist are refused like wrong tokens.
 * @throws unauthenticated, store_unavailable
 */
export async function authenticateScim(runtime: Runtime, slug: string, authorization: string | undefined): Promise<ScimPrincipal> {
  const token = /^Bearer +(samlgate_scim_[\w-]{43}) *$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) throw invalidToken();
  const organization = await getOrganization(runtime.store, slug).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'organization_unknown') throw invalidToken();
    throw error;
  });
  const stored = await runtime.store.getUnique(organization.id, SCIM_TOKENS, 'hash', sha256(token));
  const connection = stored && findConnection(organization, stored.value.connectionId);
  if (!connection || scimTokenState(organization, stored.value, runtime.now()) !== 'valid') {
    throw invalidToken();
  }
  const requireToken: Step = { do: 'require', collection: SCIM_TOKENS, id: stored.id };
  return { organization, connection, tokenId: stored.id, requireToken };
}

/** The same for all causes, so that the answer does not tell which organizations exist. */
const invalidToken = (): GatewayError =>
  new GatewayError('unauthenticated', 'The SCIM token is invalid, expired or revoked, or its connection is not active.');
