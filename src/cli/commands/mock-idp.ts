/** `samlgate mock-idp`: the mock identity provider on its own, for a gateway that runs already. */
import { type Command, InvalidArgumentError } from 'commander';
import { CommandError, UsageError } from '../gateway-api.ts';
import { printLine } from '../output.ts';
import { stopSignal } from '../stop-signal.ts';

interface Options {
  readonly port: number;
  readonly gateway: string;
}

export function addMockIdp(program: Command): void {
  program
    .command('mock-idp')
    .description('a local identity provider with the habits of Okta, Entra ID and Google; for development only')
    .option('--port <number>', 'port to listen on; 0 takes a free one', parsePort, 8181)
    .option('--gateway <url>', 'base URL of the gateway, the only one that gets responses', defaultGateway())
    .addHelpText('after', '\nExample:\n  samlgate mock-idp --port 8181 --gateway http://localhost:8080')
    .action(runMockIdp);
}

/** The gateway that the environment names for itself, or for commands. */
const defaultGateway = (): string => process.env.SAMLGATE_BASE_URL ?? process.env.SAMLGATE_URL ?? 'http://localhost:8080';

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('It is not a port (0 to 65535).');
}

async function runMockIdp({ port, gateway }: Options): Promise<void> {
  const { HABITS } = await import('../../mock-idp/habits.ts');
  const { startMockIdp, UnfitGatewayError } = await import('../../mock-idp/server.ts');
  const stopped = stopSignal();
  const idp = await startMockIdp({ gatewayBaseUrl: gateway, port }).catch((error: unknown) => {
    if (error instanceof UnfitGatewayError) throw new UsageError(error.message);
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new CommandError(`Port ${port} is in use. Choose another one: samlgate mock-idp --port ${port + 1}`);
    throw error;
  });
  printLine('The mock identity provider is running. It asks for no password: for development only.');
  printLine(`  ${'page'.padEnd(20)}${idp.url}/`);
  for (const { name, label } of Object.values(HABITS)) printLine(`  ${label.padEnd(20)}${idp.metadataUrl(name)}`);
  printLine(`Responses go to the gateway at ${gateway} and nowhere else. Its keys are new at each start, so tell the gateway each time:`);
  printLine(`  samlgate org set-idp SLUG ${idp.metadataUrl('okta')}`);
  printLine('Stop with Ctrl-C.');
  await stopped;
  await idp.close();
}
