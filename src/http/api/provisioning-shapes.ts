/** Requests and answers about the provisioning of a connection. */
import { z } from 'zod';
import { memberRole, pageOf, time } from './answer-parts.ts';

export const PROVISIONING_CONFLICT = z.strictObject({
  id: z.string().describe('ID of the member.'),
  email: z.string(),
  name: z.string(),
  role: memberRole,
  suspended: z.boolean(),
  last_login_at: time.nullable(),
  conflict: z
    .strictObject({
      id: z.string(),
      reason: z
        .enum(['owner', 'ambiguous'])
        .describe('`owner`: the member is an owner. `ambiguous`: the user could be one of several members, each of which is listed.'),
      state: z
        .enum(['open', 'approved', 'declined'])
        .describe('`approved`: the next request of the identity provider that creates the user links it.'),
      user_name: z.string(),
      external_id: z.string().nullable(),
      email: z.string(),
      name: z.string(),
      at: time,
    })
    .describe('The user that the identity provider sent.'),
});
export const PROVISIONING_CONFLICT_PAGE = pageOf(PROVISIONING_CONFLICT);

export const CONFLICT_DECISION = z.strictObject({
  conflict: z.string().min(1).max(64).describe('The ID of the conflict, so that no other user is decided than the one you saw.'),
});
