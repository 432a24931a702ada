/** The audit trail: one table of events. Each entry is written in the same commit as the change that it describes. */
import { shortenDetails } from './audit-details.ts';
import { newTimeOrderedId, timeOfId } from './ids.ts';
import type { Collection, Step, Stored } from './store/store.ts';
import { toIsoTime } from './time.ts';

interface AuditEventRow {
  readonly title: string;
  /**
   * What happened, for people. `{actor}` and `{member}` are names, `{reason}` is the title of the error code, other words are details.
   * A part in brackets is omitted if a value in it is missing.
   */
  readonly sentence: string;
  readonly description: string;
}

const row = (title: string, sentence: string, description: string): AuditEventRow => ({ title, sentence, description });

/** All events. The names are public (`GET …/audit?event=`). */
export const AUDIT_EVENTS = {
  'login.accepted': row('Signed in', '{actor} signed in[ as {role}]', 'a user signed in'),
  'login.refused': row('Sign-in refused', 'A sign-in was refused[: {reason}]', 'a sign-in was rejected'),
  'login.tested': row(
    'Sign-in tested',
    '{actor} tested the sign-in[, which was {outcome}]',
    'a test of the sign-in ran; no session was created',
  ),
  logout: row('Signed out', '{actor} signed out', 'a user signed out'),
  'sessions.ended': row(
    'Sessions revoked',
    '{actor} revoked sessions[ of {member}]',
    'sessions of a member were revoked by the member, an owner or the operator',
  ),
  'logout.identity_provider': row(
    'Logged out by the identity provider',
    'The identity provider logged a user out[: {member}][, sessions ended: {ended}]',
    'the identity provider logged a user out; `ended` in the details counts the sessions that ended',
  ),
  'logout.unknown_principal': row(
    'Unknown user logged out',
    'The identity provider logged out a user who never signed in here[: {name_id}]',
    'the identity provider logged out a user who never signed in here, so no session ended',
  ),
  'member.created': row(
    'Member created',
    '{member} became a member[ by {by}]',
    'a user signed in for the first time, or was provisioned by SCIM, and became a member',
  ),
  'member.changed': row(
    'Member changed',
    '{actor} changed the name, an identifier or the email address of {member}',
    'SCIM changed the name, an identifier (`userName`, `externalId`) or the email address of a member',
  ),
  'member.provisioning_refused': row(
    'Provisioning refused',
    '{actor} could not link the user[ {user_name}] to {member} without an approval',
    'SCIM sent a user who could be an owner, or one of several members, which needs an approval; at most one entry a day',
  ),
  'member.provisioning_approved': row(
    'Provisioning approved',
    '{actor} approved that the identity provider links the user[ {user_name}] to {member}',
    'an owner or the operator approved that a SCIM user is an existing member',
  ),
  'member.provisioning_declined': row(
    'Provisioning declined',
    '{actor} declined that the identity provider links the user[ {user_name}] to {member}',
    'an owner or the operator declined that a SCIM user is an existing member',
  ),
  'member.role_changed': row(
    'Member role changed',
    '{actor} changed the role of {member}[ from {from}][ to {to}]',
    'the role of a member changed',
  ),
  'member.suspended': row('Member suspended', '{actor} suspended {member}', 'a member was suspended, or deactivated by SCIM'),
  'member.unsuspended': row(
    'Suspension lifted',
    '{actor} lifted the suspension of {member}',
    'the suspension of a member was lifted, or SCIM activated the member again',
  ),
  'member.linked': row(
    'User linked to member',
    'A user was linked to {member}[ by {by}]',
    'a user of a new identity provider, or one that SCIM provisioned, became an existing member; `by` in the details says how',
  ),
  'member.link_declined': row(
    'Link declined',
    '{actor} declined to link a user to {member}[: {email}]',
    'an owner or the operator declined to link a user of a new identity provider to an existing member',
  ),
  'member.removed': row('Member removed', '{actor} removed {member}', 'a member was removed, with all sessions and tokens'),
  'organization.created': row('Organization created', '{actor} created the organization[ {slug}]', 'an organization was created'),
  'organization.changed': row(
    'Organization changed',
    '{actor} changed the organization[: {fields}]',
    'settings of an organization were changed',
  ),
  'organization.without_owner': row(
    'Organization without owner',
    'The organization lost its last owner[, by: {cause}]',
    'a sign-in, SCIM, new role rules or a change of a connection left the organization without an owner',
  ),
  'organization.deleted': row(
    'Organization deleted',
    '{actor} deleted the organization[ {slug}]',
    'an organization was deleted, with all its data',
  ),
  'logo.changed': row(
    'Logo changed',
    '{actor} changed the organization’s logo[: {type}, {width} × {height} pixels]',
    'the logo that users see when they sign in was set or replaced',
  ),
  'logo.removed': row('Logo removed', '{actor} removed the logo of the organization', 'the logo was removed'),
  'identity_provider.changed': row(
    'Identity provider changed',
    '{actor} saved metadata of the identity provider[ {entity_id}]',
    'metadata of the identity provider was saved',
  ),
  'identity_provider.refreshed': row(
    'Metadata refreshed',
    'The gateway fetched the identity provider’s metadata[ for the connection {connection}][ and rejected it: {problem}]',
    'metadata was fetched again from its URL and was accepted, or rejected for the reason in the details',
  ),
  'identity_provider.settings_changed': row(
    'Identity provider settings changed',
    '{actor} changed settings of the identity provider[: {changes}]',
    'settings of the identity provider were changed',
  ),
  'identifier.pinned': row(
    'User identifier set',
    'The first accepted sign-in or test decided how users are identified[ in the connection {connection}]',
    'the first accepted sign-in or test decided by which attribute or NameID users are identified',
  ),
  'identity_provider.removed': row(
    'Identity provider removed',
    '{actor} removed the identity provider',
    'the identity provider was removed, so sign-ins are no longer possible',
  ),
  'connection.created': row(
    'Connection created',
    '{actor} created the connection[ {name}] as a draft',
    'a connection was created, as a draft',
  ),
  'connection.changed': row(
    'Connection changed',
    '{actor} changed the connection[ {connection}][, state: {state}][, settings: {changes}]',
    'the name, state or settings of a connection were changed, or it became the default connection',
  ),
  'connection.removed': row(
    'Connection deleted',
    '{actor} deleted the connection[ {connection}]',
    'a connection was deleted, so sign-ins through it are no longer possible',
  ),
  'connection.credentials_revoked': row(
    'Connection credentials revoked',
    'Sessions and CLI tokens[ of {members} members] were revoked with the connection[ {connection}]',
    'the sessions and CLI tokens of the members of a disabled or deleted connection were revoked; `members` in the details counts them',
  ),
  'connection.replacement_created': row(
    'Replacement created',
    '{actor} created a draft that replaces the identity provider[ {former_entity_id}][ with {entity_id}]',
    'a draft was created that replaces the identity provider of a connection after a test, so that members keep their accounts',
  ),
  'connection.pending_members_revoked': row(
    'Pending members revoked',
    '{actor} revoked the sessions and CLI tokens of members who have not signed in since the identity provider changed',
    'the sessions and CLI tokens of all members who have not signed in since the identity provider changed are being revoked',
  ),
  'role_mapping.changed': row(
    'Role mapping changed',
    '{actor} changed role mapping[: {rules}][, default role {default_role}]',
    'the role rules were changed',
  ),
  'domain.added': row('Domain added', '{actor} added the domain[ {domain}]', 'a domain was added, to be verified'),
  'domain.verified': row(
    'Domain verified',
    'The domain[ {domain}] was verified[, by {by}]',
    'a domain was verified by its DNS record, or confirmed by the operator',
  ),
  'domain.record_missing': row(
    'Domain record missing',
    'The DNS record of the domain[ {domain}] has been missing for 7 days',
    'the DNS record of a verified domain has been missing for 7 days',
  ),
  'domain.unverified': row(
    'Domain no longer verified',
    'The domain[ {domain}] is no longer verified',
    'a domain is no longer verified because its DNS record was missing for 30 days',
  ),
  'domain.transferred': row(
    'Domain transferred',
    '{actor} transferred the domain[ {domain}] to another organization',
    'the operator transferred a domain to another organization',
  ),
  'domain.removed': row('Domain removed', '{actor} removed the domain[ {domain}]', 'a domain was removed'),
  'setup_link.created': row('Setup link created', '{actor} created a setup link', 'a setup link was created'),
  'setup_link.used': row('Setup link used', 'A setup was started with a setup link', 'a setup was started with a setup link'),
  'setup_link.revoked': row(
    'Setup link revoked',
    '{actor} revoked a setup link',
    'a setup link was revoked, with the setup that was started with it',
  ),
  'metadata_proposal.created': row(
    'Metadata proposed',
    '{actor} proposed metadata[ of {entity_id}]',
    'a setup link proposed metadata for a connection with members; nothing changes before it is accepted',
  ),
  'metadata_proposal.discarded': row(
    'Proposed metadata discarded',
    '{actor} discarded proposed metadata[ of {entity_id}]',
    'proposed metadata was discarded',
  ),
  'cli_token.created': row('CLI token created', '{actor} created the CLI token[ {name}]', 'a CLI token was created'),
  'cli_token.revoked': row('CLI token revoked', '{actor} revoked a CLI token[ of {member}]', 'a CLI token was revoked'),
  'cli_tokens.rotated': row(
    'CLI tokens rotated',
    '{actor} revoked all CLI tokens[ of {member}]',
    'all CLI tokens of a member were revoked, and a new one was created if the member asked for it',
  ),
  'scim_token.created': row(
    'SCIM token created',
    '{actor} created the SCIM token[ {name}]',
    'a SCIM token was created, so that the identity provider of a connection can provision users',
  ),
  'scim_token.revoked': row('SCIM token revoked', '{actor} revoked the SCIM token[ {name}]', 'a SCIM token was revoked'),
  'group.created': row('Group created', '{actor} created the group[ {name}]', 'SCIM created a group'),
  'group.changed': row(
    'Group changed',
    '{actor} changed the group {name}[, renamed from {name_from}]',
    'SCIM renamed a group, or changed other attributes of it',
  ),
  'group.deleted': row('Group deleted', '{actor} deleted the group[ {name}]', 'SCIM deleted a group'),
  'group.member_added': row('Group member added', '{actor} added {member} to the group[ {name}]', 'SCIM added a member to a group'),
  'group.member_removed': row(
    'Group member removed',
    '{actor} removed {member} from the group[ {name}]',
    'SCIM removed a member from a group',
  ),
  'session_token.revoked': row('Session token revoked', '{actor} revoked a session token', 'a session token was revoked before it expired'),
  'device_login.approved': row(
    'Terminal sign-in approved',
    '{actor} approved a sign-in from a terminal[ at {terminal_address}][: {name}]',
    'a user approved a sign-in from a terminal; the entry `cli_token.created` follows when the terminal fetches its token',
  ),
  'device_login.denied': row(
    'Terminal sign-in denied',
    '{actor} denied a sign-in from a terminal[ at {terminal_address}][: {name}]',
    'a user denied a sign-in from a terminal',
  ),
  'operator.sign_in_refused': row(
    'Operator sign-in refused',
    'A wrong operator token was sent[ through the {through}]',
    'a wrong operator token was sent, in the console or as a bearer token; at most 32 entries an hour',
  ),
  'operator.signed_in': row(
    'Operator signed in',
    'The operator signed in to the console',
    'the operator signed in to the console with the operator token',
  ),
  'signing_key.created': row(
    'Signing keys created',
    'The gateway created its first token signing keys',
    'the first token signing keys were created',
  ),
  'signing_key.rotated': row(
    'Signing keys rotated',
    '{actor} rotated the token signing keys',
    'the token signing keys were rotated, so that the next key signs',
  ),
  'signing_key.revoked': row(
    'Signing key revoked',
    '{actor} revoked the token signing key[ {kid}]',
    'a token signing key was revoked, with every token that it signed',
  ),
} as const satisfies Record<string, AuditEventRow>;

export type AuditEvent = keyof typeof AUDIT_EVENTS;

/** The originator of a change, and the request that it came with. */
export interface Actor {
  readonly kind: 'operator' | 'member' | 'identity_provider' | 'gateway' | 'setup_link' | 'scim' | 'anonymous';
  /** The ID of the member, the setup link or the SCIM token. */
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
export const MOST_FREQUENT_EVENT: AuditEvent = 'login.accepted';

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
