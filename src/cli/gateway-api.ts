/** Connects commands to a gateway. All commands find the gateway and the token in the same order. */
import type { Command } from 'commander';
import { type Client, createClient } from '../client/client.ts';
import type { Caller } from '../client/find-gateway.ts';
import { SamlgateError } from '../client/samlgate-error.ts';

export { CommandError, UsageError } from './command-error.ts';

export type Api = Client;

/** Options of every command that talks to a gateway. */
export interface GatewayOptions {
  readonly gateway?: string;
  readonly json?: boolean;
}

export const withGatewayOptions = (command: Command): Command =>
  command
    .option('--gateway <url>', 'base URL of the gateway (default: SAMLGATE_URL, then the gateway of the last sign-in)')
    .option('--json', 'print JSON');

/** @throws SamlgateError no_token, gateway_url_invalid, credentials_file_unusable */
export const connect = (
  environment: NodeJS.ProcessEnv = process.env,
  { as = 'operator', gateway }: { readonly as?: Caller; readonly gateway?: string | undefined } = {},
): Api => createClient({ environment, as, url: gateway });

export const connectAsMember = ({ gateway }: GatewayOptions): Api => connect(process.env, { as: 'member', gateway });
export const connectAsOperator = ({ gateway }: GatewayOptions): Api => connect(process.env, { as: 'operator', gateway });

/** Returns the answer, or undefined if the gateway refuses with this code. */
export async function orUndefined<T>(answer: Promise<T>, code: string): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof SamlgateError && error.code === code) return undefined;
    throw error;
  }
}
