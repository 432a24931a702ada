/** The audit trail: one table of events, written in the same commit as the change that an entry tells of. */
import { firstTimeOrderedId, newTimeOrderedId } from './ids.ts';
import { createCursor } from './store/cursor.ts';
import { eachItem } from './store/each-record.ts';
import type { Collection, Page, Step, Store } from './store/store.ts';
import { toIsoTime } from './time.ts';

/** Every event, with what it tells. Names are public (`GET …/audit?event=`). */
export const AUDIT_EVENTS = {
  'login.accepted': 'a person signed in',
  'login.refused': 'a sign-in was refused',
  'login.tested': 'somebody tried the sign-in; nobody was let in',
  logout: 'a person ended their session',
  'sessions.ended': 'sessions of a member were ended from elsewhere: by themselves, an owner or the operator',
  'logout.identity_provider': 'the identity provider ended sessions of a person',
  'member.created': 'a person signed in for the first time',
  'member.role_changed': 'a member has another role',
  'member.suspended': 'a member was suspended',
  'member.unsuspended': 'a suspension was lifted',
  'member.removed': 'a member was removed; all sessions and tokens ended',
  'organization.created': 'an organization was made',
  'organization.changed': 'an organization was changed',
  'organization.deleted': 'an organization was deleted with everything in it',
  'identity_provider.changed': 'identity provider metadata was set',
  'identity_provider.refreshed': 'metadata was fetched again from its URL: taken, or refused for the reason that is told',
  'identity_provider.settings_changed': 'identity provider settings were changed',
  'identity_provider.removed': 'the identity provider was removed; nobody can sign in',
  'role_mapping.changed': 'the role rules were changed',
  'setup_link.created': 'a setup link was made',
  'setup_link.used': 'somebody began a setup by a setup link',
  'setup_link.revoked': 'a setup link was revoked; a setup that it began has ended',
  'cli_token.created': 'a CLI token was made',
  'cli_token.revoked': 'a CLI token was revoked',
  'cli_tokens.rotated': 'all CLI tokens of a member were revoked (and one new one made, where the member asked for it)',
  'session_token.revoked': 'a session token was revoked before its end',
  'device_login.denied': 'a person refused a login from a terminal',
  'operator.signed_in': 'the operator signed in to the console with the operator token',
  'signing_key.created': 'the first token signing keys were made',
  'signing_key.rotated': 'the next token signing key signs now',
  'signing_key.revoked': 'a token signing key was revoked; every token that it signed is dead',
} as const;

export type AuditEvent = keyof typeof AUDIT_EVENTS;

/** Who does something, and through which request. */
export interface Actor {
  readonly kind: 'operator' | 'member' | 'identity_provider' | 'gateway' | 'setup_link' | 'anonymous';
  /** The member's id, where it is a member; that of the link, where somebody came by a setup link. */
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
  /** The member whom it concerns. */
  readonly member_id?: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export const AUDIT: Collection<AuditEntry> = {
  name: 'audit',
  indexes: {
    time: () => [''],
    event: (entry) => [entry.event],
    member: (entry) => (entry.member_id === undefined ? [] : [entry.member_id]),
  },
  unique: {},
};

/** The step that writes an entry; it goes into the commit of what it tells. */
export function auditStep(
  nowMs: number,
  actor: Actor,
  event: AuditEvent,
  more: Pick<AuditEntry, 'member_id' | 'code' | 'details'> = {},
): Step {
  const id = newTimeOrderedId('aud', nowMs);
  const entry: AuditEntry = { id, at: toIsoTime(nowMs), event, actor, ...more };
  return { do: 'insert', collection: AUDIT, id, value: entry };
}

export interface AuditQuery {
  /** The first moment that counts, ms since 1970. */
  readonly sinceMs?: number | undefined;
  /** The first moment that does not count any more. */
  readonly untilMs?: number | undefined;
  readonly event?: AuditEvent | undefined;
  readonly memberId?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Newest first. A page may be short of `limit` where a filter drops entries; `nextCursor` alone tells whether there is more. */
export async function readAudit(store: Store, partition: string, query: AuditQuery): Promise<Page<AuditEntry>> {
  const [index, equals] =
    query.memberId !== undefined ? ['member', query.memberId] : query.event !== undefined ? ['event', query.event] : ['time', ''];
  const range = { equals, descending: true, limit: query.limit };
  // Ids are in the order of time, so the place right before the first id of a moment is where to begin.
  const start = query.untilMs === undefined ? undefined : firstTimeOrderedId('aud', query.untilMs);
  const cursor = query.cursor ?? (start && createCursor({ partition, collection: AUDIT, index, range }, equals, start));
  const page = await store.find(partition, AUDIT, index, { ...range, cursor });
  const since = query.sinceMs === undefined ? '' : firstTimeOrderedId('aud', query.sinceMs);
  const items = page.items.filter((item) => item.id >= since && (query.event === undefined || item.value.event === query.event));
  const last = page.items.at(-1);
  return { items, nextCursor: last && last.id >= since ? page.nextCursor : null };
}

/** Every entry that the query finds, newest first, read page by page while they are taken. */
export async function* readWholeAudit(
  store: Store,
  partition: string,
  query: Omit<AuditQuery, 'limit' | 'cursor'>,
): AsyncGenerator<AuditEntry> {
  for await (const { value } of eachItem((cursor) => readAudit(store, partition, { ...query, limit: 200, cursor }))) yield value;
}
