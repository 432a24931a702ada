/** `samlgate org domain …`: the domains that an organization verifies. */
import type { Command } from 'commander';
import type { Domain } from '../../../client/api-types.ts';
import { connectAsOperator, type GatewayOptions, withGatewayOptions } from '../../gateway-api.ts';
import { print, printLine, printTable } from '../../output.ts';
import { withProgressIfSlow } from '../../progress.ts';

export function addOrgDomain(org: Command): void {
  const domain = org.command('domain').description('verify the email domains of an organization by DNS');
  const add = (usage: string, description: string, example: string) =>
    withGatewayOptions(domain.command(usage).description(description)).addHelpText('after', `\nExample:\n  samlgate org domain ${example}`);
  add('list <slug>', 'list the domains of an organization', 'list acme').action(list);
  add('add <slug> <domain>', 'add a domain and print the DNS record to publish', 'add acme acme.example').action(addDomain);
  add('verify <slug> <domain>', 'look up the DNS record of a domain', 'verify acme acme.example')
    .option('--confirm', 'verify the domain without DNS (operator only)')
    .option('--transfer', 'take the domain from the organization that has it (operator only)')
    .action(verify);
  add('remove <slug> <domain>', 'remove a domain, which then no longer routes sign-ins', 'remove acme acme.example').action(remove);
}

async function list(slug: string, options: GatewayOptions): Promise<void> {
  const items = await connectAsOperator(options).domains.list(slug);
  const empty = `${slug} has no domains yet. Add one with: samlgate org domain add ${slug} DOMAIN`;
  print(options.json, items, () => {
    printTable(items, ['domain', 'state', 'verified_by', 'verified_at', 'missing_since'], empty);
    for (const { warning } of items) if (warning !== null) printLine(`warning: ${warning}`);
  });
}

async function addDomain(slug: string, name: string, options: GatewayOptions): Promise<void> {
  const added = await connectAsOperator(options).domains.add(slug, name);
  print(options.json, added, () => printAdded(slug, added));
}

function printAdded(slug: string, { domain, state, record }: Domain): void {
  if (state === 'verified') {
    printLine(`${slug} has already verified ${domain}.`);
    return;
  }
  printLine(`Publish this record in the DNS of ${domain}, and leave it there:`);
  printLine(`  name   ${record.name}`);
  printLine(`  type   ${record.type}`);
  printLine(`  value  ${record.value}`);
  printLine(`Then run: samlgate org domain verify ${slug} ${domain}`);
}

type VerifyOptions = GatewayOptions & { readonly confirm?: true; readonly transfer?: true };

async function verify(slug: string, name: string, { confirm, transfer, ...options }: VerifyOptions): Promise<void> {
  const verified = await withProgressIfSlow(
    'Looking up the record',
    connectAsOperator(options).domains.verify(slug, name, { confirm, transfer }),
  );
  print(options.json, verified, () => {
    printLine(`Verified ${verified.domain}. Users with an email address in this domain now find ${slug} on the sign-in page.`);
    if (verified.verified_by === 'dns') printLine('Leave the record in DNS, because it is looked up every day.');
  });
}

async function remove(slug: string, name: string, options: GatewayOptions): Promise<void> {
  await connectAsOperator(options).domains.remove(slug, name);
  print(options.json, { removed: name }, () => printLine(`Removed ${name} from ${slug}. Members stay.`));
}
