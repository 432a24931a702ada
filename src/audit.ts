/** The audit trail: one table of events. Each entry is written in the same commit as the change that it describes. */
import { shortenDetails } from './audit-details.ts';
import { firstTimeOrderedId, newTimeOrderedId, timeOfId } from './ids.ts';
import { createCursor } from './store/cursor.ts';
import { eachItem } from './store/each-record.ts';
import { nextTurn } from './store/next-turn.ts';
import type { Collection, Page, Step, Store, Stored } from './store/store.ts';
import { toIsoTime } from './time.ts';

/** All events, with their descriptions. The names are public (`GET …/audit?event=`). */
export const AUDIT_EVENTS = {
  'login.accepted': 'a user signed in',
  'login.refused': 'a sign-in was rejected',
  'login.tested': 'a test of the sign-in ran; no session was created',
  logout: 'a user signed out',
  'sessions.ended': 'sessions of a member were revoked by the member, an owner or the operator',
  'logout.identity_provider': 'the identity provider logged a user out; `ended` in the details counts the sessions that ended',
  'logout.unknown_principal': 'the identity provider logged out a user who never signed in here, so no session ended',
  'member.created': 'a user signed in for the first time and became a member',
  'member.role_changed': 'the role of a member changed',
  'member.suspended': 'a member was suspended',
  'member.unsuspended': 'the suspension of a member was lifted',
  'member.linked':
    'a user of a new identity provider became an existing member: by a verified email address, or approved by an owner or the operator',
  'member.link_declined': 'an owner or the operator declined that a user of a new identity provider becomes an existing member',
  'member.removed': 'a member was removed, with all sessions and tokens',
  'organization.created': 'an organization was created',
  'organization.changed': 'settings of an organization were changed',
  'organization.without_owner': 'a sign-in, new role rules or a change of a connection left the organization without an owner',
  'organization.deleted': 'an organization was deleted, with all its data',
  'identity_provider.changed': 'metadata of the identity provider was saved',
  'identity_provider.refreshed': 'metadata was fetched again from its URL and was accepted, or rejected for the reason in the details',
  'identity_provider.settings_changed': 'settings of the identity provider were changed',
  'identifier.pinned': 'the first accepted sign-in or test decided by which attribute or NameID users are identified',
  'identity_provider.removed': 'the identity provider was removed, so sign-ins are no longer possible',
  'connection.created': 'a connection was created, as a draft',
  'connection.changed': 'the name, state or settings of a connection were changed, or it became the default connection',
  'connection.removed': 'a connection was deleted, so sign-ins through it are no longer possible',
  'connection.credentials_revoked':
    'the sessions and CLI tokens of the members of a disabled or deleted connection were revoked; `members` in the details counts them',
  'connection.replacement_created':
    'a draft was created that replaces the identity provider of a connection after a test, so that members keep their accounts',
  'connection.pending_members_revoked':
    'the sessions and CLI tokens of all members who have not signed in since the identity provider changed are being revoked',
  'role_mapping.changed': 'the role rules were changed',
  'domain.added': 'a domain was added, to be verified',
  'domain.verified': 'a domain was verified by its DNS record, or confirmed by the operator',
  'domain.record_missing': 'the DNS record of a verified domain has been missing for 7 days',
  'domain.unverified': 'a domain is no longer verified because its DNS record was missing for 30 days',
  'domain.transferred': 'the operator transferred a domain to another organization',
  'domain.removed': 'a domain was removed',
  'setup_link.created': 'a setup link was created',
  'setup_link.used': 'a setup was started with a setup link',
  'setup_link.revoked': 'a setup link was revoked, with the setup that was started with it',
  'metadata_proposal.created': 'a setup link proposed metadata for a connection with members; nothing changes before it is accepted',
  'metadata_proposal.discarded': 'proposed metadata was discarded',
  'cli_token.created': 'a CLI token was created',
  'cli_token.revoked': 'a CLI token was revoked',
  'cli_tokens.rotated': 'all CLI tokens of a member were revoked, and a new one was created if the member asked for it',
  'session_token.revoked': 'a session token was revoked before it expired',
  'device_login.denied': 'a user denied a sign-in from a terminal',
  'operator.sign_in_refused': 'a wrong operator token was sent, in the console or as a bearer token; at most 32 entries an hour',
  'operator.signed_in': 'the operator signed in to the console with the operator token',
  'signing_key.created': 'the first token signing keys were created',
  'signing_key.rotated': 'the token signing keys were rotated, so that the next key signs',
  'signing_key.revoked': 'a token signing key was revoked, with every token that it signed',
} as const;

export type AuditEvent = keyof typeof AUDIT_EVENTS;

/** The originator of a change, and the request that it came with. */
export interface Actor {
  readonly kind: 'operator' | 'member' | 'identity_provider' | 'gateway' | 'setup_link' | 'anonymous';
  /** The id of the member or of the setup link. */
  readonly id?: string;
  readonly email?: string;
  readonly address?: string;
  readonly requestId?: string;
}

