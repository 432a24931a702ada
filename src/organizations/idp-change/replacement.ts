/**
 * Replaces the identity provider of a connection and keeps its members, for the decision `keep`. The new metadata waits in a draft
 * until an owner proves that the new identity provider sends the same identifiers: by a test sign-in that it answers with the
 * identifier of exactly this owner. Nothing changes for the users before that.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { findConnection, newConnection, withConnection } from '../connections/connections.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection, ConnectionSettings, Organization } from '../organizations.ts';
import { newChange } from './idp-change.ts';

/** A scope that a connection can no longer return to is remembered for longer than the ten versions of its metadata. */
const MAX_KEPT_SCOPES = 20;
const MAX_NAME_LENGTH = 100;

/**
 * Returns the draft that will replace the identity provider of a connection. It has the connection's settings, and remembers them, so
 * that its promotion never undoes a later change of them.
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
    ...newConnection({ name: replacementName(connection.name), state: 'draft', metadata }, nowMs),
    metadataUrl,
    settings: { ...connection.settings, metadataRefreshHours, emailDomains: [] },
    replaces: {
      connectionId: connection.id,
      entityId: connection.metadata.entityId,
      identityScope: connection.identityScope,
      changeId: connection.change?.id,
      settings: connection.settings,
    },
  };
}

const replacementName = (name: string, suffix = ''): string => {
  const prefix = 'Replacement of ';
  return `${prefix}${name.slice(0, MAX_NAME_LENGTH - prefix.length - suffix.length)}${suffix}`;
};

/** Returns the name of a new draft, which no other connection has. */
function freeName({ connections }: Pick<Organization, 'connections'>, { name, replaces }: Connection): string {
  const isTaken = (candidate: string) => connections.some((other) => other.name === candidate);
  if (!isTaken(name)) return name;
  const replacedName = connections.find(({ id }) => id === replaces?.connectionId)?.name ?? '';
  for (let number = 2; ; number++) {
    const numbered = replacementName(replacedName, ` (${number})`);
    if (!isTaken(numbered)) return numbered;
  }
}

const isPinned = ({ settings }: Connection): boolean => (settings.identifier ?? 'auto') !== 'auto';

/** Returns the organization with a replacement, which takes the place of a former one of the same connection. */
export function withReplacement(organization: Organization, draft: Connection): Organization {
  const { connections } = withoutReplacement(organization, draft.replaces?.connectionId);
  return withConnection({ ...organization, connections }, { ...draft, name: freeName({ connections }, draft) });
}

/** Returns the organization without the draft that waits to replace a connection, of the default connection if undefined. */
export function withoutReplacement(organization: Organization, connectionId = organization.connections[0]?.id): Organization {
  return {
    ...organization,
    connections: organization.connections.filter(({ replaces }) => !replaces || replaces.connectionId !== connectionId),
  };
}

/** Returns whether the same metadata already waits in a draft that a test can still put in place. */
export function isWaiting(organization: Organization, replaced: Connection, loaded: Pick<Connection, 'metadata' | 'metadataUrl'>): boolean {
  const draft = findReplacement(organization, replaced);
  if (!draft || draft.metadataUrl !== loaded.metadataUrl || !findReplaced(organization, draft)) return false;
  // A document at a URL may be valid for some days from each fetch.
  const isFetched = draft.metadataUrl !== undefined;
  const contentOf = ({ validUntil, ...metadata }: Connection['metadata']) => (isFetched ? metadata : { ...metadata, validUntil });
  const [waiting, given] = [draft.metadata, loaded.metadata].map((metadata) => JSON.parse(JSON.stringify(contentOf(metadata))) as unknown);
  return isDeepStrictEqual(waiting, given);
}

/** Returns the draft that waits to replace the identity provider of a connection. */
export const findReplacement = ({ connections }: Organization, { id }: Pick<Connection, 'id'>): Connection | undefined =>
  connections.find(({ replaces }) => replaces?.connectionId === id);

