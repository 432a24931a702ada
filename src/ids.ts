/** Identifiers, random values, and the hashes under which what they stand for is kept. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** `length` random characters of 5 bits each, without letters that are mistaken for others. */
function randomCharacters(length: number): string {
  let text = '';
  for (const octet of randomBytes(length)) text += ALPHABET[octet & 31];
  return text;
}

export type IdPrefix = 'org' | 'usr' | 'ses' | 'tok';

/** An identifier like `org_8k2m…`, 100 random bits. */
export const newId = (prefix: IdPrefix): string => `${prefix}_${randomCharacters(20)}`;

export type TimeOrderedPrefix = 'aud' | 'att' | 'lnk' | 'ver';

let lastMs = 0;
let sequence = 0;

/**
 * An identifier whose order is the order of time: to the millisecond, and within a process the order in which they were made
 * (up to 32,768 in a millisecond).
 */
export function newTimeOrderedId(prefix: TimeOrderedPrefix, nowMs: number): string {
  sequence = nowMs === lastMs ? sequence + 1 : 0;
  lastMs = nowMs;
  return `${prefix}_${inBase32(nowMs, 9)}${inBase32(sequence, 3)}${randomCharacters(9)}`;
}

/** What a time-ordered id made at or after `ms` is not less than. */
export const firstTimeOrderedId = (prefix: TimeOrderedPrefix, ms: number): string => `${prefix}_${inBase32(ms, 9)}`;

function inBase32(value: number, length: number): string {
  let text = '';
  for (let rest = Math.max(0, Math.floor(value)), i = 0; i < length; i++, rest = Math.floor(rest / 32))
    text = `${ALPHABET[rest % 32]}${text}`;
  return text;
}

/** 256 random bits for a bearer value: URL-safe, 43 characters. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** SHA-256, base64url: 43 characters. In one call: a Hash object would live until the next full garbage collection. */
export const sha256 = (text: string): string => hash('sha256', text, 'base64url');

/** Of several texts, none of which can reach into its neighbour. */
export const hashOf = (...parts: readonly string[]): string => sha256(JSON.stringify(parts));

/** Whether two texts are the same, in a time that tells nothing. */
export const isSameSecret = (given: string | undefined, wanted: string): boolean =>
  given !== undefined && timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', wanted, 'buffer'));
