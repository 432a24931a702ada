/**
 * What the JSON API gives: zod shapes for the OpenAPI document and for the types of `samlgate/client`. Answers are made by
 * `representations.ts`; tests hold real ones against these shapes, which know no field that is not here.
 */
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent } from '../../audit.ts';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { IDP_SETTINGS, ROLE_MAPPING } from './request-shapes.ts';

const time = z.iso.datetime().describe('RFC 3339, UTC');
const role = z.enum(['owner', 'collaborator']);
const memberRole = z.enum(['owner', 'collaborator', 'none']).describe('none: a known person whose groups give no role');

/** One page of a list; `next_cursor` leads to the next one. */
const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), next_cursor: z.string().nullable().describe('null where there is no more') });

const errorCode = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

/** RFC 9457, with the code and the request id that the log has. */
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
/** Of the OAuth endpoints: the same, and what OAuth calls it (RFC 6749 §5.2). */
export const OAUTH_PROBLEM = z.strictObject({ ...PROBLEM.shape, error: z.string().optional(), error_description: z.string().optional() });

export const ORGANIZATION = z.strictObject({
  id: z.string(),
  slug: z.string(),
  name: z.string(),
  domains: z.array(z.string()),
  allowed_return_urls: z.array(z.string()),
  contact_email: z.string().nullable(),
  logo_url: z.string().nullable(),
  cli_token_max_days: z.int().nullable().describe('every CLI token ends this long after it was made'),
  cli_token_sso_within_days: z.int().nullable().describe('a CLI token pauses while its member’s last sign-in is longer ago'),
  session_token_audiences: z.array(z.string()).describe('for whom session tokens may be besides the gateway itself'),
  created_at: time,
});
export const ORGANIZATION_PAGE = pageOf(ORGANIZATION);

export const MEMBER = z.strictObject({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  role: memberRole,
  role_source: z
    .union([z.strictObject({ kind: z.literal('rule'), group: z.string() }), z.strictObject({ kind: z.enum(['default', 'manual']) })])
    .describe('why the member has the role'),
  groups: z.array(z.string()).describe('as of the last sign-in'),
  groups_state: z.enum(['present', 'absent', 'over_limit']),
  suspended: z.boolean(),
  created_at: time,
  last_login_at: time,
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
  csrf_token: z.string().optional().describe('only with the session cookie: the value of X-Samlgate-CSRF'),
});

const endpoint = z.strictObject({ location: z.string(), response_location: z.string().optional() });

export const IDENTITY_PROVIDER = z.strictObject({
  entity_id: z.string(),
  single_sign_on: z.strictObject({ redirect: z.string().optional(), post: z.string().optional() }),
  single_logout: z.strictObject({ redirect: endpoint.optional(), post: endpoint.optional() }),
  certificates: z.array(
    z.strictObject({
      fingerprint_sha256: z.string(),
      subject: z.string(),
      not_before: time,
      not_after: time,
      key_type: z.string(),
      key_bits: z.int().nullable(),
    }),
  ),
  want_authn_requests_signed: z.boolean(),
  valid_until: time.nullable(),
  metadata_url: z.string().nullable(),
  updated_at: time,
  refresh: z
    .strictObject({ at: time, problem: z.string().nullable() })
    .nullable()
    .describe('the last time that metadata was fetched again from its URL'),
  warnings: z.array(z.strictObject({ code: z.string(), level: z.enum(['warning', 'info']), text: z.string() })),
  ...IDP_SETTINGS.required().shape,
  service_provider: z
    .strictObject({ entity_id: z.string(), acs_url: z.string(), slo_url: z.string(), login_url: z.string(), metadata_url: z.string() })
    .describe('what the identity provider’s administrator needs'),
});

export const ROLE_MAPPING_ANSWER = ROLE_MAPPING;

export const NEW_SETUP_LINK = z.strictObject({
  id: z.string(),
  url: z.string().describe('shown this once'),
  expires_at: time,
});
export const SETUP_LINK = z.strictObject({
  id: z.string(),
  state: z.enum(['open', 'used', 'revoked', 'expired']),
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
    kind: z.enum(['operator', 'member', 'identity_provider', 'gateway', 'setup_link', 'anonymous']),
    id: z.string().optional(),
    email: z.string().optional(),
    address: z.string().optional(),
    request_id: z.string().optional(),
  }),
  member_id: z.string().optional(),
  code: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export const AUDIT_PAGE = pageOf(AUDIT_ENTRY);

