/** Every operation of the API, in one table: the OpenAPI document is made of it, and a test holds it against the routes. */
import { z } from 'zod';
import type { ErrorCode } from '../../errors.ts';
import * as oauth from '../oauth.ts';
import * as answers from './answer-shapes.ts';
import * as shapes from './request-shapes.ts';

export interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it, `{org}`. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Who may call it; `anybody` needs no credential. */
  readonly who: 'anybody' | 'member' | 'owner' | 'operator';
  readonly query?: z.ZodObject;
  /** Media type to what is sent; `text` is a document of that type. */
  readonly body?: Readonly<Record<string, z.ZodType | 'text'>>;
  readonly status: number;
  /** JSON of the answer; undefined where it has no content. */
  readonly answer?: z.ZodType;
  /** Names of headers that say what the answer says. */
  readonly headers?: readonly string[];
  /** Codes besides those that follow from the rest. */
  readonly refusals?: readonly ErrorCode[];
}

const V1 = '/api/v1';
const ORGANIZATION = `${V1}/organizations/{org}`;
const MEMBER = `${ORGANIZATION}/members/{id}`;
const IDENTITY_PROVIDER = `${ORGANIZATION}/identity-provider`;
const json = (shape: z.ZodType) => ({ 'application/json': shape });
const form = (shape: z.ZodType) => ({ 'application/x-www-form-urlencoded': shape });

const ME: readonly Operation[] = [
  {
    method: 'get',
    path: `${V1}/me`,
    id: 'getMe',
    summary: 'Who the credential stands for',
    who: 'member',
    status: 200,
    answer: answers.ME,
  },
  {
    method: 'post',
    path: `${V1}/me/session-token`,
    id: 'createSessionToken',
    summary: 'A short-lived token that stands for the member towards other services',
    description: 'Made from a session or a CLI token, and ends no later than that.',
    who: 'member',
    body: json(shapes.SESSION_TOKEN_WISH),
    status: 200,
    answer: answers.SESSION_TOKEN,
    refusals: ['forbidden'],
  },
  {
    method: 'get',
    path: `${V1}/me/tokens`,
    id: 'listTokens',
    summary: 'The member’s own CLI tokens, newest first',
    who: 'member',
    query: shapes.PAGE_QUERY,
    status: 200,
    answer: answers.CLI_TOKEN_PAGE,
  },
  {
    method: 'post',
    path: `${V1}/me/tokens`,
    id: 'createToken',
    summary: 'Make one more CLI token; it is shown this once',
    who: 'member',
    body: json(shapes.NEW_TOKEN),
    status: 201,
    answer: answers.NEW_CLI_TOKEN,
    refusals: ['forbidden', 'conflict'],
  },
  {
    method: 'delete',
    path: `${V1}/me/tokens/{id}`,
    id: 'revokeToken',
    summary: 'End a CLI token: the next request with it is refused',
    who: 'member',
    status: 204,
    refusals: ['not_found'],
  },
  {
    method: 'post',
    path: `${V1}/me/tokens/rotate`,
    id: 'rotateTokens',
    summary: 'End all CLI tokens of the member, and get one new',
    who: 'member',
    body: json(shapes.TOKEN_ROTATION),
    status: 200,
    answer: answers.ROTATED_TOKENS,
    refusals: ['forbidden'],
  },
];

