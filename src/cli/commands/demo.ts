/**
 * `samlgate demo`: runs a gateway, the mock identity provider and the example organizations in one process. All data is deleted at
 * the end.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { IDP_EXAMPLES } from '../../files.ts';
import type { Habit } from '../../mock-idp/habits.ts';
import type { MockIdp } from '../../mock-idp/server.ts';
import type { RoleMapping } from '../../organizations/role-mapping.ts';
import { type Api, CommandError, connect } from '../gateway-api.ts';
import { type OrganizationFile, readOrganizationFile } from '../organization-file/file.ts';
import { applyPlan, planChanges } from '../organization-file/plan.ts';
import { printLine } from '../output.ts';
import { stopSignal } from '../stop-signal.ts';
import { parsePort } from './mock-idp.ts';

interface Options {
  readonly port: number;
  readonly idpPort: number;
  readonly verbose?: boolean;
}

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run a gateway with a mock identity provider and three example organizations (for development only)')
    .option('--port <number>', 'port of the gateway; if it is in use, the next free one', parsePort, 8080)
    .option('--idp-port <number>', 'port of the mock identity provider; if it is in use, the next free one', parsePort, 8181)
    .option('--verbose', 'print the log of the gateway')
    .addHelpText('after', '\nExamples:\n  samlgate demo\n  samlgate demo --port 9090 --verbose')
    .action(runDemo);
}

interface Example {
  readonly habit: Habit;
  readonly file: OrganizationFile;
  /** The role that the gateway assigns, by the key of the person. */
  readonly outcomes: Readonly<Record<string, string>>;
}

async function runDemo(options: Options): Promise<void> {
  const stopped = stopSignal();
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-demo-'));
  // Runs at exit, so that the directory is also deleted after a failure.
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const examples = await readExamples();
  const gateway = await startGateway(directory, options);
  const scimTokens = new Map<string, string>();
  const idpPort = await findFreePort(options.idpPort, 'the mock identity provider');
  const idp = await startIdp(gateway.url, examples, { port: idpPort, scimTokens });
  for (const { habit, file } of examples) {
    await applyExample(gateway.api, file, idp.metadataUrl(habit.name));
    if (isProvisioning(habit)) scimTokens.set(file.slug, await allowProvisioning(gateway.api, habit, file.slug));
  }
  printLine('The demo is running. It is for development only, can be reached from this machine only, and deletes all data when it stops.');
  printLine('');
  printLine(`  Open  ${idp.url}/`);
  printLine('');
  printLine('Click a person. You return to the gateway signed in, and it shows your role and the reason for it:');
  for (const { habit, file, outcomes } of examples) {
    printLine(`  ${file.name}`);
    for (const { key, firstName, about } of habit.people) printLine(`    ${firstName.padEnd(8)}${outcomes[key]?.padEnd(14)}${about}`);
  }
  printLine('');
  printLine(`The gateway is at ${gateway.url}. Its operator token is in ${gateway.operatorTokenFile}`);
  printLine('Stop with Ctrl-C.');
  await stopped;
  await idp.close();
  await gateway.close();
}

/** Reads the organization files of the package and works out the role that each person gets. */
async function readExamples(): Promise<Example[]> {
  const { HABITS } = await import('../../mock-idp/habits.ts');
  const { decideRole } = await import('../../organizations/role-mapping.ts');
  return Object.values(HABITS).map((habit) => {
    const file = readOrganizationFile(path.join(IDP_EXAMPLES, `${habit.name}.yaml`));
    const mapping = roleMappingOf(file);
    const outcomes = habit.people.map((person) => {
      // Uses the groups that are sent, which may be fewer than in the directory: filtered, or too many to be sent.
      const sent = habit.attributes(person).flatMap(({ values }) => values);
      return [person.key, decideRole(mapping, sent, { connectionId: undefined, isDefault: true }).role];
    });
    return { habit, file, outcomes: Object.fromEntries(outcomes) };
  });
}

