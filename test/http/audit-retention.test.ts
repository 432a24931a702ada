import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { AUDIT, auditStep, type StoredAuditEntry } from '../../src/audit.ts';
import { readAudit } from '../../src/audit-trail/read-audit.ts';
import { summarizeTrail, trimAudit, trimAuditTrails } from '../../src/audit-trail/trim-audit.ts';
import { newId, newTimeOrderedId } from '../../src/ids.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { GLOBAL, type Step, type Store, storeUnavailable } from '../../src/store/store.ts';
import { toIsoTime } from '../../src/time.ts';
import { newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { signedIn } from '../support/signed-in.ts';

const DAY = 86_400_000;

describe.each(['sqlite', 'redis'] as const)('audit retention with %s', (store) => {
  const lines: Record<string, unknown>[] = [];
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  let gateway: TestGateway;

  beforeAll(async () => {
    const log = pino({ level: 'info', base: null }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    gateway = await startGateway({ store, now, log, environment: { SAMLGATE_AUDIT_DAYS: '30' } });
  });
  afterAll(() => gateway.stop());

  const entry = (atMs = now()): Step => auditStep(atMs, { kind: 'gateway' }, 'identity_provider.refreshed', { member_id: 'usr_x' });
  /** Makes an organization with nothing but its record and entries of the present. */
  const newTrail = async (entries = 0): Promise<string> => {
    const id = newId('org');
    const slug = newSlug();
    await gateway.runtime.store.commit(GLOBAL, [
      { do: 'insert', collection: DIRECTORY, id, value: { slug, domains: [], createdAtMs: now() } },
    ]);
    await gateway.runtime.store.commit(id, [
      { do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: { id, slug, connections: [] } },
    ]);
    await write(id, entries);
    return id;
  };
  const write = async (id: string, entries: number) => {
    for (let left = entries; left > 0; left -= 200)
      await gateway.runtime.store.commit(
        id,
        Array.from({ length: Math.min(left, 200) }, () => entry()),
      );
  };
  const indexed = async (id: string) =>
    Promise.all(
      (['time', 'event', 'member'] as const).map(
        async (index) => (await gateway.runtime.store.find(id, AUDIT, index, { limit: 200 })).items.length,
      ),
    );

  it('deletes entries that are older than SAMLGATE_AUDIT_DAYS, and their index entries', async () => {
    const id = await newTrail(150);
    aheadMs += 31 * DAY;
    await write(id, 20);
    expect(await trimAudit(gateway.runtime, id)).toBe(150);
    expect(await indexed(id)).toEqual([20, 20, 20]);
    const summary = await summarizeTrail(gateway.runtime, id);
    expect(summary).toMatchObject({ entries: 20, trimmed: 150 });
    expect(Date.parse(summary.oldestAt ?? '')).toBeGreaterThan(now() - DAY);
    expect(await trimAudit(gateway.runtime, id)).toBe(0);
    aheadMs += 31 * DAY;
    expect(await trimAudit(gateway.runtime, id)).toBe(20);
    expect(await summarizeTrail(gateway.runtime, id)).toEqual({ oldestAt: undefined, entries: 0, trimmed: 170 });
  });

  it('lists and deletes entries as they were stored before they became shorter', async () => {
    const id = await newTrail();
    const { writtenOnce: _, ...rest } = AUDIT;
    const former = { ...rest, indexes: { ...AUDIT.indexes, event: ({ event }: StoredAuditEntry) => [event] } };
    const actor = { kind: 'member', id: 'usr_x', email: 'olivia@example.com', requestId: 'r1', address: '192.0.2.1' } as const;
    const details = { role: 'owner', kind: 'default' };
    const value = { id: newTimeOrderedId('aud', now()), at: toIsoTime(now()), event: 'login.accepted', actor, member_id: 'usr_x', details };
    await gateway.runtime.store.commit(id, [
      { do: 'insert', collection: former, id: value.id, value },
      auditStep(now() + 1, actor, 'login.accepted', { member_id: 'usr_x', details }),
    ]);
    for (const filter of [{}, { event: 'login.accepted' } as const, { memberId: 'usr_x' }]) {
      const { items } = await readAudit(gateway.runtime.store, id, { ...filter, limit: 10 });
      const newer = items[0]?.value;
      expect(items.map((item) => item.value)).toEqual([{ ...value, id: newer?.id, at: newer?.at }, value]);
      expect(Date.parse(newer?.at ?? '')).toBeGreaterThan(Date.parse(value.at));
    }
    expect((await summarizeTrail(gateway.runtime, id)).oldestAt).toBe(value.at);
    expect(await trimAudit(gateway.runtime, id, 0)).toBe(2);
    expect(await indexed(id)).toEqual([0, 0, 0]);
  });

  it('finds the most frequent event, which has no index, among many other entries', async () => {
    const id = await newTrail();
    const accepted = () => auditStep(now(), { kind: 'gateway' }, 'login.accepted');
    await gateway.runtime.store.commit(id, [accepted()]);
    await write(id, 450);
    await gateway.runtime.store.commit(id, [accepted(), accepted()]);
    await write(id, 2100);
    const pages: number[] = [];
    let cursor: string | undefined;
    do {
      const page = await readAudit(gateway.runtime.store, id, { event: 'login.accepted', limit: 1, cursor });
      pages.push(page.items.length);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    expect(pages).toEqual([0, 1, 1, 1]); // one call searches 2,000 entries
  });

  it('deletes the oldest entries of a trail that has too many', async () => {
    const id = await newTrail(120);
    const before = (await gateway.runtime.store.find(id, AUDIT, 'time', { limit: 200 })).items.map((item) => item.id);
    expect(await trimAudit(gateway.runtime, id, 50)).toBe(70);
    expect((await gateway.runtime.store.find(id, AUDIT, 'time', { limit: 200 })).items.map((item) => item.id)).toEqual(before.slice(70));
    expect(await trimAudit(gateway.runtime, id, 50)).toBe(0);
  });

  it('counts each deleted entry once, also if replicas trim at the same time', async () => {
    const id = await newTrail(600);
    const counts = await Promise.all(Array.from({ length: 4 }, () => trimAudit(gateway.runtime, id, 100)));
    while ((await trimAudit(gateway.runtime, id, 100)) > 0);
    expect(await summarizeTrail(gateway.runtime, id)).toMatchObject({ entries: 100, trimmed: 500 });
    expect(counts.reduce((a, b) => a + b)).toBeLessThanOrEqual(500);
  });

  it('continues after the store has failed halfway', async () => {
    const id = await newTrail(500);
    const { store: failing } = gateway.runtime;
    const { commit } = failing;
    let commits = 0;
    failing.commit = (...args) => (++commits > 2 ? Promise.reject(storeUnavailable('test')) : commit.apply(failing, args));
    await expect(trimAudit(gateway.runtime, id, 0)).rejects.toMatchObject({ code: 'store_unavailable' });
    failing.commit = commit;
    const { entries, trimmed } = await summarizeTrail(gateway.runtime, id);
    expect([entries + trimmed, trimmed]).toEqual([500, 101]);
    await trimAudit(gateway.runtime, id, 0);
    expect(await summarizeTrail(gateway.runtime, id)).toMatchObject({ entries: 0, trimmed: 500 });
  });

  it('reads one entry of a trail that has nothing to delete, however long it is', async () => {
    const id = await newTrail(400);
    const calls = await callsOf(gateway.runtime.store, () => trimAudit(gateway.runtime, id));
    expect(calls).toEqual(['count', 'find 1']);
  });

  it('never writes to an organization that was deleted', async () => {
    const id = await newTrail(300);
    const { store: there } = gateway.runtime;
    await there.commit(id, [{ do: 'delete', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: 1 }]);
    expect(await trimAudit(gateway.runtime, id, 10)).toBe(0);
    expect((await summarizeTrail(gateway.runtime, id)).trimmed).toBe(0);
  });

  it('reaches every organization and the trail of the gateway in turn, whichever replica runs', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) ids.push(await newTrail(1));
    aheadMs += 31 * DAY;
    const left = async () =>
      (await Promise.all(ids.map((id) => gateway.runtime.store.count(id, AUDIT)))).filter((count) => count > 0).length;
    const lease = 'audit-trim:lease';
    await gateway.runtime.store.commit(GLOBAL, [entry(now() - 31 * DAY)]);
    for (let runs = 0; runs < 5 && (await left()) > 0; runs++) {
      await gateway.runtime.store.commit(GLOBAL, [{ do: 'drop', key: lease }]);
      const before = await left();
      await trimAuditTrails(gateway.runtime);
      expect(before - (await left())).toBeLessThanOrEqual(50);
      // Another replica, within the same minute.
      const calls = await callsOf(gateway.runtime.store, () => trimAuditTrails(gateway.runtime));
      expect(calls).toEqual(['commit']);
    }
    expect(await left()).toBe(0);
    expect(await gateway.runtime.store.count(GLOBAL, AUDIT)).toBe(0);
    expect((await gateway.runtime.metrics.auditTrimmed.get()).values[0]?.value).toBeGreaterThan(60);
  });

  it('is visible in the API and the console', async () => {
    const acme = await gateway.makeOrganization();
    const olivia = await signedIn(gateway, acme, 'olivia');
    await trimAudit(gateway.runtime, acme.id, 3);
    interface Trail {
      readonly items: readonly { readonly at: string }[];
      readonly oldest_at: string;
      readonly trimmed: number;
      readonly next_cursor: string;
      readonly unsigned_refusals: unknown;
    }
    const { body } = await gateway.api<Trail>('GET', `/organizations/${acme.slug}/audit?limit=2`);
    expect(body.trimmed).toBeGreaterThan(0);
    expect(body.unsigned_refusals).toEqual([]);
    const next = await gateway.api<Trail>('GET', `/organizations/${acme.slug}/audit?limit=2&cursor=${body.next_cursor}`);
    expect(next.body).toMatchObject({ oldest_at: next.body.items[0]?.at, trimmed: body.trimmed, unsigned_refusals: null });
    const page = await olivia.browser.open(`${gateway.url}/console/audit`);
    expect(textOf(page.text)).toMatch(
      new RegExp(`Entries are stored for 30 days, at most 1,000,000. The oldest one is from .* ${body.trimmed} older entries were deleted`),
    );
  });

  it('logs each entry once it is committed, without secrets', async () => {
    const acme = await gateway.makeOrganization();
    lines.length = 0;
    const carl = await signedIn(gateway, acme, 'carl');
    const { token } = await carl.makeToken();
    const audited = lines.filter((line) => line.audit === true);
    const { body } = await gateway.api<{ items: Record<string, unknown>[] }>('GET', `/organizations/${acme.slug}/audit?limit=200`);
    const events = audited.map(({ event }) => event);
    expect(events).toEqual(expect.arrayContaining(['member.created', 'login.accepted', 'cli_token.created']));
    for (const line of audited)
      expect(body.items.filter(({ id }) => id === line.id)).toEqual([expect.objectContaining({ at: line.at, actor: line.actor })]);
    expect(new Set(audited.map(({ id }) => id)).size).toBe(audited.length);
    expect(audited[0]).toMatchObject({ organization_id: acme.id });
    const text = JSON.stringify(lines);
    for (const secret of [token, gateway.operatorToken, carl.cookie.split('=')[1] ?? '']) expect(text).not.toContain(secret);
  });

  it('logs no entry of a commit that failed', async () => {
    const id = await newTrail();
    lines.length = 0;
    const { store: there } = gateway.runtime;
    const failed = await there.commit(id, [entry(), { do: 'take', key: 'nothing' }]);
    expect(failed).toEqual({ ok: false, failed: 1 });
    expect(lines).toEqual([]);
    expect((await there.commit(id, [entry()])).ok).toBe(true);
    expect(lines).toMatchObject([{ audit: true, event: 'identity_provider.refreshed', organization_id: id }]);
  });

  it('keeps as many entries as the quota of the organization allows', async () => {
    const acme = await gateway.makeOrganization();
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { quotas: { audit_entries: 2 } });
    for (let runs = 0; runs < 5; runs++) {
      await gateway.runtime.store.commit(GLOBAL, [{ do: 'drop', key: 'audit-trim:lease' }]);
      await trimAuditTrails(gateway.runtime);
    }
    expect(await gateway.runtime.store.count(acme.id, AUDIT)).toBe(2);
  });

  it('trims a trail that grows fast without waiting for its turn', async () => {
    const id = await newTrail();
    await write(id, 999);
    aheadMs += 31 * DAY;
    await write(id, 1);
    for (let i = 0; i < 200 && (await gateway.runtime.store.count(id, AUDIT)) > 1; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await gateway.runtime.store.count(id, AUDIT)).toBe(1);
  });
});

