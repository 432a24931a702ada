import { describe, expect, test } from '@jest/globals';
import type { Collection } from '../../src/store/store.ts';
import type { Subject } from './conformance.ts';
import { failedAt, newPartition, OK } from './people.ts';

interface Note {
  readonly text: string;
  readonly tags?: readonly string[];
}

const NOTES: Collection<Note> = {
  name: 'note',
  indexes: { text: (note) => [note.text], tag: ({ tags = [] }) => tags },
  unique: {},
  counted: 'text',
  writtenOnce: true,
};
/** The collection before its records were known to be written once. */
const OLDER_NOTES: Collection<Note> = { name: NOTES.name, indexes: NOTES.indexes, unique: {}, counted: 'text' };

const TEXTS = ['', 'a', 'two\nlines', '"quoted" \\', '{"indexes":[],"uniques":[]}', 'ελληνικά \u{1f600}', 'x'.repeat(1024)];

export function writtenOnceGuarantees({ store }: Subject): void {
  describe('records that are written once', () => {
    const insertNote = (id: string, value: Note, collection = NOTES) => ({ do: 'insert', collection, id, value }) as const;
    const removeNote = (id: string, version = 1) => ({ do: 'delete', collection: NOTES, id, version }) as const;
    const found = async (partition: string, index: string, equals?: string) =>
      (await store().find(partition, NOTES, index, { equals, limit: 200 })).items.map(({ id }) => id);

    test('are read, found and counted like others', async () => {
      const partition = newPartition();
      const notes = TEXTS.map((text, i) => ({ id: `n${i}`, value: { text, tags: ['all', text] } }));
      expect(
        await store().commit(
          partition,
          notes.map(({ id, value }) => insertNote(id, value)),
        ),
      ).toEqual(OK);
      for (const { id, value } of notes) {
        expect(await store().get(partition, NOTES, id)).toEqual({ id, version: 1, value });
        expect(await found(partition, 'text', value.text)).toEqual([id]);
      }
      expect(await store().count(partition, NOTES)).toBe(TEXTS.length);
      expect(await found(partition, 'tag', 'all')).toEqual(notes.map(({ id }) => id));
      const page = await store().find(partition, NOTES, 'tag', { equals: 'all', descending: true, limit: 2 });
      expect(page.items).toEqual(
        notes
          .slice(-2)
          .reverse()
          .map((note) => ({ ...note, version: 1 })),
      );
      expect(await store().get(partition, NOTES, 'missing')).toBeUndefined();
    });

    test('are deleted with their index entries, and can be inserted again', async () => {
      const partition = newPartition();
      await store().commit(partition, [insertNote('a', { text: 'A', tags: ['x'] }), insertNote('b', { text: 'B', tags: ['x'] })]);
      expect(await store().commit(partition, [insertNote('a', { text: 'again' })])).toEqual(failedAt(0));
      expect(await store().commit(partition, [removeNote('a', 2)])).toEqual(failedAt(0));
      const need = { do: 'require', collection: NOTES, id: 'a', version: 1 } as const;
      expect(await store().commit(partition, [need, removeNote('a')])).toEqual(OK);
      expect(await store().commit(partition, [need])).toEqual(failedAt(0));
      expect(await found(partition, 'tag', 'x')).toEqual(['b']);
      expect(await store().commit(partition, [removeNote('b'), insertNote('b', { text: 'C', tags: ['y'] })])).toEqual(OK);
      expect(await found(partition, 'text')).toEqual(['b']);
      expect(await found(partition, 'tag', 'y')).toEqual(['b']);
      await store().purge(partition);
      expect(await store().count(partition, NOTES)).toBe(0);
      expect(await store().get(partition, NOTES, 'b')).toBeUndefined();
    });

    test('are never replaced', async () => {
      const partition = newPartition();
      await store().commit(partition, [insertNote('a', { text: 'A' })]);
      const replace = { do: 'replace', collection: NOTES, id: 'a', version: 1, value: { text: 'B' } } as const;
      await expect(store().commit(partition, [replace])).rejects.toThrow(TypeError);
      expect((await store().get(partition, NOTES, 'a'))?.value).toEqual({ text: 'A' });
    });

    test('may be as they were stored before the collection was written once', async () => {
      const partition = newPartition();
      await store().commit(partition, [
        insertNote('old', { text: 'A', tags: ['x'] }, OLDER_NOTES),
        insertNote('new', { text: 'A', tags: ['x'] }),
      ]);
      for (const id of ['old', 'new'])
        expect(await store().get(partition, NOTES, id)).toEqual({ id, version: 1, value: { text: 'A', tags: ['x'] } });
      expect(await found(partition, 'tag', 'x')).toEqual(['new', 'old']);
      expect(await store().commit(partition, [removeNote('old'), removeNote('new')])).toEqual(OK);
      expect(await found(partition, 'tag')).toEqual([]);
      expect(await store().count(partition, NOTES)).toBe(0);
    });
  });
}
