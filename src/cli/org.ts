/** `samlgate org …`: organizations, their identity provider and their role rules. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type Api, CommandError, connect, UsageError } from './gateway-api.ts';
import { applyPlan, type OrganizationFile, planChanges, readOrganizationFile } from './org-file.ts';
import { print, printJson, printLine, printTable } from './output.ts';

interface Json {
  readonly json?: boolean;
}

const collect = (value: string, before: string[] = []): string[] => [...before, value];
const orgPath = (slug: string): string => `/organizations/${encodeURIComponent(slug)}`;

export function addOrg(program: Command): void {
  const org = program
    .command('org')
    .description('organizations, their identity provider and roles (operator, or an owner for the own organization)');
  org
    .command('list')
    .description('all organizations')
    .option('--json', 'print JSON')
    .action(async ({ json }: Json) => {
      const items = await listAll(connect(), '/organizations');
      print(json, items, () =>
        printTable(
          items,
          ['slug', 'name', 'domains', 'id'],
          'There are no organizations yet. Make one: samlgate org create SLUG --name NAME',
        ),
      );
    });
  org
    .command('create <slug>')
    .description('make an organization')
    .requiredOption('--name <name>', 'name that people see')
    .option('--domain <domain>', 'e-mail domain whose people belong here (repeatable)', collect)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  samlgate org create acme --name "Acme Ltd" --domain acme.example')
    .action(async (slug: string, { name, domain, json }: Json & { name: string; domain?: string[] }) => {
      const made = await connect().call('POST', '/organizations', { slug, name, domains: domain ?? [] });
      print(json, made, () => printLine(`Made ${slug}. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`));
    });
  org
    .command('set-idp <slug> <file-or-url>')
    .description('set the identity provider from its metadata: a file, an https URL, or - for standard input')
    .option('--entity-id <id>', 'which identity provider, where the metadata has several')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  samlgate org set-idp acme ./idp-metadata.xml')
    .action(setIdp);
  org
    .command('set-roles <slug>')
    .description('set the role rules: which group gives which role')
    .option('--rule <group=role>', 'GROUP=owner or GROUP=collaborator (repeatable); owner wins where several match', collect)
    .requiredOption('--default <role>', 'owner, collaborator, or none (denies) for who is in no such group')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  samlgate org set-roles acme --rule platform-admins=owner --default collaborator')
    .action(async (slug: string, options: Json & { rule?: string[]; default: string }) => {
      const rules = (options.rule ?? []).map(parseRule);
      const mapping = await connect().call('PUT', `${orgPath(slug)}/role-mapping`, { rules, default_role: options.default });
      print(options.json, mapping, () => printLine(`${slug}: ${rules.length} rule(s), default ${options.default}`));
    });
  org
    .command('show <slug>')
    .description('an organization with its identity provider, roles, and the values for the identity provider’s screens')
    .option('--json', 'print JSON')
    .action(show);
  org
    .command('apply <files...>')
    .description('make organizations be as declarative files say; prints what changes')
    .option('--dry-run', 'only print what would change')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  samlgate org apply config/idp-examples/okta.yaml --dry-run')
    .action(apply);
}

/** The last `=` divides: group names may have one, roles have none. */
function parseRule(text: string): { group: string; role: string } {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new UsageError(`--rule ${JSON.stringify(text)} is not GROUP=ROLE. Example: --rule platform-admins=owner`);
  return { group: text.slice(0, at), role: text.slice(at + 1) };
}

/** Every page of a list. */
export async function listAll(api: Api, path: string): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  const separator = path.includes('?') ? '&' : '?';
  let cursor: string | null = null;
  do {
    const next: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page = (await api.call('GET', `${path}${separator}limit=200${next}`)) as {
      items: Record<string, unknown>[];
      next_cursor: string | null;
    };
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return items;
}

interface IdpAnswer {
  readonly entity_id: string;
  readonly certificates: readonly { readonly fingerprint_sha256: string; readonly not_after: string }[];
  readonly warnings: readonly { readonly text: string }[];
  readonly service_provider: Readonly<Record<string, string>>;
}

