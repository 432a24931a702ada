/** `samlgate keys …`: the keys that sign tokens, for operators. */
import type { Command } from 'commander';
import type { SigningKey } from '../../client/api-types.ts';
import { CommandError } from '../command-error.ts';
import { confirm } from '../confirm.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { countOf, print, printLine, printTable } from '../output.ts';
import { withProgress } from '../progress.ts';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('manage the keys that sign tokens (operator)');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(keys.command(usage).description(description)).addHelpText('after', `\nExample:\n  samlgate keys ${example}`);
  add('list', 'list all keys, with the number of valid CLI tokens that each has signed', 'list').action(async (options: GatewayOptions) => {
    const items = await connectAsOperator(options).keys.list();
    print(options.json, items, () => printTable(items, ['kid', 'alg', 'state', 'created_at', 'live_tokens'], 'There are no signing keys.'));
  });
  add('rotate', 'sign new tokens with the next key; tokens of the current key stay valid', 'rotate').action(
    async (options: GatewayOptions) => {
      const key = await connectAsOperator(options).keys.rotate();
      print(options.json, key, () => printLine(`New tokens are now signed with ${key.kid}.`));
    },
  );
  add('revoke <kid>', 'immediately reject all tokens that a leaked key has signed', 'revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
    .option('--yes', 'do not ask for confirmation')
    .addHelpText('after', '\nIf the kid starts with -, put -- before it:\n  samlgate keys revoke --yes -- -bLsXh8uDCcd')
    .action(revoke);
}

async function revoke(kid: string, { yes, ...options }: GatewayOptions & { yes?: boolean }): Promise<void> {
  const client = connectAsOperator(options);
  const key = (await client.keys.list()).find((each) => each.kid === kid);
  if (!key) throw new CommandError(`There is no key ${kid}. List the keys with: samlgate keys list`, 'not_found');
  if (!yes && !(await confirm(revocationQuestion(key)))) throw new CommandError('Nothing was changed.');
  // Takes until every replica has acknowledged the revocation.
  const revoked = await withProgress('Revoking', client.keys.revoke(kid));
  print(options.json, revoked, () => printLine(`Revoked ${kid} and ${countOf(revoked.revoked_tokens, 'CLI token')}.`));
}

function revocationQuestion({ kid, state, live_tokens }: SigningKey): string {
  const successor = state === 'active' ? ' It is the active key; the next key replaces it.' : '';
  return `This revokes ${kid}, ${countOf(live_tokens, 'CLI token')} and all session tokens that it has signed.${successor} This can't be undone. Revoke the key?`;
}