const signIn = {
  id: z.string(),
  at: time,
  kind: z.enum(['login', 'test']).describe('test: somebody tried the sign-in, and nobody was let in'),
  outcome: z.enum(['accepted', 'refused']),
  code: errorCode.nullable(),
  request_id: z.string().nullable(),
  address: z.string().nullable(),
  member_id: z.string().nullable().describe('as far as the message was genuine and the person is known'),
  verified: z.boolean().describe('false: no good signature covers the message, so nothing in it need be true'),
  examined: z.boolean().describe('whether the message was examined: `checks` and `structure` are there'),
};
export const SIGN_IN = z.strictObject(signIn);
export const SIGN_IN_PAGE = pageOf(SIGN_IN);

const maskedValue = { shown: z.string().optional(), masked: z.string().optional().describe('length and form of the value') };
const structure = z
  .array(
    z.strictObject({
      depth: z.int(),
      name: z.string(),
      namespace: z.string().optional(),
      attributes: z.array(z.strictObject({ name: z.string(), ...maskedValue })).optional(),
      text: z.strictObject(maskedValue).optional(),
      omitted: z.int().optional().describe('how many more elements this row stands for'),
    }),
  )
  .nullable()
  .describe('the elements of the message in document order, without what is about the person');

export const SIGN_IN_CHECK = z.strictObject({
  name: z.string(),
  title: z.string(),
  outcome: z.enum(['passed', 'failed', 'not_reached']),
  code: errorCode.nullable(),
  detail: z.string().nullable(),
  wanted: z.string().nullable(),
  got: z.string().nullable(),
  unsigned: z.boolean().describe('it was read where no good signature covers it'),
  hint: z.strictObject({ key: z.string(), text: z.string() }).nullable().describe('which setting of the identity provider to change'),
});

/** What was found out about a message; the same in a bundle, which is about nobody. */
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
    .describe('the time of issue against the gateway’s clock; negative: behind it, as it is by the time under way'),
  certificates: z.array(z.strictObject({ part: z.enum(['response', 'assertion']), fingerprint_sha256: z.string(), expired: z.boolean() })),
  checks: z.array(SIGN_IN_CHECK),
  attribute_names: z.array(z.string()),
  structure,
  decrypted_structure: structure,
};

export const SIGN_IN_DETAILS = z.strictObject({
  ...signIn,
  ...examined,
  started_by: z.string().nullable().describe('of a test: a member’s id, or `operator`'),
  role: role.nullable(),
  role_group: z.string().nullable().describe('whose rule gave the role'),
  groups: z.array(z.string()).nullable().describe('as they were sent; null where no good signature covers them'),
  groups_state: z.enum(['present', 'absent', 'over_limit']).nullable(),
  groups_omitted: z.int().describe('how many more were sent'),
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
  expires_at: time.nullable().describe('null: it has no end'),
};
export const CLI_TOKEN = z.strictObject({
  ...cliToken,
  last_used_at: time.nullable(),
  last_used_address: z.string().nullable(),
  last_used_client: z.string().nullable(),
});
export const CLI_TOKEN_PAGE = pageOf(CLI_TOKEN);
export const NEW_CLI_TOKEN = z.strictObject({ ...cliToken, token: z.string().describe('shown this once') });
export const ROTATED_TOKENS = z.strictObject({ revoked: z.int(), token: NEW_CLI_TOKEN });
export const REVOKED_TOKENS = z.strictObject({ revoked: z.int() });

export const SIGNING_KEY = z.strictObject({
  kid: z.string(),
  alg: z.string(),
  state: z.enum(['next', 'active', 'retired', 'revoked']).describe('retired: verifies only; revoked: what it signed is refused'),
  created_at: time,
  live_tokens: z.int().describe('CLI tokens that would die with it'),
});
export const SIGNING_KEY_PAGE = pageOf(SIGNING_KEY);
export const REVOKED_KEY = z.strictObject({ kid: z.string(), revoked_tokens: z.int() });

export const OPENAPI = z.looseObject({ openapi: z.string() });