async function setIdp(slug: string, source: string, options: Json & { entityId?: string }): Promise<void> {
  const path = `${orgPath(slug)}/identity-provider`;
  const entity = options.entityId === undefined ? {} : { entity_id: options.entityId };
  const api = connect();
  const answer = /^https?:\/\//.test(source)
    ? await api.call('PUT', path, { metadata_url: source, ...entity })
    : await api.call(
        'PUT',
        `${path}${options.entityId === undefined ? '' : `?entity_id=${encodeURIComponent(options.entityId)}`}`,
        readFile(source),
        'application/samlmetadata+xml',
      );
  print(options.json, answer, () => {
    const idp = answer as IdpAnswer;
    printLine(`${slug}: identity provider ${idp.entity_id}`);
    for (const { fingerprint_sha256, not_after } of idp.certificates)
      printLine(`  certificate ${fingerprint_sha256.slice(0, 23)}… until ${not_after}`);
    for (const warning of idp.warnings) printLine(`  note: ${warning.text}`);
    printLine('Give these values to the identity provider:');
    printServiceProvider(idp);
  });
}

function printServiceProvider({ service_provider: sp }: IdpAnswer): void {
  printLine(`  entity ID (audience)  ${sp.entity_id}`);
  printLine(`  ACS URL (reply URL)   ${sp.acs_url}`);
  printLine(`  or all of it          ${sp.metadata_url}`);
  printLine(`People sign in at       ${sp.login_url}`);
}

export function readFile(name: string): Buffer {
  try {
    return readFileSync(name === '-' ? 0 : name);
  } catch (error) {
    throw new CommandError(`${name} can't be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

async function show(slug: string, { json }: Json): Promise<void> {
  const api = connect();
  const organization = (await api.call('GET', orgPath(slug))) as Record<string, unknown>;
  const roleMapping = (await api.call('GET', `${orgPath(slug)}/role-mapping`)) as {
    rules: { group: string; role: string }[];
    default_role: string;
  };
  const identityProvider = (await orUndefined(api.call('GET', `${orgPath(slug)}/identity-provider`), 'idp_not_configured')) as
    | IdpAnswer
    | undefined;
  if (json) return printJson({ ...organization, role_mapping: roleMapping, identity_provider: identityProvider ?? null });
  printLine(`${organization.name} (${slug}, ${organization.id})`);
  printLine(`  domains ${(organization.domains as string[]).join(', ') || 'none'}`);
  for (const rule of roleMapping.rules) printLine(`  group ${rule.group} gives ${rule.role}`);
  printLine(`  everybody else: ${roleMapping.default_role}`);
  if (!identityProvider) return printLine(`  no identity provider yet. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`);
  printLine(`  identity provider ${identityProvider.entity_id}`);
  for (const warning of identityProvider.warnings) printLine(`  note: ${warning.text}`);
  printServiceProvider(identityProvider);
}

/** The answer, or undefined where it is refused with this code. */
export async function orUndefined(answer: Promise<unknown>, code: string): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof CommandError && error.code === code) return undefined;
    throw error;
  }
}

/** All files are read and held against the gateway before the first change, so that a mistake in the last stops the first. */
async function apply(files: string[], { dryRun, json }: Json & { dryRun?: boolean }): Promise<void> {
  const wanted: OrganizationFile[] = files.map(readOrganizationFile);
  const api = connect();
  const plans = [];
  for (const file of wanted) plans.push(await planChanges(api, file));
  if (!dryRun) for (const plan of plans) await applyPlan(api, plan);
  const summary = plans.map(({ slug, changes }) => ({ slug, changes: changes.map(({ words }) => words) }));
  print(json, { dry_run: dryRun ?? false, organizations: summary }, () => {
    for (const { slug, changes } of summary) {
      if (changes.length === 0) printLine(`${slug}: nothing to change`);
      for (const words of changes) printLine(`${slug}: ${dryRun ? 'would ' : ''}${words}`);
    }
  });
}
