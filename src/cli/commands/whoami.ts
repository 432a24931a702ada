/** `samlgate whoami`: who the token of the environment or of the last login stands for. */
import type { Command } from 'commander';
import { connectAsMember, type GatewayOptions, withGatewayOptions } from '../gateway-api.ts';
import { print, printFields } from '../output.ts';

export function addWhoami(program: Command): void {
  withGatewayOptions(program.command('whoami'))
    .description('who you are, where, and with which token')
    .addHelpText('after', '\nExamples:\n  samlgate whoami\n  samlgate whoami --json')
    .action(async (options: GatewayOptions) => {
      const client = connectAsMember(options);
      const { user, organization, credential } = await client.me();
      print(options.json, { gateway: client.url, user, organization, credential }, () =>
        printFields({
          gateway: client.url,
          user: `${user.name} <${user.email}>, ${user.id}`,
          role: user.role,
          organization: `${organization.name} (${organization.slug})`,
          token: `${credential.id}, ${credential.expires_at === null ? 'without an end' : `good until ${credential.expires_at}`}`,
          'token from': client.tokenSource === 'environment' ? 'SAMLGATE_CLI_TOKEN' : '~/.samlgate/credentials.json',
        }),
      );
    });
}
