/** Types of the JSON API's requests and responses, derived from the schemas of the server. */
import type { z } from 'zod';
import type * as answers from '../http/api/answer-shapes.ts';
import type * as provisioning from '../http/api/provisioning-shapes.ts';
import type * as shapes from '../http/api/request-shapes.ts';
import type * as scim from '../http/api/scim-token-shapes.ts';

export type Me = z.infer<typeof answers.ME>;
export type SessionToken = z.infer<typeof answers.SESSION_TOKEN>;
export type CliToken = z.infer<typeof answers.CLI_TOKEN>;
/** A new CLI token with its value, which is returned only once. */
export type NewCliToken = z.infer<typeof answers.NEW_CLI_TOKEN>;
export type RotatedTokens = z.infer<typeof answers.ROTATED_TOKENS>;
export type Member = z.infer<typeof answers.MEMBER>;
/** A member who has not signed in since the identity provider changed. */
export type PendingMember = z.infer<typeof answers.PENDING_MEMBER>;
export type Organization = z.infer<typeof answers.ORGANIZATION>;
/** The logo of an organization. The image itself is at `url`. */
export type Logo = z.infer<typeof answers.LOGO>;
export type IdentityProvider = z.infer<typeof answers.IDENTITY_PROVIDER>;
export type Domain = z.infer<typeof answers.DOMAIN>;
export type RoleMapping = z.infer<typeof answers.ROLE_MAPPING_ANSWER>;
export type SavedRoleMapping = z.infer<typeof answers.SAVED_ROLE_MAPPING>;
/** Metadata that a setup link proposes for a connection with members. */
export type MetadataProposal = z.infer<typeof answers.METADATA_PROPOSAL>;
export type SetupLink = z.infer<typeof answers.SETUP_LINK>;
/** A new setup link with its URL, which is returned only once. */
export type NewSetupLink = z.infer<typeof answers.NEW_SETUP_LINK>;
export type ScimToken = z.infer<typeof scim.SCIM_TOKEN>;
/** A new SCIM token with its value, which is returned only once. */
export type CreatedScimToken = z.infer<typeof scim.CREATED_SCIM_TOKEN>;
export type NewScimToken = z.input<typeof scim.NEW_SCIM_TOKEN>;
/** A member that a SCIM user could be, but is not linked to without an approval. */
export type ProvisioningConflict = z.infer<typeof provisioning.PROVISIONING_CONFLICT>;
export type ProvisioningRequest = z.infer<typeof provisioning.PROVISIONING_REQUEST>;
export type AuditEntry = z.infer<typeof answers.AUDIT_ENTRY>;
export type SigningKey = z.infer<typeof answers.SIGNING_KEY>;
export type RevokedKey = z.infer<typeof answers.REVOKED_KEY>;

export type NewOrganization = z.input<typeof shapes.NEW_ORGANIZATION>;
export type OrganizationChanges = z.input<typeof shapes.ORGANIZATION_CHANGES>;
export type MemberChanges = z.input<typeof shapes.MEMBER_CHANGES>;
export type IdentityProviderSettings = z.input<typeof shapes.IDP_SETTINGS>;
export type ConnectionChanges = z.input<typeof shapes.CONNECTION_CHANGES>;
/** SAML metadata as text or URL, or entity ID, sign-in URL and certificates. */
export type MetadataInput = z.input<typeof shapes.METADATA_INPUT>;
/** `confirm` and `transfer` are for the operator. */
export type DomainVerification = z.input<typeof shapes.DOMAIN_VERIFICATION>;
/** With `allow_no_owner` the operator confirms rules that leave the organization without an owner. */
export type NewRoleMapping = z.input<typeof shapes.NEW_ROLE_MAPPING>;
export type SetupLinkOptions = z.input<typeof shapes.SETUP_LINK_OPTIONS>;
export type NewToken = z.input<typeof shapes.NEW_TOKEN>;
/** An exact email address, or a part of the name or the email address. */
export type MemberQuery = Omit<z.input<typeof shapes.MEMBER_QUERY>, 'limit' | 'cursor'>;
export type AuditQuery = Omit<z.input<typeof shapes.AUDIT_QUERY>, 'limit' | 'cursor'>;
