/** The alert rules and the dashboard in docker/monitoring, and the metrics that they need. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { parse } from 'yaml';
import { createMetrics } from '../src/metrics.ts';
import { HttpBrowser } from './support/browser.ts';
import { startGateway, type TestGateway } from './support/gateway.ts';
import { runRedisCli, startRedis } from './support/redis-server.ts';
import { signedIn } from './support/signed-in.ts';

jest.setTimeout(90_000);

const FOLDER = path.join(import.meta.dirname, '../docker/monitoring');
const ALERTS = path.join(FOLDER, 'alerts.yaml');
const textOf = (name: string) => readFileSync(path.join(FOLDER, name), 'utf8');
/** Metrics of Prometheus itself. */
const FOREIGN = ['up'];

async function knownMetrics(): Promise<ReadonlySet<string>> {
  const metrics = await createMetrics().registry.getMetricsAsJSON();
  const series = metrics.flatMap(({ name, type }) =>
    String(type) === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
  );
  return new Set([...series, ...FOREIGN]);
}

/** Returns the metrics of a PromQL expression: names that are followed by a selector, a range or the end. */
const metricsIn = (expression: string): string[] =>
  [...expression.matchAll(/\b((?:samlgate|nodejs|process)_\w+|up)\b(?=[{[)\s]|$)/g)].map(([, name = '']) => name);

describe('Prometheus alert rules', () => {
  test('are valid and fire as described, by promtool', () => {
    const promtool = (...args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
    expect(promtool('check', 'rules', ALERTS)).toContain('SUCCESS');
    expect(promtool('test', 'rules', path.join(FOLDER, 'alerts-test.yaml'))).toContain('SUCCESS');
  });

  test('use existing metrics, and the documentation describes each of them', async () => {
    const known = await knownMetrics();
    const documentation = readFileSync(path.join(FOLDER, '../../docs/operations.md'), 'utf8');
    const { groups } = parse(textOf('alerts.yaml')) as { groups: { rules: { alert: string; expr: string }[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(8);
    for (const { alert, expr } of rules) {
      expect(metricsIn(expr).length).toBeGreaterThan(0);
      expect([alert, metricsIn(expr).filter((name) => !known.has(name))]).toEqual([alert, []]);
      expect(documentation).toContain(`\`${alert}\``);
    }
  });
});

test('the Grafana dashboard uses existing metrics', async () => {
  const known = await knownMetrics();
  const { panels } = JSON.parse(textOf('grafana-dashboard.json')) as {
    panels: { id: number; title: string; targets: { expr: string }[] }[];
  };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      expect(metricsIn(expr).length).toBeGreaterThan(0);
      expect([title, metricsIn(expr).filter((name) => !known.has(name))]).toEqual([title, []]);
    }
  }
});

describe('GET /metrics', () => {
  let gateway: TestGateway | undefined;
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
  });
  const lines = async () => (await (await fetch(`${gateway?.url}/metrics`)).text()).split('\n');
  const seriesValue = async (series: string) => {
    const line = (await lines()).find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  const refuse = async (slug: string) =>
    new HttpBrowser().open(`${gateway?.url}/saml/${slug}/acs`, { method: 'POST', body: new URLSearchParams({ SAMLResponse: 'AAAA' }) });

  test('counts sign-ins by outcome, without organizations by default', async () => {
    gateway = await startGateway();
    const organization = await gateway.makeOrganization();
    await signedIn(gateway, organization, 'carl');
    await refuse(organization.slug);
    expect(await seriesValue('samlgate_logins_total{outcome="accepted"}')).toBe(1);
    expect(await seriesValue('samlgate_logins_total{outcome="saml_malformed"}')).toBe(1);
    expect((await lines()).join('\n')).not.toContain(organization.slug);
  });

  test('counts sign-ins by organization if that is configured, and never by a name that does not exist', async () => {
    gateway = await startGateway({ environment: { SAMLGATE_METRICS_ORGANIZATIONS: 'on' } });
    const organization = await gateway.makeOrganization();
    await signedIn(gateway, organization, 'carl');
    await refuse('no-such-organization');
    expect(await seriesValue(`samlgate_logins_total{outcome="accepted",organization="${organization.slug}"}`)).toBe(1);
    expect((await lines()).join('\n')).not.toContain('no-such-organization');
  });

  test('measures the store, its errors, the wait for replicas and the event loop', async () => {
    const redis = await startRedis(['--repl-diskless-sync-delay', '0']);
    const replica = await startRedis(['--replicaof', `127.0.0.1 ${redis.port}`]);
    while (!(await runRedisCli('-p', String(redis.port), 'info', 'replication')).includes('state=online')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    gateway = await startGateway({ environment: { SAMLGATE_STORE: redis.url } });
    const organization = await gateway.makeOrganization();
    expect(await seriesValue('samlgate_store_seconds_count{operation="commit"}')).toBeGreaterThan(0);
    expect(await seriesValue('samlgate_store_seconds_count{operation="get"}')).toBeGreaterThan(0);
    expect(await seriesValue('samlgate_replication_wait_seconds_count')).toBeGreaterThan(0);
    expect(await seriesValue('samlgate_store_errors_total{operation="get"}')).toBeUndefined();
    expect(await seriesValue('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    await redis.stop();
    await fetch(`${gateway.url}/saml/${organization.slug}/metadata`);
    expect((await lines()).filter((line) => line.startsWith('samlgate_store_errors_total{')).length).toBeGreaterThan(0);
    await replica.stop();
  });

  test('measures the days that certificates are left, of active connections only', async () => {
    const first = await startGateway();
    gateway = first;
    const { summarizeCertificates } = await import('../src/organizations/connections/expiring-certificates.ts');
    const { store } = first.runtime;
    expect(await summarizeCertificates(store, Date.now())).toEqual({ daysLeft: Number.POSITIVE_INFINITY, expiring: 0 });
    await first.makeOrganization();
    const now = await summarizeCertificates(store, Date.now());
    expect(now.daysLeft).toBeGreaterThan(30);
    expect(Number.isFinite(now.daysLeft)).toBe(true);
    const endMs = Date.now() + now.daysLeft * 86_400_000;
    const later = await summarizeCertificates(store, endMs - 10 * 86_400_000);
    expect(later.daysLeft).toBeCloseTo(10, 1);
    expect(later.expiring).toBe(1);
  });
});

test('the log of a refusal has organization, address, code and request ID', async () => {
  const entries: Record<string, unknown>[] = [];
  const gateway = await startGateway({ log: pino({}, { write: (line) => entries.push(JSON.parse(line)) }) });
  const organization = await gateway.makeOrganization();
  const response = await fetch(`${gateway.url}/saml/${organization.slug}/acs`, {
    method: 'POST',
    body: new URLSearchParams({ SAMLResponse: 'AAAA' }),
  });
  const member = await signedIn(gateway, organization, 'carl');
  const denied = await fetch(`${gateway.url}/api/v1/organizations/${organization.slug}/audit`, { headers: { cookie: member.cookie } });
  expect([response.status, denied.status]).toEqual([400, 403]);
  for (const [code, { headers }] of [
    ['saml_malformed', response],
    ['forbidden', denied],
  ] as const) {
    expect(entries.find((entry) => entry.code === code)).toMatchObject({
      organization: organization.slug,
      address: expect.stringMatching(/127\.0\.0\.1|::1/),
      request_id: headers.get('x-request-id'),
    });
  }
  await gateway.stop();
});
