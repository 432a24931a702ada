/**
 * What the JSON API gives: zod shapes for the OpenAPI document and for the types of `samlgate/client`. Answers are made by
 * `representations.ts`; tests hold real ones against these shapes, which know no field that is not here.
 */
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent } from '../audit.ts';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { IDP_SETTINGS, ROLE_MAPPING } from './shapes.ts';

const time = z.iso.datetime().describe('RFC 3339, UTC');
const role = z.enum(['owner', 'collaborator']);
const memberRole = z.enum(['owner', 'collaborator', 'none']).describe('none: a known person whose groups give no role');

/** One page of a list; `next_cursor` leads to the next one. */
const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), next_cursor: z.string().nullable().describe('null where there is no more') });

/** RFC 9457, with the code and the request id that the log has. */
export const PROBLEM = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]),
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

export const ROLE_MAPPING_ANSWER = z.strictObject(ROLE_MAPPING.shape);

export const AUDIT_ENTRY = z.strictObject({
  id: z.string(),
  at: time,
  event: z.enum(Object.keys(AUDIT_EVENTS) as [AuditEvent, ...AuditEvent[]]),
  actor: z.strictObject({
    kind: z.enum(['operator', 'member', 'identity_provider', 'gateway', 'anonymous']),
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

export const JWKS = z.looseObject({ keys: z.array(z.looseObject({ kid: z.string(), alg: z.string(), kty: z.string() })) });
export const AUTHORIZATION_SERVER = z.strictObject({
  issuer: z.string(),
  token_endpoint: z.string(),
  device_authorization_endpoint: z.string(),
  introspection_endpoint: z.string(),
  revocation_endpoint: z.string(),
  jwks_uri: z.string(),
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
});
export const DEVICE_CODE = z.strictObject({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.int(),
  interval: z.int(),
});
export const ACCESS_TOKEN = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  issued_token_type: z.string().optional(),
  expires_in: z.int().optional(),
});
export const INTROSPECTION = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.strictObject({
    active: z.literal(true),
    token_type: z.literal('Bearer'),
    kind: z.enum(['cli_token', 'session_token']),
    iss: z.string(),
    sub: z.string(),
    org: z.string(),
    username: z.string(),
    email: z.string(),
    name: z.string(),
    role,
    jti: z.string(),
    iat: z.int(),
    exp: z.int().optional(),
    aud: z.string().optional(),
    sid: z.string().optional(),
  }),
]);

export const OPENAPI = z.looseObject({ openapi: z.string() });
