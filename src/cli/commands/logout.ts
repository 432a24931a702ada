/** `samlgate logout`: deletes the saved token and revokes it. */
import type { Command } from 'commander';
import {
  changeCredentials,
  gatewayKey,
  readCredentials,
  type SavedCredential,
  savedFor,
  withoutGateway,
} from '../../client/credentials-file.ts';
import { revokeToken } from '../../client/device-login.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import { CommandError } from '../command-error.ts';
import { type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine } from '../output.ts';

export function addLogout(program: Command): void {
  withGatewayOptions(program.command('logout'))
    .description('revoke and delete the CLI token that login saved')
    .addHelpText('after', '\nExamples:\n  samlgate logout\n  samlgate logout --gateway https://sso.example.com')
    .action(logout);
}

async function logout({ gateway, json }: GatewayOptions): Promise<void> {
  const { current } = readCredentials();
  const named = gateway ?? (process.env.SAMLGATE_URL || current);
  if (!named) return print(json, { gateway: null, revoked: false }, () => printLine('Not signed in.'));
  const url = gatewayKey(named);
  let saved: SavedCredential | undefined;
  // Deleted before it is revoked: it must leave this machine even if the gateway can't be reached.
  await changeCredentials((file) => {
    saved = savedFor(file, url);
    return withoutGateway(file, url);
  });
  if (!saved) return print(json, { gateway: url, revoked: false }, () => printLine(`Not signed in at ${url}.`));
  const { token, token_id, email } = saved;
  try {
    await revokeToken({ url, token: undefined, timeoutMs: 10_000, maxRetries: 1 }, token);
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    throw new CommandError(
      `The token was deleted from this machine but could not be revoked, so it is still valid. ${error.message}\n  Revoke ${token_id} in the console of ${url}, or sign in again and run: samlgate token revoke ${token_id}`,
      error.code,
    );
  }
  print(json, { gateway: url, revoked: true }, () => printLine(`Signed out ${email} at ${url} and revoked the token.`));
}
