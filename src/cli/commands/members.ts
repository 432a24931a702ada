/** `samlgate members …`: the people of an organization, for its owners (or the operator with --org). */
import type { Command } from 'commander';
import type { Client } from '../../client/client.ts';
import { connectAsMember, connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printFields, printLine, printTable } from '../output.ts';

interface Options extends GatewayOptions {
  readonly org?: string;
}

export function addMembers(program: Command): void {
  const members = program.command('members').description('the people of an organization (owners; the operator with --org)');
  const add = (usage: string, words: string, example: string) =>
    withGatewayOptions(members.command(usage).description(words))
      .option('--org <slug>', 'organization (an owner’s own by default)')
      .addHelpText('after', `\nExample:\n  samlgate members ${example}`);
  add('list', 'people by address', 'list --email ada@acme.example')
    .option('--email <address>', 'only this address')
    .option('--query <text>', 'only whose name or address has this text')
    .action(async ({ email, query, ...options }: Options & { email?: string; query?: string }) => {
      const { client, org } = await organizationOf(options);
      const items = await client.members.list(org, { email, query }).toArray();
      print(options.json, items, () => printTable(items, ['id', 'email', 'name', 'role', 'suspended', 'last_login_at'], 'Nobody.'));
    });
  add('show <id>', 'one person', 'show usr_3w5e11264sg0').action(async (id: string, options: Options) => {
    const { client, org } = await organizationOf(options);
    const member = await client.members.get(org, id);
    print(options.json, member, () => printFields(member));
  });
  add('rotate-tokens <id>', 'end all CLI tokens of the person, at once', 'rotate-tokens usr_3w5e11264sg0').action(
    async (id: string, options: Options) => {
      const { client, org } = await organizationOf(options);
      const { revoked } = await client.members.rotateTokens(org, id);
      print(options.json, { revoked }, () => printLine(`${revoked} token(s) of ${id} revoked; a new one is theirs to make.`));
    },
  );
  add('suspend <id>', 'end all sessions and let the person in no more', 'suspend usr_3w5e11264sg0')
    .option('--lift', 'lift the suspension')
    .action(async (id: string, { lift, ...options }: Options & { lift?: boolean }) => {
      const { client, org } = await organizationOf(options);
      const member = await client.members.change(org, id, { suspended: !lift });
      print(options.json, member, () => printLine(lift ? `${id} may sign in again.` : `${id} is suspended; all sessions have ended.`));
    });
  add('remove <id>', 'remove the person: all sessions and tokens end at once', 'remove usr_3w5e11264sg0').action(
    async (id: string, options: Options) => {
      const { client, org } = await organizationOf(options);
      await client.members.remove(org, id);
      print(options.json, { removed: id }, () => printLine(`${id} is removed; all sessions and tokens have ended.`));
    },
  );
}

/** Who names an organization may be the operator; without a name it is the caller's own. */
async function organizationOf(options: Options): Promise<{ client: Client; org: string }> {
  if (options.org !== undefined) return { client: connectAsOperator(options), org: options.org };
  const client = connectAsMember(options);
  return { client, org: (await client.me()).organization.slug };
}
