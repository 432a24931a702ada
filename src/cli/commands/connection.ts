/** `samlgate connection …`: the identity providers of an organization. */
import type { Command } from 'commander';
import type { IdentityProvider } from '../../client/api-types.ts';
import type { EntityIdDecision } from '../../client/connections.ts';
import {
  CONNECTION_SETTINGS,
  ENTITY_ID_DECISIONS,
  readSettingOptions,
  type SettingOptions,
  withSettingOptions,
} from '../connection-settings.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { optionWithValues } from '../help.ts';
import { countOf, print, printFields, printLine, printTable } from '../output.ts';
import { withProgressIfSlow } from '../progress.ts';
import { readFile } from '../read-file.ts';
import { addPendingMembers } from './connection/pending.ts';
import { addProposals } from './connection/proposals.ts';

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
  const set = add('set <slug> <id>', 'change a connection', 'set acme con_… --identifier attribute:uid --dry-run')
    .option('--name <name>', 'new name')
    .option('--default', 'make it the default connection')
    .option('--metadata <file-or-url>', 'new metadata: a file, an https URL, or -')
    .option('--entity-id <id>', 'with --metadata: entity ID of the identity provider, if the metadata describes several')
    .addOption(optionWithValues('--on-new-entity-id <decision>', 'required for metadata of another identity provider', ENTITY_ID_DECISIONS))
    .option('--link-until <time>', 'until when link_by_email links users: a time, at most 30 days ahead')
    .option('--dry-run', 'print the connection as it would be, and how many members are affected, without changing it');
  withSettingOptions(set).action(change);
  add('enable <slug> <id>', 'let users sign in through a connection', 'enable acme con_…')
    .option('--allow-no-owner', 'go live even if no role rule gives a user the owner role (operator only)')
    .action(enable);
  add('disable <slug> <id>', 'refuse sign-ins and revoke the credentials of its members', 'disable acme con_…')
    .option(...keepSessions)
    .action(disable);
  add('test <slug> <id>', 'print the URL that starts a test sign-in for an owner', 'test acme con_…').action(test);
  add('remove <slug> <id>', 'delete a connection and revoke the credentials of its members', 'remove acme con_…')
    .option(...keepSessions)
    .action(remove);
  addPendingMembers(connection);
  addProposals(connection);
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

function identifierText(identifier: IdentityProvider['identifier']): string {
  if (identifier === null || identifier === 'auto') return 'auto';
  return 'attribute' in identifier ? `attribute:${identifier.attribute}` : `name_id:${identifier.name_id}`;
}

function printConnection({ json }: GatewayOptions, connection: IdentityProvider): void {
  print(json, connection, () => {
    const { id, name, state, is_default, entity_id, email_domains, metadata_url, identifier } = connection;
    const asText = { email_domains: email_domains.join(', '), identifier: identifierText(identifier) };
    const others = CONNECTION_SETTINGS.filter((setting) => !Object.hasOwn(asText, setting));
    printFields({ id, name, state, is_default, entity_id, ...asText, metadata_url });
    printFields(Object.fromEntries(others.map((setting) => [setting, connection[setting]])));
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

interface SetOptions extends GatewayOptions, SettingOptions {
  readonly name?: string;
  readonly default?: true;
  readonly metadata?: string;
  readonly entityId?: string;
  /** Not checked here; the gateway refuses unknown ones. */
  readonly onNewEntityId?: EntityIdDecision;
  readonly linkUntil?: string;
  readonly dryRun?: true;
}

/** Checks the settings before it saves the metadata, so that a wrong setting changes nothing. */
async function change(slug: string, id: string, options: SetOptions): Promise<void> {
  const { name, default: isDefault, metadata, dryRun = false, entityId, onNewEntityId, linkUntil } = options;
  const { connections } = connectAsOperator(options);
  const present = await connections.get(slug, id);
  const changes = {
    ...readSettingOptions(options, present.attribute_mapping),
    ...(name === undefined ? {} : { name }),
    ...(isDefault ? { is_default: isDefault } : {}),
  };
  const source = metadata === undefined ? undefined : metadataOf(metadata);
  const decision = { entityId, onNewEntityId, linkUntil };
  const hasChanges = Object.keys(changes).length > 0;
  // A refresh needs metadata from a URL, which the connection has only after its metadata is saved.
  const { metadata_refresh_hours: _, ...checked } = changes;
  const isChecked = source === undefined || !('metadata_url' in source) ? changes : checked;
  const preview = hasChanges ? await connections.change(slug, id, isChecked, { dryRun: true }) : present;
  const read = source && dryRun ? await connections.setMetadata(slug, id, source, { ...decision, dryRun: true }) : undefined;
  if (dryRun) return printPreview(options, preview, read);
  if (source) await connections.setMetadata(slug, id, source, decision);
  printConnection(options, hasChanges ? await connections.change(slug, id, changes) : await connections.get(slug, id));
}

/** @param read the connection with the new metadata */
function printPreview(options: GatewayOptions, preview: IdentityProvider, read: IdentityProvider | undefined): void {
  const { affected_members: affected } = preview;
  const { entity_id, certificates, members } = read ?? preview;
  const shown = { ...preview, entity_id, certificates, ...(members ? { members } : {}) };
  printConnection(options, shown);
  if (options.json) return;
  if (affected && affected.affected > 0) {
    printLine(
      `The identifier affects ${countOf(affected.affected, 'member')}, ${affected.suspended} of them suspended. At their next sign-in they become new members.`,
    );
  }
  if (affected && affected.undetermined > 0)
    printLine(`The effect on ${countOf(affected.undetermined, 'member')} shows at their next sign-in.`);
  if (members)
    printLine(`Another identity provider, which affects ${countOf(members.matching + members.ambiguous + members.new, 'member')}.`);
  printLine('Nothing was changed.');
}

type EnableOptions = GatewayOptions & { readonly allowNoOwner?: true };

async function enable(slug: string, id: string, { allowNoOwner, ...options }: EnableOptions): Promise<void> {
  const confirmation = allowNoOwner ? { allow_no_owner: true } : {};
  const changed = await connectAsOperator(options).connections.change(slug, id, { state: 'active', ...confirmation });
  print(options.json, changed, () => printLine(`Enabled ${changed.name}. Users of ${slug} can sign in through it.`));
}

type KeepOptions = GatewayOptions & { readonly keepSessions?: true };

async function disable(slug: string, id: string, { keepSessions, ...options }: KeepOptions): Promise<void> {
  const change = { state: 'disabled', keep_sessions: keepSessions ?? false } as const;
  const changed = await withProgressIfSlow('Disabling', connectAsOperator(options).connections.change(slug, id, change));
  const credentials = keepSessions ? 'Sessions and tokens stay.' : 'The sessions and tokens of its members are revoked.';
  print(options.json, changed, () => printLine(`Disabled ${changed.name}. ${credentials}`));
}

async function test(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const { service_provider } = await connectAsOperator(options).connections.get(slug, id);
  const url = `${service_provider.login_url}?test=1&connection=${encodeURIComponent(id)}`;
  print(options.json, { url }, () => printLine(`Open this URL in a browser in which an owner of ${slug} is signed in: ${url}`));
}

async function remove(slug: string, id: string, { keepSessions, ...options }: KeepOptions): Promise<void> {
  await withProgressIfSlow('Deleting', connectAsOperator(options).connections.remove(slug, id, { keepSessions }));
  print(options.json, { removed: id }, () => printLine(`Deleted ${id} from ${slug}.`));
}
