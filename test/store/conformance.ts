/**
 * Every promise of the store's port (`src/store/store.ts`), proven over one engine. Each engine's own test file calls this
 * and adds what only it has: files, failover, clusters.
 */
import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { closingPromises } from './closing.ts';
import { commitPromises } from './commits.ts';
import { cursorPromises } from './cursors.ts';
import { expiringPromises } from './expiring.ts';
import { indexPromises } from './indexes.ts';
import { killPromises } from './kills.ts';
import { partitionPromises } from './partitions.ts';
import { racePromises } from './races.ts';
import { uniquePromises } from './uniques.ts';
import { updatePromises } from './updates.ts';
import { valuePromises } from './values.ts';

// The proofs start processes and wait for values to expire, perhaps on a busy machine.
jest.setTimeout(30_000);

/** What the proofs get; both are there from the first test on. */
export interface Subject {
  readonly url: () => string;
  readonly store: () => Store;
}

export interface Place {
  readonly url: string;
  cleanup(): Promise<void>;
}

/** @param makeUrl makes an empty place for a store, or a part of one that others use too: every test takes partitions of its own */
export function storeConformance(name: string, makeUrl: () => Promise<Place>): void {
  let place: Place | undefined;
  let store: Store | undefined;
  const there = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('the store is opened before the first test');
    return value;
  };
  const subject: Subject = { url: () => there(place).url, store: () => there(store) };

  describe(`store conformance: ${name}`, () => {
    beforeAll(async () => {
      place = await makeUrl();
      store = await openStore(place.url);
    });
    afterAll(async () => {
      await store?.close();
      await place?.cleanup();
    });
    for (const promises of [
      commitPromises,
      uniquePromises,
      indexPromises,
      cursorPromises,
      valuePromises,
      expiringPromises,
      partitionPromises,
      updatePromises,
      racePromises,
      killPromises,
      closingPromises,
    ]) {
      promises(subject);
    }
  });
}
