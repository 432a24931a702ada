/**
 * Checks every guarantee of the store's interface (`src/store/store.ts`) on one engine. The test file of each engine calls this,
 * and adds tests for what only that engine has: files, failover, clusters.
 */
import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { closingGuarantees } from './closing.ts';
import { commitGuarantees } from './commits.ts';
import { countGuarantees } from './counts.ts';
import { cursorGuarantees } from './cursors.ts';
import { expiringGuarantees } from './expiring.ts';
import { indexGuarantees } from './indexes.ts';
import { killGuarantees } from './kills.ts';
import { partitionGuarantees } from './partitions.ts';
import { raceGuarantees } from './races.ts';
import { uniqueGuarantees } from './uniques.ts';
import { updateGuarantees } from './updates.ts';
import { valueGuarantees } from './values.ts';
import { writtenOnceGuarantees } from './written-once.ts';

// The tests start processes and wait for values to expire, possibly on a busy machine.
jest.setTimeout(90_000);

/** The store under test. Both functions work from the first test on. */
export interface Subject {
  readonly url: () => string;
  readonly store: () => Store;
}

export interface Place {
  readonly url: string;
  cleanup(): Promise<void>;
}

/** @param makeUrl returns the URL of a store, which other tests may also use because every test uses its own partitions */
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
      commitGuarantees,
      uniqueGuarantees,
      indexGuarantees,
      countGuarantees,
      cursorGuarantees,
      valueGuarantees,
      writtenOnceGuarantees,
      expiringGuarantees,
      partitionGuarantees,
      updateGuarantees,
      raceGuarantees,
      killGuarantees,
      closingGuarantees,
    ]) {
      promises(subject);
    }
  });
}
