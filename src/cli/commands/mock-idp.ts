/** `samlgate mock-idp`: runs the mock identity provider for a gateway that is already running. */
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
    .description('run a local identity provider that imitates Okta, Entra ID and Google (for development only)')
    .option('--port <number>', 'port to listen on; 0 selects a free one', parsePort, 8181)
    .option('--gateway <url>', 'base URL of the gateway; responses are sent to no other address', defaultGateway())
    .addHelpText('after', '\nExample:\n  samlgate mock-idp --port 8181 --gateway http://localhost:8080')
    .action(runMockIdp);
}

const defaultGateway = (): string => process.env.SAMLGATE_BASE_URL ?? process.env.SAMLGATE_URL ?? 'http://localhost:8080';

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port number from 0 to 65535.');
}

async function runMockIdp({ port, gateway }: Options): Promise<void> {
  const { HABITS } = await import('../../mock-idp/habits.ts');
  const { startMockIdp, UnsafeGatewayError } = await import('../../mock-idp/server.ts');
  const stopped = stopSignal();
  const idp = await startMockIdp({ gatewayBaseUrl: gateway, port }).catch((error: unknown) => {
    if (error instanceof UnsafeGatewayError) throw new UsageError(error.message);
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE')
      throw new CommandError(`Port ${port} is in use. Choose another port: samlgate mock-idp --port ${port + 1}`);
    throw error;
  });
  printLine('The mock identity provider is running. It asks for no password. Use it for development only.');
  printLine(`  ${'page'.padEnd(20)}${idp.url}/`);
  for (const { name, label } of Object.values(HABITS)) printLine(`  ${label.padEnd(20)}${idp.metadataUrl(name)}`);
  printLine(`It sends responses only to the gateway at ${gateway}.`);
  printLine('It creates new keys at every start. Load its metadata after each start:');
  printLine(`  samlgate org set-idp SLUG ${idp.metadataUrl('okta')}`);
  printLine('Stop with Ctrl-C.');
  await stopped;
  await idp.close();
}
