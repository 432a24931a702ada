/** `samlgate logout`: ends the kept token at the gateway, and forgets it here. */
import type { Command } from 'commander';
import {
  changeCredentials,
  gatewayKey,
  type KeptCredential,
  keptFor,
  readCredentials,
  withoutGateway,
} from '../../client/credentials-file.ts';
import { revokeToken } from '../../client/device-login.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import { CommandError } from '../command-error.ts';
import { type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine } from '../output.ts';

export function addLogout(program: Command): void {
  withGatewayOptions(program.command('logout'))
    .description('revoke the CLI token that login has kept, and forget it')
    .addHelpText('after', '\nExamples:\n  samlgate logout\n  samlgate logout --gateway https://sso.example.com')
    .action(logout);
}

async function logout({ gateway, json }: GatewayOptions): Promise<void> {
  const { current } = readCredentials();
  const named = gateway ?? (process.env.SAMLGATE_URL || current);
  if (!named) return print(json, { gateway: null, revoked: false }, () => printLine('Nobody is signed in.'));
  const url = gatewayKey(named);
  let kept: KeptCredential | undefined;
  // Forgotten first: whoever signs out wants the token off this machine, whether the gateway answers or not.
  await changeCredentials((file) => {
    kept = keptFor(file, url);
    return withoutGateway(file, url);
  });
  if (!kept) return print(json, { gateway: url, revoked: false }, () => printLine(`Nobody is signed in to ${url}.`));
  const { token, token_id, email } = kept;
  try {
    await revokeToken({ url, token: undefined, timeoutMs: 10_000, maxRetries: 1 }, token);
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    throw new CommandError(
      `The token is forgotten here, but it is still good: ${error.message}\n  Revoke ${token_id} in the console of ${url}, or sign in again and run: samlgate token revoke ${token_id}`,
      error.code,
    );
  }
  print(json, { gateway: url, revoked: true }, () => printLine(`Signed out of ${url} (${email}); the token is revoked.`));
}
