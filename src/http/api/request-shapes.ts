/** What the JSON API takes: zod shapes in the words of the contract, and their way into the domain's. */
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent } from '../../audit.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../../errors.ts';
import type { IdpSettings, OrganizationChanges } from '../../organizations/organizations.ts';
import { isEmail } from '../../saml/email-address.ts';

/** One line of text: no control characters, which would break logs, pages and files further on. */
export const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\u2028\u2029\p{Cs}]+$/u, 'must have no control characters');

const domain = z
  .string()
  .max(253)
  .regex(/^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z0-9-]{2,63}$/, 'must be a domain name like example.com')
  .transform((text) => text.toLowerCase());

const absoluteUrl = z
  .string()
  .max(2048)
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'must be an absolute http or https URL')
  .refine(
    (text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''),
    'must have no user or password',
  );

const email = z.string().refine(isEmail, 'must be an e-mail address');

export const SLUG = z.string().regex(/^[a-z0-9][a-z0-9-]{1,62}$/, 'must be 2 to 63 characters of a-z, 0-9 and -, not beginning with -');

const unique = <T>(list: readonly T[]): T[] => [...new Set(list)];

const organizationFields = {
  name: line(200),
  domains: z.array(domain).max(100).transform(unique),
  allowed_return_urls: z.array(absoluteUrl).max(100).transform(unique),
  contact_email: email.nullable(),
  logo_url: absoluteUrl.nullable(),
  cli_token_max_days: z.int().min(1).max(3650).nullable(),
  cli_token_sso_within_days: z.int().min(1).max(365).nullable(),
  session_token_audiences: z.array(line(512)).max(20).transform(unique),
};

export const NEW_ORGANIZATION = z.strictObject({
  slug: SLUG,
  ...z.strictObject(organizationFields).partial().shape,
  name: organizationFields.name,
});
export const ORGANIZATION_CHANGES = z.strictObject(organizationFields).partial();

/** Absent fields stay as they are; null takes a value away. */
export function toOrganizationChanges(body: z.infer<typeof ORGANIZATION_CHANGES>): OrganizationChanges {
  return {
    ...(body.name === undefined ? {} : { name: body.name }),
    ...(body.domains === undefined ? {} : { domains: body.domains }),
    ...(body.allowed_return_urls === undefined ? {} : { allowedReturnUrls: body.allowed_return_urls }),
    ...(body.contact_email === undefined ? {} : { contactEmail: body.contact_email ?? undefined }),
    ...(body.logo_url === undefined ? {} : { logoUrl: body.logo_url ?? undefined }),
    ...(body.cli_token_max_days === undefined ? {} : { cliTokenMaxDays: body.cli_token_max_days ?? undefined }),
    ...(body.cli_token_sso_within_days === undefined ? {} : { cliTokenSsoWithinDays: body.cli_token_sso_within_days ?? undefined }),
    ...(body.session_token_audiences === undefined ? {} : { sessionTokenAudiences: body.session_token_audiences }),
  };
}

const role = z.enum(['owner', 'collaborator']);

export const ROLE_MAPPING = z.strictObject({
  // A group is compared as it is, so white space around it is kept; only what no IdP sends is refused.
  rules: z.array(z.strictObject({ group: z.string().min(1).max(1024), role })).max(1000),
  default_role: z.enum(['owner', 'collaborator', 'none']),
});
export const NEW_ROLE_MAPPING = z
  .strictObject({
    ...ROLE_MAPPING.shape,
    allow_no_owner: z.boolean().optional().describe('confirms rules that leave the organization without an owner; operator only'),
  })
  .refine(
    (mapping) => new Set(mapping.rules.map((rule) => rule.group)).size === mapping.rules.length,
    'rules: a group must not appear twice',
  );

const attributeNames = z.array(line(512)).min(1).max(20);
const uri = line(512);

const SETTINGS_FIELDS = {
  idp_initiated: z.enum(['accept', 'bounce', 'reject']),
  attribute_mapping: z.strictObject({ email: attributeNames, name: attributeNames, groups: attributeNames }).partial(),
  clock_skew_seconds: z.int().min(0).max(300),
  require_signed_assertion: z.boolean(),
  require_signed_response: z.boolean(),
  require_encrypted_assertion: z.boolean(),
  sign_requests: z.boolean().nullable(),
  name_id_format: uri.nullable(),
  force_authn: z.boolean(),
  authn_context: z.array(uri).max(20),
  metadata_refresh_hours: z.int().min(1).max(720).nullable(),
};

