/** Schemas of requests to the JSON API, and the conversion of their fields to the names of the domain. */
import { z } from 'zod';
import { AUDIT_EVENTS, type AuditEvent } from '../../audit.ts';
import { ERRORS, type ErrorCode, GatewayError } from '../../errors.ts';
import { DEFAULT_SETTINGS } from '../../organizations/connections/connections.ts';
import { ENTITY_ID_DECISIONS } from '../../organizations/connections/entity-id-change.ts';
import type { ConnectionSettings, OrganizationChanges } from '../../organizations/organizations.ts';
import { QUOTA_NAMES, QUOTAS, type QuotaName } from '../../organizations/quotas/quotas.ts';
import { absoluteUrl, domain, email, line, rangeMessage, SLUG, wholeNumber } from './field-shapes.ts';
import { describeIssue, problemsOf } from './validation-messages.ts';

const unique = <T>(list: readonly T[]): T[] => [...new Set(list)];

const organizationFields = {
  name: line(200),
  domains: z.array(domain).max(100).transform(unique),
  allowed_return_urls: z.array(absoluteUrl).max(100).transform(unique),
  contact_email: email.nullable(),
  logo_url: absoluteUrl.nullable(),
  cli_token_max_days: wholeNumber(1, 3650).nullable(),
  cli_token_sso_within_days: wholeNumber(1, 365).nullable(),
  session_token_audiences: z.array(line(512)).max(20).transform(unique),
  email_policy: z.enum(['any', 'verified_domains']),
  provisioning: z.enum(['jit', 'scim', 'scim_required']),
  groups_from: z.enum(['saml', 'scim', 'both']),
  scim_link_attribute: line(512).nullable(),
  quotas: z
    .strictObject(
      Object.fromEntries(
        QUOTA_NAMES.map((name) => [name, wholeNumber(1, QUOTAS[name].max).nullable().optional().describe(QUOTAS[name].description)]),
      ) as Record<QuotaName, z.ZodOptional<z.ZodNullable<z.ZodInt>>>,
    )
    .describe('Only the quotas that are present change. `null` restores a default.'),
};

export const NEW_ORGANIZATION = z.strictObject({
  slug: SLUG,
  ...z.strictObject(organizationFields).partial().shape,
  name: organizationFields.name,
});
export const ORGANIZATION_CHANGES = z.strictObject({
  ...z.strictObject(organizationFields).partial().shape,
  allow_no_owner: z.boolean().optional().describe('Confirms another `groups_from` that leaves the organization without an owner.'),
});

const ORGANIZATION_FIELD_NAMES: Readonly<Record<keyof typeof organizationFields, keyof OrganizationChanges>> = {
  name: 'name',
  domains: 'domains',
  allowed_return_urls: 'allowedReturnUrls',
  contact_email: 'contactEmail',
  logo_url: 'logoUrl',
  cli_token_max_days: 'cliTokenMaxDays',
  cli_token_sso_within_days: 'cliTokenSsoWithinDays',
  session_token_audiences: 'sessionTokenAudiences',
  email_policy: 'emailPolicy',
  provisioning: 'provisioning',
  groups_from: 'groupsFrom',
  scim_link_attribute: 'scimLinkAttribute',
  quotas: 'quotas',
};

export const toOrganizationChanges = (body: Omit<z.infer<typeof ORGANIZATION_CHANGES>, 'allow_no_owner'>): OrganizationChanges =>
  renameFields(body, ORGANIZATION_FIELD_NAMES) as OrganizationChanges;

/** Leaves out missing fields, so that they stay unchanged. `null` becomes undefined, which removes a value. */
const renameFields = <Name extends string>(body: Partial<Record<Name, unknown>>, names: Readonly<Record<Name, string>>) =>
  Object.fromEntries(
    Object.entries(body)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [names[name as Name], value ?? undefined]),
  );

export const NEW_DOMAIN = z.strictObject({ domain });
export const DOMAIN_VERIFICATION = z.strictObject({
  confirm: z.boolean().default(false).describe('The operator vouches for the domain. DNS is not asked, and no record is needed.'),
  transfer: z.boolean().default(false).describe('The operator takes the domain from the organization that has it.'),
});

const role = z.enum(['owner', 'collaborator']);

export const ROLE_MAPPING = z.strictObject({
  // Groups are compared exactly, so white space is kept. The limit is far above what identity providers send.
  rules: z
    .array(
      z.strictObject({
        group: z.string().min(1).max(1024),
        role,
        connection: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe('The ID of the connection whose users the rule applies to, or `*` for all. Absent: the default connection.'),
      }),
    )
    .max(1000),
  default_role: z.enum(['owner', 'collaborator', 'none']),
});
export const NEW_ROLE_MAPPING = z
  .strictObject({
    ...ROLE_MAPPING.shape,
    groups_from: organizationFields.groups_from
      .optional()
      .describe('Switches the groups that the rules read, in the same commit. Only the operator can switch them.'),
    allow_no_owner: z
      .boolean()
      .optional()
      .describe('Confirms rules that leave the organization without an owner. Only the operator can confirm them.'),
  })
  .refine(({ rules }) => new Set(rules.map(({ group, connection = '' }) => `${connection} ${group}`)).size === rules.length, {
    path: ['rules'],
    error: 'must name each group only once for the same connection',
  });

