/** `samlgate token …`: the member's own CLI tokens. */
import { type Command, InvalidArgumentError } from 'commander';
import type { NewCliToken } from '../../client/api-types.ts';
import { createClient } from '../../client/client.ts';
import { changeCredentials, savedFor, withoutGateway } from '../../client/credentials-file.ts';
import { CommandError } from '../command-error.ts';
import { connectAsMember, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { countOf, print, printLine, printNote, printTable } from '../output.ts';

const LIFETIME = 'days until the token expires, or never (default: 90, or what your organization allows)';

export function addToken(program: Command): void {
  const token = program.command('token').description('manage your own CLI tokens');
  withGatewayOptions(token.command('list'))
    .description('list your CLI tokens')
    .addHelpText('after', '\nExample:\n  samlgate token list --json')
    .action(async (options: GatewayOptions) => {
      const items = await connectAsMember(options).tokens.list().toArray();
      warnAboutExpiry(items);
      print(options.json, items, () =>
        printTable(items, ['id', 'name', 'created_at', 'expires_at', 'last_used_at', 'last_used_address'], 'You have no CLI tokens.'),
      );
    });
  withGatewayOptions(token.command('create <name>'))
    .description('create a CLI token and print it once')
    .option('--expires-in-days <number>', LIFETIME, parseDays)
    .addHelpText('after', '\nExample:\n  samlgate token create ci --expires-in-days 30')
    .action(create);
  withGatewayOptions(token.command('revoke <id>'))
    .description('immediately revoke a CLI token')
    .addHelpText('after', '\nExample:\n  samlgate token revoke tok_3w5e11264sg0')
    .action(revoke);
  withGatewayOptions(token.command('rotate'))
    .description('revoke all your CLI tokens and create a new one, which replaces the one that login saved')
    .option('--name <name>', 'name of the new token')
    .option('--expires-in-days <number>', LIFETIME, parseDays)
    .addHelpText('after', '\nExample:\n  samlgate token rotate')
    .action(rotate);
}

type Days = number | 'never';

function parseDays(text: string): Days {
  if (text === 'never') return text;
  const days = Number(text);
  if (/^\d{1,5}$/.test(text) && days > 0) return days;
  throw new InvalidArgumentError('Expected a number of days from 1 to 3650, or never.');
}

interface LifetimeOption {
  readonly expiresInDays?: Days;
}

type RotateOptions = GatewayOptions & LifetimeOption & { readonly name?: string };

/** Returns the lifetime as the API expects it. */
const lifetimeOf = ({ expiresInDays }: LifetimeOption): number | null | undefined => (expiresInDays === 'never' ? null : expiresInDays);

async function create(name: string, options: GatewayOptions & LifetimeOption): Promise<void> {
  const token = await connectAsMember(options).tokens.create({ name, expires_in_days: lifetimeOf(options) });
  print(options.json, token, () => showOnce(token));
}

/** Prints only the token to standard output, so that it can be piped. */
function showOnce({ id, name, token, expires_at }: NewCliToken): void {
  printNote(`Token ${name} (${id}), ${expiryText(expires_at)}. The token is shown only once. Store it now.`);
  printLine(token);
}

/** Describes when a token expires. */
const expiryText = (expiresAt: string | null): string => (expiresAt === null ? 'never expires' : `expires ${expiresAt}`);

async function revoke(id: string, options: GatewayOptions): Promise<void> {
  const client = connectAsMember(options);
  await client.tokens.revoke(id);
  if (client.tokenSource === 'credentials-file') {
    await changeCredentials((file) => (savedFor(file, client.url)?.token_id === id ? withoutGateway(file, client.url) : file));
  }
  print(options.json, { revoked: id }, () => printLine(`Revoked ${id}.`));
}

async function rotate(options: RotateOptions): Promise<void> {
  const client = connectAsMember(options);
  if (client.tokenSource === 'credentials-file') return rotateSaved(client.url, options);
  const rotated = await client.tokens.rotate(options.name, lifetimeOf(options));
  print(options.json, rotated, () => {
    printNote(`Revoked ${countOf(rotated.revoked, 'token')}. Set SAMLGATE_CLI_TOKEN to the new token.`);
    showOnce(rotated.token);
  });
}

/** Rotates while the credentials file is locked and known to be writable, because the new token is the only valid one afterwards. */
async function rotateSaved(url: string, options: RotateOptions): Promise<void> {
  let revoked = 0;
  await changeCredentials(async (file) => {
    // Read again under the lock, because another command may have rotated the token a moment ago.
    const saved = savedFor(file, url);
    if (!saved) throw new CommandError(`You are no longer signed in at ${url}. Sign in with: samlgate login`);
    const rotated = await createClient({ url, token: saved.token }).tokens.rotate(options.name, lifetimeOf(options));
    revoked = rotated.revoked;
    const { token, id, expires_at } = rotated.token;
    return { ...file, gateways: { ...file.gateways, [url]: { ...saved, token, token_id: id, expires_at } } };
  });
  print(options.json, { revoked, saved: true }, () => printLine(`Revoked ${countOf(revoked, 'token')} and saved a new one.`));
}

const WARN_DAYS = 14;
const DAY_MS = 86_400_000;
const MAX_NAMED = 3;

interface ExpiringToken {
  readonly id: string;
  readonly name?: string;
  /** RFC 3339; null if the token never expires. */
  readonly expires_at: string | null;
}

/** Warns of tokens that expire soon. Prints to standard error, so that standard output with `--json` is one document. */
export function warnAboutExpiry(tokens: readonly ExpiringToken[], nowMs = Date.now()): void {
  const soon = tokens.filter(({ expires_at: at }) => at !== null && Date.parse(at) > nowMs && Date.parse(at) - nowMs <= WARN_DAYS * DAY_MS);
  for (const { id, name, expires_at: at } of soon.slice(0, MAX_NAMED)) {
    printNote(
      `The token ${name === undefined ? id : `${name} (${id})`} expires ${at}. Replace it with: samlgate login, or samlgate token create`,
    );
  }
  if (soon.length > MAX_NAMED) printNote(`${countOf(soon.length - MAX_NAMED, 'other token')} will also expire within ${WARN_DAYS} days.`);
}
