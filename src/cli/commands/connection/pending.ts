/** `samlgate connection pending …`: members who have not signed in since the identity provider of a connection changed. */
import type { Command } from 'commander';
import { CommandError } from '../../command-error.ts';
import { confirm } from '../../confirm.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../../gateway-api.ts';
import { print, printLine, printTable } from '../../output.ts';

export function addPendingMembers(connection: Command): void {
  const pending = connection
    .command('pending')
    .description('manage members who have not signed in since the identity provider changed (operator, or owner)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(pending.command(usage).description(description)).addHelpText(
      'after',
      `\nExample:\n  samlgate connection pending ${example}`,
    );
  add('list <slug> <id>', 'list these members, with the users who ask to become them', 'list acme con_…').action(list);
  add('approve <slug> <id> <member> <request>', 'make the user of a request the member', 'approve acme con_… usr_… req_…').action(
    decide('approve'),
  );
  add(
    'decline <slug> <id> <member> <request>',
    'let no user of the new identity provider become the member',
    'decline acme con_… usr_… req_…',
  ).action(decide('decline'));
  add('revoke <slug> <id>', 'revoke the sessions and CLI tokens of all these members', 'revoke acme con_… --yes')
    .option('--yes', 'do not ask for confirmation')
    .action(revoke);
}

async function list(slug: string, id: string, options: GatewayOptions): Promise<void> {
  const members = await connectAsOperator(options).connections.pendingMembers.list(slug, id).toArray();
  print(options.json, members, () => {
    const rows = members.map(({ link_request: request, ...member }) => ({
      ...member,
      decision: member.is_approved ? 'approved' : member.is_declined ? 'declined' : undefined,
      request: request?.id,
      requested_by: request && `${request.name} <${request.email}>`,
      identifier: request?.identifier,
    }));
    const columns = ['id', 'email', 'role', 'suspended', 'last_login_at', 'decision', 'request', 'requested_by', 'identifier'];
    printTable(rows, columns, 'All members have signed in since the identity provider changed, or it has never changed.');
  });
}

const decide =
  (verb: 'approve' | 'decline') =>
  async (slug: string, id: string, member: string, linkRequest: string, options: GatewayOptions): Promise<void> => {
    const decided = await connectAsOperator(options).connections.pendingMembers[verb](slug, id, { member, linkRequest });
    const effect = verb === 'approve' ? 'The user is this member from the next sign-in on.' : 'The user gets a new account.';
    print(options.json, decided, () => printLine(`${verb === 'approve' ? 'Approved' : 'Declined'} ${decided.email}. ${effect}`));
  };

async function revoke(slug: string, id: string, { yes, ...options }: GatewayOptions & { readonly yes?: true }): Promise<void> {
  const { connections } = connectAsOperator(options);
  const { change, name } = await connections.get(slug, id);
  if (!change) throw new CommandError(`The identity provider of ${name} has never changed while it had members.`);
  if (!yes && !(await confirm(`Revoke the sessions and CLI tokens of all members who have not signed in since ${change.at}?`))) return;
  const revoked = await connections.pendingMembers.revoke(slug, id, change.id);
  print(options.json, revoked, () => printLine('Revoked the sessions and CLI tokens of these members. They can still sign in.'));
}
