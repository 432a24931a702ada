/** `samlgate org set-quotas`: what an organization can have at most. */
import type { Command } from 'commander';
import type { OrganizationChanges } from '../../../client/api-types.ts';
import { UsageError } from '../../command-error.ts';
import { connectAsOperator, type GatewayOptions } from '../../gateway-api.ts';
import { print, printTable } from '../../output.ts';

export const addSetQuotas = (command: Command): Command => command.action(setQuotas);

async function setQuotas(slug: string, given: readonly string[], options: GatewayOptions): Promise<void> {
  // Names are not checked here; the gateway refuses unknown ones, and values that are too large.
  const changes = { quotas: Object.fromEntries(given.map(parseQuota)) } as OrganizationChanges;
  const { quotas, quota_use } = await connectAsOperator(options).organizations.change(slug, changes);
  print(options.json, { quotas, quota_use }, () => {
    const used: Readonly<Partial<Record<string, number>>> = quota_use;
    const rows = Object.entries(quotas).map(([quota, limit]) => ({ quota, limit, used: used[quota] }));
    printTable(rows, ['quota', 'limit', 'used'], '');
  });
}

/** @throws UsageError */
function parseQuota(text: string): readonly [name: string, value: number | null] {
  const [, name, value] = /^([a-z_]+)=(\d{1,12}|default)$/.exec(text) ?? [];
  if (name !== undefined) return [name, value === 'default' ? null : Number(value)];
  throw new UsageError(`${JSON.stringify(text)} is not QUOTA=NUMBER or QUOTA=default. Example: members=250000`);
}
