/** Runs SimpleSAMLphp as a real identity provider with `../simplesamlphp/start.sh`, on a port and in a directory of the test's own. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../support/redis-server.ts';

const run = promisify(execFile);
const SCRIPTS = path.join(import.meta.dirname, '../simplesamlphp');

export interface SimpleSamlPhp {
  readonly url: string;
  /** Also its entityID. */
  readonly metadataUrl: string;
  readonly certificatePem: string;
  metadata(): string;
  /** Registers a service provider. `settings` are SimpleSAMLphp's settings for it, such as `['assertion.encryption=true']`. */
  addServiceProvider(metadataUrl: string, settings?: readonly string[]): Promise<void>;
  /** URL of a sign-in that starts at the identity provider. */
  startUrl(spEntityId: string, relayState?: string): string;
  /** Restarts it on the same port with the same users and other options. */
  restart(options: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** @param options of start.sh, such as `['--want-signed-requests']` */
export async function startSimpleSamlPhp(options: readonly string[] = []): Promise<SimpleSamlPhp> {
  const port = String(await freePort());
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-idp-'));
  const start = (more: readonly string[]) => run(path.join(SCRIPTS, 'start.sh'), ['--port', port, '--dir', directory, ...more]);
  await start(options);
  const url = `http://localhost:${port}`;
  return {
    url,
    metadataUrl: `${url}/saml2/idp/metadata.php`,
    get certificatePem() {
      return readFileSync(path.join(directory, 'cert/idp.crt'), 'utf8');
    },
    metadata: () => readFileSync(path.join(directory, 'idp-metadata.xml'), 'utf8'),
    addServiceProvider: async (metadataUrl, settings = []) => {
      // Browsers resolve *.localhost to this machine, but not every resolver does.
      const response = await fetch(metadataUrl);
      if (!response.ok) throw new Error(`${metadataUrl} answers ${response.status}`);
      const file = path.join(directory, 'service-provider.xml');
      writeFileSync(file, await response.text());
      await run(path.join(SCRIPTS, 'add-sp.sh'), ['--dir', directory, ...settings.flatMap((setting) => ['--set', setting]), file]);
    },
    startUrl: (spEntityId, relayState) =>
      `${url}/saml2/idp/SSOService.php?${new URLSearchParams({ spentityid: spEntityId, ...(relayState === undefined ? {} : { RelayState: relayState }) })}`,
    restart: async (more) => void (await start(more)),
    stop: async () => void (await run(path.join(SCRIPTS, 'stop.sh'), ['--dir', directory, '--purge'])),
  };
}
