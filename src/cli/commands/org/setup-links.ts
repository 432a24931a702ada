/** `samlgate org setup-link …`: links for IT administrators without an account. */
import type { Command } from 'commander';
import { UsageError } from '../../command-error.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../../gateway-api.ts';
import { print, printLine, printTable } from '../../output.ts';

export function addOrgSetupLink(org: Command): void {
  const link = org.command('setup-link').description('manage links that let an IT administrator without an account set up a connection');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(link.command(usage).description(description)).addHelpText(
      'after',
      `\nExample:\n  samlgate org setup-link ${example}`,
    );
  add('create <slug>', 'create a setup link and print its URL, which is shown only once', 'create acme --expires-in-days 3')
    .option('--connection <id>', 'connection that the link sets up (default: the default connection)')
    .option('--expires-in-days <days>', 'days until the link expires, 1 to 30 (default: 7)')
    .action(create);
  add('list <slug>', 'list setup links, newest first', 'list acme').action(list);
  add('revoke <slug> <id>', 'revoke a setup link and end a setup that was started with it', 'revoke acme lnk_…').action(revoke);
}

type CreateOptions = GatewayOptions & { readonly connection?: string; readonly expiresInDays?: string };

async function create(slug: string, { connection, expiresInDays, ...options }: CreateOptions): Promise<void> {
  const days = expiresInDays === undefined ? undefined : Number(expiresInDays);
  if (Number.isNaN(days)) throw new UsageError(`--expires-in-days ${JSON.stringify(expiresInDays)} is not a number.`);
  const link = await connectAsOperator(options).setupLinks.create(slug, { connection, expires_in_days: days });
  print(options.json, link, () => {
    printLine(link.url);
    printLine(`The link ${link.id} works once and expires ${link.expires_at}. It is shown only once.`);
    printLine('Its holder connects the identity provider and so decides who can sign in. Send it to one person over a private channel.');
  });
}

async function list(slug: string, options: GatewayOptions): Promise<void> {
  const items = await connectAsOperator(options).setupLinks.list(slug).toArray();
  const empty = `${slug} has no setup links. Create one with: samlgate org setup-link create ${slug}`;
  print(options.json, items, () => printTable(items, ['id', 'state', 'connection', 'created_at', 'expires_at'], empty));
}

async function revoke(slug: string, id: string, options: GatewayOptions): Promise<void> {
  await connectAsOperator(options).setupLinks.revoke(slug, id);
  print(options.json, { revoked: id }, () => printLine(`Revoked ${id}.`));
}
