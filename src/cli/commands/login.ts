/** `samlgate login`: signs in through the browser and saves a CLI token. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Me } from '../../client/api-types.ts';
import { createClient } from '../../client/client.ts';
import {
  type CredentialsFile,
  changeCredentials,
  gatewayKey,
  readCredentials,
  requireWritableCredentials,
  type SavedCredential,
  savedFor,
} from '../../client/credentials-file.ts';
import { awaitDeviceToken, type DeviceCode, requestDeviceCode, revokeToken } from '../../client/device-login.ts';
import { isLoopbackHost } from '../../client/loopback.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import type { Connection } from '../../client/send-request.ts';
import { CommandError, describeRefusal } from '../command-error.ts';
import { type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine, printNote } from '../output.ts';
import { withProgress } from '../progress.ts';

interface Options extends GatewayOptions {
  readonly org?: string;
  readonly browser: boolean;
  readonly printToken?: boolean;
}

export function addLogin(program: Command): void {
  withGatewayOptions(program.command('login'))
    .description('sign in through the browser and save a CLI token in ~/.samlgate/credentials.json')
    .option('--org <slug>', 'organization to sign in to')
    .option('--no-browser', 'do not open a browser, only print the URL and the code')
    .option('--print-token', 'print the token and save nothing, for example on a machine without a home directory')
    .addHelpText(
      'after',
      '\nExamples:\n  samlgate login --gateway https://sso.example.com\n  samlgate login --gateway https://sso.example.com --org acme\n  samlgate login --org acme --no-browser\n  samlgate login --org acme --print-token',
    )
    .action(login);
}

async function login({ gateway, org, browser, printToken, json }: Options): Promise<void> {
  // An unusable credentials file is reported before the user signs in.
  const before = printToken ? readIfUsable() : readCredentials();
  const url = gatewayKey(
    gateway ?? (process.env.SAMLGATE_URL || process.env.SAMLGATE_BASE_URL || before?.current || 'http://localhost:8080'),
  );
  if (!printToken) await requireWritable();
  warnAboutPlainHttp(url);
  const connection: Connection = { url, token: undefined, timeoutMs: 30_000, maxRetries: 2 };
  const code = await requestDeviceCode(connection, { organization: org, tokenName: tokenName() });
  await showCode(code, browser);
  const token = await withProgress('Waiting for you to confirm in the browser', awaitDeviceToken(connection, code));
  if (printToken) return showToken(connection, token, json);
  const { me, replacedToken } = await revokeOnFailure(connection, token, saveToken(url, token));
  if (replacedToken !== undefined) await revokeReplaced(connection, replacedToken);
  if (process.env.SAMLGATE_CLI_TOKEN)
    printNote('SAMLGATE_CLI_TOKEN is set and takes precedence over the saved token. Unset it to use this sign-in.');
  const { user, organization, credential } = me;
  print(json, { gateway: url, user, organization, credential }, () => {
    printLine(`Signed in as ${user.email} (${user.role} of ${organization.name}) at ${url}.`);
  });
}

/** The file only names the default gateway here, so `--print-token` also works if it cannot be read. */
function readIfUsable(): CredentialsFile | undefined {
  try {
    return readCredentials();
  } catch (error) {
    if (error instanceof SamlgateError) return undefined;
    throw error;
  }
}

/** @throws CommandError */
async function requireWritable(): Promise<void> {
  try {
    await requireWritableCredentials();
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    throw new CommandError(`${describeRefusal(error)}\nTo sign in without saving the token, use: samlgate login --print-token`, error.code);
  }
}

/** Prints the token as the only text on standard output, so that a script can capture it. */
async function showToken(connection: Connection, token: string, json: boolean | undefined): Promise<void> {
  const { url } = connection;
  const { user, organization, credential } = await revokeOnFailure(connection, token, createClient({ url, token }).me());
  printNote(
    `Signed in as ${user.email} (${user.role} of ${organization.name}) at ${url}. The token was not saved. Treat it like a password.`,
  );
  print(json, { gateway: url, token, user, organization, credential }, () => printLine(token));
}

/** A token that is neither saved nor printed must not stay valid. */
const revokeOnFailure = <T>(connection: Connection, token: string, work: Promise<T>): Promise<T> =>
  work.catch(async (error: unknown) => {
    await revokeToken(connection, token).catch(() => undefined);
    throw error;
  });

/** Names the machine, so that the user can tell the tokens of several machines apart. */
const tokenName = (): string => `samlgate login on ${hostname().replace(/[^\w.-]/g, '')}`.slice(0, 100);

function warnAboutPlainHttp(url: string): void {
  const { protocol, hostname: host } = new URL(url);
  if (protocol === 'https:' || isLoopbackHost(host)) return;
  printNote(`${url} is not https, so the token can be read on the network.`);
}

/** Prints to standard error, so that standard output with `--json` is one document. */
async function showCode({ user_code, verification_uri, verification_uri_complete }: DeviceCode, browser: boolean): Promise<void> {
  const address = verification_uri_complete ?? verification_uri;
  printNote(`Open    ${address}`);
  printNote(`Code    ${user_code}`);
  printNote(`Confirm only if the page shows the same code. On another device, open ${verification_uri} and enter the code.`);
  // A browser is opened only for a user at this terminal, and only for a web page: the URL comes from the gateway.
  if (!browser || !process.stderr.isTTY || !URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) return;
  const { default: open } = await import('open');
  try {
    const opened = await open(address);
    opened.on('error', () => undefined);
    opened.unref();
  } catch {
    printNote('The browser could not be opened. Open the URL yourself; any device works.');
  }
}

/** Saves the token and returns the one that it replaces, if any. */
async function saveToken(url: string, token: string): Promise<{ readonly me: Me; readonly replacedToken: string | undefined }> {
  const me = await createClient({ url, token }).me();
  const credential: SavedCredential = {
    token,
    token_id: me.credential.id,
    user_id: me.user.id,
    email: me.user.email,
    organization: me.organization.slug,
    expires_at: me.credential.expires_at,
  };
  let replacedToken: string | undefined;
  await changeCredentials((file) => {
    replacedToken = savedFor(file, url)?.token;
    return { current: url, gateways: { ...file.gateways, [url]: credential } };
  });
  return { me, replacedToken };
}

async function revokeReplaced(connection: Connection, token: string): Promise<void> {
  try {
    await revokeToken(connection, token);
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    printNote(`The token of the previous sign-in could not be revoked (${error.code}). Find it with: samlgate token list`);
  }
}