/** Returns the connection that a draft replaces. Undefined if it was deleted or has changed, so that the draft can no longer replace it. */
function findReplaced(organization: Organization, draft: Connection): Connection | undefined {
  const { replaces } = draft;
  const connection = replaces && findConnection(organization, replaces.connectionId);
  const isUnchanged =
    connection !== undefined &&
    connection.metadata.entityId === replaces?.entityId &&
    connection.identityScope === replaces.identityScope &&
    connection.change?.id === replaces.changeId &&
    isPinned(connection) &&
    mergeSettings(draft, connection) !== undefined;
  return isUnchanged ? connection : undefined;
}

/** Belong to the replaced connection, whatever the draft has. */
const KEPT_SETTINGS: ReadonlySet<string> = new Set(['identifier', 'emailDomains']);
/** Belongs to the new metadata. */
const METADATA_SETTINGS: ReadonlySet<string> = new Set(['metadataRefreshHours']);

/**
 * Returns the settings of a connection after its draft has replaced it: those that the draft has changed, and otherwise the current ones
 * of the connection, because a setting that was made stricter after the draft was created must stay so. Undefined if both have changed
 * a setting to different values.
 */
function mergeSettings({ replaces, settings }: Connection, { settings: present }: Connection): ConnectionSettings | undefined {
  const valuesOf = (of: ConnectionSettings | undefined) => new Map<string, unknown>(Object.entries(of ?? {}));
  const [base, draft, live] = [valuesOf(replaces?.settings), valuesOf(settings), valuesOf(present)];
  const merged: Partial<ConnectionSettings> = {};
  for (const name of new Set([...draft.keys(), ...live.keys()])) {
    const isDraftChanged = !isDeepStrictEqual(draft.get(name), base.get(name));
    const isLiveChanged = !isDeepStrictEqual(live.get(name), base.get(name));
    const isSame = isDeepStrictEqual(draft.get(name), live.get(name));
    const isLiveTaken = KEPT_SETTINGS.has(name) || isSame || !isDraftChanged;
    if (METADATA_SETTINGS.has(name)) Object.assign(merged, { [name]: draft.get(name) });
    else if (isLiveTaken) Object.assign(merged, { [name]: live.get(name) });
    else if (isLiveChanged || !replaces?.settings) return undefined;
    else Object.assign(merged, { [name]: draft.get(name) });
  }
  return { ...settings, ...merged };
}

/**
 * Returns the connection that a draft replaces, with its members' keys and its identifier.
 * @throws conflict if it was deleted, or has changed since the draft was created
 */
export function requireReplaced(organization: Organization, draft: Connection): Connection {
  const connection = findReplaced(organization, draft);
  if (connection) return connection;
  throw new GatewayError(
    'conflict',
    'The connection that this draft replaces has changed since the draft was created. Delete the draft, then set the metadata again with on_new_entity_id: keep.',
  );
}

/**
 * Returns a draft as it is tested: with the settings that it will have, and reading users as sign-ins of the replaced connection read
 * them.
 */
export function asTested(organization: Organization, draft: Connection): Connection {
  const replaced = draft.replaces && findConnection(organization, draft.replaces.connectionId);
  if (!replaced) return draft;
  const { identityScope, scopeSince, readsFormerKeys, settings } = replaced;
  // Without common settings, the test fails when the replaced connection is required.
  const merged = mergeSettings(draft, replaced) ?? { ...draft.settings, identifier: settings.identifier };
  return { ...draft, identityScope, scopeSince, readsFormerKeys, settings: merged };
}

export interface Proof {
  /** The draft that was tested. */
  readonly draftId: string;
  /** The member whom the accepted response identifies. Undefined if the member is losing its role. */
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
  const replaced = requireReplaced(organization, draft);
  const change = newChange(replaced, { decision: 'keep' }, nowMs);
  const promoted: Connection = {
    ...replaced,
    metadata: draft.metadata,
    metadataUrl: draft.metadataUrl,
    settings: mergeSettings(draft, replaced) ?? replaced.settings,
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