it('keeps entries of any age with SAMLGATE_AUDIT_DAYS=0', async () => {
  let aheadMs = 0;
  const gateway = await startGateway({ now: () => Date.now() + aheadMs, environment: { SAMLGATE_AUDIT_DAYS: '0' } });
  try {
    const { id } = await gateway.makeOrganization();
    const before = await gateway.runtime.store.count(id, AUDIT);
    aheadMs = 4000 * DAY;
    expect(await trimAudit(gateway.runtime, id)).toBe(0);
    expect(await trimAudit(gateway.runtime, id, before - 1)).toBe(1);
  } finally {
    await gateway.stop();
  }
});

/** Returns the names of the store's methods that the work calls, and the limit of each page. */
async function callsOf(store: Store, work: () => Promise<unknown>): Promise<string[]> {
  const calls: string[] = [];
  const former = { count: store.count, find: store.find, get: store.get, commit: store.commit };
  const noted = Object.entries(former).map(([name, method]) => [
    name,
    (...args: unknown[]) => {
      const { limit } = (args[3] ?? {}) as { limit?: number };
      calls.push(limit === undefined ? name : `${name} ${limit}`);
      return (method as (...args: unknown[]) => unknown).apply(store, args);
    },
  ]);
  Object.assign(store, Object.fromEntries(noted));
  try {
    await work();
  } finally {
    Object.assign(store, former);
  }
  return calls;
}
