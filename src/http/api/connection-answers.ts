/** Schemas of connections in answers of the JSON API. `answer-shapes.ts` also exports them. */
import { z } from 'zod';
import { PROPOSED_CHANGES } from '../../organizations/setup/metadata-proposals.ts';
import { changePreview, pageOf, time } from './answer-parts.ts';
import { IDP_SETTINGS } from './request-shapes.ts';

const idpChange = z
  .strictObject({
    id: z.string(),
    at: time,
    on_new_entity_id: z.enum(['keep', 'link_by_email', 'new_accounts']),
    link_until: time.nullable(),
    former_entity_id: z.string(),
  })
  .nullable()
  .describe('The last change to another identity provider while the connection had members.');

const endpoint = z.strictObject({ location: z.string(), response_location: z.string().optional() });

const CERTIFICATE = z.strictObject({
  fingerprint_sha256: z.string(),
  subject: z.string(),
  not_before: time,
  not_after: time,
  key_type: z.string(),
  key_bits: z.int().nullable(),
  pem: z.string(),
});

export const IDENTITY_PROVIDER = z.strictObject({
  id: z.string(),
  name: z.string(),
  is_default: z.boolean().describe('Whether role rules without `connection`, and the default role, apply to its users.'),
  state: z
    .enum(['draft', 'active', 'disabled'])
    .describe('`draft`: only test sign-ins are possible. `disabled`: no response of the identity provider is accepted.'),
  tested_at: time.nullable().describe('For a draft, when a test sign-in with the current metadata and settings succeeded.'),
  entity_id: z.string(),
  single_sign_on: z.strictObject({ redirect: z.string().optional(), post: z.string().optional() }),
  single_logout: z.strictObject({ redirect: endpoint.optional(), post: endpoint.optional() }),
  certificates: z.array(CERTIFICATE),
  want_authn_requests_signed: z.boolean(),
  name_id_formats: z.array(z.string()).describe('The NameID formats that the metadata lists.'),
  valid_until: time.nullable(),
  metadata_url: z.string().nullable(),
  updated_at: time,
  refresh: z
    .strictObject({ at: time, problem: z.string().nullable() })
    .nullable()
    .describe('The last refresh of the metadata from its URL.'),
  warnings: z.array(z.strictObject({ code: z.string(), level: z.enum(['warning', 'info']), text: z.string() })),
  ...IDP_SETTINGS.required().shape,
  email_domains: z.array(z.string()).describe('Sign-ins that start with an email address in one of these domains use this connection.'),
  service_provider: z
    .strictObject({ entity_id: z.string(), acs_url: z.string(), slo_url: z.string(), login_url: z.string(), metadata_url: z.string() })
    .describe('The values to enter at the identity provider.'),
  replaces: z
    .string()
    .nullable()
    .describe('The connection whose identity provider this draft replaces once an owner’s test sign-in is accepted.'),
  replacement: z.string().nullable().describe('The draft that waits to replace the identity provider of this connection.'),
  change: idpChange,
  affected_members: z
    .strictObject({
      affected: z.int().describe('Members who are known by another identifier, so that their next sign-in creates a new member.'),
      suspended: z.int().describe('How many of the affected members are suspended.'),
      undetermined: z.int().describe('Members whose identifier is determined at their next sign-in.'),
      is_partial: z.boolean().describe('Whether only the first 20,000 members were counted.'),
    })
    .optional()
    .describe('Only for `dry_run=true` of an update of the settings.'),
  members: z
    .strictObject(changePreview)
    .optional()
    .describe('Only in the answer to `dry_run=true`, if the metadata has another entity ID.'),
});

export const CONNECTION_PAGE = pageOf(IDENTITY_PROVIDER);

export const METADATA_PROPOSAL = z.strictObject({
  id: z.string(),
  setup_link: z.string().describe('The ID of the setup link that proposed the metadata. Revoking the link discards the proposal.'),
  entity_id: z.string(),
  single_sign_on: z.strictObject({ redirect: z.string().optional(), post: z.string().optional() }),
  single_logout: z.strictObject({ redirect: endpoint.optional(), post: endpoint.optional() }),
  certificates: z.array(
    z.strictObject({ ...CERTIFICATE.shape, is_new: z.boolean().describe('Whether the connection lacks this certificate.') }),
  ),
  metadata_url: z
    .string()
    .nullable()
    .describe('The URL from which the metadata would be refreshed daily, and its keys when a response has an unknown key.'),
  changes: z.array(z.enum(PROPOSED_CHANGES)).describe('The parts that differ from the current metadata.'),
  on_new_entity_id: z.enum(['new_accounts']).nullable().describe('What happens to the members, if the entity ID is another one.'),
  proposed_at: time,
  expires_at: time,
});
