import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findConfigurationWarnings } from '../../src/cli/configuration-warnings.ts';
import { examineGateway } from '../../src/cli/doctor-checks.ts';
import { readConfig, VARIABLES } from '../../src/config.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-warnings-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const environmentWith = (more: Record<string, string>) => ({ SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`, ...more });
const warningsOf = (more: Record<string, string>) => {
  const environment = environmentWith(more);
  return findConfigurationWarnings(readConfig(environment), environment).map(({ text, advice }) => `${text}. ${advice}`);
};

describe('startup warnings', () => {
  test('reports nothing for the defaults, an https URL and variables of the command line', () => {
    expect(warningsOf({})).toEqual([]);
    expect(warningsOf({ SAMLGATE_BASE_URL: 'https://sso.example.com', SAMLGATE_LISTEN: '0.0.0.0:9000' })).toEqual([]);
    const others = { SAMLGATE_URL: 'x', SAMLGATE_CLI_TOKEN: 'x', SAMLGATE_ORGANIZATION: 'x', OTHER_NAME: 'x' };
    expect(warningsOf(others)).toEqual([]);
    expect(warningsOf({ SAMLGATE_BASE_URL: 'http://localhost', SAMLGATE_LISTEN: '127.0.0.1:80' })).toEqual([]);
  });

  test.each(['http://sso.example.com:8080', 'http://192.0.2.7:8080'])('name plain http at %s', (baseUrl) => {
    expect(warningsOf({ SAMLGATE_BASE_URL: baseUrl })).toEqual([expect.stringMatching(/SAMLGATE_BASE_URL is not https.*TLS/)]);
  });

  test('name a port that differs from the base URL, unless a proxy is in front', () => {
    const given = { SAMLGATE_LISTEN: '127.0.0.1:9000' };
    expect(warningsOf(given)).toEqual([expect.stringMatching(/SAMLGATE_BASE_URL has port 8080, .* port 9000 \(SAMLGATE_LISTEN\)/)]);
    expect(warningsOf({ ...given, SAMLGATE_TRUST_PROXY: '1' })).toEqual([]);
    expect(warningsOf({ SAMLGATE_BASE_URL: 'http://localhost' })).toEqual([expect.stringContaining('port 80, but')]);
    expect(warningsOf({ SAMLGATE_LISTEN: '127.0.0.1:0' })).toEqual([]);
  });

  test.each([
    ['SAMLGATE_BASEURL', 'SAMLGATE_BASE_URL'],
    ['SAMLGATE_TRUST_PROXIES', 'SAMLGATE_TRUST_PROXY'],
    ['SAMLGATE_OPERATOR_TOKENS', 'SAMLGATE_OPERATOR_TOKEN'],
    ['SAMLGATE_SECRET_PREVIUOS', 'SAMLGATE_SECRET_PREVIOUS'],
    ['SAMLGATE_SIGNIN_LOG_DAYS', 'SAMLGATE_SIGN_IN_LOG_DAYS'],
  ])('name the unknown variable %s, suggest %s and do not quote its value', (unknown, suggestion) => {
    const [warning, ...more] = warningsOf({ [unknown]: 'its-value' });
    expect(more).toEqual([]);
    expect(warning).toContain(`${unknown} is not a setting`);
    expect(warning).toContain(`Did you mean ${suggestion}?`);
    expect(warning).not.toContain('its-value');
  });

  test('accept all documented variables', () => {
    const names = Object.fromEntries(VARIABLES.map(({ name }) => [name, 'x']));
    expect(findConfigurationWarnings(readConfig(environmentWith({})), names)).toEqual([]);
  });

  test('name the file that still contains the former secret', () => {
    const [warning] = warningsOf({ SAMLGATE_SECRET: randomBytes(32).toString('base64') });
    expect(warning).toContain(`${path.join(directory, 'secret')} contains another secret than SAMLGATE_SECRET. `);
  });

  test('are reported by samlgate doctor too', async () => {
    const environment = environmentWith({ SAMLGATE_BASEURL: 'x' });
    const { createGateway } = await import('../../src/gateway.ts');
    const gateway = await createGateway(readConfig({ ...environment, SAMLGATE_LOG_LEVEL: 'silent' }));
    const findings = await examineGateway(environment);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'configuration', level: 'warning', text: expect.stringContaining('SAMLGATE_BASEURL') }),
    );
    await gateway.close();
  });
});
