/** `samlgate keys …`: the keys that sign tokens, for the operator. */
import type { Command } from 'commander';
import type { SigningKey } from '../../client/api-types.ts';
import { CommandError } from '../command-error.ts';
import { confirm } from '../confirm.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printLine, printTable } from '../output.ts';
import { whileWaiting } from '../waiting.ts';

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('the keys that sign tokens (operator)');
  const add = (usage: string, words: string, example: string) =>
    withGatewayOptions(keys.command(usage).description(words)).addHelpText('after', `\nExample:\n  samlgate keys ${example}`);
  add('list', 'all of them, with how many live CLI tokens each has signed', 'list').action(async (options: GatewayOptions) => {
    const items = await connectAsOperator(options).keys.list();
    print(options.json, items, () => printTable(items, ['kid', 'alg', 'state', 'created_at', 'live_tokens'], 'There are none.'));
  });
  add('rotate', 'let the next key sign from now on; what the present one has signed stays good', 'rotate').action(
    async (options: GatewayOptions) => {
      const key = await connectAsOperator(options).keys.rotate();
      print(options.json, key, () => printLine(`${key.kid} signs from now on.`));
    },
  );
  add(
    'revoke <kid>',
    'refuse everything that this key has signed, at once (when it has leaked)',
    'revoke NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
  )
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nA key that begins with - is named after --:\n  samlgate keys revoke --yes -- -bLsXh8uDCcd')
    .action(revoke);
}

async function revoke(kid: string, { yes, ...options }: GatewayOptions & { yes?: boolean }): Promise<void> {
  const client = connectAsOperator(options);
  const key = (await client.keys.list()).find((each) => each.kid === kid);
  if (!key) throw new CommandError(`There is no key ${kid}. See: samlgate keys list`, 'not_found');
  if (!yes && !(await confirm(whatDies(key)))) throw new CommandError('Nothing was changed.');
  // Until every replica refuses what the key has signed.
  const revoked = await whileWaiting('Revoking', client.keys.revoke(kid));
  print(options.json, revoked, () => printLine(`${kid} is revoked; ${revoked.revoked_tokens} CLI token(s) died with it.`));
}

function whatDies({ kid, state, live_tokens: live }: SigningKey): string {
  const next = state === 'active' ? ' It signs now; the next key takes over.' : '';
  return `Revoking ${kid} ends ${live} live CLI token(s), and every session token that it has signed.${next} This can't be undone. Revoke it?`;
}
