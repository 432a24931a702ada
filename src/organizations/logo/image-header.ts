/**
 * Reads what an image says about itself: its type by its first octets, and its size by its header. A logo comes from a tenant and is
 * shown on pages of the gateway's own origin, so everything that browsers could take for something else, or that costs them more than
 * its size suggests, is refused. The pixels are not decoded.
 */

export type ImageType = 'image/png' | 'image/jpeg' | 'image/webp';

export interface ImageHeader {
  readonly type: ImageType;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

/** Returns undefined unless the octets are one PNG, JPEG or WebP image without animation. SVG is a document that may run scripts. */
export function readImageHeader(octets: Uint8Array): ImageHeader | undefined {
  const image = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  try {
    return readPng(image) ?? readJpeg(image) ?? readWebp(image);
  } catch (error) {
    // The image ends early, or a length in it leads beyond its end.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_OUT_OF_RANGE' || code === 'ERR_BUFFER_OUT_OF_BOUNDS') return undefined;
    throw error;
  }
}

const PNG_SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** Length, type and checksum. */
const PNG_CHUNK_OVERHEAD = 12;

/** Follows the chunks from IHDR to IEND, after which nothing may come. @see PNG §5.3 */
function readPng(image: Buffer): ImageHeader | undefined {
  if (!image.subarray(0, 8).equals(PNG_SIGNATURE) || nameAt(image, 12) !== 'IHDR' || image.readUInt32BE(8) !== 13) return undefined;
  for (let at = 8; ; at += PNG_CHUNK_OVERHEAD + image.readUInt32BE(at)) {
    const name = nameAt(image, at + 4);
    if (name === 'acTL') return undefined; // announces an animation
    if (name !== 'IEND') continue;
    if (at + PNG_CHUNK_OVERHEAD !== image.length) return undefined;
    return { type: 'image/png', width: image.readUInt32BE(16), height: image.readUInt32BE(20) };
  }
}

const SOI = 0xffd8;
const SOS = 0xda;
/** Baseline, extended sequential and progressive, the processes that browsers decode. */
const FRAME_MARKERS = [0xc0, 0xc1, 0xc2];

/** DHT, DAC, DQT, DRI, APP0 to APP15 and COM, the other segments that may come before the first scan. */
const isOtherSegment = (marker: number): boolean => [0xc4, 0xcc, 0xdb, 0xdd, 0xfe].includes(marker) || (marker >= 0xe0 && marker <= 0xef);

/** Progressive images have about ten. A scan of a few bytes can cover the whole image, so thousands of them would keep a browser busy. */
const MAX_SCANS = 64;

/**
 * Follows the segments to the first scan. Decoders skip markers without a length, such as RST0. If such a marker were followed by its
 * supposed length, this reader and a decoder could find different frame headers, so every marker that is not expected here is refused.
 * @see ITU-T T.81 §B.1.1.3, §B.2.2
 */
function readJpeg(image: Buffer): ImageHeader | undefined {
  if (image.length < 4 || image.readUInt16BE(0) !== SOI) return undefined;
  let frame: ImageHeader | undefined;
  for (let at = 2, length = 0; ; at += 2 + length) {
    if (image.readUInt8(at) !== 0xff) return undefined;
    while (image.readUInt8(at + 1) === 0xff) at++; // fill bytes
    const marker = image.readUInt8(at + 1);
    if (marker === SOS) return countScans(image) > MAX_SCANS ? undefined : frame;
    length = image.readUInt16BE(at + 2);
    if (length < 2) return undefined; // does not even cover itself
    if (isOtherSegment(marker)) continue;
    if (!FRAME_MARKERS.includes(marker)) return undefined;
    if (frame) return undefined; // browsers could show either size
    frame = { type: 'image/jpeg', width: image.readUInt16BE(at + 7), height: image.readUInt16BE(at + 5) };
  }
}

function countScans(image: Buffer): number {
  let scans = 0;
  const marker = Buffer.from([0xff, SOS]);
  for (let at = image.indexOf(marker); at >= 0; at = image.indexOf(marker, at + 2)) scans++;
  return scans;
}

/** A chunk has a name and a length, and is padded to an even length. */
const RIFF_CHUNK_OVERHEAD = 8;
const ANIMATION_FLAG = 0x02;

/** Finds the one chunk with the image. The extended format states the size a second time. @see RFC 9649 §2 */
function readWebp(image: Buffer): ImageHeader | undefined {
  if (nameAt(image, 0) !== 'RIFF' || nameAt(image, 8) !== 'WEBP' || image.readUInt32LE(4) + 8 !== image.length) return undefined;
  let canvas: ImageHeader | undefined;
  let found: ImageHeader | undefined;
  for (let at = 12; at < image.length; ) {
    const data = at + RIFF_CHUNK_OVERHEAD;
    const name = nameAt(image, at);
    if (name === 'VP8X') {
      if (image.readUInt8(data) & ANIMATION_FLAG) return undefined;
      canvas = { type: 'image/webp', width: image.readUIntLE(data + 4, 3) + 1, height: image.readUIntLE(data + 7, 3) + 1 };
    } else if (name === 'VP8 ' || name === 'VP8L') {
      if (found) return undefined;
      found = name === 'VP8L' ? readLossless(image, data) : readLossy(image, data);
    }
    const length = image.readUInt32LE(at + 4);
    at = data + length + (length % 2);
    if (at > image.length) return undefined;
  }
  return canvas && (canvas.width !== found?.width || canvas.height !== found.height) ? undefined : found;
}

/** @see RFC 6386 §9.1 */
function readLossy(image: Buffer, at: number): ImageHeader | undefined {
  const isKeyFrame = (image.readUInt8(at) & 1) === 0;
  if (!isKeyFrame || image.readUIntBE(at + 3, 3) !== 0x9d012a) return undefined;
  return { type: 'image/webp', width: image.readUInt16LE(at + 6) & 0x3fff, height: image.readUInt16LE(at + 8) & 0x3fff };
}

/** @see RFC 9649 §3.4 */
function readLossless(image: Buffer, at: number): ImageHeader | undefined {
  if (image.readUInt8(at) !== 0x2f) return undefined;
  const bits = image.readUInt32LE(at + 1);
  return { type: 'image/webp', width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

const nameAt = (image: Buffer, at: number): string => image.toString('latin1', at, at + 4);
