import { describe, expect, test } from '@jest/globals';
import { openStore } from '../../src/store/open-store.ts';
import type { Subject } from './conformance.ts';
import { expectUnavailable } from './outages.ts';
import { insert, newPartition, OK, PEOPLE, put } from './people.ts';

export function closingPromises({ url, store }: Subject): void {
  describe('ping and close', () => {
    test('ping resolves where the store answers', async () => {
      expect(await store().ping()).toBeUndefined();
    });

    test('after close every method throws store_unavailable, and another store on the same place goes on', async () => {
      const partition = newPartition();
      const closing = await openStore(url());
      expect(await closing.commit(partition, [insert('ada', { name: 'Ada' })])).toEqual(OK);
      await closing.close();
      await expectUnavailable(closing, partition);
      expect((await store().get(partition, PEOPLE, 'ada'))?.version).toBe(1);
      expect(await store().peek(partition, 'key')).toBeUndefined();
    });

    test('close may be repeated', async () => {
      const closing = await openStore(url());
      await closing.close();
      expect(await closing.close()).toBeUndefined();
    });

    test('what was acknowledged before close is there after it is opened again', async () => {
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