const attributeNames = z.array(line(512)).min(1).max(20);
const uri = line(512);

export const IDENTIFIER = z.union(
  [z.literal('auto'), z.strictObject({ attribute: line(512) }), z.strictObject({ name_id: uri })],
  'must be "auto", {"attribute": NAME} or {"name_id": FORMAT}',
);

const SETTINGS_FIELDS = {
  idp_initiated: z.enum(['accept', 'bounce', 'reject']),
  attribute_mapping: z.strictObject({ email: attributeNames, name: attributeNames, groups: attributeNames }).partial(),
  clock_skew_seconds: wholeNumber(0, 300),
  require_signed_assertion: z.boolean(),
  require_signed_response: z.boolean(),
  require_encrypted_assertion: z.boolean(),
  sign_requests: z.boolean().nullable(),
  name_id_format: uri.nullable(),
  identifier: IDENTIFIER.nullable().describe(
    'What identifies users. `auto` until the first accepted or test sign-in, which pins what it used.',
  ),
  allow_create: z.boolean().nullable().describe('Allows the identity provider to create an identifier for a user (AllowCreate).'),
  force_authn: z.boolean(),
  authn_context: z.array(uri).max(20),
  metadata_refresh_hours: wholeNumber(1, 720).nullable(),
  email_domains: z.array(domain).max(50).transform(unique).nullable(),
};

export const IDP_SETTINGS = z.strictObject(SETTINGS_FIELDS).partial();

const SETTING_NAMES: Readonly<Record<keyof typeof SETTINGS_FIELDS, keyof ConnectionSettings>> = {
  idp_initiated: 'idpInitiated',
  attribute_mapping: 'attributeMapping',
  clock_skew_seconds: 'clockSkewSeconds',
  require_signed_assertion: 'requireSignedAssertion',
  require_signed_response: 'requireSignedResponse',
  require_encrypted_assertion: 'requireEncryptedAssertion',
  sign_requests: 'signRequests',
  name_id_format: 'nameIdFormat',
  identifier: 'identifier',
  allow_create: 'allowCreate',
  force_authn: 'forceAuthn',
  authn_context: 'authnContext',
  metadata_refresh_hours: 'metadataRefreshHours',
  email_domains: 'emailDomains',
};

export const toSettings = (body: z.infer<typeof IDP_SETTINGS>): Partial<ConnectionSettings> => renameFields(body, SETTING_NAMES);

type SettingsJson = z.infer<z.ZodObject<typeof SETTINGS_FIELDS>> & { email_domains: string[] };

/** Returns the settings as the API shows them: the default, or `null`, for a setting that has no value. */
export const fromSettings = (settings: ConnectionSettings): SettingsJson =>
  Object.fromEntries(
    Object.entries(SETTING_NAMES).map(([name, field]) => [name, settings[field] ?? DEFAULT_SETTINGS[field] ?? null]),
  ) as SettingsJson;

const connectionName = line(100);

/** The fields of a connection besides its metadata. */
export const CONNECTION_CHANGES = z
  .strictObject({
    name: connectionName,
    state: z.enum(['draft', 'active', 'disabled']).describe('A connection cannot become a draft again.'),
    is_default: z.literal(true).describe('Makes this the default connection.'),
    keep_sessions: z.boolean().describe('With `"state": "disabled"`: does not revoke the sessions and tokens of the members.'),
    allow_no_owner: z
      .boolean()
      .describe('With `"state": "active"`: goes live although no role rule gives a user the owner role. Only for the operator.'),
    ...SETTINGS_FIELDS,
  })
  .partial();

export function toConnectionChanges({
  name,
  state,
  is_default: isDefault,
  keep_sessions: keepsSessions,
  allow_no_owner: allowNoOwner,
  ...settings
}: z.infer<typeof CONNECTION_CHANGES>) {
  const changes = Object.keys(settings).length === 0 ? {} : { settings: toSettings(settings) };
  return { changes: { name, state, isDefault, ...changes }, keepsSessions, allowNoOwner };
}

const flag = z.enum(['true', 'false']).optional();

export const PROPOSAL_CHOICE = z.strictObject({
  proposal: z.string().min(1).max(64).describe('The `id` of the proposal that you have checked.'),
});

export const PROPOSAL_ACCEPTANCE = z.strictObject({
  ...PROPOSAL_CHOICE.shape,
  metadata_url: z
    .string()
    .max(2048)
    .optional()
    .describe('The `metadata_url` of the proposal. Required if the connection has another metadata URL or none.'),
});

export const CONNECTION_REMOVAL_QUERY = z.object({
  keep_sessions: flag.describe('`true` does not revoke the sessions and tokens of the members.'),
});

const entityId = z.string().min(1).max(1024).optional();

