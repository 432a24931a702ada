/**
 * Compresses responses. The length of a compressed response reveals how much of it repeats. An attacker could make a browser request our
 * pages with chosen text, observe the length of the encrypted responses, and guess secrets on them letter by letter (BREACH). Therefore:
 *
 * - Static files, the documentation and the API reference contain no secret and nothing from the request. They are compressed once.
 * - Pages are compressed only if the browser states that the request comes from our own site or from the user (`Sec-Fetch-Site`).
 *   Scripts cannot set this header, and a redirect through another site does not change it back, so no other site can have a page
 *   compressed. Browsers that do not send the header get pages uncompressed.
 * - Pages that show a new secret, forward authentication, answers of the API and of the OAuth endpoints, and SAML messages are never
 *   compressed.
 */
import { promisify } from 'node:util';
import { brotliCompress, brotliCompressSync, constants, gzip, gzipSync } from 'node:zlib';
import type { Request, Response } from 'express';

export type Encoding = 'br' | 'gzip';

/** Shorter bodies fit into one or two packets anyway. */
const MIN_OCTETS = 1400;
/** Limits the time that compressing one page takes. At these levels, that is about 1 ms for 100 kB. */
const MAX_PAGE_OCTETS = 1_000_000;
const PAGE_BROTLI_QUALITY = 4;
const PAGE_GZIP_LEVEL = 4;
const FILE_BROTLI_QUALITY = 9;

/** Returns the preferred encoding that the client accepts. */
function acceptedEncoding(request: Request): Encoding | undefined {
  if (request.acceptsEncodings('br') === 'br') return 'br';
  return request.acceptsEncodings('gzip') === 'gzip' ? 'gzip' : undefined;
}

function setEncoding(response: Response, encoding: Encoding | undefined, ...causes: readonly string[]): void {
  for (const name of ['Accept-Encoding', ...causes]) response.vary(name);
  if (encoding !== undefined) response.setHeader('Content-Encoding', encoding);
}

/** Returns whether the request comes from one of our pages, or from the user, and not from another site. */
const isOwnRequest = (request: Request): boolean => /^(?:same-origin|none)$/.test(request.get('Sec-Fetch-Site') ?? '');

/** Returns the body of a page, compressed if this is safe and worth it, and sets the headers of its encoding. */
export function encodePage(response: Response, html: string): Buffer {
  const { req: request, locals } = response;
  const body = Buffer.from(html);
  const isWorthIt = body.length >= MIN_OCTETS && body.length <= MAX_PAGE_OCTETS;
  const encoding = isWorthIt && locals.showsSecret !== true && isOwnRequest(request) ? acceptedEncoding(request) : undefined;
  setEncoding(response, encoding, 'Sec-Fetch-Site');
  if (encoding === 'br') {
    return brotliCompressSync(body, {
      params: { [constants.BROTLI_PARAM_QUALITY]: PAGE_BROTLI_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: body.length },
    });
  }
  return encoding === 'gzip' ? gzipSync(body, { level: PAGE_GZIP_LEVEL }) : body;
}

const brotli = promisify(brotliCompress);
const gzipped = promisify(gzip);

/** A body that is the same for everyone. Each encoding is made once, on its first request. */
export class StaticBody {
  readonly #body: Buffer;
  readonly #encoded = new Map<Encoding, Promise<Buffer>>();

  /** @param body without secrets, and without anything from a request */
  constructor(body: Buffer | string) {
    this.#body = Buffer.from(body);
  }

  /** Returns the body in the encoding that the client prefers, and sets its headers. */
  async encode(response: Response): Promise<Buffer> {
    const encoding = this.#body.length < MIN_OCTETS ? undefined : acceptedEncoding(response.req);
    setEncoding(response, encoding);
    if (encoding === undefined) return this.#body;
    let encoded = this.#encoded.get(encoding);
    if (!encoded) {
      encoded = encoding === 'br' ? compressFile(this.#body) : gzipped(this.#body, { level: constants.Z_BEST_COMPRESSION });
      this.#encoded.set(encoding, encoded);
    }
    return encoded;
  }
}

const compressFile = (body: Buffer): Promise<Buffer> => brotli(body, { params: { [constants.BROTLI_PARAM_QUALITY]: FILE_BROTLI_QUALITY } });
