/**
 * Schemas of answers of the JSON API, for the OpenAPI document and for the types of `samlgate/client`. Each exported schema is a
 * component of the document, named after its constant. Tests check real answers against these schemas, which allow no other fields.
 */
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent } from '../../audit.ts';
import { REFUSAL_KINDS } from '../../audit-trail/refusal-counts.ts';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { QUOTA_NAMES, QUOTAS, type QuotaName } from '../../organizations/quotas/quotas.ts';
import { memberRole, pageOf, role, time } from './answer-parts.ts';
import { ROLE_MAPPING } from './request-shapes.ts';

export * from './connection-answers.ts';
export * from './pending-member-answers.ts';

const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

/** Problem details (RFC 9457) with an error code, and the request ID that the log also contains. */
export const PROBLEM = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: errorCode,
  request_id: z.string(),
  wanted: z.string().optional(),
  got: z.string().optional(),
});
/** Problem details of the OAuth endpoints, which add the error of RFC 6749 §5.2. */
export const OAUTH_PROBLEM = z.strictObject({ ...PROBLEM.shape, error: z.string().optional(), error_description: z.string().optional() });

/** The logo of an organization. The image itself is at `url`. */
export const LOGO = z.strictObject({
  url: z.string().describe('The address of the image. Another image has another address.'),
  content_type: z.enum(['image/png', 'image/jpeg', 'image/webp']),
  width: z.int().describe('In pixels.'),
  height: z.int().describe('In pixels.'),
  bytes: z.int().describe('Size of the file.'),
  updated_at: time,
});

export const ORGANIZATION = z.strictObject({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  domains: z.array(z.string()),
  allowed_return_urls: z.array(z.string()),
  contact_email: z.string().nullable(),
  logo_url: z.string().nullable(),
  cli_token_max_days: z.int().nullable().describe('The longest validity of a CLI token, counted from its creation.'),
  cli_token_sso_within_days: z.int().nullable().describe('CLI tokens are rejected while their member’s last sign-in is older than this.'),
  session_token_audiences: z.array(z.string()).describe('The allowed audiences of session tokens, besides the gateway itself.'),
  without_owner_since: time
    .nullable()
    .describe('Since when the organization has no owner, for example because role rules changed. `null` if it has one, or never had one.'),
  email_policy: z
    .enum(['any', 'verified_domains'])
    .describe('`verified_domains`: sign-ins need an email address in one of the verified domains of the organization.'),
  provisioning: z
    .enum(['jit', 'scim', 'scim_required'])
    .describe(
      '`jit`: users become members at their first sign-in or by SCIM. `scim`: only by SCIM, but existing members can sign in. `scim_required`: only users that SCIM provisioned can sign in.',
    ),
  groups_from: z
    .enum(['saml', 'scim', 'both'])
    .describe(
      'The groups by which role rules decide: those of the SAML response, those that SCIM provisions, or both. Applies to each member from the next sign-in or the next change of a group on.',
    ),
  scim_link_attribute: z.string().nullable().describe('The SAML attribute whose value is the `externalId` of SCIM users.'),
  members_not_provisioned: z
    .int()
    .describe('Only with `dry_run=true` and `scim_required`: the members without a SCIM user, whom the setting refuses.')
    .optional(),
  owners_losing_role: z
    .int()
    .describe('Only with `dry_run=true` and another `groups_from`: the owners who lose the role at their next sign-in.')
    .optional(),
  quotas: z
    .strictObject(
      Object.fromEntries(QUOTA_NAMES.map((name) => [name, z.int().describe(QUOTAS[name].description)])) as Record<QuotaName, z.ZodInt>,
    )
    .describe('What the organization can have at most. The operator changes it.'),
  quota_use: z
    .strictObject({ members: z.int(), domains: z.int(), settings_bytes: z.int(), groups: z.int(), group_memberships: z.int() })
    .describe('`groups` and `group_memberships` are those of the connection that uses most.'),
  quota_warnings: z.array(z.enum(QUOTA_NAMES)).describe('The quotas of which 80 % is used.'),
  created_at: time,
});
export const ORGANIZATION_PAGE = pageOf(ORGANIZATION);

export const DOMAIN = z.strictObject({
  domain: z.string().describe('In lower case and in ASCII.'),
  state: z.enum(['pending', 'verified', 'unverified']).describe('`unverified`: was verified before. Only `verified` has any effect.'),
  record: z
    .strictObject({ type: z.literal('TXT'), name: z.string(), value: z.string() })
    .describe('The DNS record that verifies the domain.'),
  verified_by: z.enum(['dns', 'operator']).nullable(),
  verified_at: time.nullable(),
  proven_at: time.nullable().describe('When DNS last had the record, or when the operator confirmed the domain.'),
  checked_at: time.nullable().describe('The last check of a domain that DNS verified. It is checked every day.'),
  missing_since: time.nullable().describe('When a check first found no record. The domain stays verified for 30 days.'),
  warning: z.string().nullable(),
  created_at: time,
});
export const DOMAIN_PAGE = pageOf(DOMAIN);

