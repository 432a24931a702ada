/** Finds the connection that each entry of an organization file describes. */
import type { IdentityProvider } from '../../client/api-types.ts';
import type { Client } from '../../client/client.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import type { CallOptions } from '../../client/send-request.ts';
import { CommandError } from '../command-error.ts';
import { orUndefined } from '../gateway-api.ts';
import { type ConnectionEntry, metadataRequest, type OrganizationFile } from './file.ts';

export interface Target {
  readonly entry: ConnectionEntry;
  readonly metadata: CallOptions | undefined;
  /** The connection as it is. Undefined if the file creates it. */
  readonly present: IdentityProvider | undefined;
  /** The draft that waits to replace its identity provider. */
  readonly replacement?: IdentityProvider | undefined;
  /** What the gateway reads from the metadata. Undefined without metadata, and for an organization that does not exist yet. */
  readonly read: IdentityProvider | undefined;
  /** Such as `the identity provider` or `the connection “Partner”`. */
  readonly label: string;
  /** Known once the connection exists. */
  id?: string;
}

export const IDENTITY_PROVIDER_LABEL = 'the identity provider';
/** The name of a default connection that `identity_provider` creates, as the gateway names it. */
const DEFAULT_NAME = 'Default';

/**
 * Returns one target for each entry. An entry describes the connection with its ID, else the one with its name, else the one to the
 * same identity provider, else a new one.
 * @throws CommandError for an unknown ID, for two entries of one connection, and for a new connection without metadata
 */
export async function findTargets(
  client: Client,
  root: string,
  { file, present }: { readonly file: OrganizationFile; readonly present: readonly IdentityProvider[] | undefined },
): Promise<Target[]> {
  const [first] = present ?? [];
  const targets: Target[] = [];
  if (file.identity_provider) {
    const entry = first ? file.identity_provider : { ...file.identity_provider, name: DEFAULT_NAME, state: 'active' as const };
    const metadata = metadataRequest(entry, file.source);
    targets.push(await readTarget(client, root, { entry, metadata, present: first, label: IDENTITY_PROVIDER_LABEL, connections: present }));
  }
  for (const entry of file.connections ?? []) {
    const metadata = metadataRequest(entry, file.source);
    const found = await findConnection(client, root, { entry, metadata, connections: present ?? [] });
    if (found && targets.some(({ id }) => id === found.id)) {
      throw new CommandError(`${file.source} describes the connection ${JSON.stringify(found.name)} (${found.id}) twice.`);
    }
    const label = `the connection “${entry.name}”`;
    targets.push(await readTarget(client, root, { entry, metadata, present: found, label, connections: present }));
  }
  for (const { metadata, present: connection, label } of targets) {
    if (!metadata && !connection) throw new CommandError(`${file.source}: ${label} does not exist and has no metadata.`);
  }
  return targets;
}

type Described = Pick<Target, 'entry' | 'metadata' | 'present' | 'label'>;

/** Lets the gateway read the metadata, which saves nothing. Without connections, the organization does not exist yet. */
async function readTarget(
  client: Client,
  root: string,
  { connections, ...described }: Described & { readonly connections: readonly IdentityProvider[] | undefined },
): Promise<Target> {
  const { metadata, present, entry } = described;
  const read = metadata && connections ? await dryRun(client, root, { metadata, id: present?.id, name: entry.name }) : undefined;
  const replacement = connections?.find(({ id }) => id === present?.replacement);
  return { ...described, read, replacement, ...(present ? { id: present.id } : {}) };
}

interface MetadataCall {
  readonly metadata: CallOptions;
  /** Undefined for a new connection. */
  readonly id: string | undefined;
  readonly name: string | undefined;
}

const dryRun = (client: Client, root: string, call: MetadataCall): Promise<IdentityProvider> =>
  sendMetadata(client, root, call, { dry_run: true });

/** Saves metadata, of a new connection as a draft. */
export function sendMetadata(
  client: Client,
  root: string,
  { metadata, id, name }: MetadataCall,
  query: CallOptions['query'] = {},
): Promise<IdentityProvider> {
  const all = { ...metadata, query: { ...metadata.query, ...query } };
  if (id !== undefined) return client.call('PUT', `${root}/connections/${encodeURIComponent(id)}`, all) as Promise<IdentityProvider>;
  // JSON has the name in the body, a document in the query.
  const named =
    metadata.contentType === undefined ? { ...all, body: { ...(all.body as object), name } } : { ...all, query: { ...all.query, name } };
  return client.call('POST', `${root}/connections`, named) as Promise<IdentityProvider>;
}

async function findConnection(
  client: Client,
  root: string,
  {
    entry: { id, name },
    metadata,
    connections,
  }: Pick<Target, 'entry' | 'metadata'> & { readonly connections: readonly IdentityProvider[] },
): Promise<IdentityProvider | undefined> {
  if (id !== undefined) {
    const found = connections.find((each) => each.id === id);
    if (!found)
      throw new CommandError(`The connection “${name}” has the id ${JSON.stringify(id)}, which no connection of the organization has.`);
    return found;
  }
  const named = connections.find((each) => each.name === name);
  if (named || !metadata || connections.length === 0) return named;
  try {
    await dryRun(client, root, { metadata, id: undefined, name });
    return undefined;
  } catch (error) {
    if (!(error instanceof SamlgateError) || error.code !== 'conflict') throw error;
    // Probably a new name of a connection to this identity provider. Only that one accepts the metadata without another entity ID.
    for (const each of connections) {
      const read = await orUndefined(dryRun(client, root, { metadata, id: each.id, name }), 'conflict');
      if (read?.entity_id === each.entity_id) return each;
    }
    throw error;
  }
}
