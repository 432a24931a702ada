/** Cursors: positions in an index, opaque to callers. */
import { createHash } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import type { Collection, Range } from './store.ts';

/** One index in one direction. A cursor is valid in the list that it was created for. */
export interface List {
  readonly partition: string;
  readonly collection: Collection<never>;
  readonly index: string;
  readonly range: Range;
}

/** Creates the cursor of a position. It is neither secret nor signed: a forged one only leads to another position of the same list. */
export function createCursor({ partition, collection, index, range }: List, text: string, id: string): string {
  const list = JSON.stringify([partition, collection.name, index, range.equals ?? null, range.descending === true]);
  const mark = createHash('sha256').update(list).digest('base64url').slice(0, 16);
  return Buffer.from(JSON.stringify([mark, text, id])).toString('base64url');
}

/** @throws validation_failed if {@link createCursor} did not create the cursor for this list */
export function readCursor(cursor: string, list: List): { text: string; id: string } {
  const { equals } = list.range;
  try {
    const [, text, id] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    const isPosition = typeof text === 'string' && typeof id === 'string' && !`${text}${id}`.includes('\0');
    if (isPosition && (equals === undefined || equals === text) && createCursor(list, text, id) === cursor) return { text, id };
  } catch {
    // Not JSON, or not an array.
  }
  throw invalidCursor();
}

/** Creates the refusal of a cursor, even for lists that have cursors of another kind. */
export const invalidCursor = (): GatewayError =>
  new GatewayError('validation_failed', 'cursor: is not a cursor of this list. Leave it out to start with the first page.');