export interface AuditEntry {
  readonly id: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly event: AuditEvent;
  readonly actor: Actor;
  /** The member that the event is about. */
  readonly member_id?: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * An entry as it is stored. There may be a million of them, so they have nothing twice: the ID of the record contains the time. Older
 * entries are stored as they are returned.
 */
export type StoredAuditEntry = Omit<AuditEntry, 'id' | 'at' | 'actor'> &
  Partial<Pick<AuditEntry, 'id' | 'at'>> & {
    /** `self` is the member that the entry is about. */
    readonly actor: Omit<Actor, 'kind'> & { readonly kind: Actor['kind'] | 'self' };
  };

/** Most entries have this event, so they are found by time. */
const MOST_FREQUENT_EVENT: AuditEvent = 'login.accepted';

export const AUDIT: Collection<StoredAuditEntry> = {
  name: 'audit',
  indexes: {
    time: () => [''],
    event: (entry) => (entry.event === MOST_FREQUENT_EVENT ? [] : [entry.event]),
    member: (entry) => (entry.member_id === undefined ? [] : [entry.member_id]),
  },
  unique: {},
  counted: 'time',
  writtenOnce: true,
};

/** Returns an entry that was read from the store. */
export function toAuditEntry({ id, value: { actor, ...value } }: Pick<Stored<StoredAuditEntry>, 'id' | 'value'>): AuditEntry {
  const { kind, ...facts } = actor;
  const by: Actor =
    kind === 'self' ? { ...facts, kind: 'member', ...(value.member_id === undefined ? {} : { id: value.member_id }) } : { ...facts, kind };
  return { ...value, id, at: value.at ?? toIsoTime(timeOfId(id)), actor: by };
}

/** Returns the step that writes an entry. Add it to the commit of the change. Long details are shortened, because the number of entries is limited. */
export function auditStep(
  nowMs: number,
  actor: Actor,
  event: AuditEvent,
  more: Pick<AuditEntry, 'member_id' | 'code' | 'details'> = {},
): Step {
  const details = more.details && shortenDetails(more.details);
  const { id, ...facts } = actor;
  const isSelf = actor.kind === 'member' && id !== undefined && id === more.member_id;
  const entry: StoredAuditEntry = {
    event,
    actor: isSelf ? { ...facts, kind: 'self' } : actor,
    ...more,
    ...(details ? { details } : {}),
  };
  return { do: 'insert', collection: AUDIT, id: newTimeOrderedId('aud', nowMs), value: entry };
}

/** Returns an entry as the API, downloads and the log have it. */
export const auditJson = ({ actor: { requestId, ...actor }, ...entry }: AuditEntry) => ({
  ...entry,
  actor: { ...actor, request_id: requestId },
});

export interface AuditQuery {
  /** Returns entries from this instant on (ms since 1970). */
  readonly sinceMs?: number | undefined;
  /** Returns entries before this instant. */
  readonly untilMs?: number | undefined;
  readonly event?: AuditEvent | undefined;
  readonly memberId?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** One call reads at most this many pages to find entries of an event without an index. */
const MAX_SEARCHED_PAGES = 10;
const SEARCHED_PAGE = 200;

/**
 * Returns entries, newest first. With two filters, or the most frequent event, one call searches at most 2,000 entries, so a page may be
 * shorter than `limit`; only `nextCursor` tells whether more entries follow.
 * @throws validation_failed if the cursor is invalid, store_unavailable
 */
export async function readAudit(store: Store, partition: string, query: AuditQuery): Promise<Page<AuditEntry>> {
  const { memberId, event } = query;
  const hasEventIndex = memberId === undefined && event !== undefined && event !== MOST_FREQUENT_EVENT;
  const [index, equals] = memberId !== undefined ? ['member', memberId] : hasEventIndex ? ['event', event] : ['time', ''];
  const isSearch = event !== undefined && !hasEventIndex;
  const range = { equals, descending: true, limit: isSearch ? SEARCHED_PAGE : query.limit };
  const cursorAt = (id: string) => createCursor({ partition, collection: AUDIT, index, range }, equals, id);
  const since = query.sinceMs === undefined ? '' : firstTimeOrderedId('aud', query.sinceMs);
  const items: Stored<AuditEntry>[] = [];
  // Ids are ordered by time, so the list starts at the first possible id of that instant.
  let cursor = query.cursor ?? (query.untilMs === undefined ? undefined : cursorAt(firstTimeOrderedId('aud', query.untilMs)));
  for (let pages = 0; pages < MAX_SEARCHED_PAGES; pages++) {
    if (pages > 0) await nextTurn();
    const page = await store.find(partition, AUDIT, index, { ...range, cursor });
    for (const [at, item] of page.items.entries()) {
      if (item.id < since) return { items, nextCursor: null };
      if (event === undefined || item.value.event === event) items.push({ ...item, value: toAuditEntry(item) });
      if (items.length === query.limit && at + 1 < page.items.length) return { items, nextCursor: cursorAt(item.id) };
    }
    if (items.length === query.limit || page.nextCursor === null) return { items, nextCursor: page.nextCursor };
    cursor = page.nextCursor;
  }
  return { items, nextCursor: cursor ?? null };
}

/** Yields all entries that match the query, newest first, and reads each page when it is needed. */
export async function* eachAuditEntry(
  store: Store,
  partition: string,
  { signal, ...query }: Omit<AuditQuery, 'limit' | 'cursor'> & { readonly signal?: AbortSignal | undefined },
): AsyncGenerator<AuditEntry> {
  const readPage = (cursor: string | undefined) => readAudit(store, partition, { ...query, limit: 200, cursor });
  for await (const { value } of eachItem(readPage, signal)) yield value;
}
