import { describe, expect, it } from '@jest/globals';
import { readImageHeader } from '../../src/organizations/logo/image-header.ts';
import { JPEG, LOSSLESS_WEBP, PNG, pngOf, pngWithChunk, WEBP, webpWith, withOctets } from '../support/images.ts';

const SIZE = { width: 40, height: 24 };
const text = (content: string) => Buffer.from(content);
const frameAt = JPEG.indexOf(Buffer.from([0xff, 0xc0]));
const scanAt = JPEG.indexOf(Buffer.from([0xff, 0xda]));
const frame = JPEG.subarray(frameAt, frameAt + 2 + JPEG.readUInt16BE(frameAt + 2));
const scan = JPEG.subarray(scanAt, scanAt + 2 + JPEG.readUInt16BE(scanAt + 2));

/**
 * Decoders skip a marker without a length and read the frame header of 65,500 × 65,500 pixels behind it. A reader that takes the start
 * of this frame header for a length arrives at the second one, of 1 × 1 pixel.
 */
function jpegWithHiddenFrame(marker: number): Buffer {
  const image = Buffer.alloc(65_497);
  for (let at = 0; at < image.length - 1; at += 2) image.writeUInt16BE(0xffdc, at);
  image.set([0xff, 0xd8, 0xff, marker, 0xff, 0xc2, 0x00, 0x11, 0x08, 0xff, 0xdc, 0xff, 0xdc, 0x03], 0);
  image.set([0xff, 0xc0, 0x00, 0x0b, 0x08, 0x00, 0x01, 0x00, 0x01, 0x01, 0x01, 0x11, 0x00], 65_478);
  image.set([0xff, 0xda, 0x00, 0x04, 0x00, 0x00], 65_491);
  return image;
}

const afterSoi = (...octets: number[]) => Buffer.concat([JPEG.subarray(0, 2), Buffer.from(octets), JPEG.subarray(2)]);

describe('readImageHeader', () => {
  it.each([
    ['a PNG', PNG, 'image/png'],
    ['a PNG with a text', pngWithChunk('tEXt', text('Author\0Acme')), 'image/png'],
    ['a JPEG', JPEG, 'image/jpeg'],
    ['a JPEG with fill bytes', Buffer.concat([JPEG.subarray(0, 2), Buffer.from([0xff, 0xff]), JPEG.subarray(2)]), 'image/jpeg'],
    ['a progressive JPEG', withOctets(JPEG, frameAt + 1, [0xc2]), 'image/jpeg'],
    ['a lossy WebP', webpWith(WEBP, ['VP8 ']), 'image/webp'],
    ['a lossless WebP', webpWith(LOSSLESS_WEBP, ['VP8L']), 'image/webp'],
    ['an extended lossy WebP', WEBP, 'image/webp'],
    ['an extended lossless WebP', LOSSLESS_WEBP, 'image/webp'],
  ])('reads the type and the size of %s', (_what, image, type) => {
    expect(readImageHeader(image)).toEqual({ type, ...SIZE });
  });

  it('reads the size that a PNG states', () => {
    expect(readImageHeader(pngOf(100_000, 7))).toEqual({ type: 'image/png', width: 100_000, height: 7 });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['an SVG', text('<svg xmlns="http://www.w3.org/2000/svg" width="40" height="24"><script>alert(1)</script></svg>')],
    ['a page', text('<!doctype html><script>alert(1)</script>')],
    ['a GIF', text('GIF89a\x28\0\x18\0\0\0\0;')],
    ['an icon', text('\0\0\x01\0\x01\0')],
    ['a page after a PNG', Buffer.concat([PNG, text('<script>alert(1)</script>')])],
    ['a page after a WebP', Buffer.concat([WEBP, text('<script>alert(1)</script>')])],
    ['a page that begins like a PNG', Buffer.concat([PNG.subarray(0, 8), text('<script>alert(1)</script>')])],
    ['a page that begins like a WebP', text('RIFF\x10\0\0\0WEBP<script>')],
    ['an animated PNG', pngWithChunk('acTL', Buffer.alloc(8))],
    ['an animated WebP', withOctets(WEBP, 20, [0x22])],
    ['a WebP with a larger canvas', withOctets(WEBP, 24, [0xff, 0x03, 0])],
    ['a WebP with two images', webpWith(Buffer.concat([WEBP, LOSSLESS_WEBP.subarray(12)]), ['VP8 ', 'VP8L'])],
    ['a WebP without an image', webpWith(WEBP, ['VP8X', 'ICCP'])],
    ['a WebP that is no key frame', withOctets(webpWith(WEBP, ['VP8 ']), 20, [0x01])],
    ['a JPEG with two sizes', Buffer.concat([JPEG.subarray(0, frameAt), frame, JPEG.subarray(frameAt)])],
    ['a JPEG without a size', Buffer.concat([JPEG.subarray(0, frameAt), JPEG.subarray(frameAt + frame.length)])],
    ['a lossless JPEG, which no browser decodes', withOctets(JPEG, frameAt + 1, [0xc3])],
    ['a JPEG with a thousand scans', Buffer.concat([JPEG.subarray(0, scanAt), ...Array<Buffer>(1000).fill(scan), JPEG.subarray(scanAt)])],
    ['a JPEG with an empty length', afterSoi(0xff, 0xfe, 0x00, 0x00)],
    ['a JPEG with a length that does not include itself', afterSoi(0xff, 0xfe, 0x00, 0x01, 0x00)],
    ['a JPEG with a marker that is reserved', afterSoi(0xff, 0xf0, 0x00, 0x02)],
  ])('refuses %s', (_what, image) => expect(readImageHeader(image)).toBeUndefined());

  // Stuffing, TEM, RST0 to RST7, SOI and EOI.
  it.each(['00', '01', 'D0', 'D1', 'D2', 'D3', 'D4', 'D5', 'D6', 'D7', 'D8', 'D9'])(
    'refuses a JPEG that hides its size behind the marker FF%s, which has no length',
    (marker) => expect(readImageHeader(jpegWithHiddenFrame(Number.parseInt(marker, 16)))).toBeUndefined(),
  );

  it('reads a JPEG with segments before its size', () => {
    const image = afterSoi(0xff, 0xfe, 0x00, 0x02, 0xff, 0xe1, 0x00, 0x03, 0x00, 0xff, 0xdd, 0x00, 0x04, 0x00, 0x00);
    expect(readImageHeader(image)).toEqual({ type: 'image/jpeg', ...SIZE });
  });

  it.each([
    ['PNG', PNG],
    ['WebP', WEBP],
    ['lossless WebP', LOSSLESS_WEBP],
  ])('refuses every %s that is cut off', (_what, image) => {
    for (let length = 0; length < image.length; length++) expect(readImageHeader(image.subarray(0, length))).toBeUndefined();
  });

  it('answers for any octets', () => {
    for (const image of [PNG, JPEG, WEBP, LOSSLESS_WEBP]) {
      for (let at = 0; at < image.length; at++) {
        for (const octet of [0, 0x7f, 0xff]) readImageHeader(withOctets(image, at, [octet]));
        readImageHeader(image.subarray(0, at));
      }
    }
  });
});
