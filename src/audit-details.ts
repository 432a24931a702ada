/** Bounds the details of audit entries, so that the limit on the number of entries also limits what they take. */

/** About this many bytes of JSON. */
export const MAX_DETAILS_BYTES = 2048;
/** What the marks of shortened values take, which say how much is missing. */
const MARK_BYTES = 40;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

/** Returns details of at most {@link MAX_DETAILS_BYTES}. Truncates longer strings and lists, and notes how much was cut. */
export function shortenDetails(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return bytesOf(details) <= MAX_DETAILS_BYTES ? details : shortenRecord(details, MAX_DETAILS_BYTES);
}

function shorten(value: unknown, bytes: number): unknown {
  if (bytesOf(value) <= bytes) return value;
  if (typeof value === 'string') return shortenText(value, bytes);
  if (Array.isArray(value)) return shortenList(value, bytes);
  if (typeof value === 'object' && value !== null) return shortenRecord(value as Record<string, unknown>, bytes);
  return '…';
}

/** Returns a text of at most this many bytes as JSON. */
export function shortenText(text: string, bytes: number): string {
  if (bytesOf(text) <= bytes) return text;
  // JSON takes at most six bytes for a UTF-16 code unit. Most take one.
  let length = Math.max(0, Math.min(text.length, bytes - MARK_BYTES));
  while (length > 0 && bytesOf(text.slice(0, length)) > bytes - MARK_BYTES) length = Math.floor(length * 0.8);
  return `${text.slice(0, length).toWellFormed()}… (${text.length - length} more characters)`;
}

function shortenList(list: readonly unknown[], bytes: number): unknown[] {
  const kept: unknown[] = [];
  let left = bytes - MARK_BYTES;
  for (const item of list) {
    // A long first item is shortened, so that the list shows something.
    const shown = kept.length === 0 ? shorten(item, left - 3) : item;
    left -= bytesOf(shown) + 1;
    if (left < 0) break;
    kept.push(shown);
  }
  return kept.length === list.length ? kept : [...kept, `… (${list.length - kept.length} more)`];
}

/** Keeps short members whole. Long ones share what is left. */
function shortenRecord(record: Readonly<Record<string, unknown>>, bytes: number): Record<string, unknown> {
  const bySize = Object.entries(record)
    .map(([name, value]) => ({ name, value, size: bytesOf(value) + bytesOf(name) + 2 }))
    .sort((a, b) => a.size - b.size);
  const shortened = new Map<string, unknown>();
  let left = bytes - MARK_BYTES;
  for (const [index, { name, value, size }] of bySize.entries()) {
    const share = Math.floor(left / (bySize.length - index));
    const valueBytes = share - bytesOf(name) - 2;
    if (size > share && valueBytes < MARK_BYTES * 2) break;
    const shown = size <= share ? value : shorten(value, valueBytes);
    shortened.set(name, shown);
    left -= bytesOf(shown) + bytesOf(name) + 2;
  }
  const missing = bySize.length - shortened.size;
  const inOrder = Object.keys(record).flatMap((name) => (shortened.has(name) ? [[name, shortened.get(name)]] : []));
  return { ...Object.fromEntries(inOrder), ...(missing === 0 ? {} : { '…': `${missing} more` }) } as Record<string, unknown>;
}
