import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { examineGateway, type Finding } from '../../src/cli/doctor-checks.ts';
import { loadMetadata, setIdentityProvider } from '../../src/organizations/connections/identity-providers.ts';
import type { Runtime } from '../../src/runtime.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { SCHEMA, SCHEMA_RECORD } from '../../src/schema/schema-version.ts';
import { openStore } from '../../src/store/open-store.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { type StubGateway, startStubGateway } from '../client/stub-gateway.ts';
import { restoreSqlite } from '../schema/version-1/open-store.ts';
import { type Home, makeHome } from '../support/command.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { makeRuntime, OPERATOR, seedOrganization } from '../support/seed.ts';

const IDP_CERTIFICATE_DAYS = 400;
const DAY_MS = 86_400_000;

let directory: string;
let home: Home;
/** Answers at the base URL. */
let gateway: StubGateway;
let environment: Record<string, string>;

beforeAll(async () => {
  gateway = await startStubGateway();
});
afterAll(() => gateway.close());
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-doctor-'));
  home = makeHome();
  gateway.answer(() => ({ body: { status: 'ok' } }));
  environment = {
    SAMLGATE_BASE_URL: gateway.url,
    SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`,
    // The base URL is that of a stub, whose port differs from the gateway's.
    SAMLGATE_TRUST_PROXY: '1',
    SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: randomBytes(32).toString('hex'),
  };
});
afterEach(() => {
  home.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** Creates the store of a gateway that has been started once. */
async function startOnce(fill: (runtime: Runtime) => Promise<unknown> = async () => undefined): Promise<void> {
  const runtime = await makeRuntime(environment);
  await fill(runtime);
  await runtime.store.close();
}

async function addOrganization(runtime: Runtime, slug: string): Promise<void> {
  const organization = await seedOrganization(runtime, slug);
  const { certificatePem } = await createSelfSignedCertificate({ commonName: 'idp', days: IDP_CERTIFICATE_DAYS, nowMs: Date.now() });
  const slo_url = 'https://idp.example/logout';
  const values = { entity_id: 'https://idp.example', sso_url: 'https://idp.example/sso', slo_url, certificates: [certificatePem] };
  await setIdentityProvider(runtime, OPERATOR, { organization, loaded: await loadMetadata(runtime, { kind: 'manual', values }) });
}

const notOk = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'ok');
const summary = (findings: readonly Finding[]) => findings.map(({ check, level }) => `${check}: ${level}`);

describe('samlgate doctor', () => {
  test('reports no problems of a healthy gateway and exits with 0', async () => {
    await startOnce((runtime) => addOrganization(runtime, 'acme'));
    const { code, stdout, stderr } = await home.run(['doctor'], environment);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(
      /^ok +configuration: http.*\nok +gateway: .* answers, and the clocks agree\nok +store: .*\nok +signing keys: \S+ \(ES256\) has been active for 0 days\nok +organizations: 1 checked, no problems\n$/,
    );
  });

  test('creates no files in the wrong directory', async () => {
    const { code, stdout, stderr } = await home.run(['doctor', '--json']);
    expect([code, stderr]).toEqual([1, '1 error found.\n']);
    expect(JSON.parse(stdout)).toEqual([
      {
        check: 'store',
        level: 'error',
        text: 'there is no database at ./data/samlgate.db',
        advice: 'Start the gateway once (samlgate serve), or run doctor in the directory and with the environment of the gateway.',
      },
    ]);
    expect(readdirSync(home.directory)).toEqual([]);
  });

  test('reports every mistake in the configuration', async () => {
    await startOnce();
    const findings = await examineGateway({ ...environment, SAMLGATE_BASE_URL: 'sso.example.com', SAMLGATE_LOG_LEVEL: 'loud' });
    expect(summary(findings)).toEqual(['configuration: error', 'configuration: error']);
    expect(findings.map(({ text }) => text).join()).toMatch(/SAMLGATE_BASE_URL must be an absolute URL.*SAMLGATE_LOG_LEVEL must be one of/);
  });

  test('warns that the base URL is not https and can’t be reached', async () => {
    await startOnce();
    const findings = await examineGateway({ ...environment, SAMLGATE_BASE_URL: 'http://sso.invalid' });
    expect(summary(notOk(findings))).toEqual(['configuration: warning', 'gateway: warning']);
    expect(findings.at(2)).toMatchObject({ text: expect.stringContaining('The host name sso.invalid'), advice: expect.any(String) });
  });

  test.each([
    [0, undefined],
    [-4, undefined],
    [4, undefined],
    [-8, 'clock: warning'],
    [8, 'clock: warning'],
    [-63, 'clock: error'],
    [63, 'clock: error'],
  ])('reports a clock that is %i seconds off as: %s', async (seconds, finding) => {
    await startOnce();
    gateway.answer(() => ({ headers: { date: new Date(Date.now() + seconds * 1000).toUTCString() } }));
    expect(summary(notOk(await examineGateway(environment)))).toEqual(finding === undefined ? [] : [finding]);
  });

  test('reports keys that were encrypted with another secret', async () => {
    await startOnce((runtime) => addOrganization(runtime, 'acme'));
    const findings = notOk(await examineGateway({ ...environment, SAMLGATE_SECRET: randomBytes(32).toString('base64') }));
    expect(summary(findings)).toEqual(['signing keys: error', 'acme: error']);
    expect(findings[0]?.text).toMatch(/can't be decrypted with SAMLGATE_SECRET$/);
    const { SAMLGATE_SECRET: previous = '' } = environment;
    const replacing = { ...environment, SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_SECRET_PREVIOUS: previous };
    expect(notOk(await examineGateway(replacing))).toEqual([]);
  });

  test('reports missing signing keys', async () => {
    await (await openStore(environment.SAMLGATE_STORE ?? '')).close();
    expect(summary(notOk(await examineGateway(environment)))).toEqual(['signing keys: error']);
  });

  test('warns about a store that the next start migrates, and checks nothing else in it', async () => {
    const file = path.join(directory, 'former.db');
    const { secret } = restoreSqlite(file);
    const findings = notOk(await examineGateway({ ...environment, SAMLGATE_STORE: `sqlite:${file}`, SAMLGATE_SECRET: secret }));
    expect(findings).toMatchObject([{ check: 'store', level: 'warning', text: expect.stringMatching(/has schema version 1; .* to 2 at/) }]);
  });

  test('reports a store of a newer version', async () => {
    await startOnce(async ({ store }) => {
      const stored = await store.get(GLOBAL, SCHEMA, SCHEMA_RECORD);
      const value = { version: 2, migratingTo: 99 };
      await store.commit(GLOBAL, [{ do: 'replace', collection: SCHEMA, id: SCHEMA_RECORD, version: stored?.version ?? 0, value }]);
    });
    const findings = notOk(await examineGateway(environment));
    expect(findings).toMatchObject([{ check: 'store', level: 'error', text: expect.stringContaining('has schema version 99') }]);
  });

  test('warns about a key whose rotation is overdue', async () => {
    await startOnce();
    const later = () => Date.now() + 91 * DAY_MS;
    gateway.answer(() => ({ headers: { date: new Date(later()).toUTCString() } }));
    expect(notOk(await examineGateway(environment, later))).toMatchObject([
      { check: 'signing keys', level: 'warning', text: expect.stringMatching(/ has been active for 91 days$/) },
    ]);
    expect(notOk(await examineGateway({ ...environment, SAMLGATE_KEY_ROTATION_DAYS: '0' }, later))).toEqual([]);
  });

  test('warns about an organization without an identity provider', async () => {
    await startOnce((runtime) => seedOrganization(runtime, 'empty'));
    expect(notOk(await examineGateway(environment))).toEqual([
      {
        check: 'empty',
        level: 'warning',
        text: 'has no identity provider, so its members can’t sign in',
        advice: 'Run: samlgate org set-idp empty METADATA_FILE_OR_URL',
      },
    ]);
  });

  test('gives advice that fits a shared entity ID', async () => {
    await startOnce(async (runtime) => {
      await addOrganization(runtime, 'acme');
      await addOrganization(runtime, 'other');
    });
    expect(notOk(await examineGateway(environment))).toEqual(
      ['acme', 'other'].map((slug) => ({
        check: slug,
        level: 'warning',
        text: expect.stringContaining('the same entity ID'),
        advice: `Show this organization’s identity provider: samlgate org show ${slug}`,
      })),
    );
  });

  test('warns about certificates of the identity provider and of the gateway that expire soon', async () => {
    await startOnce((runtime) => addOrganization(runtime, 'acme'));
    const found = async (laterMs: number) => {
      gateway.answer(() => ({ headers: { date: new Date(laterMs).toUTCString() } }));
      const findings = notOk(await examineGateway({ ...environment, SAMLGATE_KEY_ROTATION_DAYS: '0' }, () => laterMs));
      return findings.map(({ check, level, text }) => `${check} ${level}: ${text}`);
    };
    const OURS = 'acme warning: the gateway’s certificate';
    const endMs = Date.now() + IDP_CERTIFICATE_DAYS * DAY_MS;
    expect(await found(endMs - 63 * DAY_MS)).toEqual([]);
    expect(await found(endMs - 59 * DAY_MS)).toEqual([expect.stringMatching(/^acme warning: .*certificate/)]);
    const ourEndMs = Date.now() + 20 * 365 * DAY_MS;
    expect(await found(ourEndMs - 62 * DAY_MS)).not.toContainEqual(expect.stringContaining(OURS));
    expect(await found(ourEndMs - 59.5 * DAY_MS)).toContain(`${OURS} expires in 59 days`);
    expect(await found(ourEndMs + DAY_MS)).toContain(`${OURS} has expired`);
  });
});

describe('samlgate doctor: Redis', () => {
  test('warns about settings that lose data', async () => {
    const redis = await startRedis();
    try {
      environment.SAMLGATE_STORE = redis.url;
      await startOnce();
      const findings = notOk(await examineGateway(environment));
      expect(summary(findings)).toEqual(['store: warning']);
      expect(findings[0]?.text).toContain('appendonly yes');
    } finally {
      await redis.stop();
    }
  });

  test('reports a store that can’t be reached', async () => {
    const { code, stdout } = await home.run(['doctor'], { ...environment, SAMLGATE_STORE: `redis://127.0.0.1:${await freePort()}` });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^ERROR +store: can't be used\n +Cannot connect to Redis at .+: connection refused\. SAMLGATE_STORE must name a store that is running and that this machine can reach\.$/m,
    );
  });
});