const MEMBERS: readonly Operation[] = [
  {
    method: 'get',
    path: `${ORGANIZATION}/members`,
    id: 'listMembers',
    summary: 'People, by address',
    description: 'With `query` a page may be short of `limit` though there is more: `next_cursor` alone tells.',
    who: 'owner',
    query: shapes.MEMBER_QUERY,
    status: 200,
    answer: answers.MEMBER_PAGE,
  },
  {
    method: 'get',
    path: MEMBER,
    id: 'getMember',
    summary: 'One person',
    who: 'owner',
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found'],
  },
  {
    method: 'patch',
    path: MEMBER,
    id: 'changeMember',
    summary: 'Change role or suspension',
    description: 'A suspension ends all sessions and tokens’ use at once. 409 where a role rule decides the role, and for the last owner.',
    who: 'owner',
    body: json(shapes.MEMBER_CHANGES),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
  },
  {
    method: 'delete',
    path: MEMBER,
    id: 'removeMember',
    summary: 'Remove the person: all sessions and tokens end at once',
    description: '409 for the last owner.',
    who: 'owner',
    status: 204,
    refusals: ['not_found', 'conflict'],
  },
  {
    method: 'post',
    path: `${MEMBER}/tokens/rotate`,
    id: 'rotateMemberTokens',
    summary: 'End all CLI tokens of the person; a new one is theirs to make',
    who: 'owner',
    status: 200,
    answer: answers.REVOKED_TOKENS,
    refusals: ['not_found'],
  },
];

const ORGANIZATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: `${V1}/organizations`,
    id: 'listOrganizations',
    summary: 'All organizations, by slug',
    who: 'operator',
    query: shapes.PAGE_QUERY,
    status: 200,
    answer: answers.ORGANIZATION_PAGE,
  },
  {
    method: 'post',
    path: `${V1}/organizations`,
    id: 'createOrganization',
    summary: 'Make an organization',
    who: 'operator',
    body: json(shapes.NEW_ORGANIZATION),
    status: 201,
    answer: answers.ORGANIZATION,
    refusals: ['conflict'],
  },
  {
    method: 'get',
    path: ORGANIZATION,
    id: 'getOrganization',
    summary: 'One organization',
    who: 'owner',
    status: 200,
    answer: answers.ORGANIZATION,
  },
  {
    method: 'patch',
    path: ORGANIZATION,
    id: 'changeOrganization',
    summary: 'Change what is given; null takes a value away',
    who: 'operator',
    body: json(shapes.ORGANIZATION_CHANGES),
    status: 200,
    answer: answers.ORGANIZATION,
    refusals: ['conflict'],
  },
  {
    method: 'delete',
    path: ORGANIZATION,
    id: 'deleteOrganization',
    summary: 'Delete an organization with everything in it',
    who: 'operator',
    status: 204,
  },
];

const SINGLE_SIGN_ON: readonly Operation[] = [
  {
    method: 'get',
    path: IDENTITY_PROVIDER,
    id: 'getIdentityProvider',
    summary: 'The identity provider: what its metadata said, the settings, and what its administrator needs',
    who: 'owner',
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured'],
  },
  {
    method: 'put',
    path: IDENTITY_PROVIDER,
    id: 'setIdentityProvider',
    summary: 'Set the identity provider from its metadata; the settings stay',
    description: 'A document, a form with the field `metadata`, or JSON with the document, its URL, or the values that it would have.',
    who: 'owner',
    query: shapes.METADATA_QUERY,
    body: {
      'application/json': shapes.METADATA_INPUT,
      'application/samlmetadata+xml': 'text',
      'application/xml': 'text',
      'text/xml': 'text',
      'multipart/form-data': z.object({ metadata: z.string().describe('a file or a text') }),
    },
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_metadata_invalid', 'payload_too_large'],
  },
  {
    method: 'patch',
    path: IDENTITY_PROVIDER,
    id: 'changeIdentityProviderSettings',
    summary: 'Change the settings that are given; null gives one its default',
    who: 'owner',
    body: json(shapes.IDP_SETTINGS),
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured'],
  },
  {
    method: 'delete',
    path: IDENTITY_PROVIDER,
    id: 'removeIdentityProvider',
    summary: 'Remove the identity provider: nobody can sign in, sessions stay',
    who: 'owner',
    status: 204,
  },
  {
    method: 'get',
    path: `${ORGANIZATION}/role-mapping`,
    id: 'getRoleMapping',
    summary: 'Which group gives which role',
    who: 'owner',
    status: 200,
    answer: answers.ROLE_MAPPING_ANSWER,
  },
  {
    method: 'put',
    path: `${ORGANIZATION}/role-mapping`,
    id: 'setRoleMapping',
    summary: 'Replace the role rules',
    description:
      'If several rules match a user, owner wins. The default role `none` denies access. Rules that leave the organization without an owner are refused (409 `conflict`): no known member would be an owner after the next sign-in, and either neither a rule nor the default gives the role owner or the organization has an owner now. Only the operator can confirm them, with `"allow_no_owner": true`; from anyone else this is 403 `forbidden`.',
    who: 'owner',
    body: json(shapes.NEW_ROLE_MAPPING),
    status: 200,
    answer: answers.ROLE_MAPPING_ANSWER,
  },
];

