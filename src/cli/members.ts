/** `samlgate members …`: the people of an organization, for its owners (or the operator with --org). */
import type { Command } from 'commander';
import { type Api, connect, UsageError } from './gateway-api.ts';
import { listAll } from './org.ts';
import { print, printLine, printTable } from './output.ts';

interface Options {
  readonly json?: boolean;
  readonly org?: string;
}

export function addMembers(program: Command): void {
  const members = program.command('members').description('the people of an organization (owners; the operator with --org)');
  const common = (command: Command) =>
    command.option('--org <slug>', 'organization (an owner’s own by default)').option('--json', 'print JSON');
  common(members.command('list').description('people by address'))
    .option('--email <address>', 'only this address')
    .option('--query <text>', 'only whose name or address has this text')
    .action(async ({ email, query, ...options }: Options & { email?: string; query?: string }) => {
      const api = connect();
      const search = new URLSearchParams({ ...(email ? { email } : {}), ...(query ? { query } : {}) }).toString();
      const items = await listAll(api, `${await membersPath(api, options)}${search === '' ? '' : `?${search}`}`);
      print(options.json, items, () => printTable(items, ['id', 'email', 'name', 'role', 'suspended', 'last_login_at'], 'Nobody.'));
    });
  common(members.command('show <id>').description('one person')).action(async (id: string, options: Options) => {
    const api = connect();
    const member = (await api.call('GET', `${await membersPath(api, options)}/${encodeURIComponent(id)}`)) as Record<string, unknown>;
    print(options.json, member, () => {
      for (const [name, value] of Object.entries(member))
        printLine(`${name.padEnd(14)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
    });
  });
  common(members.command('suspend <id>').description('end all sessions and let the person in no more'))
    .option('--lift', 'lift the suspension')
    .action(async (id: string, { lift, ...options }: Options & { lift?: boolean }) => {
      const api = connect();
      const member = await api.call('PATCH', `${await membersPath(api, options)}/${encodeURIComponent(id)}`, { suspended: !lift });
      print(options.json, member, () => printLine(lift ? `${id} may sign in again.` : `${id} is suspended; all sessions have ended.`));
    });
  common(members.command('remove <id>').description('remove the person: all sessions and tokens end at once')).action(
    async (id: string, options: Options) => {
      const api = connect();
      await api.call('DELETE', `${await membersPath(api, options)}/${encodeURIComponent(id)}`);
      print(options.json, { removed: id }, () => printLine(`${id} is removed; all sessions and tokens have ended.`));
    },
  );
}

async function membersPath(api: Api, { org }: Options): Promise<string> {
  return `/organizations/${encodeURIComponent(org ?? (await ownOrganization(api)))}/members`;
}

async function ownOrganization(api: Api): Promise<string> {
  if (process.env.SAMLGATE_CLI_TOKEN === undefined) throw new UsageError('The operator names the organization: --org SLUG');
  const { organization } = (await api.call('GET', '/me')) as { organization: { slug: string } };
  return organization.slug;
}
