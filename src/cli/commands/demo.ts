/** `samlgate demo`: a gateway, the mock identity provider and the example organizations, in one process; nothing is kept. */
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
import { applyPlan, type OrganizationFile, planChanges, readOrganizationFile } from '../org-file.ts';
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
    .description('a gateway set up with a mock identity provider and three example organizations; for development only')
    .option('--port <number>', 'port of the gateway, or the next free one', parsePort, 8080)
    .option('--idp-port <number>', 'port of the mock identity provider, or the next free one', parsePort, 8181)
    .option('--verbose', 'show the gateway’s log')
    .action(runDemo);
}

interface Example {
  readonly habit: Habit;
  readonly file: OrganizationFile;
  /** Person by person, by key: the role that the gateway gives. */
  readonly outcomes: Readonly<Record<string, string>>;
}

async function runDemo(options: Options): Promise<void> {
  const stopped = stopSignal();
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-demo-'));
  // At the exit, so that it goes also where something failed.
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const examples = await readExamples();
  const gateway = await startGateway(directory, options);
  const idp = await startIdp(gateway.url, examples, await freePort(options.idpPort, 'the mock identity provider'));
  for (const { habit, file } of examples) await applyExample(gateway.api, file, idp.metadataUrl(habit.name));
  printLine('This is samlgate with a mock identity provider: for development only, on this machine, and nothing is kept.');
  printLine('');
  printLine(`  Open  ${idp.url}/`);
  printLine('');
  printLine('Choose an organization there, then a person. You come back to the gateway, which shows who you are, your role and why:');
  for (const { habit, file, outcomes } of examples) {
    printLine(`  ${file.name}`);
    for (const { key, firstName, about } of habit.people) printLine(`    ${firstName.padEnd(8)}${outcomes[key]?.padEnd(14)}${about}`);
  }
  printLine('');
  printLine(`The gateway is ${gateway.url}, and the operator’s token for its API is in ${gateway.operatorTokenFile}`);
  printLine('Stop with Ctrl-C.');
  await stopped;
  await idp.close();
  await gateway.close();
}

/** The organization files of the package, and what the people of their identity providers are by them. */
async function readExamples(): Promise<Example[]> {
  const { HABITS } = await import('../../mock-idp/habits.ts');
  const { decideRole } = await import('../../organizations/role-mapping.ts');
  return Object.values(HABITS).map((habit) => {
    const file = readOrganizationFile(path.join(IDP_EXAMPLES, `${habit.name}.yaml`));
    const mapping = roleMappingOf(file);
    const outcomes = habit.people.map((person) => {
      // What is sent, not what the directory knows: groups may be filtered, or too many to be sent.
      const sent = habit.attributes(person).flatMap(({ values }) => values);
      return [person.key, decideRole(mapping, sent).role];
    });
    return { habit, file, outcomes: Object.fromEntries(outcomes) };
  });
}

/** Roles are plain text in a file; where they are no roles, the gateway refuses them. */
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

/** The environment has no say: a demo must not find the store or the secret of a real gateway. */
async function startGateway(directory: string, { port: firstPort, verbose }: Options): Promise<DemoGateway> {
  const { readConfig } = await import('../../config.ts');
  const { createGateway } = await import('../../gateway.ts');
  const port = await freePort(firstPort, 'the gateway');
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

async function startIdp(gatewayBaseUrl: string, examples: readonly Example[], port: number): Promise<MockIdp> {
  const { startMockIdp } = await import('../../mock-idp/server.ts');
  const organizations = examples.map(({ habit, file: { slug, name }, outcomes }) => ({ habit: habit.name, slug, name, outcomes }));
  return startMockIdp({ gatewayBaseUrl, port, organizations });
}

/** An example as its file has it, but with the mock's keys and addresses. */
async function applyExample(api: Api, file: OrganizationFile, metadataUrl: string): Promise<void> {
  const { metadata_file: _, ...settings } = file.identity_provider ?? {};
  const metadata_xml = await (await fetch(metadataUrl)).text();
  await applyPlan(api, await planChanges(api, { ...file, identity_provider: { ...settings, metadata_xml } }));
}

const PORTS_TRIED = 100;

/** This port or the next that nobody has; 0 is any. @throws CommandError where all are taken */
async function freePort(first: number, whose: string): Promise<number> {
  for (let port = first; port < Math.min(first + PORTS_TRIED, 65_536); port++) {
    const got = await tryPort(port, '127.0.0.1');
    // Browsers ask for `localhost` at either address, so another server at the other one would get in between.
    if (got !== undefined && (await tryPort(got, '::1')) !== undefined) return got;
  }
  throw new CommandError(`No port is free for ${whose} from ${first} on.`);
}

/** The port, undefined where it is taken. A machine without IPv6 has nobody there. */
function tryPort(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT' ? port : undefined),
    );
    server.listen(port, host, () => {
      const { port: got } = server.address() as AddressInfo;
      server.close(() => resolve(got));
    });
  });
}
