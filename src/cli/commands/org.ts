/** `samlgate org …`: organizations, their identity providers and their role rules. */
import type { Command } from 'commander';
import type { IdentityProvider } from '../../client/api-types.ts';
import type { EntityIdDecision } from '../../client/connections.ts';
import { collect } from '../collect.ts';
import { CommandError } from '../command-error.ts';
import { confirm } from '../confirm.ts';
import { ENTITY_ID_DECISIONS } from '../connection-settings.ts';
import { connectAsOperator, type GatewayOptions, orUndefined, withGatewayOptions } from '../gateway-api.ts';
import { optionWithValues } from '../help.ts';
import { print, printJson, printLine, printTable } from '../output.ts';
import { withProgress, withProgressIfSlow } from '../progress.ts';
import { readFile } from '../read-file.ts';
import { addOrgDomain } from './org/domain.ts';
import { addApply, addExport } from './org/files.ts';
import { addLogo } from './org/logo.ts';
import { addSetQuotas } from './org/quotas.ts';
import { addSetRoles } from './org/roles.ts';
import { addOrgSetupLink } from './org/setup-links.ts';

const ON_NEW_ENTITY_ID = 'required if this is another identity provider and there are members';
const LINK_UNTIL = 'until when link_by_email links users to members with the same verified address: a time, at most 30 days ahead';

