/** Parts of several answers of the JSON API. They are no components of the OpenAPI document. */
import { z } from 'zod';

export const time = z.iso.datetime().describe('RFC 3339 in UTC.');

/** One page of a list. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({
    items: z.array(item),
    next_cursor: z.string().nullable().describe('The cursor of the next page, or null on the last page.'),
  });

export const role = z.enum(['owner', 'collaborator']);
export const memberRole = z.enum(['owner', 'collaborator', 'none']).describe('`none`: the member’s groups give no role.');
