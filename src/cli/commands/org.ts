/** `samlgate org …`: organizations, their identity provider and their role rules. */
import type { Command } from 'commander';
import type { IdentityProvider, NewRoleMapping } from '../../client/api-types.ts';
import { UsageError } from '../command-error.ts';
import { connectAsOperator, type GatewayOptions, orUndefined, withGatewayOptions } from '../gateway-api.ts';
import { print, printJson, printLine, printTable } from '../output.ts';
import { readFile } from '../read-file.ts';

const collect = (value: string, before: string[] = []): string[] => [...before, value];

const ALLOW_NO_OWNER = 'save role rules even if they leave the organization without an owner (operator only)';

export function addOrg(program: Command): void {
  const org = program
    .command('org')
    .description('organizations, their identity provider and roles (operator, or an owner for the own organization)');
  const add = (usage: string, words: string, example: string) =>
    withGatewayOptions(org.command(usage).description(words)).addHelpText('after', `\nExample:\n  samlgate org ${example}`);
  add('list', 'all organizations', 'list --json').action(list);
  add('create <slug>', 'make an organization', 'create acme --name "Acme Ltd" --domain acme.example')
    .requiredOption('--name <name>', 'name that people see')
    .option('--domain <domain>', 'e-mail domain whose people belong here (repeatable)', collect)
    .action(create);
  add(
    'set-idp <slug> <file-or-url>',
    'set the identity provider from its metadata: a file, an https URL, or - for standard input',
    'set-idp acme ./idp-metadata.xml',
  )
    .option('--entity-id <id>', 'which identity provider, where the metadata has several')
    .action(setIdp);
  add(
    'set-roles <slug>',
    'set the role rules: which group gives which role',
    'set-roles acme --rule platform-admins=owner --default collaborator',
  )
    .option('--rule <group=role>', 'GROUP=owner or GROUP=collaborator (repeatable); owner wins where several match', collect)
    .requiredOption('--default <role>', 'owner, collaborator, or none (denies) for who is in no such group')
    .option('--allow-no-owner', ALLOW_NO_OWNER)
    .action(setRoles);
  add(
    'show <slug>',
    'an organization with its identity provider, roles, and the values for the identity provider’s screens',
    'show acme',
  ).action(show);
  add(
    'apply <files...>',
    'make organizations be as declarative files say; prints what changes',
    'apply config/idp-examples/okta.yaml --dry-run',
  )
    .option('--dry-run', 'only print what would change')
    .option('--allow-no-owner', ALLOW_NO_OWNER)
    .action(apply);
}

async function list(options: GatewayOptions): Promise<void> {
  const items = await connectAsOperator(options).organizations.list().toArray();
  const empty = 'There are no organizations yet. Make one: samlgate org create SLUG --name NAME';
  print(options.json, items, () => printTable(items, ['slug', 'name', 'domains', 'id'], empty));
}

async function create(
  slug: string,
  { name, domain = [], ...options }: GatewayOptions & { name: string; domain?: string[] },
): Promise<void> {
  const made = await connectAsOperator(options).organizations.create({ slug, name, domains: domain });
  print(options.json, made, () => printLine(`Made ${slug}. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`));
}

interface RoleOptions extends GatewayOptions {
  readonly rule?: string[];
  readonly default: string;
  readonly allowNoOwner?: true;
}

async function setRoles(slug: string, options: RoleOptions): Promise<void> {
  const rules = (options.rule ?? []).map(parseRule);
  // Roles are text here; where they are no roles, the gateway refuses them.
  const wanted = { rules, default_role: options.default, allow_no_owner: options.allowNoOwner } as NewRoleMapping;
  const mapping = await connectAsOperator(options).roleMapping.set(slug, wanted);
  print(options.json, mapping, () => printLine(`${slug}: ${rules.length} rule(s), default ${options.default}`));
}

/** The last `=` divides: group names may have one, roles have none. */
function parseRule(text: string): { group: string; role: string } {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new UsageError(`--rule ${JSON.stringify(text)} is not GROUP=ROLE. Example: --rule platform-admins=owner`);
  return { group: text.slice(0, at), role: text.slice(at + 1) };
}

async function setIdp(slug: string, source: string, { entityId, ...options }: GatewayOptions & { entityId?: string }): Promise<void> {
  const client = connectAsOperator(options);
  const metadata = /^https?:\/\//.test(source) ? { metadata_url: source } : { document: readFile(source) };
  const idp = await client.identityProvider.set(slug, metadata, { entityId });
  print(options.json, idp, () => {
    printLine(`${slug}: identity provider ${idp.entity_id}`);
    for (const { fingerprint_sha256, not_after } of idp.certificates)
      printLine(`  certificate ${fingerprint_sha256.slice(0, 23)}… until ${not_after}`);
    for (const warning of idp.warnings) printLine(`  note: ${warning.text}`);
    printLine('Give these values to the identity provider:');
    printServiceProvider(idp);
  });
}

function printServiceProvider({ service_provider: sp }: IdentityProvider): void {
  printLine(`  entity ID (audience)  ${sp.entity_id}`);
  printLine(`  ACS URL (reply URL)   ${sp.acs_url}`);
  printLine(`  or all of it          ${sp.metadata_url}`);
  printLine(`People sign in at       ${sp.login_url}`);
}

async function show(slug: string, options: GatewayOptions): Promise<void> {
  const client = connectAsOperator(options);
  const organization = await client.organizations.get(slug);
  const roleMapping = await client.roleMapping.get(slug);
  const identityProvider = await orUndefined(client.identityProvider.get(slug), 'idp_not_configured');
  if (options.json) return printJson({ ...organization, role_mapping: roleMapping, identity_provider: identityProvider ?? null });
  printLine(`${organization.name} (${slug}, ${organization.id})`);
  printLine(`  domains ${organization.domains.join(', ') || 'none'}`);
  for (const rule of roleMapping.rules) printLine(`  group ${rule.group} gives ${rule.role}`);
  printLine(`  everybody else: ${roleMapping.default_role}`);
  if (!identityProvider) return printLine(`  no identity provider yet. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`);
  printLine(`  identity provider ${identityProvider.entity_id}`);
  for (const warning of identityProvider.warnings) printLine(`  note: ${warning.text}`);
  printServiceProvider(identityProvider);
}

/** All files are read and held against the gateway before the first change, so that a mistake in the last stops the first. */
async function apply(files: string[], options: GatewayOptions & { dryRun?: true; allowNoOwner?: true }): Promise<void> {
  const { dryRun = false, allowNoOwner = false } = options;
  // YAML is loaded for this command only.
  const { applyPlan, planChanges, readOrganizationFile } = await import('../org-file.ts');
  const wanted = files.map(readOrganizationFile);
  const client = connectAsOperator(options);
  const plans = [];
  for (const file of wanted) plans.push(await planChanges(client, file, { allowNoOwner }));
  if (!dryRun) for (const plan of plans) await applyPlan(client, plan);
  const summary = plans.map(({ slug, changes }) => ({ slug, changes: changes.map(({ words }) => words) }));
  print(options.json, { dry_run: dryRun, organizations: summary }, () => {
    for (const { slug, changes } of summary) {
      if (changes.length === 0) printLine(`${slug}: nothing to change`);
      for (const words of changes) printLine(`${slug}: ${dryRun ? 'would ' : ''}${words}`);
    }
  });
}
