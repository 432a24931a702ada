/** `samlgate whoami`: shows the member, organization and token that commands use. */
import type { Command } from 'commander';
import { connectAsMember, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printFields } from '../output.ts';
import { warnAboutExpiry } from './token.ts';

export function addWhoami(program: Command): void {
  withGatewayOptions(program.command('whoami'))
    .description('show your user, organization, role and token')
    .addHelpText('after', '\nExamples:\n  samlgate whoami\n  samlgate whoami --json')
    .action(async (options: GatewayOptions) => {
      const client = connectAsMember(options);
      const { user, organization, credential } = await client.me();
      warnAboutExpiry([credential]);
      print(options.json, { gateway: client.url, user, organization, credential }, () =>
        printFields({
          gateway: client.url,
          user: `${user.name} <${user.email}>, ${user.id}`,
          role: user.role,
          organization: `${organization.name} (${organization.slug})`,
          token: `${credential.id}, ${credential.expires_at === null ? 'never expires' : `expires ${credential.expires_at}`}`,
          'token source': client.tokenSource === 'environment' ? 'SAMLGATE_CLI_TOKEN' : '~/.samlgate/credentials.json',
        }),
      );
    });
}
