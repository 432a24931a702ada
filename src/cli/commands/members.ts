/** `samlgate members …`: the members of an organization, for its owners and, with --org, for operators. */
import type { Command } from 'commander';
import type { Client } from '../../client/client.ts';
import { connectAsMember, connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { countOf, print, printFields, printLine, printTable } from '../output.ts';
import { withProgressIfSlow } from '../progress.ts';

interface Options extends GatewayOptions {
  readonly org?: string;
}

interface ListOptions extends Options {
  readonly email?: string;
  readonly query?: string;
  readonly notProvisioned?: true;
}

export function addMembers(program: Command): void {
  const members = program.command('members').description('manage the members of an organization (owner, or operator with --org)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(members.command(usage).description(description))
      .option('--org <slug>', 'organization (default: your own)')
      .addHelpText('after', `\nExample:\n  samlgate members ${example}`);
  add('list', 'list members', 'list --email ada@acme.example')
    .option('--email <address>', 'only the member with this email address')
    .option('--query <text>', 'only members whose name or email address contains this text')
    .option('--not-provisioned', 'only members without a SCIM user (`provisioning: scim_required` refuses them)')
    .action(async ({ email, query, notProvisioned, ...options }: ListOptions) => {
      const { client, org } = await organizationOf(options);
      const items = await withProgressIfSlow(
        'Loading members',
        client.members.list(org, { email, query, ...(notProvisioned ? { provisioned: 'false' } : {}) }).toArray(),
      );
      print(options.json, items, () =>
        printTable(items, ['id', 'email', 'name', 'role', 'suspended', 'last_login_at'], 'No members found.'),
      );
    });
  add('show <id>', 'show a member', 'show usr_3w5e11264sg0').action(async (id: string, options: Options) => {
    const { client, org } = await organizationOf(options);
    const member = await client.members.get(org, id);
    print(options.json, member, () => printFields(member));
  });
  add('rotate-tokens <id>', 'immediately revoke all CLI tokens of a member', 'rotate-tokens usr_3w5e11264sg0').action(
    async (id: string, options: Options) => {
      const { client, org } = await organizationOf(options);
      const { revoked } = await withProgressIfSlow('Revoking', client.members.rotateTokens(org, id));
      print(options.json, { revoked }, () =>
        printLine(`Revoked ${countOf(revoked, 'CLI token')} of ${id}. The member can create a new one.`),
      );
    },
  );
  add('suspend <id>', 'suspend a member, which ends all sessions and blocks sign-ins and CLI tokens', 'suspend usr_3w5e11264sg0')
    .option('--lift', 'lift the suspension')
    .action(async (id: string, { lift, ...options }: Options & { lift?: boolean }) => {
      const { client, org } = await organizationOf(options);
      const member = await client.members.change(org, id, { suspended: !lift });
      print(options.json, member, () => printLine(lift ? `${id} can sign in again.` : `Suspended ${id} and ended all sessions.`));
    });
  add('remove <id>', 'remove a member and immediately end all sessions and tokens', 'remove usr_3w5e11264sg0').action(
    async (id: string, options: Options) => {
      const { client, org } = await organizationOf(options);
      await withProgressIfSlow('Removing', client.members.remove(org, id));
      print(options.json, { removed: id }, () => printLine(`Removed ${id} and ended all sessions and tokens.`));
    },
  );
}

/** With --org the caller may be the operator. Without it the organization is the caller's own. */
async function organizationOf(options: Options): Promise<{ client: Client; org: string }> {
  if (options.org !== undefined) return { client: connectAsOperator(options), org: options.org };
  const client = connectAsMember(options);
  return { client, org: (await client.me()).organization.slug };
}