/** Roles in a file are not checked here; the gateway refuses unknown ones. */
function roleMappingOf({ role_mapping }: OrganizationFile): RoleMapping {
  return {
    rules: (role_mapping?.rules ?? []) as RoleMapping['rules'],
    defaultRole: role_mapping?.default_role as RoleMapping['defaultRole'],
  };
}

interface DemoGateway {
  readonly url: string;
  readonly api: Api;
  readonly operatorTokenFile: string;
  close(): Promise<void>;
}

/** Ignores the environment: a demo must never open the store or read the secret of a real gateway. */
async function startGateway(directory: string, { port: firstPort, verbose }: Options): Promise<DemoGateway> {
  const { readConfig } = await import('../../config.ts');
  const { createGateway } = await import('../../gateway.ts');
  const port = await findFreePort(firstPort, 'the gateway');
  const config = readConfig({
    SAMLGATE_BASE_URL: `http://localhost:${port}`,
    SAMLGATE_LISTEN: `127.0.0.1:${port}`,
    SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`,
    SAMLGATE_LOG_LEVEL: verbose ? 'info' : 'warn',
  });
  const gateway = await createGateway(config);
  await gateway.listen();
  return {
    url: config.baseUrl,
    api: connect({ SAMLGATE_URL: config.baseUrl, SAMLGATE_OPERATOR_TOKEN: config.operatorToken }),
    operatorTokenFile: path.join(directory, 'operator-token'),
    close: () => gateway.close(),
  };
}

async function startIdp(
  gatewayBaseUrl: string,
  examples: readonly Example[],
  options: { readonly port: number; readonly scimTokens: ReadonlyMap<string, string> },
): Promise<MockIdp> {
  const { startMockIdp } = await import('../../mock-idp/server.ts');
  const organizations = examples.map(({ habit, file: { slug, name }, outcomes }) => ({ habit: habit.name, slug, name, outcomes }));
  return startMockIdp({ gatewayBaseUrl, organizations, ...options });
}

/** Google Workspace provisions only the applications of its catalogue. */
const isProvisioning = ({ name }: Habit): boolean => name !== 'google-workspace';

/** Returns a SCIM token of an example organization. */
async function allowProvisioning(api: Api, { name, label }: Habit, slug: string): Promise<string> {
  const { ENTRA_OBJECT_ID_CLAIM } = await import('../../mock-idp/attributes.ts');
  // Recognizes users by their object id, also guests, whose names differ in SAML and SCIM.
  if (name === 'entra-id') await api.organizations.change(slug, { scim_link_attribute: ENTRA_OBJECT_ID_CLAIM });
  return (await api.scimTokens.create(slug, { name: label })).token;
}

/** Applies an example file with the metadata of the mock identity provider instead of the file's own. */
async function applyExample(api: Api, file: OrganizationFile, metadataUrl: string): Promise<void> {
  const { metadata_file: _, ...settings } = file.identity_provider ?? {};
  const metadata_xml = await (await fetch(metadataUrl)).text();
  await applyPlan(api, await planChanges(api, { ...file, identity_provider: { ...settings, metadata_xml } }));
}

const PORTS_TRIED = 100;

/**
 * Returns this port, or the next one that is free; 0 selects any free port.
 * @throws CommandError if {@link PORTS_TRIED} ports in a row are in use
 */
async function findFreePort(first: number, purpose: string): Promise<number> {
  for (let port = first; port < Math.min(first + PORTS_TRIED, 65_536); port++) {
    const free = await tryPort(port, '127.0.0.1');
    // Browsers resolve `localhost` to either address, so a server of another program on the other one would get the requests.
    if (free !== undefined && (await tryPort(free, '::1')) !== undefined) return free;
  }
  throw new CommandError(
    `The ${PORTS_TRIED} ports starting at ${first} are in use. Choose another port for ${purpose} with --port or --idp-port.`,
  );
}

/** Returns the port, or undefined if it is in use. On a machine without IPv6 every port of ::1 counts as free. */
function tryPort(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' ? port : undefined),
    );
    server.listen(port, host, () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
}