export const MEMBER = z.strictObject({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  role: memberRole,
  role_source: z
    .union([z.strictObject({ kind: z.literal('rule'), group: z.string() }), z.strictObject({ kind: z.enum(['default', 'manual']) })])
    .describe('Why the member has this role.'),
  pending_role: z
    .enum(['owner'])
    .nullable()
    .describe('The role that `role_source` gives from the first sign-in. No member is an owner before. `null`: `role` is that role.'),
  groups: z.array(z.string()).describe('The groups at the last sign-in.'),
  groups_state: z.enum(['present', 'absent', 'over_limit']),
  groups_truncated: z
    .boolean()
    .describe('Whether `groups` is shortened, because more were sent than are stored. The group that gave the role is always in it.'),
  suspended: z.boolean(),
  state: z.enum(['invited', 'active', 'suspended']).describe('`invited`: the member was provisioned by SCIM and has not signed in yet.'),
  created_at: time,
  last_login_at: time.nullable().describe('`null` if a provisioned member has not signed in yet.'),
});
export const MEMBER_PAGE = pageOf(MEMBER);

export const ME = z.strictObject({
  user: z.strictObject({ id: z.string(), email: z.string(), name: z.string(), role, groups: z.array(z.string()) }),
  organization: z.strictObject({ id: z.string(), slug: z.string(), name: z.string() }),
  credential: z.strictObject({
    kind: z.enum(['session', 'cli_token', 'session_token']),
    id: z.string(),
    expires_at: time.nullable(),
  }),
  csrf_token: z
    .string()
    .optional()
    .describe('The value of the header X-Samlgate-CSRF. Present only if the request uses the session cookie.'),
});

export const ROLE_MAPPING_ANSWER = ROLE_MAPPING;
export const SAVED_ROLE_MAPPING = z.strictObject({
  ...ROLE_MAPPING.shape,
  warnings: z
    .array(z.strictObject({ code: z.enum(['group_white_space']), text: z.string() }))
    .describe('Likely mistakes in the rules, which are saved nevertheless.'),
  owners_losing_role: z
    .int()
    .describe('Only with `dry_run=true` and another `groups_from`: the owners who lose the role at their next sign-in.')
    .optional(),
});

export const NEW_SETUP_LINK = z.strictObject({
  id: z.string(),
  url: z.string().describe('Returned only once.'),
  expires_at: time,
});
export const SETUP_LINK = z.strictObject({
  id: z.string(),
  state: z.enum(['open', 'used', 'revoked', 'expired']),
  connection: z.string().nullable().describe('The ID of the only connection that the link can see and change.'),
  created_at: time,
  created_by: z.strictObject({ kind: z.enum(['operator', 'member']), id: z.string().optional(), email: z.string().optional() }),
  expires_at: time,
  used_at: time.nullable(),
  revoked_at: time.nullable(),
});
export const SETUP_LINK_PAGE = pageOf(SETUP_LINK);

