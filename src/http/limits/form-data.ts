/** Reads forms with files (RFC 7578). The parser of the platform does the work. */
import type { Request } from 'express';
import { GatewayError } from '../../errors.ts';

/** No form of the console has half as many. One of 1 MiB can have 18,000, which take a quarter of a second of CPU time. */
const MAX_PARTS = 100;

/**
 * Returns the values of each field, text or files.
 * @param body the octets of the request
 * @throws validation_failed
 */
export async function readFormData(request: Request, body: Buffer): Promise<ReadonlyMap<string, readonly (string | File)[]>> {
  const type = request.get('content-type') ?? '';
  // With several types, Express uses the first, and the parser the last, which may be one whose fields are not counted below.
  if (type.includes(',')) throw unreadable('several content types');
  if (countParts(body) > MAX_PARTS) {
    throw new GatewayError('validation_failed', `The uploaded form has more than ${MAX_PARTS} fields.`);
  }
  const form = await new globalThis.Response(new Uint8Array(body), { headers: { 'content-type': type } })
    .formData()
    .catch((cause: unknown) => {
      throw unreadable(cause);
    });
  const fields = new Map<string, (string | File)[]>();
  for (const [name, value] of form) {
    const values = fields.get(name);
    if (values) values.push(value);
    else fields.set(name, [value]);
  }
  return fields;
}

const unreadable = (cause: unknown): GatewayError =>
  new GatewayError('validation_failed', { detail: 'The uploaded form could not be read. Submit it again.', cause });

/** Counts the headers that every part must have, because the boundary could be written such that only the parser finds it. */
const countParts = (body: Buffer): number => body.toString('latin1').match(/content-disposition/gi)?.length ?? 0;
