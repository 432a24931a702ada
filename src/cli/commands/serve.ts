/** `samlgate serve`: runs the gateway until SIGTERM, SIGHUP or SIGINT. */
import path from 'node:path';
import type { Command } from 'commander';
import { type Config, ConfigError, readConfig, VARIABLES } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { Gateway } from '../../gateway.ts';
import { findConfigurationWarnings } from '../configuration-warnings.ts';
import { printLines } from '../output.ts';
import { describeStoreProblem } from '../store-problem.ts';

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the gateway')
    .addHelpText('after', '\nExamples:\n  samlgate serve\n  SAMLGATE_BASE_URL=https://sso.example.com samlgate serve')
    .addHelpText('after', `\nEnvironment variables:\n${variablesHelp()}`)
    .action(serve);
}

const variablesHelp = (): string =>
  VARIABLES.map(({ name, defaultValue, description }) => `  ${name}\n      ${description}\n      Default: ${defaultValue}`).join('\n');

async function serve(): Promise<void> {
  const config = await exitOnFailure(() => readConfig(process.env));
  const { createGateway } = await import('../../gateway.ts');
  const gateway = await exitOnFailure(() => createGateway(config));
  const { log, store } = gateway.runtime;
  for (const { text, advice } of findConfigurationWarnings(config, process.env))
    log.warn({ warning: `${text}. ${advice}` }, 'configuration');
  for (const warning of await store.warnings()) log.warn({ warning }, 'store');
  await exitOnFailure(() => gateway.listen());
  log.info({ base_url: config.baseUrl, listen: config.listen, store: config.store.split(':')[0] }, 'samlgate is ready');
  // The gateway already answers requests, so a failure of this read must not stop it.
  if (!(await gateway.hasOrganizations().catch(() => true))) announceFirstStart(log, config);

  void gateway.outdated.then((reason) => {
    log.fatal({ reason }, 'stopped, because a newer version of samlgate migrates the store');
    // Requests in flight are not finished, because they could write to a store whose layout this program does not know.
    process.exit(1);
  });

  const noMorePatience = Promise.withResolvers<void>();
  let isStopping = false;
  const stop = (signal: NodeJS.Signals) => {
    // Ctrl-C and a second signal do not wait until load balancers have noticed. A closed terminal can send SIGHUP twice.
    if (signal === 'SIGINT' || (isStopping && signal !== 'SIGHUP')) noMorePatience.resolve();
    if (isStopping) return;
    isStopping = true;
    log.info({ signal }, 'stopping');
    const drained = signal === 'SIGINT' ? noMorePatience.promise : Promise.race([gateway.drain(), noMorePatience.promise]);
    drained
      .then(() => gateway.close())
      .then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ name: error instanceof Error ? error.name : 'unknown' }, 'stopped with an error');
          process.exit(1);
        },
      );
  };
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, stop);
}

/** Says where to go on a gateway without organizations: in plain lines on a terminal, and otherwise in one line of the log. */
function announceFirstStart(log: Gateway['runtime']['log'], { baseUrl, store }: Config): void {
  const tokenPlace = operatorTokenPlace(store);
  if (!process.stdout.isTTY) {
    log.info({ open: baseUrl, operator_token_from: tokenPlace }, 'there is no organization yet');
    return;
  }
  printLines(`
There is no organization yet. To create the first one:

  Open           ${baseUrl}
  Sign in with   the operator token (${tokenPlace})

Stop the gateway with Ctrl-C.
`);
}

/** Names the place of the token, never the token. */
function operatorTokenPlace(store: string): string {
  if (process.env.SAMLGATE_OPERATOR_TOKEN) return 'the value of SAMLGATE_OPERATOR_TOKEN';
  return `the content of ${path.resolve(path.dirname(store.slice('sqlite:'.length)), 'operator-token')}`;
}

/**
 * Runs one step of the start. Reports an expected failure without a stack trace and exits: with 2 for a wrong setting or a store of a newer version, with 1 for a
 * store or an address that can't be used.
 */
async function exitOnFailure<T>(step: () => T | Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const problem = startProblem(error);
    if (problem === undefined) throw error;
    process.stderr.write(`samlgate could not start:\n${problem}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}

function startProblem(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof GatewayError && error.code === 'store_unavailable') return `The store can't be used. ${describeStoreProblem(error)}`;
  const { syscall, code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  return syscall === 'listen' ? listenProblem(`${address}:${port}`, code) : undefined;
}

function listenProblem(address: string, code = 'unknown reason'): string {
  const advice = code === 'EADDRINUSE' ? 'Another process uses the address. Stop it, or set another address.' : 'Set another address.';
  return `SAMLGATE_LISTEN: the gateway can't listen on ${address} (${code}). ${advice}`;
}