export const AUDIT_ENTRY = z.strictObject({
  id: z.string(),
  at: time,
  event: z.enum(Object.keys(AUDIT_EVENTS) as [AuditEvent, ...AuditEvent[]]),
  actor: z.strictObject({
    kind: z.enum(['operator', 'member', 'identity_provider', 'gateway', 'setup_link', 'scim', 'anonymous']),
    id: z.string().optional(),
    email: z.string().optional(),
    address: z.string().optional(),
    request_id: z.string().optional(),
  }),
  member_id: z.string().optional(),
  code: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
const count = z.int().min(0);
export const AUDIT_PAGE = pageOf(AUDIT_ENTRY).extend({
  oldest_at: time.nullable().describe('When the oldest entry of the trail was written, whatever the filter.'),
  trimmed: count.describe('How many entries were deleted because they were too old or too many.'),
  unsigned_refusals: z
    .array(
      z.strictObject({
        kind: z.enum(REFUSAL_KINDS),
        code: z.string(),
        last_hour: count,
        last_day: count,
        last_week: count,
      }),
    )
    .nullable()
    .describe(
      'How many messages were refused without an entry because no trusted key signed them or they were copies of signed ones. Null except on the first page.',
    ),
});

const signIn = {
  id: z.string(),
  at: time,
  kind: z.enum(['login', 'test']).describe('`test`: a test sign-in, which creates no session.'),
  outcome: z.enum(['accepted', 'refused']),
  code: errorCode.nullable(),
  request_id: z.string().nullable(),
  address: z.string().nullable(),
  member_id: z.string().nullable().describe('The member, if the signature is valid and the member is known.'),
  subject: z
    .string()
    .nullable()
    .describe('The user that the assertion names: the email address, otherwise the NameID. Null if no valid signature covers it.'),
  verified: z.boolean().describe('False if no valid signature covers the response, so that nothing in it can be trusted.'),
  examined: z.boolean().describe('Whether the response was examined, so that `checks` and `structure` have content.'),
};
export const SIGN_IN = z.strictObject(signIn);
export const SIGN_IN_PAGE = pageOf(SIGN_IN);

const maskedValue = {
  shown: z.string().optional(),
  masked: z.string().optional().describe('The length and the form of the value, instead of the value.'),
};
const structure = z
  .array(
    z.strictObject({
      depth: z.int(),
      name: z.string(),
      namespace: z.string().optional(),
      attributes: z.array(z.strictObject({ name: z.string(), ...maskedValue })).optional(),
      text: z.strictObject(maskedValue).optional(),
      omitted: z.int().optional().describe('The number of further elements that this row represents.'),
    }),
  )
  .nullable()
  .describe('The elements of the response in document order, without personal data.');

export const SIGN_IN_CHECK = z.strictObject({
  name: z.string(),
  title: z.string(),
  outcome: z.enum(['passed', 'failed', 'not_reached']),
  code: errorCode.nullable(),
  detail: z.string().nullable(),
  wanted: z.string().nullable(),
  got: z.string().nullable(),
  unsigned: z.boolean().describe('Whether no valid signature covers the checked part.'),
  hint: z.strictObject({ key: z.string(), text: z.string() }).nullable().describe('The setting to change at the identity provider.'),
});

/** The result of examining a response. A bundle has the same fields, without personal data. */
const examined = {
  title: z.string().nullable(),
  advice: z.string().nullable(),
  detail: z.string().nullable(),
  wanted: z.string().nullable(),
  got: z.string().nullable(),
  identity_provider_kind: z.enum(['okta', 'entra-id', 'google-workspace', 'other']),
  message_octets: z.int().nullable(),
  issued_at: time.nullable(),
  clock_offset_seconds: z
    .number()
    .nullable()
    .describe('The time of issue minus the time of arrival by the gateway’s clock. Usually slightly negative.'),
  certificates: z.array(z.strictObject({ part: z.enum(['response', 'assertion']), fingerprint_sha256: z.string(), expired: z.boolean() })),
  checks: z.array(SIGN_IN_CHECK),
  attribute_names: z.array(z.string()),
  suggested_groups_attribute: z
    .string()
    .nullable()
    .describe('An attribute in the response that may contain the groups, if none were read. Add it to `attribute_mapping.groups`.'),
  offered_identifiers: z
    .array(z.string())
    .describe('The attributes with one value that can be chosen as `identifier`. Groups, roles and names are never among them.'),
  structure,
  decrypted_structure: structure,
};

export const SIGN_IN_DETAILS = z.strictObject({
  ...signIn,
  ...examined,
  started_by: z.string().nullable().describe('The ID of the member who started the test sign-in, or `operator`.'),
  role: role.nullable(),
  role_group: z.string().nullable().describe('The group whose rule gave the role.'),
  groups: z.array(z.string()).nullable().describe('The groups in the response. Null if no valid signature covers them.'),
  groups_state: z.enum(['present', 'absent', 'over_limit']).nullable(),
  groups_omitted: z.int().describe('The number of further groups in the response.'),
});

export const SIGN_IN_BUNDLE = z.strictObject({
  format: z.literal('samlgate-sign-in-1'),
  gateway_version: z.string(),
  service_provider: z.strictObject({ entity_id: z.string(), acs_url: z.string() }),
  sign_in: z.strictObject({
    id: z.string(),
    at: time,
    kind: signIn.kind,
    outcome: signIn.outcome,
    code: errorCode.nullable(),
    request_id: z.string().nullable(),
    verified: z.boolean(),
    ...examined,
    groups_state: z.enum(['present', 'absent', 'over_limit']).nullable(),
    groups_sent: z.int().nullable(),
  }),
});

export const SESSION_TOKEN = z.strictObject({ token: z.string(), expires_at: time });

const cliToken = {
  id: z.string(),
  name: z.string(),
  created_at: time,
  expires_at: time.nullable().describe('Null if the token never expires.'),
};
export const CLI_TOKEN = z.strictObject({
  ...cliToken,
  last_used_at: time.nullable(),
  last_used_address: z.string().nullable(),
  last_used_client: z.string().nullable(),
});
export const CLI_TOKEN_PAGE = pageOf(CLI_TOKEN);
export const NEW_CLI_TOKEN = z.strictObject({ ...cliToken, token: z.string().describe('Returned only once.') });
export const ROTATED_TOKENS = z.strictObject({ revoked: z.int(), token: NEW_CLI_TOKEN });
export const REVOKED_TOKENS = z.strictObject({ revoked: z.int() });

export const SIGNING_KEY = z.strictObject({
  kid: z.string(),
  alg: z.string(),
  state: z.enum(['next', 'active', 'retired', 'revoked']).describe('`retired`: only verifies. `revoked`: its tokens are rejected.'),
  created_at: time,
  live_tokens: z.int().describe('The number of CLI tokens that revoking the key would invalidate.'),
});
export const SIGNING_KEY_PAGE = pageOf(SIGNING_KEY);
export const REVOKED_KEY = z.strictObject({ kid: z.string(), revoked_tokens: z.int() });

export const OPENAPI = z.looseObject({ openapi: z.string() });