export const IDP_SETTINGS = z.strictObject(SETTINGS_FIELDS).partial();

const SETTING_NAMES: Readonly<Record<keyof typeof SETTINGS_FIELDS, keyof IdpSettings>> = {
  idp_initiated: 'idpInitiated',
  attribute_mapping: 'attributeMapping',
  clock_skew_seconds: 'clockSkewSeconds',
  require_signed_assertion: 'requireSignedAssertion',
  require_signed_response: 'requireSignedResponse',
  require_encrypted_assertion: 'requireEncryptedAssertion',
  sign_requests: 'signRequests',
  name_id_format: 'nameIdFormat',
  force_authn: 'forceAuthn',
  authn_context: 'authnContext',
  metadata_refresh_hours: 'metadataRefreshHours',
};

export function toSettings(body: z.infer<typeof IDP_SETTINGS>): Partial<IdpSettings> {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => [SETTING_NAMES[name as keyof typeof SETTING_NAMES], value ?? undefined]),
  );
}

type SettingsJson = z.infer<z.ZodObject<typeof SETTINGS_FIELDS>>;

/** Returns the settings as the API shows them: `null` for a setting that has no value. */
export const fromSettings = (settings: IdpSettings): SettingsJson =>
  Object.fromEntries(Object.entries(SETTING_NAMES).map(([name, field]) => [name, settings[field] ?? null])) as SettingsJson;

const entityId = z.string().min(1).max(1024).optional();

export const METADATA_INPUT = z.union(
  [
    z.strictObject({ metadata_xml: z.string().min(1), entity_id: entityId }),
    z.strictObject({ metadata_url: z.string().min(1).max(2048), entity_id: entityId }),
    z.strictObject({
      entity_id: z.string().min(1).max(1024),
      sso_url: z.string().min(1).max(2048),
      slo_url: z.string().min(1).max(2048).optional(),
      certificates: z.array(z.string().min(1)).min(1).max(20),
    }),
  ],
  'give metadata_xml, or metadata_url, or entity_id with sso_url and certificates',
);

export const METADATA_QUERY = z.object({ entity_id: entityId, dry_run: z.enum(['true', 'false']).optional() });

export const MEMBER_CHANGES = z.strictObject({ role, suspended: z.boolean() }).partial();

const tokenName = line(100);

export const NEW_TOKEN = z.strictObject({ name: tokenName, expires_in_days: z.int().min(1).max(3650).optional() });
export const TOKEN_ROTATION = z.strictObject({ name: tokenName.optional() });
export const SETUP_LINK_OPTIONS = z.strictObject({ expires_in_days: z.int().min(1).max(30).default(7) });
export const SESSION_TOKEN_WISH = z.strictObject({ audience: line(512).optional() });

const limit = z.coerce.number().int().min(1).max(200).default(50);
const cursor = z.string().max(4096).optional();

export const PAGE_QUERY = z.object({ limit, cursor });
export const MEMBER_QUERY = z.object({
  limit,
  cursor,
  email: z.string().max(254).optional(),
  query: z.string().min(1).max(254).optional(),
});
export const AUDIT_QUERY = z.object({
  limit,
  cursor,
  since: z.iso.datetime({ offset: true }).transform(Date.parse).optional(),
  event: z.enum(Object.keys(AUDIT_EVENTS) as [AuditEvent, ...AuditEvent[]]).optional(),
  member: z.string().max(64).optional(),
});

export const SIGN_IN_QUERY = z.object({
  limit,
  cursor,
  outcome: z.enum(['accepted', 'refused']).optional(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).optional(),
});

/**
 * @throws validation_failed naming every field that is wrong (never its value)
 */
export function checkShape<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, 10).map((issue) => {
    const at = issue.path.map(String).join('.');
    // zod quotes unknown keys, which are input
    const message = issue.code === 'unrecognized_keys' ? 'has fields that are not known' : issue.message;
    return at === '' ? message : `${at}: ${message}`;
  });
  throw new GatewayError('validation_failed', `${problems.join('; ')}.`);
}