export function addOrg(program: Command): void {
  const org = program.command('org').description('manage organizations, their identity providers and role rules (operator, or owner)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(org.command(usage).description(description)).addHelpText('after', `\nExample:\n  samlgate org ${example}`);
  add('list', 'list all organizations', 'list --json').action(list);
  add('create <slug>', 'create an organization', 'create acme --name "Acme Ltd" --domain acme.example')
    .requiredOption('--name <name>', 'name that members see')
    .option('--domain <domain>', 'email domain whose users sign in to this organization (repeatable)', collect)
    .action(create);
  add(
    'set-idp <slug> <file-or-url>',
    'set the identity provider from its metadata: a file, an https URL, or - for standard input',
    'set-idp acme ./idp-metadata.xml',
  )
    .option('--entity-id <id>', 'entity ID of the identity provider, if the metadata describes several')
    .addOption(optionWithValues('--on-new-entity-id <decision>', ON_NEW_ENTITY_ID, ENTITY_ID_DECISIONS))
    .option('--link-until <time>', LINK_UNTIL)
    .action(setIdp);
  addSetRoles(
    add(
      'set-roles <slug>',
      'set the rules that assign roles to groups',
      'set-roles acme --rule platform-admins=owner --default collaborator',
    ),
  );
  add('show <slug>', 'show an organization, its roles, and the values to enter at its identity provider', 'show acme').action(show);
  addApply(
    add(
      'apply <files...>',
      'create or change organizations so that they match YAML files, and print the changes',
      'apply config/idp-examples/okta.yaml --dry-run',
    ),
  );
  addExport(add('export <slug>', 'print an organization as a YAML file that apply accepts, without secrets', 'export acme > acme.yaml'));
  addLogo(add('logo <slug> [file]', 'set the logo that users see when they sign in, or print its address', 'logo acme ./acme.png'));
  addSetQuotas(
    add(
      'set-quotas <slug> <quota=value...>',
      'set what an organization can have at most; the value default restores the default (operator)',
      'set-quotas acme members=250000 domains=default',
    ),
  );
  add('delete <slug>', 'permanently delete an organization with its members, tokens and audit trail', 'delete acme')
    .option('--yes', 'do not ask for confirmation')
    .action(remove);
  addOrgDomain(org);
  addOrgSetupLink(org);
}

async function list(options: GatewayOptions): Promise<void> {
  const items = await connectAsOperator(options).organizations.list().toArray();
  const empty = 'There are no organizations yet. Create one with: samlgate org create SLUG --name NAME';
  print(options.json, items, () => printTable(items, ['slug', 'name', 'domains', 'id'], empty));
}

async function create(
  slug: string,
  { name, domain = [], ...options }: GatewayOptions & { name: string; domain?: string[] },
): Promise<void> {
  const organization = await connectAsOperator(options).organizations.create({ slug, name, domains: domain });
  print(options.json, organization, () => printLine(`Created ${slug}. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`));
}

interface IdpOptions extends GatewayOptions {
  readonly entityId?: string;
  /** Not checked here; the gateway refuses unknown ones. */
  readonly onNewEntityId?: EntityIdDecision;
  readonly linkUntil?: string;
}

async function setIdp(slug: string, source: string, { entityId, onNewEntityId, linkUntil, ...options }: IdpOptions): Promise<void> {
  const client = connectAsOperator(options);
  const metadata = /^https?:\/\//.test(source) ? { metadata_url: source } : { document: readFile(source) };
  const saving = client.identityProvider.set(slug, metadata, { entityId, onNewEntityId, linkUntil });
  const idp = await withProgressIfSlow('Saving', saving);
  print(options.json, idp, () => {
    if (onNewEntityId === 'keep' && idp.replacement !== null) {
      printLine(`Saved the draft ${idp.replacement}. Sign-ins continue with ${idp.entity_id}.`);
      printLine(`An owner must test it now: samlgate connection test ${slug} ${idp.replacement}`);
      return;
    }
    printLine(`Saved the identity provider ${idp.entity_id} for ${slug}.`);
    for (const { fingerprint_sha256, not_after } of idp.certificates)
      printLine(`  certificate ${fingerprint_sha256.slice(0, 23)}…, expires ${not_after}`);
    for (const { level, text } of idp.warnings) printLine(`  ${level === 'warning' ? 'warning' : 'note'}: ${text}`);
    printLine('Enter these values at the identity provider:');
    printServiceProvider(idp);
  });
}

function printServiceProvider({ service_provider: sp }: IdentityProvider): void {
  printLine(`  entity ID (audience)  ${sp.entity_id}`);
  printLine(`  ACS URL (reply URL)   ${sp.acs_url}`);
  printLine(`  or the metadata URL   ${sp.metadata_url}`);
  printLine(`Members sign in at      ${sp.login_url}`);
}

async function show(slug: string, options: GatewayOptions): Promise<void> {
  const client = connectAsOperator(options);
  const organization = await client.organizations.get(slug);
  const roleMapping = await client.roleMapping.get(slug);
  const identityProvider = await orUndefined(client.identityProvider.get(slug), 'idp_not_configured');
  if (options.json) return printJson({ ...organization, role_mapping: roleMapping, identity_provider: identityProvider ?? null });
  printLine(`${organization.name} (${slug}, ${organization.id})`);
  printLine(`  domains: ${organization.domains.join(', ') || 'none'}`);
  for (const { group, role, connection } of roleMapping.rules) {
    const scope = connection === undefined ? '' : connection === '*' ? ' (all connections)' : ` (connection ${connection})`;
    printLine(`  role of the group ${group}: ${role}${scope}`);
  }
  printLine(`  default role: ${roleMapping.default_role}`);
  if (!identityProvider) return printLine(`  no identity provider yet. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`);
  printLine(`  identity provider: ${identityProvider.entity_id}`);
  printLine(`  users are identified by ${identifierText(identityProvider.identifier)}`);
  for (const { level, text } of identityProvider.warnings) printLine(`  ${level === 'warning' ? 'warning' : 'note'}: ${text}`);
  printServiceProvider(identityProvider);
}

function identifierText(identifier: IdentityProvider['identifier']): string {
  if (identifier === null || identifier === 'auto') return 'what the first accepted sign-in or test uses';
  return 'attribute' in identifier ? `the attribute ${identifier.attribute}` : `the NameID of the format ${identifier.name_id}`;
}

/** Asks before it deletes. A deletion that was interrupted can be repeated, although its organization can no longer be read. */
async function remove(slug: string, { yes, ...options }: GatewayOptions & { yes?: true }): Promise<void> {
  const client = connectAsOperator(options);
  const organization = await orUndefined(client.organizations.get(slug), 'organization_unknown');
  const name = organization ? `${slug} (${organization.name})` : slug;
  const question = `This deletes ${name} with all members, sessions, tokens, connections and its audit trail. Users can no longer sign in. This can't be undone. Delete the organization?`;
  if (!yes && !(await confirm(question))) throw new CommandError('Nothing was changed.');
  await withProgress('Deleting', client.organizations.remove(slug));
  print(options.json, { deleted: slug }, () => printLine(`Deleted ${slug}.`));
}
