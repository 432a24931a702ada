/** Requests and answers about the provisioning of a connection. */
import { z } from 'zod';
import { SCIM_PATHS } from '../../organizations/provisioning/provisioning-log.ts';
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

export const PROVISIONING_REQUEST = z.strictObject({
  at: time,
  request_id: z.string().nullable().describe('The ID of this request in the gateway’s log.'),
  method: z.string(),
  path: z.enum([...SCIM_PATHS, 'other']).describe('The kind of path. `other`: the gateway has no such path.'),
  status: z.int().describe('The HTTP status of the answer. 499: the client disconnected before the answer.'),
  scim_type: z.string().nullable().describe('The `scimType` of a refusal.'),
  detail: z.string().nullable().describe('Why the request was refused.'),
  advice: z.string().nullable().describe('What to change after a refusal.'),
  user_name: z.string().nullable().describe('The masked `userName` of a new user.'),
  member_id: z.string().nullable().describe('The ID in the path of a user.'),
});
export const PROVISIONING_REQUEST_PAGE = pageOf(PROVISIONING_REQUEST);
