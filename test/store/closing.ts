import { describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Subject } from './conformance.ts';
import { expectUnavailable } from './outages.ts';
import { insert, newPartition, OK, PEOPLE, put } from './people.ts';

export function closingGuarantees({ url, store }: Subject): void {
  describe('ping and close', () => {
    test('resolves ping if the store answers', async () => {
      expect(await store().ping()).toBeUndefined();
    });

    test('throws store_unavailable from every method after close, without affecting other stores on the same data', async () => {
      const partition = newPartition();
      const closing = await openStore(url());
      expect(await closing.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      await closing.close();
      await expectUnavailable(closing, partition);
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      expect(await store().peek(partition, 'key')).toBeUndefined();
    });

    test('allows close to be repeated', async () => {
      const closing = await openStore(url());
      await closing.close();
      expect(await closing.close()).toBeUndefined();
    });

    test('keeps acknowledged commits after it was closed and opened again', async () => {
      const partition = newPartition();
      const first = await openStore(url());
      expect(await first.commit(partition, [insert('ada', { name: 'Ada', email: 'ada@x' }), put('key', 'value')])).toEqual(OK);
      await first.close();
      const second = await openStore(url());
      expect((await second.getUnique(partition, PEOPLE, 'email', 'ada@x'))?.id).toBe('ada');
      expect(await second.peek(partition, 'key')).toBe('value');
      await second.close();
    });
  });
}
