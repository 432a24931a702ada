/**
 * Replaces the identity provider of a connection and keeps its members, for the decision `keep`. The new metadata waits in a draft
 * until an owner proves that the new identity provider sends the same identifiers: by a test sign-in that it answers with the
 * identifier of exactly this owner. Nothing changes for the users before that.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { findConnection, newConnection, withConnection } from '../connections/connections.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection, Organization } from '../organizations.ts';
import { newChange } from './idp-change.ts';

/** A scope that a connection can no longer return to is remembered for longer than the ten versions of its metadata. */
const MAX_KEPT_SCOPES = 20;

/**
 * Returns the draft that will replace the identity provider of a connection. It has the connection's settings.
 * @throws conflict while no identifier is chosen, because the test could then prove another one than sign-ins use
 */
export function newReplacement(connection: Connection, loaded: Pick<Connection, 'metadata' | 'metadataUrl'>, nowMs: number): Connection {
  if (!isPinned(connection)) {
    throw new GatewayError(
      'conflict',
      'on_new_entity_id: keep is possible only after a sign-in or an administrator has chosen how users are identified. Nothing was changed.',
    );
  }
  const { metadata, metadataUrl } = loaded;
  const metadataRefreshHours = metadataUrl === undefined ? undefined : (connection.settings.metadataRefreshHours ?? 24);
  return {
    ...newConnection({ name: `Replacement of ${connection.id}`, state: 'draft', metadata }, nowMs),
    metadataUrl,
    settings: { ...connection.settings, metadataRefreshHours, emailDomains: [] },
    replaces: {
      connectionId: connection.id,
      entityId: connection.metadata.entityId,
      identityScope: connection.identityScope,
      changeId: connection.change?.id,
    },
  };
}

const isPinned = ({ settings }: Connection): boolean => (settings.identifier ?? 'auto') !== 'auto';

/** Returns the organization with a replacement, which takes the place of a former one of the same connection. */
export function withReplacement(organization: Organization, draft: Connection): Organization {
  const connections = organization.connections.filter(({ replaces }) => replaces?.connectionId !== draft.replaces?.connectionId);
  return withConnection({ ...organization, connections }, draft);
}

/** Returns the draft that waits to replace the identity provider of a connection. */
export const findReplacement = ({ connections }: Organization, { id }: Pick<Connection, 'id'>): Connection | undefined =>
  connections.find(({ replaces }) => replaces?.connectionId === id);

/**
 * Returns the connection that a draft replaces, with its members' keys and its identifier.
 * @throws conflict if it was deleted, or has changed since the draft was created
 */
export function requireReplaced(organization: Organization, replaces: NonNullable<Connection['replaces']>): Connection {
  const connection = findConnection(organization, replaces.connectionId);
  const isUnchanged =
    connection !== undefined &&
    connection.metadata.entityId === replaces.entityId &&
    connection.identityScope === replaces.identityScope &&
    connection.change?.id === replaces.changeId &&
    isPinned(connection);
  if (isUnchanged) return connection;
  throw new GatewayError(
    'conflict',
    'The connection that this draft replaces has changed since. Delete the draft and set the metadata with on_new_entity_id: keep again.',
  );
}

/** Returns a draft as its test is judged: users are read as sign-ins of the replaced connection read them. */
export function asTested(organization: Organization, draft: Connection): Connection {
  const replaced = draft.replaces && findConnection(organization, draft.replaces.connectionId);
  if (!replaced) return draft;
  const { identityScope, scopeSince, readsFormerKeys, settings } = replaced;
  return { ...draft, identityScope, scopeSince, readsFormerKeys, settings: { ...draft.settings, identifier: settings.identifier } };
}

export interface Proof {
  /** The draft that was tested. */
  readonly draftId: string;
  /** The member whom the accepted response identifies. */
  readonly member: Stored<Member> | undefined;
  /** The member who started the test, or another kind of caller. */
  readonly startedBy: string;
  readonly actor: Actor;
  readonly nowMs: number;
}

export interface Promotion {
  readonly organization: Organization;
  readonly connectionId: string;
  /** Confirm the owner who tested, and audit the change. They fail if this owner has changed since. */
  readonly steps: readonly Step[];
}

/**
 * Returns the change that an accepted test makes: the draft becomes the identity provider of the connection that it replaces. Undefined
 * if the draft replaces none, or unless the response identifies exactly the owner who started the test.
 * @throws conflict if the replaced connection has changed
 */
export function promote({ value: organization }: Stored<Organization>, proof: Proof): Promotion | undefined {
  const { draftId, member, startedBy, actor, nowMs } = proof;
  const draft = findConnection(organization, draftId);
  if (!draft?.replaces || !member || member.id !== startedBy) return undefined;
  if (member.value.role !== 'owner' || member.value.suspended) return undefined;
  const replaced = requireReplaced(organization, draft.replaces);
  const change = newChange(replaced, { decision: 'keep' }, nowMs);
  const { identifier, emailDomains } = replaced.settings;
  const promoted: Connection = {
    ...replaced,
    metadata: draft.metadata,
    metadataUrl: draft.metadataUrl,
    settings: { ...draft.settings, identifier, emailDomains },
    updatedAt: toIsoTime(nowMs),
    refresh: undefined,
    removedCertificates: draft.removedCertificates,
    change,
    keptScopes: [replaced.identityScope, ...(replaced.keptScopes ?? [])].slice(0, MAX_KEPT_SCOPES),
  };
  const { roleMapping } = organization;
  const others = organization.connections.filter(({ id }) => id !== draft.id);
  const rules = roleMapping.rules.map((rule) => (rule.connection === draft.id ? { ...rule, connection: replaced.id } : rule));
  const after = withConnection({ ...organization, connections: others, roleMapping: { ...roleMapping, rules } }, promoted);
  const details = {
    connection: replaced.id,
    entity_id: draft.metadata.entityId,
    former_entity_id: replaced.metadata.entityId,
    certificates: draft.metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256),
    on_new_entity_id: 'keep',
    replacement: draft.id,
  };
  const confirmed: Member = { ...member.value, idpChange: { id: change.id, outcome: 'signed_in' }, linkRequest: undefined };
  return {
    organization: after,
    connectionId: replaced.id,
    steps: [
      { do: 'replace', collection: MEMBERS, id: member.id, version: member.version, value: confirmed },
      auditStep(nowMs, { ...actor, kind: 'member', id: member.id, email: member.value.email }, 'identity_provider.changed', { details }),
    ],
  };
}