const SETUP_LINKS: readonly Operation[] = [
  {
    method: 'get',
    path: `${ORGANIZATION}/setup-links`,
    id: 'listSetupLinks',
    summary: 'Setup links, newest first',
    who: 'owner',
    query: shapes.PAGE_QUERY,
    status: 200,
    answer: answers.SETUP_LINK_PAGE,
  },
  {
    method: 'post',
    path: `${ORGANIZATION}/setup-links`,
    id: 'createSetupLink',
    summary: 'A link by which an IT administrator without an account sets up single sign-on',
    description: 'Valid once, and for 1 to 30 days.',
    who: 'owner',
    body: json(shapes.NEW_SETUP_LINK),
    status: 201,
    answer: answers.NEW_SETUP_LINK,
  },
  {
    method: 'delete',
    path: `${ORGANIZATION}/setup-links/{id}`,
    id: 'revokeSetupLink',
    summary: 'Revoke a setup link; a setup that it began ends',
    who: 'owner',
    status: 204,
    refusals: ['not_found'],
  },
];

const AUDIT: readonly Operation[] = [
  {
    method: 'get',
    path: `${ORGANIZATION}/audit`,
    id: 'listAudit',
    summary: 'The audit trail, newest first',
    description: 'A page may be short of `limit` though there is more: `next_cursor` alone tells.',
    who: 'owner',
    query: shapes.AUDIT_QUERY,
    status: 200,
    answer: answers.AUDIT_PAGE,
  },
];

const SIGN_INS: readonly Operation[] = [
  {
    method: 'get',
    path: `${ORGANIZATION}/sign-ins`,
    id: 'listSignIns',
    summary: 'The last sign-ins, accepted, refused and tried, newest first',
    description: 'Kept for SAMLGATE_SIGN_IN_LOG_DAYS; of many only the last of each kind, and of a flood of refused messages not each.',
    who: 'owner',
    query: shapes.SIGN_IN_QUERY,
    status: 200,
    answer: answers.SIGN_IN_PAGE,
  },
  {
    method: 'get',
    path: `${ORGANIZATION}/sign-ins/{id}`,
    id: 'getSignIn',
    summary: 'One sign-in, with all checks of its message and what to change',
    who: 'owner',
    status: 200,
    answer: answers.SIGN_IN_DETAILS,
    refusals: ['not_found'],
  },
  {
    method: 'get',
    path: `${ORGANIZATION}/sign-ins/{id}/bundle`,
    id: 'getSignInBundle',
    summary: 'The same as a document for a ticket: no address, no name, no group',
    who: 'owner',
    status: 200,
    answer: answers.SIGN_IN_BUNDLE,
    headers: ['Content-Disposition'],
    refusals: ['not_found'],
  },
];

const KEYS: readonly Operation[] = [
  {
    method: 'get',
    path: `${V1}/keys`,
    id: 'listKeys',
    summary: 'The keys that sign tokens',
    who: 'operator',
    status: 200,
    answer: answers.SIGNING_KEY_PAGE,
  },
  {
    method: 'post',
    path: `${V1}/keys/rotate`,
    id: 'rotateKeys',
    summary: 'The next key signs from now on, the active one only verifies',
    who: 'operator',
    status: 200,
    answer: answers.SIGNING_KEY,
    refusals: ['conflict'],
  },
  {
    method: 'post',
    path: `${V1}/keys/{kid}/revoke`,
    id: 'revokeKey',
    summary: 'Everything that the key has signed is refused from now on',
    who: 'operator',
    status: 200,
    answer: answers.REVOKED_KEY,
    refusals: ['not_found', 'conflict'],
  },
];

