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

/** What a decision about a new entity ID does to the members. */
export const changePreview = {
  matching: z.int().describe('Members whose users keep their accounts.'),
  ambiguous: z.int().describe('Members about whom an owner or the operator must decide.'),
  new: z.int().describe('Members whose users get new accounts.'),
  recently_signed_in: z.int().describe('Members of all three who signed in during the last 30 days.'),
  recent: z
    .strictObject({ matching: z.int(), ambiguous: z.int(), new: z.int() })
    .describe('The members of each count who signed in during the last 30 days.'),
  is_partial: z.boolean().describe('Whether only the first 20,000 members of the organization were read.'),
};
