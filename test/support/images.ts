/** Images of 40 × 24 pixels, as Chromium writes them, and changes of them. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const read = (name: string): Buffer<ArrayBuffer> => Buffer.from(readFileSync(path.join(import.meta.dirname, 'images', name)));

export const PNG = read('logo.png');
export const JPEG = read('logo.jpg');
export const WEBP = read('logo.webp');
export const LOSSLESS_WEBP = read('logo-lossless.webp');

/** Returns a copy with other octets at a position. */
export function withOctets(image: Buffer, at: number, octets: readonly number[]): Buffer<ArrayBuffer> {
  const copy = Buffer.from(image);
  copy.set(octets, at);
  return copy;
}

/** Returns a PNG whose header states this size. */
export function pngOf(width: number, height: number): Buffer<ArrayBuffer> {
  const copy = Buffer.from(PNG);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  return copy;
}

/** Returns a PNG with a chunk before the others, such as a text that makes it larger. */
export function pngWithChunk(name: string, data: Buffer): Buffer<ArrayBuffer> {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([PNG.subarray(0, 33), length, Buffer.from(name), data, Buffer.alloc(4), PNG.subarray(33)]);
}

/** Returns the chunks of a WebP file whose names are listed, as a file of its own. */
export function webpWith(image: Buffer, names: readonly string[]): Buffer<ArrayBuffer> {
  const chunks: Buffer[] = [];
  for (let at = 12; at < image.length; ) {
    const length = image.readUInt32LE(at + 4);
    const end = at + 8 + length + (length % 2);
    if (names.includes(image.toString('latin1', at, at + 4))) chunks.push(image.subarray(at, end));
    at = end;
  }
  const file = Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBP', 'latin1'), ...chunks]);
  file.writeUInt32LE(file.length - 8, 4);
  return file;
}