const OAUTH_GRANT = z.union([
  z.object({ grant_type: z.literal(oauth.DEVICE_CODE_GRANT), ...oauth.DEVICE_CODE.shape }),
  z.object({ grant_type: z.literal(oauth.TOKEN_EXCHANGE_GRANT), ...oauth.EXCHANGE.shape }),
]);

const OAUTH: readonly Operation[] = [
  {
    method: 'get',
    path: '/.well-known/jwks.json',
    id: 'getJwks',
    summary: 'The public keys that tokens are verified with (RFC 7517)',
    who: 'anybody',
    status: 200,
    answer: answers.JWKS,
  },
  {
    method: 'get',
    path: '/.well-known/oauth-authorization-server',
    id: 'getAuthorizationServer',
    summary: 'Where the OAuth endpoints are (RFC 8414)',
    who: 'anybody',
    status: 200,
    answer: answers.AUTHORIZATION_SERVER,
  },
  {
    method: 'post',
    path: '/oauth/device_authorization',
    id: 'startDeviceLogin',
    summary: 'Begin a login from a terminal (RFC 8628)',
    who: 'anybody',
    body: form(oauth.DEVICE_AUTHORIZATION),
    status: 200,
    answer: answers.DEVICE_CODE,
  },
  {
    method: 'post',
    path: '/oauth/token',
    id: 'getToken',
    summary: 'A CLI token for a device code (RFC 8628), or a session token for a CLI token (RFC 8693)',
    who: 'anybody',
    body: form(OAUTH_GRANT),
    status: 200,
    answer: answers.ACCESS_TOKEN,
  },
  {
    method: 'post',
    path: '/oauth/introspect',
    id: 'introspectToken',
    summary: 'Whether a token is good, and whose it is (RFC 7662)',
    who: 'member',
    body: form(oauth.TOKEN),
    status: 200,
    answer: answers.INTROSPECTION,
  },
  {
    method: 'post',
    path: '/oauth/revoke',
    id: 'revokeHeldToken',
    summary: 'End a token that one holds (RFC 7009)',
    who: 'anybody',
    body: form(oauth.TOKEN),
    status: 200,
  },
  {
    method: 'get',
    path: '/auth/verify',
    id: 'verify',
    summary: 'Forward auth, for nginx auth_request, Traefik ForwardAuth and Envoy ext_authz',
    description: 'Each demand that is given must hold. Values that are not printable ASCII are percent-encoded in the headers.',
    who: 'member',
    query: z.object({
      role: z.enum(['owner', 'collaborator']).optional(),
      organization: z.string().describe('slug or id').optional(),
    }),
    status: 200,
    headers: ['X-Samlgate-User', 'X-Samlgate-Email', 'X-Samlgate-Role', 'X-Samlgate-Organization'],
    refusals: ['forbidden'],
  },
];

const DOCUMENT: readonly Operation[] = [
  {
    method: 'get',
    path: `${V1}/openapi.json`,
    id: 'getOpenApi',
    summary: 'This document',
    who: 'anybody',
    status: 200,
    answer: answers.OPENAPI,
  },
];

/** By the heading under which people find them. */
export const OPERATIONS: Readonly<Record<string, readonly Operation[]>> = {
  'The caller': ME,
  Members: MEMBERS,
  Organizations: ORGANIZATIONS,
  'Single sign-on': SINGLE_SIGN_ON,
  'Setup links': SETUP_LINKS,
  'Sign-in log': SIGN_INS,
  Audit: AUDIT,
  'Signing keys': KEYS,
  'Tokens for other programs': OAUTH,
  'This API': DOCUMENT,
};
