/** `samlgate login`: signs in through the browser and keeps the CLI token. */
import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { Me } from '../../client/api-types.ts';
import { createClient } from '../../client/client.ts';
import { changeCredentials, gatewayKey, type KeptCredential, keptFor, readCredentials } from '../../client/credentials-file.ts';
import { awaitDeviceToken, type DeviceCode, requestDeviceCode, revokeToken } from '../../client/device-login.ts';
import { isLoopbackHost } from '../../client/loopback.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import type { Connection } from '../../client/send-request.ts';
import { type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine, printNote } from '../output.ts';
import { whileWaiting } from '../waiting.ts';

interface Options extends GatewayOptions {
  readonly org?: string;
  readonly browser: boolean;
}

export function addLogin(program: Command): void {
  withGatewayOptions(program.command('login'))
    .description('sign in through the browser and keep a CLI token in ~/.samlgate/credentials.json')
    .option('--org <slug>', 'organization to sign in to')
    .option('--no-browser', 'only print the address and the code')
    .addHelpText(
      'after',
      '\nExamples:\n  samlgate login --gateway https://sso.example.com\n  samlgate login --gateway https://sso.example.com --org acme --no-browser',
    )
    .action(login);
}

async function login({ gateway, org, browser, json }: Options): Promise<void> {
  // What can't be saved is not even begun.
  const before = readCredentials();
  const url = gatewayKey(
    gateway ?? (process.env.SAMLGATE_URL || process.env.SAMLGATE_BASE_URL || before.current || 'http://localhost:8080'),
  );
  warnOfPlainHttp(url);
  const connection: Connection = { url, token: undefined, timeoutMs: 30_000, maxRetries: 2 };
  const code = await requestDeviceCode(connection, { organization: org, tokenName: tokenName() });
  await showCode(code, browser);
  const token = await whileWaiting('Waiting for you to confirm in the browser', awaitDeviceToken(connection, code));
  const { me, replaced } = await keep(url, token).catch(async (error: unknown) => {
    // Nobody would know of it.
    await revokeToken(connection, token).catch(() => undefined);
    throw error;
  });
  if (replaced !== undefined) await endReplaced(connection, replaced);
  if (process.env.SAMLGATE_CLI_TOKEN)
    printNote('SAMLGATE_CLI_TOKEN is set, and goes before what was saved now. Unset it to use this login.');
  const { user, organization, credential } = me;
  print(json, { gateway: url, user, organization, credential }, () => {
    printLine(`Signed in to ${url} as ${user.email}, ${user.role} of ${organization.name}.`);
  });
}

/** So that the person can tell the tokens of several machines apart. */
const tokenName = (): string => `samlgate login on ${hostname().replace(/[^\w.-]/g, '')}`.slice(0, 100);

function warnOfPlainHttp(url: string): void {
  const { protocol, hostname: host } = new URL(url);
  if (protocol === 'https:' || isLoopbackHost(host)) return;
  printNote(`${url} is not https: everybody on the way can read the token.`);
}

/** Instructions are no result: they go to standard error, so that `--json` stays one document. */
async function showCode({ user_code, verification_uri, verification_uri_complete }: DeviceCode, browser: boolean): Promise<void> {
  printNote(`Open    ${verification_uri}`);
  printNote(`Code    ${user_code}`);
  printNote('Go on there only if the page shows this code.');
  const address = verification_uri_complete ?? verification_uri;
  // A browser is opened for a person at this terminal; and an address from outside may be a web page only.
  if (!browser || !process.stderr.isTTY || !URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) return;
  const { default: open } = await import('open');
  try {
    const opened = await open(address);
    opened.on('error', () => undefined);
    opened.unref();
  } catch {
    printNote('No browser could be opened here: open the address yourself, on any machine.');
  }
}

/** Saves the token, and gives the one that it replaces. */
async function keep(url: string, token: string): Promise<{ readonly me: Me; readonly replaced: string | undefined }> {
  const me = await createClient({ url, token }).me();
  const kept: KeptCredential = {
    token,
    token_id: me.credential.id,
    user_id: me.user.id,
    email: me.user.email,
    organization: me.organization.slug,
    expires_at: me.credential.expires_at,
  };
  let replaced: string | undefined;
  await changeCredentials((file) => {
    replaced = keptFor(file, url)?.token;
    return { current: url, gateways: { ...file.gateways, [url]: kept } };
  });
  return { me, replaced };
}

async function endReplaced(connection: Connection, token: string): Promise<void> {
  try {
    await revokeToken(connection, token);
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    printNote(`The token that was saved before could not be revoked (${error.code}): samlgate token list shows it.`);
  }
}
