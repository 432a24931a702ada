/**
 * Checks organization files without the gateway that they are for: applies each to an empty gateway that exists only for the check, so
 * that exactly the rules of `org apply` decide. Metadata URLs of a file are fetched, but only from public addresses.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describeCommandError } from '../command-error.ts';
import type { Finding } from '../doctor-checks.ts';
import { type Api, connect, orUndefined } from '../gateway-api.ts';
import { countOf } from '../output.ts';
import { type OrganizationFile, readOrganizationFile } from './file.ts';
import { applyPlan, planChanges } from './plan.ts';

/** Returns the findings about each file, in their order. Changes nothing outside a temporary directory. */
export async function examineFiles(names: readonly string[]): Promise<Finding[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-doctor-'));
  const { readConfig } = await import('../../config.ts');
  const { createGateway } = await import('../../gateway.ts');
  try {
    // Ignores the environment: the check must never open the store or read the secret of a real gateway.
    const store = `sqlite:${path.join(directory, 'samlgate.db')}`;
    const config = readConfig({
      SAMLGATE_LISTEN: '127.0.0.1:0',
      // Like a gateway with this base URL, the check fetches no metadata from loopback hosts: the file of a pull request must not reach
      // the services of a CI machine.
      SAMLGATE_BASE_URL: 'https://samlgate.invalid',
      SAMLGATE_STORE: store,
      SAMLGATE_LOG_LEVEL: 'silent',
    });
    const gateway = await createGateway(config);
    try {
      const url = `http://127.0.0.1:${await gateway.listen()}`;
      const client = connect({ SAMLGATE_URL: url, SAMLGATE_OPERATOR_TOKEN: config.operatorToken });
      const findings: Finding[] = [];
      for (const name of names) findings.push(...(await examineFile(client, name)));
      return findings;
    } finally {
      await gateway.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function examineFile(client: Api, name: string): Promise<Finding[]> {
  try {
    return await examineOrganization(client, name, withoutIds(readOrganizationFile(name)));
  } catch (error) {
    const problem = describeCommandError(error);
    if (!problem) throw error;
    return [{ check: name, level: 'error', text: sentencesOf(problem.message), advice: 'Correct the file and check it again.' }];
  }
}

/** Applies a file, and deletes its organization again, so that no file affects the next one. */
async function examineOrganization(client: Api, name: string, file: OrganizationFile): Promise<Finding[]> {
  try {
    const warnings = await applyPlan(client, await planChanges(client, file));
    const { items } = await client.connections.list(file.slug);
    const found = items.flatMap((connection) =>
      connection.warnings.filter(({ level }) => level === 'warning').map(({ text }) => `${connection.name}: ${text}`),
    );
    const summary = `is valid: ${countOf(items.length, 'connection')}, ${countOf(file.role_mapping?.rules.length ?? 0, 'role rule')}`;
    const advice = 'Members and settings that a gateway already has are not compared. samlgate org apply --dry-run does that.';
    return [
      { check: name, level: 'ok', text: summary, advice },
      ...[...warnings, ...found].map((text): Finding => ({ check: name, level: 'warning', text })),
    ];
  } finally {
    await orUndefined(client.organizations.remove(file.slug), 'organization_unknown');
  }
}

/** Returns an error as one line. The request ID of the gateway that was only used for the check finds nothing. */
const sentencesOf = (message: string): string =>
  message
    .split('\n')
    .filter((line) => !line.startsWith('  code '))
    .map((line) => line.trim())
    .join(' ');

/** IDs of connections exist only on the gateway of the file. Rules with the ID of a connection of the file get its name. */
function withoutIds(file: OrganizationFile): OrganizationFile {
  const { connections, role_mapping: mapping } = file;
  if (!connections) return file;
  const names = new Map(connections.map(({ id, name }) => [id, name]));
  const rules = mapping?.rules.map((rule) => ({ ...rule, connection: names.get(rule.connection) ?? rule.connection }));
  return {
    ...file,
    connections: connections.map(({ id: _, ...connection }) => connection),
    ...(mapping && rules ? { role_mapping: { ...mapping, rules } } : {}),
  };
}
