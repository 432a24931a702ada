/** `samlgate scim …`: SCIM tokens, decisions about provisioned users, and the provisioning log. */
import type { Command } from 'commander';
import { CommandError, UsageError } from '../command-error.ts';
import { type Api, connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine, printTable } from '../output.ts';

export function addScim(program: Command): void {
  const scim = program.command('scim').description('manage provisioning with SCIM');
  addTokens(scim);
  addConflicts(scim);
  withGatewayOptions(
    scim.command('log <slug>').description('list the last SCIM requests of a connection, newest first (owner or operator)'),
  )
    .option('--connection <id>', 'connection whose requests are listed (default: the default connection)')
    .addHelpText('after', '\nExample:\n  samlgate scim log acme')
    .action(listRequests);
}

function addTokens(scim: Command): void {
  const token = scim.command('token').description('manage the tokens that let identity providers provision users');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(token.command(usage).description(description)).addHelpText('after', `\nExample:\n  samlgate scim token ${example}`);
  add('create <slug>', 'create a SCIM token and print it once', 'create acme --name "Okta" --expires-in-days 365')
    .requiredOption('--name <name>', 'name to recognize the token by')
    .option('--connection <id>', 'connection whose users the token provisions (default: the default connection)')
    .option('--expires-in-days <days>', 'days until the token expires, 1 to 3650 (default: it never expires)')
    .action(create);
  add('list <slug>', 'list SCIM tokens', 'list acme').action(list);
  add('revoke <slug> <id>', 'revoke a SCIM token immediately', 'revoke acme sct_…').action(revoke);
}

function addConflicts(scim: Command): void {
  const conflict = scim.command('conflict').description('decide about users that could be existing members (owner or operator)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(conflict.command(usage).description(description)).addHelpText(
      'after',
      `\nExample:\n  samlgate scim conflict ${example}`,
    );
  add('list <slug> <connection>', 'list conflicts', 'list acme con_…').action(listConflicts);
  add(
    'approve <slug> <connection> <member> <conflict>',
    'link the user to the member at the next request of the identity provider',
    'approve acme con_… usr_… req_…',
  ).action(decide('approve'));
  add(
    'decline <slug> <connection> <member> <conflict>',
    'do not link the user to the member (can still be approved later)',
    'decline acme con_… usr_… req_…',
  ).action(decide('decline'));
}

async function listConflicts(slug: string, connection: string, options: GatewayOptions): Promise<void> {
  const members = await connectAsOperator(options).provisioning.conflicts.list(slug, connection).toArray();
  print(options.json, members, () => {
    const rows = members.map(({ conflict, ...member }) => ({
      ...member,
      conflict: conflict.id,
      reason: conflict.reason,
      state: conflict.state,
      user: `${conflict.name} <${conflict.email}>`,
      user_name: conflict.user_name,
      external_id: conflict.external_id,
    }));
    const columns = ['id', 'email', 'role', 'suspended', 'conflict', 'reason', 'state', 'user', 'user_name', 'external_id'];
    printTable(rows, columns, 'No user waits for an approval.');
  });
}

const decide =
  (verb: 'approve' | 'decline') =>
  async (slug: string, connection: string, member: string, conflict: string, options: GatewayOptions): Promise<void> => {
    const decided = await connectAsOperator(options).provisioning.conflicts[verb](slug, connection, { member, conflict });
    const effect =
      verb === 'approve' ? 'The next request that creates the user links it to this member.' : 'The user is not linked to this member.';
    print(options.json, decided, () => printLine(`${verb === 'approve' ? 'Approved' : 'Declined'} ${decided.email}. ${effect}`));
  };

type CreateOptions = GatewayOptions & { readonly name: string; readonly connection?: string; readonly expiresInDays?: string };

async function create(slug: string, { name, connection, expiresInDays, ...options }: CreateOptions): Promise<void> {
  const days = expiresInDays === undefined ? undefined : Number(expiresInDays);
  if (Number.isNaN(days)) throw new UsageError(`--expires-in-days ${JSON.stringify(expiresInDays)} is not a number.`);
  const token = await connectAsOperator(options).scimTokens.create(slug, { name, connection, expires_in_days: days });
  print(options.json, token, () => {
    printLine(token.token);
    printLine(`The token ${token.id} is shown only once. Enter it at the identity provider with the base URL ${token.base_url}`);
    printLine('Its holder decides who has access to this organization through the connection. Keep it secret.');
  });
}

async function list(slug: string, options: GatewayOptions): Promise<void> {
  const items = await connectAsOperator(options).scimTokens.list(slug).toArray();
  const empty = `${slug} has no SCIM tokens. Create one with: samlgate scim token create ${slug} --name NAME`;
  print(options.json, items, () =>
    printTable(items, ['id', 'name', 'state', 'connection', 'created_at', 'expires_at', 'last_used_at'], empty),
  );
}

async function revoke(slug: string, id: string, options: GatewayOptions): Promise<void> {
  await connectAsOperator(options).scimTokens.revoke(slug, id);
  print(options.json, { revoked: id }, () => printLine(`Revoked ${id}.`));
}

type LogOptions = GatewayOptions & { readonly connection?: string };

async function listRequests(slug: string, { connection, ...options }: LogOptions): Promise<void> {
  const api = connectAsOperator(options);
  const requests = await api.provisioning.requests.list(slug, connection ?? (await findDefaultConnection(api, slug))).toArray();
  print(options.json, requests, () => {
    const rows = requests.map(({ detail, advice, user_name, member_id, ...request }) => ({
      ...request,
      user: user_name ?? member_id,
      reason: [detail, advice].filter((text) => text !== null).join(' '),
    }));
    const empty = 'No requests yet. Enter the base URL and a SCIM token at the identity provider, and test the connection there.';
    printTable(rows, ['at', 'method', 'path', 'status', 'scim_type', 'user', 'request_id', 'reason'], empty);
  });
}

/** @throws CommandError if there is none */
async function findDefaultConnection(api: Api, slug: string): Promise<string> {
  const { items } = await api.connections.list(slug);
  const found = items.find(({ is_default }) => is_default);
  if (found) return found.id;
  throw new CommandError(`${slug} has no identity provider. Connect one with: samlgate org set-idp ${slug} METADATA`);
}
