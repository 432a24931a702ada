import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AUDIT, auditStep } from '../../src/audit.ts';
import { readAudit } from '../../src/audit-trail/read-audit.ts';
import { deleteOrganization, resumeDeletions } from '../../src/organizations/deletion.ts';
import { DIRECTORY, getOrganization, organizationIdOf } from '../../src/organizations/directory.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { createOrganization } from '../../src/organizations/organization-lifecycle.ts';
import { getOrganizationById, type Organization } from '../../src/organizations/organizations.ts';
import type { Runtime } from '../../src/runtime.ts';
import { GLOBAL, type Step } from '../../src/store/store.ts';
import { countTurns } from '../support/count-turns.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const DELETIONS = { name: 'deletion', indexes: { all: () => [''] }, unique: {} };
const MEMBER_COUNT = 1500;

describe('deleting an organization', () => {
  let folder: string;
  let nowMs: number;
  let runtime: Runtime;
  let acme: Organization;

  const start = () =>
    makeRuntime(
      { SAMLGATE_STORE: `sqlite:${path.join(folder, 'store.db')}`, SAMLGATE_SECRET: Buffer.alloc(32, 's').toString('base64') },
      () => nowMs,
    );
  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'samlgate-deletion-'));
    nowMs = Date.now();
    runtime = await start();
    acme = await seedOrganization(runtime, 'acme');
    const member = await seedMember(runtime, acme.id);
    const others = Array.from({ length: MEMBER_COUNT - 1 }, (_, n): Step => {
      const id = `usr_${String(n).padStart(20, '0')}`;
      return { do: 'insert', collection: MEMBERS, id, value: { ...member, id, identity: id } };
    });
    await runtime.store.commit(acme.id, [...others, { do: 'put', key: 'key', value: 'value', ttlSeconds: 86_400 }]);
  });
  afterEach(async () => {
    await runtime.store.close();
    rmSync(folder, { recursive: true });
  });

  const hasMembers = async (id: string) => (await runtime.store.find(id, MEMBERS, 'email', { limit: 1 })).items.length > 0;
  const pending = async () => (await runtime.store.find(GLOBAL, DELETIONS, 'all', { limit: 10 })).items.map(({ id }) => id);
  const untilEmpty = async (id: string) => {
    while ((await hasMembers(id)) || (await runtime.store.peek(id, 'key')) !== undefined) await sleep(5);
  };
  /** Completes all deletions, as the job that runs every minute does. */
  const complete = async () => {
    nowMs += 61_000;
    await resumeDeletions(runtime);
  };

  it('returns when the organization is unknown, and deletes its data in the background', async () => {
    await deleteOrganization(runtime, OPERATOR, acme.id);
    await expect(getOrganization(runtime.store, 'acme')).rejects.toMatchObject({ code: 'organization_unknown' });
    await expect(organizationIdOf(runtime.store, 'acme')).rejects.toMatchObject({ code: 'organization_unknown' });
    expect(await getOrganizationById(runtime.store, acme.id)).toBeUndefined();
    expect(await hasMembers(acme.id)).toBe(true);
    expect(await countTurns(() => untilEmpty(acme.id))).toBeGreaterThan(MEMBER_COUNT / 250);
    expect((await readAudit(runtime.store, acme.id, { limit: 10 })).items).toEqual([]);
    await complete();
    expect(await pending()).toEqual([]);
  });

  it('leaves a new organization with the slug alone', async () => {
    await deleteOrganization(runtime, OPERATOR, acme.id);
    const again = await seedOrganization(runtime, 'acme');
    await seedMember(runtime, again.id);
    await untilEmpty(acme.id);
    await complete();
    expect(await getOrganization(runtime.store, 'acme')).toEqual(again);
    expect(await hasMembers(again.id)).toBe(true);
  });

  it('is continued by another process if the first one ends halfway', async () => {
    await deleteOrganization(runtime, OPERATOR, acme.id);
    await runtime.store.close();
    runtime = await start();
    expect(await hasMembers(acme.id)).toBe(true);
    await complete();
    expect(await hasMembers(acme.id)).toBe(false);
    expect(await runtime.store.peek(acme.id, 'key')).toBeUndefined();
    expect(await pending()).toEqual([]);
  });

  it('is continued if it was only recorded, with the operator in the audit trail', async () => {
    const value = { startedAtMs: nowMs, actor: { ...OPERATOR, requestId: 'first' } };
    await runtime.store.commit(GLOBAL, [{ do: 'insert', collection: DELETIONS, id: acme.id, value }]);
    await complete();
    await expect(getOrganization(runtime.store, 'acme')).rejects.toMatchObject({ code: 'organization_unknown' });
    expect(await hasMembers(acme.id)).toBe(false);
    const { items } = await runtime.store.find(GLOBAL, AUDIT, 'event', { equals: 'organization.deleted', limit: 10 });
    expect(items.map((entry) => entry.value)).toMatchObject([
      { actor: { kind: 'operator', requestId: 'first' }, details: { slug: 'acme' } },
    ]);
  });

  it('also deletes what a request writes that had begun before', async () => {
    await deleteOrganization(runtime, OPERATOR, acme.id);
    await untilEmpty(acme.id);
    await resumeDeletions(runtime);
    expect(await pending()).toEqual([acme.id]);
    await runtime.store.commit(acme.id, [auditStep(nowMs, OPERATOR, 'login.refused')]);
    await complete();
    expect((await readAudit(runtime.store, acme.id, { limit: 10 })).items).toEqual([]);
    expect(await pending()).toEqual([]);
  });

  it('is not complete earlier if the clock of another replica is ahead', async () => {
    await deleteOrganization(runtime, OPERATOR, acme.id);
    await resumeDeletions(runtime);
    await resumeDeletions({ ...runtime, now: () => nowMs + 3_600_000 });
    expect(await pending()).toEqual([acme.id]);
    await complete();
    expect(await pending()).toEqual([]);
  });

  it('waits for writers after the record was deleted, however long ago the deletion was recorded', async () => {
    const value = { startedAtMs: nowMs - 3_600_000, actor: OPERATOR };
    await runtime.store.commit(GLOBAL, [{ do: 'insert', collection: DELETIONS, id: acme.id, value }]);
    await resumeDeletions(runtime);
    expect(await hasMembers(acme.id)).toBe(false);
    expect(await pending()).toEqual([acme.id]);
  });

  it('continues with the others if one fails', async () => {
    const others = [await seedOrganization(runtime, 'before'), await seedOrganization(runtime, 'after')];
    const { store } = runtime;
    const purge = store.purge.bind(store);
    store.purge = (id, kept) => (id === acme.id ? Promise.reject(new Error('the store failed')) : purge(id, kept));
    for (const { id } of [acme, ...others]) await deleteOrganization(runtime, OPERATOR, id);
    await complete();
    expect(await pending()).toEqual([acme.id]);
    store.purge = purge;
    await complete();
    expect(await pending()).toEqual([]);
  });

  it('renews its claim, so that no other replica deletes the same partition meanwhile', async () => {
    jest.useFakeTimers({
      doNotFake: [
        'Date',
        'performance',
        'hrtime',
        'setTimeout',
        'clearTimeout',
        'setImmediate',
        'clearImmediate',
        'nextTick',
        'queueMicrotask',
      ],
    });
    try {
      const { store } = runtime;
      const purge = store.purge.bind(store);
      let others = 0;
      store.purge = async (id, kept) => {
        for (let minute = 0; minute < 3; minute++) {
          nowMs += 30_000;
          jest.advanceTimersByTime(30_000);
          await sleep(5);
          nowMs += 30_000;
          jest.advanceTimersByTime(30_000);
          await sleep(5);
          store.purge = async () => void others++;
          await resumeDeletions({ ...runtime });
        }
        await purge(id, kept);
      };
      await deleteOrganization(runtime, OPERATOR, acme.id);
      await untilEmpty(acme.id);
      expect(others).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('succeeds when it is requested several times at once, with one audit entry', async () => {
    await Promise.all([1, 2, 3].map(() => deleteOrganization(runtime, OPERATOR, acme.id)));
    await untilEmpty(acme.id);
    const { items } = await runtime.store.find(GLOBAL, AUDIT, 'event', { equals: 'organization.deleted', limit: 10 });
    expect(items).toHaveLength(1);
  });

  it('frees the slug of an organization whose creation was interrupted', async () => {
    const entry = { slug: 'half', domains: [], createdAtMs: nowMs };
    await runtime.store.commit(GLOBAL, [{ do: 'insert', collection: DIRECTORY, id: 'org_half', value: entry }]);
    const input = { slug: 'half', name: 'Half', domains: [], allowedReturnUrls: [] };
    await expect(createOrganization(runtime, OPERATOR, input)).rejects.toMatchObject({ code: 'conflict' });
    nowMs += 61_000;
    expect((await createOrganization(runtime, OPERATOR, input)).slug).toBe('half');
  });
});
