/** Identifiers, random values, and hashes. */
import { hash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/**
 * Returns up to 24 random characters of 5 bits each, without letters that look like others. Node.js draws the octets of many UUIDs at
 * once, so a UUID takes a fraction of the time of a call of `randomBytes`.
 */
function randomCharacters(length: number): string {
  const uuid = randomUUID();
  // Without the version and the variant. Five hexadecimal digits are four characters.
  const digits = uuid.slice(0, 8) + uuid.slice(9, 13) + uuid.slice(15, 18) + uuid.slice(20, 23) + uuid.slice(24);
  let text = '';
  for (let at = 0; text.length < length; at += 5) text += inBase32(Number.parseInt(digits.slice(at, at + 5), 16), 4);
  return text.slice(0, length);
}

export type IdPrefix = 'chg' | 'con' | 'grp' | 'org' | 'req' | 'usr' | 'ses' | 'tok' | 'sct';

/** Creates an identifier like `org_8k2m…` with 100 random bits. */
export const newId = (prefix: IdPrefix): string => `${prefix}_${randomCharacters(20)}`;

/** Returns whether a text has the form of the ID of a member. */
export const isUserId = (text: string): boolean => /^usr_[0-9a-z]{20}$/.test(text);

/** Returns whether a text has the form of the ID of a group. */
export const isGroupId = (text: string): boolean => /^grp_[0-9a-z]{20}$/.test(text);

export type TimeOrderedPrefix = 'aud' | 'att' | 'lnk' | 'ver' | 'prp';

let lastMs = 0;
let sequence = 0;

/**
 * Creates an identifier that sorts by time: by millisecond, and within a process in the order of creation (up to 32,768 in one
 * millisecond).
 */
export function newTimeOrderedId(prefix: TimeOrderedPrefix, nowMs: number): string {
  sequence = nowMs === lastMs ? sequence + 1 : 0;
  lastMs = nowMs;
  return `${prefix}_${inBase32(nowMs, 9)}${inBase32(sequence, 3)}${randomCharacters(9)}`;
}

/** Returns the lower bound of all time-ordered ids created at or after `ms`. */
export const firstTimeOrderedId = (prefix: TimeOrderedPrefix, ms: number): string => `${prefix}_${inBase32(ms, 9)}`;

/** Returns when a time-ordered id was created, in ms since 1970. */
export const timeOfId = (id: string): number => [...id.slice(4, 13)].reduce((ms, character) => ms * 32 + ALPHABET.indexOf(character), 0);

function inBase32(value: number, length: number): string {
  let text = '';
  for (let rest = Math.max(0, Math.floor(value)), i = 0; i < length; i++, rest = Math.floor(rest / 32))
    text = `${ALPHABET[rest % 32]}${text}`;
  return text;
}

/** Creates a bearer secret of 256 random bits: 43 URL-safe characters. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** Creates three secrets like {@link newSecret} from one call of `randomBytes`, which takes little longer than for one. */
export function newSecretTriple(): readonly [string, string, string] {
  const octets = randomBytes(96);
  return [octets.toString('base64url', 0, 32), octets.toString('base64url', 32, 64), octets.toString('base64url', 64)];
}

/** Creates a token of 128 random bits for a DNS record, in lower case because forms for DNS records may change the case. */
export const newDomainToken = (): string => randomBytes(16).toString('hex');

/** Returns the SHA-256 hash as 43 base64url characters. `hash` creates no Hash object, which would live until a full collection. */
export const sha256 = (content: string | Uint8Array): string => hash('sha256', content, 'base64url');

/** Hashes several texts such that different lists of texts never give the same input. */
export const hashOf = (...parts: readonly string[]): string => sha256(JSON.stringify(parts));

/** Compares two secrets in constant time. */
export const isSameSecret = (received: string | undefined, expected: string): boolean =>
  received !== undefined && timingSafeEqual(hash('sha256', received, 'buffer'), hash('sha256', expected, 'buffer'));
