/** Mutates octets, character encodings and base64. */
import type { Random } from './random.ts';

const BYTES: readonly (readonly number[])[] = [
  [0],
  [0xff],
  [0xfe, 0xff],
  [0xef, 0xbb, 0xbf],
  [0xc0, 0xbc],
  [0xe0, 0x80, 0xbc],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80],
  [0x3c],
  [0x3e],
  [0x26],
  [0x22],
  [0x0d],
  [0x1b],
];

export const OCTET_MUTATIONS: Readonly<Record<string, (random: Random, octets: Buffer) => Buffer>> = {
  flipBit: (random, octets) => {
    const changed = Buffer.from(octets);
    const at = random.below(octets.length);
    if (octets.length > 0) changed[at] = (octets[at] as number) ^ (1 << random.below(8));
    return changed;
  },
  setByte: (random, octets) => splice(octets, random.below(octets.length), 1, Buffer.from([random.below(256)])),
  insertBytes: (random, octets) => splice(octets, random.below(octets.length + 1), 0, Buffer.from(random.pick(BYTES))),
  deleteBytes: (random, octets) => splice(octets, random.below(octets.length), 1 + random.below(8), Buffer.alloc(0)),
  repeatBytes: (random, octets) => {
    const at = random.below(octets.length);
    return splice(octets, at, 0, octets.subarray(at, at + 1 + random.below(64)));
  },
  utf16le: (random, octets) =>
    Buffer.concat([Buffer.from(random.chance(2) ? [0xff, 0xfe] : []), Buffer.from(octets.toString('utf8'), 'utf16le')]),
  utf16be: (random, octets) =>
    Buffer.concat([Buffer.from(random.chance(2) ? [0xfe, 0xff] : []), Buffer.from(octets.toString('utf8'), 'utf16le').swap16()]),
  latin1: (_, octets) => Buffer.from(octets.toString('utf8'), 'latin1'),
  byteOrderMark: (_, octets) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), octets]),
  twice: (_, octets) => Buffer.concat([octets, octets]),
  large: (random, octets) =>
    splice(
      octets,
      random.below(octets.length),
      0,
      Buffer.alloc(random.pick([1000, 100_000, 300_000]), random.pick(['<x/>', ' ', '<', '&amp;', '<!---->', 'x', '<x>', '\ud83d\ude00'])),
    ),
};

const splice = (octets: Buffer, at: number, count: number, by: Buffer): Buffer =>
  Buffer.concat([octets.subarray(0, at), by, octets.subarray(at + count)]);

export const BASE64_MUTATIONS: Readonly<Record<string, (random: Random, text: string) => string>> = {
  lines: (random, text) => text.replaceAll(/.{76}/g, `$&${random.pick(['\n', '\r\n', ' ', '\t', '\u00a0', '\\n'])}`),
  urlAlphabet: (_, text) => text.replaceAll('+', '-').replaceAll('/', '_'),
  noPadding: (_, text) => text.replaceAll('=', ''),
  morePadding: (random, text) => text + random.pick(['=', '==', '====']),
  junk: (random, text) => {
    const at = random.below(text.length);
    return text.slice(0, at) + random.pick(['.', '-', '%3D', '\0', '=', '*', 'é', '\ufeff']) + text.slice(at);
  },
  letter: (random, text) => {
    const at = random.below(text.length);
    return text.slice(0, at) + random.pick([...'ABCxyz019+/=']) + text.slice(at + 1);
  },
  truncate: (random, text) => text.slice(0, random.below(text.length)),
  twice: (_, text) => text + text,
  again: (_, text) => Buffer.from(text).toString('base64'),
  empty: () => '',
};
