/** `samlgate connection …`: the identity providers of an organization. */
import type { Command } from 'commander';
import type { IdentityProvider } from '../../client/api-types.ts';
import type { EntityIdDecision } from '../../client/connections.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printFields, printLine, printTable } from '../output.ts';
import { readFile } from '../read-file.ts';
import { addPendingMembers } from './connection-pending.ts';

const collect = (value: string, before: string[] = []): string[] => [...before, value];

export function addConnection(program: Command): void {
  const connection = program.command('connection').description('manage the identity providers of an organization (operator, or owner)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(connection.command(usage).description(description)).addHelpText(
      'after',
      `\nExample:\n  samlgate connection ${example}`,
    );
  const keepSessions = ['--keep-sessions', 'do not revoke the sessions and tokens of its members'] as const;
  add('list <slug>', 'list the connections of an organization', 'list acme').action(list);
  add('show <slug> <id>', 'show a connection', 'show acme con_…').action(show);
  add(
    'add <slug> <file-or-url>',
    'add a connection as a draft from metadata: a file, an https URL, or -',
    'add acme ./idp.xml --name Partner',
  )
    .requiredOption('--name <name>', 'name of the connection')
    .option('--entity-id <id>', 'entity ID of the identity provider, if the metadata describes several')
    .action(addDraft);
  add('set <slug> <id>', 'change a connection', 'set acme con_… --email-domain partner.example')
    .option('--name <name>', 'new name')
    .option('--default', 'make it the default connection')
    .option('--email-domain <domain>', 'email domain whose sign-ins use it (repeatable; replaces the former domains)', collect)
    .option('--metadata <file-or-url>', 'new metadata: a file, an https URL, or -')
    .option('--on-new-entity-id <decision>', 'required for metadata of another identity provider: keep, link_by_email or new_accounts')
    .option('--link-until <time>', 'until when link_by_email links users: a time, at most 30 days ahead')
    .action(set);
  add('enable <slug> <id>', 'let users sign in through a connection', 'enable acme con_…').action(enable);
  add('disable <slug> <id>', 'refuse sign-ins and revoke the credentials of its members', 'disable acme con_…')
    .option(...keepSessions)
    .action(disable);
  add('test <slug> <id>', 'print the URL that starts a test sign-in for an owner', 'test acme con_…').action(test);
  add('remove <slug> <id>', 'delete a connection and revoke the credentials of its members', 'remove acme con_…')
    .option(...keepSessions)
    .action(remove);
  addPendingMembers(connection);
}

const metadataOf = (source: string) => (/^https?:\/\//.test(source) ? { metadata_url: source } : { document: readFile(source) });

async function list(slug: string, options: GatewayOptions): Promise<void> {
  const { items } = await connectAsOperator(options).connections.list(slug);
  const empty = `${slug} has no connections yet. Add one with: samlgate connection add ${slug} METADATA_FILE_OR_URL --name NAME`;
  print(options.json, items, () => printTable(items, ['id', 'name', 'state', 'is_default', 'entity_id'], empty));
}

async function show(slug: string, id: string, options: GatewayOptions): Promise<void> {
  printConnection(options, await connectAsOperator(options).connections.get(slug, id));
}

function printConnection({ json }: GatewayOptions, connection: IdentityProvider): void {
  print(json, connection, () => {
    const { id, name, state, is_default, entity_id, email_domains, metadata_url } = connection;
    printFields({ id, name, state, is_default, entity_id, email_domains: email_domains.join(', '), metadata_url });
    for (const { level, text } of connection.warnings) printLine(`${level === 'warning' ? 'warning' : 'note'}: ${text}`);
  });
}

type AddOptions = GatewayOptions & { readonly name: string; readonly entityId?: string };

async function addDraft(slug: string, source: string, { name, entityId, ...options }: AddOptions): Promise<void> {
  const added = await connectAsOperator(options).connections.create(slug, name, metadataOf(source), { entityId });
  print(options.json, added, () =>
    printLine(`Added ${added.id} as a draft. Test it, then: samlgate connection enable ${slug} ${added.id}`),
  );
}

interface SetOptions extends GatewayOptions {
  readonly name?: string;
  readonly default?: true;
  readonly emailDomain?: string[];
  readonly metadata?: string;
  readonly onNewEntityId?: EntityIdDecision;
  readonly linkUntil?: string;
}

async function set(slug: string, id: string, set: SetOptions): Promise<void> {
  const { name, default: isDefault, emailDomain, metadata, onNewEntityId, linkUntil, ...options } = set;
  const { connections } = connectAsOperator(options);
  if (metadata !== undefined) await connections.setMetadata(slug, id, metadataOf(metadata), { onNewEntityId, linkUntil });
  printConnection(options, await connections.change(slug, id, { name, is_default: isDefault, email_domains: emailDomain }));
}

async function enable(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const changed = await connectAsOperator(options).connections.change(slug, id, { state: 'active' });
  print(options.json, changed, () => printLine(`Enabled ${changed.name}. Users of ${slug} can sign in through it.`));
}

type KeepOptions = GatewayOptions & { readonly keepSessions?: true };

async function disable(slug: string, id: string, { keepSessions, ...options }: KeepOptions): Promise<void> {
  const changed = await connectAsOperator(options).connections.change(slug, id, {
    state: 'disabled',
    keep_sessions: keepSessions ?? false,
  });
  const credentials = keepSessions ? 'Sessions and tokens stay.' : 'The sessions and tokens of its members are revoked.';
  print(options.json, changed, () => printLine(`Disabled ${changed.name}. ${credentials}`));
}

async function test(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const { service_provider } = await connectAsOperator(options).connections.get(slug, id);
  const url = `${service_provider.login_url}?test=1&connection=${encodeURIComponent(id)}`;
  print(options.json, { url }, () => printLine(`Open this URL in a browser in which an owner of ${slug} is signed in: ${url}`));
}

async function remove(slug: string, id: string, { keepSessions, ...options }: KeepOptions): Promise<void> {
  await connectAsOperator(options).connections.remove(slug, id, { keepSessions });
  print(options.json, { removed: id }, () => printLine(`Deleted ${id} from ${slug}.`));
}
