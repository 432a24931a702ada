import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { findExpiringCertificates } from '../../src/organizations/connections/expiring-certificates.ts';
import { loadMetadata } from '../../src/organizations/connections/identity-providers.ts';
import { refreshDueMetadata } from '../../src/organizations/connections/metadata-refresh.ts';
import { DIRECTORY, getOrganization, noteConnections } from '../../src/organizations/directory.ts';
import { noteOrganizationsDaily } from '../../src/organizations/note-organizations.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../src/organizations/organizations.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';

const HOUR_MS = 3_600_000;
let aheadMs = 0;
let gateway: TestGateway;
let served = '';
let requests = 0;
const server = createServer((_request, response) => {
  requests++;
  if (served === '') response.statusCode = 503;
  response.end(served);
});
let url: string;

interface Idp {
  readonly metadata_refresh_hours: number | null;
  readonly certificates: { fingerprint_sha256: string }[];
  readonly refresh: { at: string; problem: string | null } | null;
  readonly warnings: { code: string }[];
}

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}/metadata`;
});
afterAll(async () => {
  server.close();
  await gateway.stop();
});

const path = (slug: string) => `/organizations/${slug}/identity-provider`;
const idpOf = async (slug: string) => (await gateway.api<Idp>('GET', path(slug))).body;
const fingerprint = async (slug: string) => (await idpOf(slug)).certificates[0]?.fingerprint_sha256;

describe('metadata refresh', () => {
  it('fetches metadata daily by default, on one replica only, and saves a new certificate', async () => {
    const [organization, twin] = [await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    served = organization.metadata;
    const { body } = await gateway.api<Idp>('PUT', path(organization.slug), { metadata_url: url });
    expect(body.metadata_refresh_hours).toBe(24);
    const before = await fingerprint(organization.slug);
    served = twin.metadata;
    requests = 0;
    await refreshDueMetadata(gateway.runtime);
    expect(requests).toBe(0);
    aheadMs += 24 * HOUR_MS;
    // Two replicas at once: one fetches.
    await Promise.all([refreshDueMetadata(gateway.runtime), refreshDueMetadata(gateway.runtime)]);
    expect(requests).toBe(1);
    const after = await idpOf(organization.slug);
    expect(after.certificates[0]?.fingerprint_sha256).not.toBe(before);
    expect(after.refresh).toMatchObject({ problem: null });
    const { body: audit } = await gateway.api<{ items: unknown[] }>(
      'GET',
      `/organizations/${organization.slug}/audit?event=identity_provider.refreshed`,
    );
    const connection = (await getOrganization(gateway.runtime.store, organization.slug)).connections[0]?.id;
    expect(audit.items).toMatchObject([
      { actor: { kind: 'identity_provider' }, details: { connection, certificates: [await fingerprint(organization.slug)] } },
    ]);
  });

  it('adopts a new certificate at the limit of settings_bytes, and reports metadata that is much too long', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `/organizations/${organization.slug}`;
    served = organization.metadata;
    await gateway.api('PUT', path(organization.slug), { metadata_url: url });
    const before = await fingerprint(organization.slug);
    const { body } = await gateway.api<{ quota_use: { settings_bytes: number } }>('GET', resource);
    const certificate = /<(\w+:)?KeyDescriptor[\s\S]*?<\/(\w+:)?KeyDescriptor>/.exec(organization.metadata)?.[0] ?? '';
    const setQuota = (settings_bytes: number) => gateway.api('PATCH', resource, { quotas: { settings_bytes } });
    expect((await setQuota(body.quota_use.settings_bytes)).status).toBe(200);
    const twin = await makeTestOrganization(gateway);
    const other = /<(\w+:)?KeyDescriptor[\s\S]*?<\/(\w+:)?KeyDescriptor>/.exec(twin.metadata)?.[0] ?? '';
    served = organization.metadata.replace(certificate, `${certificate}${other}`);
    aheadMs += 25 * HOUR_MS;
    await refreshDueMetadata(gateway.runtime);
    expect((await idpOf(organization.slug)).certificates).toHaveLength(2);
    expect((await setQuota(Math.ceil(body.quota_use.settings_bytes / 4))).status).toBe(200);
    const third = await makeTestOrganization(gateway);
    served = third.metadata.replace(/<(\w+:)?KeyDescriptor[\s\S]*?<\/(\w+:)?KeyDescriptor>/, (own) => `${certificate}${other}${own}`);
    aheadMs += 25 * HOUR_MS;
    const startedMs = Date.now() + aheadMs;
    await refreshDueMetadata(gateway.runtime);
    const { refresh, certificates } = await idpOf(organization.slug);
    expect(certificates.map((each) => each.fingerprint_sha256)).toContain(before);
    expect(certificates).toHaveLength(2);
    expect(refresh?.problem).toContain('bytes');
    expect(Date.parse(refresh?.at ?? '')).toBeGreaterThanOrEqual(startedMs - 1000);
  });

  it('changes nothing for another entityID, an invalid document or no response, shows the problem and retries after an hour', async () => {
    const organization = await makeTestOrganization(gateway);
    served = organization.metadata;
    await gateway.api('PUT', path(organization.slug), { metadata_url: url });
    const before = await fingerprint(organization.slug);
    for (const bad of [organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://evil.example/"'), '<html></html>', '']) {
      served = bad;
      aheadMs += 25 * HOUR_MS;
      await refreshDueMetadata(gateway.runtime);
      const { refresh } = await idpOf(organization.slug);
      expect(refresh?.problem).toEqual(expect.any(String));
      expect(await fingerprint(organization.slug)).toBe(before);
    }
    const { body } = await gateway.api<{ items: { details: object }[] }>(
      'GET',
      `/organizations/${organization.slug}/audit?event=identity_provider.refreshed`,
    );
    const connection = (await getOrganization(gateway.runtime.store, organization.slug)).connections[0]?.id;
    expect(body.items.map(({ details }) => details)).toEqual(Array(3).fill({ connection, problem: expect.any(String) }));
    served = organization.metadata;
    aheadMs += HOUR_MS;
    await refreshDueMetadata(gateway.runtime);
    expect((await idpOf(organization.slug)).refresh?.problem).toBeNull();
  });

  it('refuses a valid document with another entityID', async () => {
    const organization = await makeTestOrganization(gateway);
    served = organization.metadata;
    await gateway.api('PUT', path(organization.slug), { metadata_url: url });
    aheadMs += 25 * HOUR_MS;
    const other = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://evil.example/"');
    await refreshDueMetadata(gateway.runtime, (runtime) => loadMetadata(runtime, { kind: 'document', content: other }));
    expect((await idpOf(organization.slug)).refresh?.problem).toContain('another entity ID');
  });

  it('keeps metadata that an owner saves during the refresh', async () => {
    const [organization, twin] = [await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    served = organization.metadata;
    await gateway.api('PUT', path(organization.slug), { metadata_url: url });
    aheadMs += 25 * HOUR_MS;
    await refreshDueMetadata(gateway.runtime, async () => {
      await gateway.api('PUT', path(organization.slug), twin.metadata);
      return loadMetadata(gateway.runtime, { kind: 'document', content: organization.metadata });
    });
    expect(await fingerprint(organization.slug)).toBe(await fingerprint(twin.slug));
  });

  it('is off for uploaded metadata, and after metadata_refresh_hours is set to null', async () => {
    const organization = await makeTestOrganization(gateway);
    expect((await idpOf(organization.slug)).metadata_refresh_hours).toBeNull();
    expect((await gateway.api('PATCH', path(organization.slug), { metadata_refresh_hours: 1 })).status).toBe(400);
    served = organization.metadata;
    await gateway.api('PUT', path(organization.slug), { metadata_url: url });
    await gateway.api('PATCH', path(organization.slug), { metadata_refresh_hours: null });
    aheadMs += 1000 * HOUR_MS;
    await refreshDueMetadata(gateway.runtime, () => Promise.reject(new GatewayError('idp_metadata_invalid')));
    expect((await idpOf(organization.slug)).refresh).toBeNull();
  });
});

describe('metadata refresh of many organizations', () => {
  /** Returns copies of an organization with metadata from a URL. */
  async function copies(count: number, more: Partial<Connection> = {}): Promise<Organization[]> {
    const original = await makeTestOrganization(gateway);
    served = original.metadata;
    await gateway.api('PUT', path(original.slug), { metadata_url: url });
    const { store } = gateway.runtime;
    const organization = await getOrganization(store, original.slug);
    const made = Array.from({ length: count }, () => {
      const id = newId('org');
      const connections = organization.connections.map((connection) => ({ ...connection, id: newId('con'), ...more }));
      return { ...organization, id, slug: id.replace('_', '-'), connections };
    });
    for (const value of made) {
      const entry = { slug: value.slug, domains: [], createdAtMs: 0 };
      await store.commit(GLOBAL, [{ do: 'insert', collection: DIRECTORY, id: value.id, value: entry }]);
      await store.commit(value.id, [{ do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value }]);
      await noteConnections(store, value);
    }
    return made;
  }
  const dueDates = async () => {
    const { items } = await gateway.runtime.store.find(GLOBAL, DIRECTORY, 'refreshDue', { limit: 200 });
    return items.map(({ value }) => value.dates?.refreshDueAtMs ?? 0);
  };
  const noConnection = () => Promise.reject(new GatewayError('idp_metadata_invalid'));

  it('reads no organization if none is due', async () => {
    await copies(10);
    await refreshDueMetadata(gateway.runtime, noConnection); // what earlier tests have left
    const calls: string[] = [];
    const store = new Proxy(gateway.runtime.store, {
      get(target, name: keyof Store) {
        const member = target[name];
        if (typeof member !== 'function') return member;
        return (...values: unknown[]) => {
          calls.push(name);
          return Reflect.apply(member, target, values);
        };
      },
    });
    await refreshDueMetadata({ ...gateway.runtime, store }, noConnection);
    expect(calls).toEqual(['find', 'find']);
  });

  it('fetches for a few at a time, and notes when each is due again', async () => {
    const made = await copies(20);
    aheadMs += 25 * HOUR_MS;
    let [running, most] = [0, 0];
    const fetched: string[] = [];
    await refreshDueMetadata(gateway.runtime, async (runtime) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      fetched.push('one');
      return loadMetadata(runtime, { kind: 'document', content: served });
    });
    expect(fetched.length).toBeGreaterThanOrEqual(made.length);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(16);
    expect((await dueDates()).filter((dueAtMs) => dueAtMs <= Date.now() + aheadMs)).toEqual([]);
  });

  it('is not held up by organizations whose servers did not answer before', async () => {
    await copies(20, { metadataUrl: `${url}?slow`, refresh: { at: new Date(0).toISOString(), problem: 'no answer' } });
    await copies(1, { metadataUrl: `${url}?healthy` });
    aheadMs += 25 * HOUR_MS;
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const fetched = new Set<string>();
    await refreshDueMetadata(gateway.runtime, async (_runtime, requested) => {
      fetched.add(requested);
      if (requested.endsWith('?healthy')) release();
      if (requested.endsWith('?slow')) await released;
      throw new GatewayError('idp_metadata_invalid');
    });
    expect(fetched).toContain(`${url}?healthy`);
  });

  it('finds organizations whose directory entry is older than the dates, after one visit of all', async () => {
    const [made] = await copies(1);
    const { store } = gateway.runtime;
    const entry = made && (await store.get(GLOBAL, DIRECTORY, made.id));
    if (!made || !entry) throw new Error('there is no entry');
    const older = { ...entry.value, refreshesMetadata: false, dates: undefined };
    await store.commit(GLOBAL, [{ do: 'replace', collection: DIRECTORY, id: made.id, version: entry.version, value: older }]);
    const endsAtMs = Date.parse(made.connections[0]?.metadata.signingCertificates[0]?.notAfter ?? '');
    const expiring = async () => (await findExpiringCertificates(store, endsAtMs + 1)).map(({ organization }) => organization.id);
    expect(await expiring()).not.toContain(made.id);
    // Two replicas at once, one of which does it.
    await Promise.all([noteOrganizationsDaily(gateway.runtime), noteOrganizationsDaily(gateway.runtime)]);
    expect(await expiring()).toContain(made.id);
    const after = await store.get(GLOBAL, DIRECTORY, made.id);
    expect(after).toMatchObject({ version: entry.version + 2, value: entry.value });
    await store.commit(GLOBAL, [{ do: 'replace', collection: DIRECTORY, id: made.id, version: entry.version + 2, value: older }]);
    await noteOrganizationsDaily(gateway.runtime);
    expect(await expiring()).not.toContain(made.id);
    aheadMs += 25 * HOUR_MS;
    await noteOrganizationsDaily(gateway.runtime);
    expect(await expiring()).toContain(made.id);
  });
});

describe('entityID of another organization', () => {
  it('is allowed, with a warning about both organizations to the operator', async () => {
    const [first, second] = [await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    for (const { slug } of [first, second]) {
      const metadata = first.metadata.replace(/entityID="[^"]+"/, 'entityID="https://shared.example/"');
      const { status, body } = await gateway.api<Idp>('PUT', path(slug), metadata);
      expect(status).toBe(200);
      expect(body.warnings.some(({ code }) => code === 'entity_id_shared')).toBe(slug === second.slug);
    }
    expect((await idpOf(first.slug)).warnings.some(({ code }) => code === 'entity_id_shared')).toBe(true);
    await gateway.api('DELETE', path(second.slug));
    expect((await idpOf(first.slug)).warnings.some(({ code }) => code === 'entity_id_shared')).toBe(false);
  });
});
