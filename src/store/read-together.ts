/**
 * A record for what is asked for very often, never older than the question. Who asks for the same record at the same time
 * shares one read, and it begins when all of them have asked: each hears of every change that was answered before.
 */
import type { Collection, Store, Stored } from './store.ts';

/** Reads that have not begun, by where the record lies. */
const comingOf = new WeakMap<Store, Map<string, Promise<Stored<unknown> | undefined>>>();

/** @throws store_unavailable */
export function readTogether<T>(store: Store, partition: string, collection: Collection<T>, id: string): Promise<Stored<T> | undefined> {
  let coming = comingOf.get(store);
  if (!coming) {
    coming = new Map();
    comingOf.set(store, coming);
  }
  // Neither of the first two has a space in it.
  const place = `${partition} ${collection.name} ${id}`;
  const shared = coming.get(place);
  if (shared) return shared as Promise<Stored<T> | undefined>;
  const read = readSoon(store, coming, place, partition, collection, id);
  coming.set(place, read);
  return read;
}

async function readSoon<T>(
  store: Store,
  coming: Map<string, unknown>,
  place: string,
  partition: string,
  collection: Collection<T>,
  id: string,
): Promise<Stored<T> | undefined> {
  // What has come by now is looked at before the event loop turns.
  await new Promise((resolve) => void setImmediate(resolve));
  // Who comes from here on may have been told of a change that this read does not see.
  coming.delete(place);
  return store.get(partition, collection, id);
}
