/** `samlgate token …`: the member's own CLI tokens. */
import { type Command, InvalidArgumentError } from 'commander';
import type { NewCliToken } from '../../client/api-types.ts';
import { createClient } from '../../client/client.ts';
import { changeCredentials, keptFor, withoutGateway } from '../../client/credentials-file.ts';
import { CommandError } from '../command-error.ts';
import { connectAsMember, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine, printNote, printTable } from '../output.ts';

export function addToken(program: Command): void {
  const token = program.command('token').description('your own CLI tokens');
  withGatewayOptions(token.command('list'))
    .description('all of them')
    .addHelpText('after', '\nExample:\n  samlgate token list --json')
    .action(async (options: GatewayOptions) => {
      const items = await connectAsMember(options).tokens.list().toArray();
      print(options.json, items, () => printTable(items, ['id', 'name', 'created_at', 'expires_at', 'last_used_at'], 'There is none.'));
    });
  withGatewayOptions(token.command('create <name>'))
    .description('make one more; the token is shown this once')
    .option('--expires-in-days <number>', 'days until it ends (the organization may set a maximum)', parseDays)
    .addHelpText('after', '\nExample:\n  samlgate token create ci --expires-in-days 30')
    .action(create);
  withGatewayOptions(token.command('revoke <id>'))
    .description('end one: it is refused from then on')
    .addHelpText('after', '\nExample:\n  samlgate token revoke tok_3w5e11264sg0')
    .action(revoke);
  withGatewayOptions(token.command('rotate'))
    .description('end all of them and get one new, which is saved where login saved the old one')
    .option('--name <name>', 'name of the new one')
    .addHelpText('after', '\nExample:\n  samlgate token rotate')
    .action(rotate);
}

function parseDays(text: string): number {
  const days = Number(text);
  if (/^\d{1,5}$/.test(text) && days > 0) return days;
  throw new InvalidArgumentError('It is not a number of days.');
}

async function create(name: string, options: GatewayOptions & { expiresInDays?: number }): Promise<void> {
  const { expiresInDays } = options;
  const made = await connectAsMember(options).tokens.create({
    name,
    ...(expiresInDays === undefined ? {} : { expires_in_days: expiresInDays }),
  });
  print(options.json, made, () => showOnce(made));
}

/** The token alone goes to standard output, so that it can be piped to where it is kept. */
function showOnce({ id, name, token, expires_at }: NewCliToken): void {
  printNote(`${name} (${id}), ${expires_at === null ? 'without an end' : `good until ${expires_at}`}. It is shown this once:`);
  printLine(token);
}

async function revoke(id: string, options: GatewayOptions): Promise<void> {
  const client = connectAsMember(options);
  await client.tokens.revoke(id);
  if (client.tokenSource === 'credentials-file') {
    await changeCredentials((file) => (keptFor(file, client.url)?.token_id === id ? withoutGateway(file, client.url) : file));
  }
  print(options.json, { revoked: id }, () => printLine(`${id} is revoked.`));
}

async function rotate(options: GatewayOptions & { name?: string }): Promise<void> {
  const client = connectAsMember(options);
  if (client.tokenSource === 'credentials-file') return rotateKept(client.url, options);
  const rotated = await client.tokens.rotate(options.name);
  print(options.json, rotated, () => {
    printNote(`${rotated.revoked} token(s) revoked. Set SAMLGATE_CLI_TOKEN to the new one:`);
    showOnce(rotated.token);
  });
}

/** While the file is locked and known to be writable: the new token is the only one that there is then. */
async function rotateKept(url: string, { json, name }: GatewayOptions & { name?: string }): Promise<void> {
  let revoked = 0;
  await changeCredentials(async (file) => {
    // As it is now: another command may have rotated a moment ago.
    const kept = keptFor(file, url);
    if (!kept) throw new CommandError(`Nobody is signed in to ${url} any more. Sign in with: samlgate login`);
    const rotated = await createClient({ url, token: kept.token }).tokens.rotate(name);
    revoked = rotated.revoked;
    const { token, id, expires_at } = rotated.token;
    return { ...file, gateways: { ...file.gateways, [url]: { ...kept, token, token_id: id, expires_at } } };
  });
  print(json, { revoked, saved: true }, () => printLine(`${revoked} token(s) revoked; the new one is saved.`));
}
