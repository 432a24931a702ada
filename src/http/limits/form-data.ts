/** Reads forms with files (RFC 7578). The parser of the platform does the work. */
import type { Request } from 'express';
import { GatewayError } from '../../errors.ts';

/** No form of the console has half as many. The parser takes a second of CPU time for 10,000. */
const MAX_PARTS = 100;

/**
 * Returns the values of each field, text or files.
 * @param body the octets of the request
 * @throws validation_failed
 */
export async function readFormData(request: Request, body: Buffer): Promise<ReadonlyMap<string, readonly (string | File)[]>> {
  if (countParts(body) > MAX_PARTS) {
    throw new GatewayError('validation_failed', `The uploaded form has more than ${MAX_PARTS} fields.`);
  }
  const headers = { 'content-type': request.get('content-type') ?? '' };
  const form = await new globalThis.Response(new Uint8Array(body), { headers }).formData().catch((cause: unknown) => {
    throw new GatewayError('validation_failed', { detail: 'The uploaded form could not be read. Submit it again.', cause });
  });
  const fields = new Map<string, (string | File)[]>();
  for (const [name, value] of form) {
    const values = fields.get(name);
    if (values) values.push(value);
    else fields.set(name, [value]);
  }
  return fields;
}

/** Counts the headers that every part must have, because the boundary could be written such that only the parser finds it. */
const countParts = (body: Buffer): number => body.toString('latin1').match(/content-disposition/gi)?.length ?? 0;
