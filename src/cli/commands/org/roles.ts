/** `samlgate org set-roles`: the rules that assign roles to groups. */
import type { Command } from 'commander';
import type { NewRoleMapping, RoleMapping } from '../../../client/api-types.ts';
import type { Client } from '../../../client/client.ts';
import { collect } from '../../collect.ts';
import { CommandError, UsageError } from '../../command-error.ts';
import { connectAsOperator, type GatewayOptions } from '../../gateway-api.ts';
import { optionWithValues } from '../../help.ts';
import { countOf, print, printLine } from '../../output.ts';

const ALLOW_NO_OWNER = 'save role rules even if they leave the organization without an owner (operator only)';

const ROLES = ['owner', 'collaborator', 'none'] satisfies RoleMapping['default_role'][];

export function addSetRoles(command: Command): void {
  command
    .option(
      '--rule <group=role[@connection]>',
      'GROUP=owner or GROUP=collaborator (repeatable); if several rules match, owner wins. @CONNECTION is the ID or name of a connection, or * for all; without it the rule applies to the default connection',
      collect,
    )
    .addOption(
      optionWithValues('--default <role>', 'role of members in none of these groups, or none to deny access', ROLES).makeOptionMandatory(),
    )
    .option('--replace-all', 'delete rules of connections that no --rule names')
    .option('--allow-no-owner', ALLOW_NO_OWNER)
    .action(setRoles);
}

interface RoleOptions extends GatewayOptions {
  readonly rule?: string[];
  readonly default: string;
  readonly replaceAll?: true;
  readonly allowNoOwner?: true;
}

async function setRoles(slug: string, options: RoleOptions): Promise<void> {
  const given = (options.rule ?? []).map(parseRule);
  const client = connectAsOperator(options);
  const rules = await withConnectionIds(client, slug, given);
  if (!options.replaceAll) requireNoRuleDropped(await client.roleMapping.get(slug), rules);
  // Roles are not checked here; the gateway refuses unknown ones.
  const requested = { rules, default_role: options.default, allow_no_owner: options.allowNoOwner } as NewRoleMapping;
  const mapping = await client.roleMapping.set(slug, requested);
  print(options.json, mapping, () => {
    printLine(`Saved ${countOf(rules.length, 'role rule')} for ${slug} with the default role ${options.default}.`);
    for (const { text } of mapping.warnings) printLine(`  warning: ${text}`);
  });
}

interface GivenRule {
  readonly group: string;
  readonly role: string;
  /** ID or name of a connection, or `*`. */
  readonly connection?: string;
}

/** Splits at the last `=`, because group names may contain one and roles do not. The connection follows the role. */
function parseRule(text: string): GivenRule {
  const [, group, role, connection] = /^(.+)=([^=@]+)(?:@([^=]+))?$/s.exec(text) ?? [];
  if (group === undefined || role === undefined) {
    throw new UsageError(
      `--rule ${JSON.stringify(text)} is not GROUP=ROLE or GROUP=ROLE@CONNECTION. Example: --rule platform-admins=owner. If the name of a connection contains =, use its ID.`,
    );
  }
  return connection === undefined ? { group, role } : { group, role, connection };
}

/**
 * Replaces the names of connections by their IDs.
 * @throws CommandError for a name that no connection has
 */
async function withConnectionIds<Rule extends { readonly connection?: string | undefined }>(
  client: Client,
  slug: string,
  rules: readonly Rule[],
): Promise<Rule[]> {
  if (rules.every(({ connection = '*' }) => connection === '*')) return [...rules];
  const { items } = await client.connections.list(slug);
  return rules.map((rule) => {
    if (rule.connection === undefined || rule.connection === '*') return rule;
    const found = items.find(({ id }) => id === rule.connection) ?? items.find(({ name }) => name === rule.connection);
    if (found) return { ...rule, connection: found.id };
    throw new CommandError(
      `${slug} has no connection ${JSON.stringify(rule.connection)}. List its connections with: samlgate connection list ${slug}`,
    );
  });
}

/**
 * Checks that no rule of another connection disappears only because it was not repeated.
 * @throws CommandError that lists these rules
 */
function requireNoRuleDropped({ rules: present }: RoleMapping, rules: readonly GivenRule[]): void {
  const named = new Set(rules.map(({ connection }) => connection));
  const dropped = present.filter(({ connection }) => connection !== undefined && !named.has(connection));
  if (dropped.length === 0) return;
  const options = dropped.map(({ group, role, connection }) => `  --rule ${JSON.stringify(`${group}=${role}@${connection}`)}`);
  throw new CommandError(
    `This would delete ${countOf(dropped.length, 'rule')} of other connections. Nothing was changed. Repeat them to keep them, or delete them with --replace-all:\n${options.join('\n')}`,
  );
}
