/** Requests and answers about SCIM tokens. */
import { z } from 'zod';
import { time } from './answer-parts.ts';
import { line, wholeNumber } from './field-shapes.ts';

export const NEW_SCIM_TOKEN = z.strictObject({
  name: line(100),
  connection: z.string().describe('ID of a connection. The default connection if absent.').optional(),
  expires_in_days: wholeNumber(1, 3650).nullable().describe('The token never expires if absent or `null`.').optional(),
});

export const SCIM_TOKEN = z.strictObject({
  id: z.string(),
  name: z.string(),
  connection: z.string(),
  state: z
    .enum(['valid', 'expired', 'connection_inactive'])
    .describe('`connection_inactive`: the connection is a draft, was disabled or was deleted.'),
  created_at: time,
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
});
export const CREATED_SCIM_TOKEN = z.strictObject({
  ...SCIM_TOKEN.shape,
  token: z.string().describe('The token itself. It is never returned again.'),
  base_url: z.string().describe('The URL that the identity provider needs besides the token.'),
});
