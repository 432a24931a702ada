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
/** In the order in which they were begun. */
let reads: string[] = [];
let isDown = false;
/** A read has seen the record, and its answer is on the way until this resolves. */
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

/** Somebody else's write, answered. */
const suspend = () =>
  updateRecord(made.store, {
    partition: organizationId,
    collection: MEMBERS,
    id: member.id,
    change: (before) => ({ ...before, suspended: true }),
  });

describe('questions for one record', () => {
  test('that come together share one read', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, () => read()));
    expect(reads).toEqual([`${organizationId} member ${member.id}`]);
    expect(all.map((each) => each?.id)).toEqual(Array(100).fill(member.id));
  });

  test('hear of a change that was answered before they came, whatever is under way', async () => {
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

  test('hear of a change that is answered while they wait for the read to begin', async () => {
    const first = read();
    await suspend();
    const second = read();
    expect([(await first)?.suspended, (await second)?.suspended]).toEqual([true, true]);
  });

  test('find out one by one that the member is gone', async () => {
    expect((await read())?.id).toBe(member.id);
    const { version } = (await made.store.get(organizationId, MEMBERS, member.id)) ?? { version: 0 };
    await made.store.commit(organizationId, [{ do: 'delete', collection: MEMBERS, id: member.id, version }]);
    expect(await Promise.all([read(), read()])).toEqual([undefined, undefined]);
  });

  test('are all told that the store is down, and the next ones are answered when it is back', async () => {
    isDown = true;
    const told = await Promise.all([read(), read()].map((each) => each.catch((error: { code?: string }) => error.code)));
    expect([told, reads.length]).toEqual([['store_unavailable', 'store_unavailable'], 1]);
    isDown = false;
    expect((await read())?.id).toBe(member.id);
  });
});

describe('questions for different records', () => {
  test('share none', async () => {
    const other = await seedMember(made, organizationId);
    const found = await Promise.all([read(), read(other.id), read(), read(other.id)]);
    expect(found.map((each) => each?.id)).toEqual([member.id, other.id, member.id, other.id]);
    expect(reads).toHaveLength(2);
  });

  test('of two kinds share none, were the ids the same', async () => {
    const [asMember, organization] = await Promise.all([
      read(ORGANIZATION_RECORD),
      readTogether(store, organizationId, ORGANIZATION, ORGANIZATION_RECORD),
    ]);
    expect([asMember, organization?.value.id]).toEqual([undefined, organizationId]);
  });

  test('of two organizations share none, were the ids the same', async () => {
    const elsewhere = (await seedOrganization(made, 'elsewhere')).id;
    expect((await Promise.all([read(), read(member.id, elsewhere), read(member.id, elsewhere)])).map((each) => each?.id)).toEqual([
      member.id,
      undefined,
      undefined,
    ]);
    expect((await Promise.all([read(member.id, elsewhere), read()])).map((each) => each?.id)).toEqual([undefined, member.id]);
  });
});