const onNewEntityId = z
  .enum(ENTITY_ID_DECISIONS, `must be one of ${ENTITY_ID_DECISIONS.join(', ')}`)
  .optional()
  .describe(
    'What happens to the members if the metadata has another entity ID. Required while the connection has members. `keep` creates a draft that replaces the identity provider once an owner’s test sign-in is accepted with the owner’s identifier; `link_by_email` links users to existing members by verified email addresses; `new_accounts` gives every user a new account.',
  );
const linkUntil = z.iso
  .datetime({ offset: true, error: 'must be a time like 2026-03-04T10:22:00Z' })
  .optional()
  .describe('Until when `link_by_email` links users, at most 30 days ahead. Required for it.');

export const METADATA_INPUT = z.union(
  [
    // The reader says that an empty document is empty.
    z.strictObject({ metadata_xml: z.string(), entity_id: entityId, on_new_entity_id: onNewEntityId, link_until: linkUntil }),
    z.strictObject({
      metadata_url: z.string().min(1).max(2048),
      entity_id: entityId,
      on_new_entity_id: onNewEntityId,
      link_until: linkUntil,
    }),
    z.strictObject({
      entity_id: z.string().min(1).max(1024),
      sso_url: z.string().min(1).max(2048),
      slo_url: z.string().min(1).max(2048).optional(),
      certificates: z
        .array(z.string().min(1))
        .min(1)
        .max(20)
        .describe('PEM with one or more certificates, base64 of one without PEM lines, or base64-encoded PEM. Text around PEM is ignored.'),
      on_new_entity_id: onNewEntityId,
      link_until: linkUntil,
    }),
  ],
  'Send metadata_xml, or metadata_url, or entity_id with sso_url and certificates',
);

export const NEW_CONNECTION = z.union(
  METADATA_INPUT.options.map((input) => input.extend({ name: connectionName })),
  'Send name and metadata_xml, or name and metadata_url, or name and entity_id with sso_url and certificates',
);

export const DRY_RUN_QUERY = z.object({ dry_run: z.enum(['true', 'false']).optional() });
export const METADATA_QUERY = z.object({
  entity_id: entityId,
  dry_run: z.enum(['true', 'false']).optional(),
  on_new_entity_id: onNewEntityId,
  link_until: linkUntil,
});

export const NEW_CONNECTION_QUERY = METADATA_QUERY.omit({ on_new_entity_id: true, link_until: true }).extend({
  name: connectionName.optional().describe('The name of the connection, unless a JSON body has it.'),
});

export const MEMBER_CHANGES = z.strictObject({ role, suspended: z.boolean() }).partial();

const tokenName = line(100);

const tokenLifetime = wholeNumber(1, 3650)
  .nullable()
  .optional()
  .describe('Absent: 90, or fewer if fewer are allowed. Null: never, unless the organization has a `cli_token_max_days`.');

export const NEW_TOKEN = z.strictObject({ name: tokenName, expires_in_days: tokenLifetime });
export const TOKEN_ROTATION = z.strictObject({ name: tokenName.optional(), expires_in_days: tokenLifetime });
export const SETUP_LINK_OPTIONS = z.strictObject({
  expires_in_days: wholeNumber(1, 30).default(7),
  connection: z.string().min(1).max(64).optional().describe('The ID of the connection. Absent: the default connection.'),
});
/** The name of the component in the OpenAPI document derives from this one, so it stays. */
export const SESSION_TOKEN_REQUEST = z.strictObject({ audience: line(512).optional() });

const MAX_LIMIT = 200;
const limitMessage = rangeMessage(1, MAX_LIMIT);
const limit = z.coerce.number(limitMessage).int(limitMessage).min(1, limitMessage).max(MAX_LIMIT, limitMessage).default(50);
const cursor = z.string().max(4096).optional();

export const PAGE_QUERY = z.object({ limit, cursor });
export const MEMBER_QUERY = z.object({
  limit,
  cursor,
  email: z.string().max(254).optional(),
  query: z.string().min(1).max(254).optional(),
  provisioned: z.literal('false').optional(),
});
export const AUDIT_QUERY = z.object({
  limit,
  cursor,
  since: z.iso.datetime({ offset: true }).transform(Date.parse).optional(),
  event: z.enum(Object.keys(AUDIT_EVENTS) as [AuditEvent, ...AuditEvent[]], 'must be an audit event such as login.accepted').optional(),
  member: z.string().max(64).optional(),
});

export const SIGN_IN_QUERY = z.object({
  limit,
  cursor,
  outcome: z.enum(['accepted', 'refused']).optional(),
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]], 'must be an error code such as saml_expired').optional(),
  person: z
    .string()
    .trim()
    .min(1)
    .max(254)
    .describe('Part of the email address or NameID of the user, or a whole member ID or request ID.')
    .optional(),
});

/**
 * Returns the value as the schema describes it.
 * @throws validation_failed with one line for each problem, which names the field but never its value
 */
export function checkShape<T>(shape: z.ZodType<T>, value: unknown): T {
  const result = shape.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  throw new GatewayError('validation_failed', problemsOf(result.error));
}
