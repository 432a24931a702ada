/** Data for the store tests: collections with all kinds of indexes, short steps, and a view of everything in a partition. */
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../src/errors.ts';
import type { Collection, Page, Range, Step, Store, Stored } from '../../src/store/store.ts';

export interface Person {
  readonly name: string;
  readonly email?: string;
  readonly handles?: readonly string[];
  readonly groups?: readonly string[];
  readonly note?: unknown;
}

export const PEOPLE: Collection<Person> = {
  name: 'person',
  indexes: { name: (person) => [person.name], group: (person) => person.groups ?? [] },
  unique: { email: (person) => (person.email === undefined ? [] : [person.email]), handle: (person) => person.handles ?? [] },
  counted: 'name',
};

/** The same shape with another name. Its records must never mix with {@link PEOPLE}. */
export const PETS: Collection<Person> = { ...PEOPLE, name: 'pet' };

/** For values that are not objects. */
export const ANYTHING: Collection<unknown> = { name: 'anything', indexes: {}, unique: {} };

export const insert = (id: string, value: Person, collection = PEOPLE): Step => ({ do: 'insert', collection, id, value });
export const replace = (id: string, version: number, value: Person, collection = PEOPLE): Step => ({
  do: 'replace',
  collection,
  id,
  version,
  value,
});
export const remove = (id: string, version: number, collection = PEOPLE): Step => ({ do: 'delete', collection, id, version });
export const need = (id: string, version?: number): Step => ({
  do: 'require',
  collection: PEOPLE,
  id,
  ...(version === undefined ? {} : { version }),
});
export const put = (key: string, value: string, ttlSeconds = 600): Step => ({ do: 'put', key, value, ttlSeconds });
export const take = (key: string): Step => ({ do: 'take', key });
export const claim = (key: string, ttlSeconds = 600): Step => ({ do: 'claim', key, ttlSeconds });
export const claimWith = (key: string, value: string): Step => ({ do: 'claim', key, value, ttlSeconds: 600 });
export const absent = (key: string): Step => ({ do: 'absent', key });
export const drop = (key: string): Step => ({ do: 'drop', key });

export const below = (count: number, collection = PEOPLE): Step => ({ do: 'below', collection, count });
export const increment = (key: string, max: number, ttlSeconds = 600): Step => ({ do: 'increment', key, max, ttlSeconds });

export const OK = { ok: true };
export const failedAt = (failed: number) => ({ ok: false, failed });

/** Returns the name of an unused partition. */
export const newPartition = (): string => `org_${randomUUID()}`;

/** Returns the code of a refusal. For any other result, returns a text that is not a code. */
export async function codeOf(call: () => Promise<unknown>): Promise<string> {
  try {
    const answer = await call();
    return `answered ${JSON.stringify(answer)}`;
  } catch (error) {
    return error instanceof GatewayError ? error.code : `threw ${String(error)}`;
  }
}

/** Reads all pages of an index. */
export async function findAll<T>(
  store: Store,
  partition: string,
  collection: Collection<T>,
  index: string,
  range: Partial<Range> = {},
): Promise<Stored<T>[]> {
  const items: Stored<T>[] = [];
  let page: Page<T> = { items, nextCursor: null };
  do {
    page = await store.find(partition, collection, index, { limit: 200, ...range, cursor: page.nextCursor ?? undefined });
    items.push(...page.items);
  } while (page.nextCursor !== null);
  return items;
}

/** The guaranteed order of indexes. */
export const byOctets = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export const idsOf = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);

/** Reads everything in a partition in all four ways, with the ids, unique strings and keys of a test. */
export async function everything(store: Store, partition: string, known: readonly string[]): Promise<unknown> {
  const seen: unknown[] = [];
  for (const collection of [PEOPLE, PETS]) {
    for (const index of ['name', 'group']) seen.push(index, await findAll(store, partition, collection, index));
    for (const name of known) {
      seen.push(name, await store.get(partition, collection, name));
      for (const unique of ['email', 'handle']) seen.push(await store.getUnique(partition, collection, unique, name));
    }
  }
  for (const name of known) seen.push(await store.peek(partition, name));
  return seen;
}
