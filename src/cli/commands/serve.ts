import type { Command } from 'commander';
import { ConfigError, readConfig, VARIABLES } from '../../config.ts';
import { GatewayError } from '../../errors.ts';

/** `samlgate serve`: runs the gateway until SIGTERM or SIGINT. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the gateway')
    .addHelpText('after', `\nConfigured by the environment:\n${variablesHelp()}`)
    .action(serve);
}

const variablesHelp = (): string =>
  VARIABLES.map(({ name, byDefault, meaning }) => `  ${name}\n      ${meaning}\n      default: ${byDefault}`).join('\n');

async function serve(): Promise<void> {
  const config = await orExit(() => readConfig(process.env));
  const { createGateway } = await import('../../gateway.ts');
  const gateway = await orExit(() => createGateway(config));
  const { log, store } = gateway.runtime;
  for (const warning of await store.warnings()) log.warn({ warning }, 'store');
  await orExit(() => gateway.listen());
  log.info({ base_url: config.baseUrl, listen: config.listen, store: config.store.split(':')[0] }, 'samlgate is ready');

  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping');
    gateway.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ name: error instanceof Error ? error.name : 'unknown' }, 'stopped with an error');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}

/** What stops a start and can be told is told in words, without a stack: 2 for a wrong setting, 1 for a store or an address that can't be had. */
async function orExit<T>(begin: () => T | Promise<T>): Promise<T> {
  try {
    return await begin();
  } catch (error) {
    const problem = startProblem(error);
    if (problem === undefined) throw error;
    process.stderr.write(`samlgate can't start:\n${problem}\n`);
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}

function startProblem(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof GatewayError && error.code === 'store_unavailable') return storeProblem(error);
  const { syscall, code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  return syscall === 'listen' ? `SAMLGATE_LISTEN: ${address}:${port} can't be listened on (${code}).` : undefined;
}

function storeProblem({ facts }: GatewayError): string {
  const { cause } = facts;
  const reason = facts.detail ?? (cause instanceof Error ? cause.message : '');
  return `The store of SAMLGATE_STORE can't be used${reason === '' ? '' : `: ${reason}`}`;
}
