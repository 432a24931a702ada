/** `samlgate org logo`: the logo of an organization. */
import type { Command } from 'commander';
import { UsageError } from '../../command-error.ts';
import { connectAsOperator, type GatewayOptions, orUndefined } from '../../gateway-api.ts';
import { print, printLine } from '../../output.ts';
import { readFile } from '../../read-file.ts';

export function addLogo(command: Command): void {
  command.option('--remove', 'remove the logo, so that pages show the initials of the organization').action(logo);
}

async function logo(slug: string, file: string | undefined, { remove, ...options }: GatewayOptions & { remove?: true }): Promise<void> {
  if (remove && file !== undefined) throw new UsageError('Specify a file to set the logo, or --remove to remove it, but not both.');
  const client = connectAsOperator(options);
  if (remove) {
    await client.logo.remove(slug);
    return print(options.json, { removed: slug }, () => printLine(`Removed the logo of ${slug}.`));
  }
  if (file !== undefined) {
    const saved = await client.logo.set(slug, readFile(file));
    return print(options.json, saved, () => printLine(`Saved the logo of ${slug} (${saved.width} × ${saved.height} pixels): ${saved.url}`));
  }
  const present = await orUndefined(client.logo.get(slug), 'not_found');
  print(options.json, present ?? null, () =>
    printLine(present?.url ?? `${slug} has no logo. Set one with: samlgate org logo ${slug} FILE`),
  );
}
