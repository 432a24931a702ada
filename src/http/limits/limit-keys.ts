/** What counts as one address, and the keys of counters. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Runtime } from '../../runtime.ts';
import type { LimitName } from './limits.ts';

/** The groups of one client. Each has its own limit. */
export interface AddressGroups {
  /** An IPv4 address, or the /64 of an IPv6 address, because one host may use any address of its /64. */
  readonly address: string;
  /** The /48 of an IPv6 address, which is what one customer of a provider usually gets. */
  readonly network?: string;
}

/**
 * Returns the groups of an address. An IPv4-mapped IPv6 address is the same as the IPv4 address. Ports, which some proxies add to
 * X-Forwarded-For, and zones are removed. Everything that is no address is one group.
 */
export function addressGroups(address: string | undefined): AddressGroups {
  const plain = withoutPort(address ?? '');
  if (isIPv4(plain)) return { address: plain };
  if (!isIPv6(plain)) return { address: 'unknown' };
  const words = wordsOf(plain);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (isMapped)
    return {
      address: words
        .slice(6)
        .flatMap((word) => [word >> 8, word & 0xff])
        .join('.'),
    };
  return { address: `${hex(words.slice(0, 4))}/64`, network: `${hex(words.slice(0, 3))}/48` };
}

function withoutPort(address: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1];
  const dotted = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(address)?.[1];
  return (bracketed ?? dotted ?? address).replace(/%.*$/, '');
}

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16)).join(':');

/** Returns the eight words of an IPv6 address, whose last 32 bits may be in IPv4 notation (RFC 4291 §2.2). */
function wordsOf(address: string): number[] {
  const [left = '', right] = address
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...octets: string[]) => {
      const [a = 0, b = 0, c = 0, d = 0] = octets.slice(0, 4).map(Number);
      return `${hex([a * 256 + b])}:${hex([c * 256 + d])}`;
    })
    .split('::');
  const read = (part: string): number[] => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16)));
  const [start, end] = [read(left), read(right ?? '')];
  return [...start, ...Array<number>(Math.max(0, 8 - start.length - end.length)).fill(0), ...end];
}

/**
 * Returns the key of a counter. It is a MAC with a key from the master secret, so that an attacker cannot find an address that shares
 * a counter with another one, and readers of the store do not see addresses.
 */
export const limitKey = ({ secrets }: Pick<Runtime, 'secrets'>, name: LimitName, group: string): string =>
  secrets.mac('rate limits', `${name} ${group}`).slice(0, KEY_CHARACTERS);

/** 132 bits. */
const KEY_CHARACTERS = 22;
