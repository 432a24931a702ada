/**
 * Setup links: how a customer's IT administrator, who has no account, connects the identity provider. A link is good once; it
 * opens a setup session of one browser, for one organization and nothing but its single sign-on. Of both secrets only hashes
 * are kept. Everything lies in the organization's partition and goes with it, but for a pointer that leads there and expires.
 */
import { type Actor, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { newSecret, newTimeOrderedId, sha256 } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import { type Collection, GLOBAL, type Page, type Step, type Store, type Stored } from '../store/store.ts';
import { updateRecord } from '../store/update-record.ts';
import { DAY_SECONDS, toIsoTime } from '../time.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from './organizations.ts';

export interface SetupLink {
  /** SHA-256 of the secret in the link. */
  readonly secretHash: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly createdBy: Pick<Actor, 'kind' | 'id' | 'email'>;
  /** When its setup began. */
  readonly usedAtMs?: number;
  readonly revokedAtMs?: number;
}

const SETUP_LINKS: Collection<SetupLink> = { name: 'setup-link', indexes: { all: () => [''] }, unique: {} };

export const SETUP_SESSION_SECONDS = DAY_SECONDS;
/** A link that is over is listed for so long. */
const KEPT_DAYS = 30;
const PRUNED_AT_A_TIME = 20;

export type SetupLinkState = 'open' | 'used' | 'revoked' | 'expired';

export function setupLinkState({ usedAtMs, revokedAtMs, expiresAtMs }: SetupLink, nowMs: number): SetupLinkState {
  if (revokedAtMs !== undefined) return 'revoked';
  if (usedAtMs !== undefined) return 'used';
  return expiresAtMs > nowMs ? 'open' : 'expired';
}

const pointerKey = (secretHash: string): string => `setup-link:${secretHash}`;
const sessionKey = (secret: string): string => `setup-session:${sha256(secret)}`;

interface Pointer {
  readonly organizationId: string;
  readonly id: string;
}

export interface NewSetupLink {
  readonly id: string;
  /** For the address; it is kept nowhere. */
  readonly secret: string;
  readonly expiresAtMs: number;
}

/** @throws organization_unknown where it was deleted meanwhile */
export async function createSetupLink(
  runtime: Runtime,
  actor: Actor,
  organizationId: string,
  expiresInDays: number,
): Promise<NewSetupLink> {
  const nowMs = runtime.now();
  const id = newTimeOrderedId('lnk', nowMs);
  const secret = newSecret();
  const ttlSeconds = expiresInDays * DAY_SECONDS;
  const expiresAtMs = nowMs + ttlSeconds * 1000;
  const { kind, id: actorId, email } = actor;
  const createdBy = { kind, ...(actorId === undefined ? {} : { id: actorId }), ...(email === undefined ? {} : { email }) };
  const link: SetupLink = { secretHash: sha256(secret), createdAtMs: nowMs, expiresAtMs, createdBy };
  const pointer: Pointer = { organizationId, id };
  // The pointer first: without the link it leads nowhere.
  await runtime.store.commit(GLOBAL, [{ do: 'put', key: pointerKey(link.secretHash), value: JSON.stringify(pointer), ttlSeconds }]);
  const made = await runtime.store.commit(organizationId, [
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    { do: 'insert', collection: SETUP_LINKS, id, value: link },
    auditStep(nowMs, actor, 'setup_link.created', { details: { setup_link: id, expires_at: toIsoTime(expiresAtMs) } }),
  ]);
  if (!made.ok) throw new GatewayError('organization_unknown');
  await prune(runtime, organizationId);
  return { id, secret, expiresAtMs };
}

async function prune({ store, now }: Runtime, organizationId: string): Promise<void> {
  const oldest = await store.find(organizationId, SETUP_LINKS, 'all', { equals: '', limit: PRUNED_AT_A_TIME });
  const goneBeforeMs = now() - KEPT_DAYS * DAY_SECONDS * 1000;
  for (const { id, version, value } of oldest.items) {
    if (value.expiresAtMs < goneBeforeMs) await store.commit(organizationId, [{ do: 'delete', collection: SETUP_LINKS, id, version }]);
  }
}

/** Newest first. */
export const listSetupLinks = (
  store: Store,
  organizationId: string,
  range: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page<SetupLink>> => store.find(organizationId, SETUP_LINKS, 'all', { equals: '', descending: true, ...range });

/** Ends a link, and the setup that it began. Once more changes nothing. @throws not_found */
export async function revokeSetupLink(runtime: Runtime, actor: Actor, organizationId: string, id: string): Promise<void> {
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

const notGood = () =>
  new GatewayError(
    'not_found',
    'This setup link is not good, or not any more: each is valid once and for some days, and can be taken back. Ask who sent it for a new one.',
  );

export interface OpenSetupLink {
  readonly organization: Organization;
  readonly link: Stored<SetupLink>;
}

/** Looks at a link and leaves it as it is: mail programs open links before people do. @throws not_found */
export async function findOpenSetupLink({ store, now }: Runtime, secret: string): Promise<OpenSetupLink> {
  const text = await store.peek(GLOBAL, pointerKey(sha256(secret)));
  if (text === undefined) throw notGood();
  const { organizationId, id } = JSON.parse(text) as Pointer;
  const [organization, link] = await Promise.all([getOrganizationById(store, organizationId), store.get(organizationId, SETUP_LINKS, id)]);
  if (!organization || !link || setupLinkState(link.value, now()) !== 'open') throw notGood();
  return { organization, link };
}

interface KeptSession {
  readonly linkId: string;
  readonly csrfToken: string;
  readonly endsAtMs: number;
}

export interface SetupSession extends KeptSession {
  readonly organization: Organization;
}

/**
 * Uses a link up: of two who start at the same moment one gets in.
 * @param actor from where
 * @returns what the browser is given to keep
 * @throws not_found
 */
export async function startSetup(runtime: Runtime, actor: Actor, secret: string): Promise<string> {
  const { organization, link } = await findOpenSetupLink(runtime, secret);
  const nowMs = runtime.now();
  const sessionSecret = newSecret();
  const session: KeptSession = { linkId: link.id, csrfToken: newSecret(), endsAtMs: nowMs + SETUP_SESSION_SECONDS * 1000 };
  const steps: readonly Step[] = [
    { do: 'put', key: sessionKey(sessionSecret), value: JSON.stringify(session), ttlSeconds: SETUP_SESSION_SECONDS },
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    auditStep(nowMs, { ...actor, kind: 'setup_link', id: link.id }, 'setup_link.used', { details: { setup_link: link.id } }),
  ];
  const use = (before: SetupLink): SetupLink => {
    if (setupLinkState(before, nowMs) !== 'open') throw notGood();
    return { ...before, usedAtMs: nowMs };
  };
  const used = await updateRecord(runtime.store, {
    partition: organization.id,
    collection: SETUP_LINKS,
    id: link.id,
    change: use,
    extraSteps: () => steps,
    replicated: true,
  });
  if (!used) throw notGood();
  return `${organization.id}.${sessionSecret}`;
}

const COOKIE = /^(org_[0-9a-z]{20})\.([\w-]{43})$/;

/** What a cookie stands for; undefined where that is nothing (any more). @throws store_unavailable */
export async function readSetupSession({ store, now }: Runtime, cookie: string | undefined): Promise<SetupSession | undefined> {
  const [, organizationId, secret] = COOKIE.exec(cookie ?? '') ?? [];
  if (organizationId === undefined || secret === undefined) return undefined;
  const text = await store.peek(organizationId, sessionKey(secret));
  if (text === undefined) return undefined;
  const session = JSON.parse(text) as KeptSession;
  const [organization, link] = await Promise.all([
    getOrganizationById(store, organizationId),
    store.get(organizationId, SETUP_LINKS, session.linkId),
  ]);
  if (!organization || !link || link.value.revokedAtMs !== undefined || session.endsAtMs <= now()) return undefined;
  return { ...session, organization };
}

/** Nothing to end is fine. */
export async function endSetupSession({ store }: Runtime, cookie: string | undefined): Promise<void> {
  const [, organizationId, secret] = COOKIE.exec(cookie ?? '') ?? [];
  if (organizationId !== undefined && secret !== undefined) {
    await store.commit(organizationId, [{ do: 'drop', key: sessionKey(secret) }]);
  }
}
