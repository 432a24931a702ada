import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import type { Runtime } from '../../src/runtime.ts';
import { readTogether } from '../../src/store/read-together.ts';
import { type Store, storeUnavailable } from '../../src/store/store.ts';
import { updateRecord } from '../../src/store/update-record.ts';
import { makeRuntime, seedMember, seedOrganization } from '../support/seed.ts';

let made: Runtime;
let store: Store;
let organizationId: string;
let member: Member;
/** In the order in which they started. */
let reads: string[] = [];
let isDown = false;
/** Delays the answer of a read that has already seen the record. */
let wayBack: Promise<void> = Promise.resolve();

beforeEach(async () => {
  [reads, isDown, wayBack] = [[], false, Promise.resolve()];
  made = await makeRuntime({
    SAMLGATE_STORE: 'sqlite::memory:',
    SAMLGATE_SECRET: Buffer.alloc(32, 7).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
  });
  const get: Store['get'] = async (partition, collection, id) => {
    reads.push(`${partition} ${collection.name} ${id}`);
    if (isDown) throw storeUnavailable('down');
    const seen = await made.store.get(partition, collection, id);
    await wayBack;
    return seen;
  };
  store = Object.assign(Object.create(made.store) as Store, { get });
  organizationId = (await seedOrganization(made, 'live')).id;
  member = await seedMember(made, organizationId);
});
afterEach(() => made.store.close());

const read = async (id = member.id, partition = organizationId): Promise<Member | undefined> =>
  (await readTogether(store, partition, MEMBERS, id))?.value;

/** An acknowledged write of another caller. */
const suspend = () =>
  updateRecord(made.store, {
    partition: organizationId,
    collection: MEMBERS,
    id: member.id,
    change: (before) => ({ ...before, suspended: true }),
  });

describe('concurrent reads of one record', () => {
  test('share one store read', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => read()));
    expect(reads).toEqual([`${organizationId} member ${member.id}`]);
    expect(all.map((each) => each?.id)).toEqual(Array(100).fill(member.id));
  });

  test('return a change that was acknowledged before the call, whatever read is in progress', async () => {
    let arrive = () => {};
    wayBack = new Promise((resolve) => {
      arrive = resolve;
    });
    const early = read();
    while (reads.length === 0) await turnOfTheLoop();
    await suspend();
    const late = read();
    await turnOfTheLoop();
    arrive();
    expect([(await early)?.suspended, (await late)?.suspended]).toEqual([false, true]);
    expect(reads).toHaveLength(2);
  });

  test('return a change that is acknowledged before the shared read starts', async () => {
    const first = read();
    await suspend();
    const second = read();
    expect([(await first)?.suspended, (await second)?.suspended]).toEqual([true, true]);
  });

  test('return undefined one by one after the member was removed', async () => {
    expect((await read())?.id).toBe(member.id);
    const { version } = (await made.store.get(organizationId, MEMBERS, member.id)) ?? { version: 0 };
    await made.store.commit(organizationId, [{ do: 'delete', collection: MEMBERS, id: member.id, version }]);
    expect(await Promise.all([read(), read()])).toEqual([undefined, undefined]);
  });

  test('all throw store_unavailable during an outage, and succeed after it', async () => {
    isDown = true;
    const told = await Promise.all([read(), read()].map((each) => each.catch((error: { code?: string }) => error.code)));
    expect([told, reads.length]).toEqual([['store_unavailable', 'store_unavailable'], 1]);
    isDown = false;
    expect((await read())?.id).toBe(member.id);
  });
});

describe('concurrent reads of different records', () => {
  test('share no read', async () => {
    const other = await seedMember(made, organizationId);
    const found = await Promise.all([read(), read(other.id), read(), read(other.id)]);
    expect(found.map((each) => each?.id)).toEqual([member.id, other.id, member.id, other.id]);
    expect(reads).toHaveLength(2);
  });

  test('share no read between collections with equal ids', async () => {
    const [asMember, organization] = await Promise.all([
      read(ORGANIZATION_RECORD),
      readTogether(store, organizationId, ORGANIZATION, ORGANIZATION_RECORD),
    ]);
    expect([asMember, organization?.value.id]).toEqual([undefined, organizationId]);
  });

  test('share no read between organizations with equal ids', async () => {
    const elsewhere = (await seedOrganization(made, 'elsewhere')).id;
    expect((await Promise.all([read(), read(member.id, elsewhere), read(member.id, elsewhere)])).map((each) => each?.id)).toEqual([
      member.id,
      undefined,
      undefined,
    ]);
    expect((await Promise.all([read(member.id, elsewhere), read()])).map((each) => each?.id)).toEqual([undefined, member.id]);
  });
});
