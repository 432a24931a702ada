/** Answers about members who have not signed in since the identity provider changed. */
import { z } from 'zod';
import { changePreview, memberRole, pageOf, time } from './answer-parts.ts';

export const PENDING_MEMBER = z.strictObject({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  role: memberRole,
  suspended: z.boolean(),
  last_login_at: time.nullable(),
  is_approved: z.boolean().describe('Whether a request was approved, so that the user can sign in as this member.'),
  is_declined: z.boolean().describe('Whether a request was declined, so that no user of the new identity provider becomes this member.'),
  sessions: z.int().min(0),
  cli_tokens: z.int().min(0),
  link_request: z
    .strictObject({ id: z.string(), identifier: z.string(), email: z.string(), name: z.string(), at: time })
    .nullable()
    .describe('The request of a user to become this member, with the values that the new identity provider sent for the user.'),
});
export const PENDING_MEMBER_PAGE = pageOf(PENDING_MEMBER);
export const REVOKED_PENDING_MEMBERS = z.strictObject({ change: z.string() });

export const CHANGE_PREVIEW = z.strictObject({
  ...changePreview,
  problems: z
    .array(z.strictObject({ line: z.int(), problem: z.enum(['duplicate_old', 'duplicate_new', 'other_member']) }))
    .describe('Lines of `identifiers_csv` with an identifier of an earlier line or of another member. At most 100.'),
  lines: z
    .array(
      z.strictObject({
        line: z.int(),
        old_identifier: z.string(),
        new_identifier: z.string(),
        email: z.string().nullable().describe('The email address of the member with the old identifier.'),
        result: z.enum(['matching', 'ambiguous', 'new', 'no_member', 'duplicate_old', 'duplicate_new', 'other_member']),
      }),
    )
    .describe('What lines of `identifiers_csv` mean for the members. At most 100, those with problems first.'),
});
