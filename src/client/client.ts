/** `samlgate/client`: a typed client of a gateway's JSON API. */

import { Api } from './api-calls.ts';
import type {
  AuditEntry,
  AuditQuery,
  CliToken,
  CreatedScimToken,
  Domain,
  DomainVerification,
  Logo,
  Me,
  Member,
  MemberChanges,
  MemberQuery,
  NewCliToken,
  NewOrganization,
  NewRoleMapping,
  NewScimToken,
  NewSetupLink,
  NewToken,
  Organization,
  OrganizationChanges,
  RevokedKey,
  RoleMapping,
  RotatedTokens,
  SavedRoleMapping,
  ScimToken,
  SessionToken,
  SetupLink,
  SetupLinkOptions,
  SigningKey,
} from './api-types.ts';
import { type ConnectionCalls, connectionCalls, type IdentityProviderCalls, identityProviderCalls } from './connections.ts';
import { type FindGatewayOptions, type FoundGateway, findGateway } from './find-gateway.ts';
import type { ListPage, PagedList } from './paged-list.ts';
import { type ProvisioningCalls, provisioningCalls } from './provisioning.ts';
import { SamlgateError } from './samlgate-error.ts';
import type { CallOptions } from './send-request.ts';

export interface ClientOptions extends FindGatewayOptions {
  /** Maximum duration of one attempt, in milliseconds. Default: 30000. */
  readonly timeoutMs?: number | undefined;
  /** Maximum number of retries of a call that may be retried (see {@link Client.call}). Default: 2. */
  readonly maxRetries?: number | undefined;
}

/**
 * Calls the API of one gateway. Parameters named `organization` take a slug.
 *
 * Every method throws {@link SamlgateError}, most often with `unauthenticated`, `forbidden`, `not_found`, `validation_failed`,
 * `conflict`, `rate_limited`, `store_unavailable` or, without a response, `gateway_unreachable` or `gateway_timeout`.
 */
export interface Client {
  /** Base URL of the gateway. */
  readonly url: string;
  /** Where the token was found. */
  readonly tokenSource: FoundGateway['source'];
  /**
   * Calls any endpoint and returns the JSON of the response, or undefined if the response has no content.
   *
   * A GET is retried after a connection error, a timeout, 429, 502, 503 and 504. Other methods are retried only after 429, because
   * after any other failure the change may already have been made. `Retry-After` of up to 30 seconds is respected.
   * @param path such as `/api/v1/me`
   * @throws SamlgateError
   * @example
   * const me = await client.call('GET', '/api/v1/me', { signal: AbortSignal.timeout(5000) });
   */
  call(method: string, path: string, options?: CallOptions): Promise<unknown>;
  /** Returns the member, the organization and the credential that the token represents. */
  me(): Promise<Me>;
  /**
   * Creates a session token, a JWT that other services verify offline. It expires after 10 minutes.
   * @param audience one of the organization's `session_token_audiences`. Default: the gateway itself
   */
  sessionToken(audience?: string): Promise<SessionToken>;
  /** The member's own CLI tokens. */
  readonly tokens: {
    list(): PagedList<CliToken>;
    /** Creates a CLI token. Its value is returned only here. It expires after 90 days unless `expires_in_days` is a number or null (never). */
    create(token: NewToken): Promise<NewCliToken>;
    revoke(id: string): Promise<void>;
    /**
     * Revokes all CLI tokens of the member and creates a new one.
     * @param name name of the new token
     * @param expiresInDays its lifetime, as for `create`
     */
    rotate(name?: string, expiresInDays?: number | null): Promise<RotatedTokens>;
  };
  /** Members of an organization, for its owners and the operator. */
  readonly members: {
    list(organization: string, query?: MemberQuery): PagedList<Member>;
    get(organization: string, id: string): Promise<Member>;
    /** Changes the given fields of a member. */
    change(organization: string, id: string, changes: MemberChanges): Promise<Member>;
    /** Removes a member, with all sessions and tokens. @throws SamlgateError conflict for the last owner */
    remove(organization: string, id: string): Promise<void>;
    /** Revokes all CLI tokens of a member and returns their number. */
    rotateTokens(organization: string, id: string): Promise<{ revoked: number }>;
  };
  /** Organizations, for the operator. An owner can get their own. */
  readonly organizations: {
    list(): PagedList<Organization>;
    get(organization: string): Promise<Organization>;
    /** @throws SamlgateError conflict if the slug or a domain is taken */
    create(organization: NewOrganization): Promise<Organization>;
    /** Changes the given fields of an organization. */
    change(organization: string, changes: OrganizationChanges): Promise<Organization>;
    /** Deletes an organization with its members, sessions and tokens. */
    remove(organization: string): Promise<void>;
  };
  /** The logo that users see when they sign in, for owners and the operator. */
  readonly logo: {
    /** @throws SamlgateError not_found if the organization has no logo */
    get(organization: string): Promise<Logo>;
    /**
     * Sets or replaces the logo.
     * @param image PNG, JPEG or WebP, at most 64 KiB and 1024 × 1024 pixels, without animation
     * @throws SamlgateError validation_failed, payload_too_large
     */
    set(organization: string, image: Uint8Array): Promise<Logo>;
    remove(organization: string): Promise<void>;
  };
  /** The domains that an organization verifies, for its owners and the operator. */
  readonly domains: {
    list(organization: string): Promise<readonly Domain[]>;
    /** Adds a domain and returns the DNS record to publish. Until it is verified, the domain has no effect. */
    add(organization: string, domain: string): Promise<Domain>;
    /** Looks up the DNS record. @throws SamlgateError conflict if DNS does not have it, or if another organization has the domain */
    verify(organization: string, domain: string, options?: DomainVerification): Promise<Domain>;
    /** Removes a domain, which then no longer routes sign-ins. */
    remove(organization: string, domain: string): Promise<void>;
  };
  /** The identity provider of an organization, for its owners and the operator. */
  readonly identityProvider: IdentityProviderCalls;
  /** The connections of an organization, each to one identity provider, for its owners and the operator. */
  readonly connections: ConnectionCalls;
  /** The rules that assign roles to groups, for owners and the operator. */
  readonly roleMapping: {
    get(organization: string): Promise<RoleMapping>;
    /**
     * Replaces all rules. They apply at each member's next sign-in.
     * @throws SamlgateError conflict if the rules leave no owner, unless `mapping.allow_no_owner` is true (operator only)
     */
    set(organization: string, mapping: NewRoleMapping): Promise<SavedRoleMapping>;
  };
  /** Links that let an IT administrator without an account set up a connection, for owners and the operator. */
  readonly setupLinks: {
    list(organization: string): PagedList<SetupLink>;
    /** Creates a link. Its URL is returned only here. */
    create(organization: string, options?: SetupLinkOptions): Promise<NewSetupLink>;
    /** Revokes a link and ends a setup that was started with it. */
    revoke(organization: string, id: string): Promise<void>;
  };
  /** Tokens that let the identity provider of a connection provision users, for owners and the operator. */
  readonly scimTokens: {
    list(organization: string): PagedList<ScimToken>;
    /** Creates a token. The token itself is returned only here. */
    create(organization: string, token: NewScimToken): Promise<CreatedScimToken>;
    /** Revokes a token immediately. */
    revoke(organization: string, id: string): Promise<void>;
  };
  /** The users that the identity provider of a connection provisions, for owners and the operator. */
  readonly provisioning: ProvisioningCalls;
  /** The audit trail of an organization, newest entry first, for owners and the operator. */
  readonly audit: { list(organization: string, query?: AuditQuery): PagedList<AuditEntry> };
  /** The keys that sign tokens, for the operator. */
  readonly keys: {
    list(): Promise<readonly SigningKey[]>;
    /** Signs new tokens with the next key. Tokens of the current key stay valid. */
    rotate(): Promise<SigningKey>;
    /** Rejects all tokens that the key has signed, immediately and permanently. */
    revoke(kid: string): Promise<RevokedKey>;
  };
}

const TIMEOUT_MS = 30_000;
const MAX_RETRIES = 2;

/**
 * Creates a client. It finds the gateway and the token as the command line does: the options, then `SAMLGATE_URL` and
 * `SAMLGATE_CLI_TOKEN`, then the credentials that `samlgate login` saved. It sends no request.
 *
 * @example
 * import { createClient } from 'samlgate/client';
 *
 * const client = createClient();
 * const { user, organization } = await client.me();
 * console.log(`${user.email} is ${user.role} of ${organization.name}`);
 *
 * @throws SamlgateError no_token, gateway_url_invalid, credentials_file_unusable
 */
export function createClient({ timeoutMs = TIMEOUT_MS, maxRetries = MAX_RETRIES, ...findOptions }: ClientOptions = {}): Client {
  const { url, token, source } = findGateway(findOptions);
  const api = new Api({ url, token, timeoutMs, maxRetries });
  return {
    url,
    tokenSource: source,
    call: (method, path, options) => api.call(method, path, options),
    me: () => api.get(['me']),
    sessionToken: (audience) => api.send('POST', ['me', 'session-token'], audience === undefined ? {} : { audience }),
    tokens: tokenCalls(api),
    members: memberCalls(api),
    organizations: organizationCalls(api),
    logo: {
      get: (organization) => api.get(['organizations', organization, 'logo']),
      // The gateway recognizes the type by the octets.
      set: (organization, image) =>
        api.send('PUT', ['organizations', organization, 'logo'], image, { contentType: 'application/octet-stream' }),
      remove: (organization) => api.send('DELETE', ['organizations', organization, 'logo']),
    },
    domains: domainCalls(api),
    identityProvider: identityProviderCalls(api),
    connections: connectionCalls(api),
    roleMapping: {
      get: (organization) => api.get(['organizations', organization, 'role-mapping']),
      set: (organization, mapping) => api.send('PUT', ['organizations', organization, 'role-mapping'], mapping),
    },
    setupLinks: {
      list: (organization) => api.list(['organizations', organization, 'setup-links']),
      create: (organization, link = {}) => api.send('POST', ['organizations', organization, 'setup-links'], link),
      revoke: (organization, id) => api.send('DELETE', ['organizations', organization, 'setup-links', id]),
    },
    scimTokens: {
      list: (organization) => api.list(['organizations', organization, 'scim-tokens']),
      create: (organization, created) => api.send('POST', ['organizations', organization, 'scim-tokens'], created),
      revoke: (organization, id) => api.send('DELETE', ['organizations', organization, 'scim-tokens', id]),
    },
    provisioning: provisioningCalls(api),
    audit: { list: (organization, query) => api.list(['organizations', organization, 'audit'], query) },
    keys: {
      list: async () => (await api.get<ListPage<SigningKey>>(['keys'])).items,
      rotate: () => api.send('POST', ['keys', 'rotate']),
      revoke: (kid) => api.send('POST', ['keys', kid, 'revoke']),
    },
  };
}

function tokenCalls(api: Api): Client['tokens'] {
  return {
    list: () => api.list(['me', 'tokens']),
    create: (token) => api.send('POST', ['me', 'tokens'], token),
    revoke: (id) => api.send('DELETE', ['me', 'tokens', id]),
    // JSON has no undefined, so absent options stay absent.
    rotate: (name, expiresInDays) => api.send('POST', ['me', 'tokens', 'rotate'], { name, expires_in_days: expiresInDays }),
  };
}

function memberCalls(api: Api): Client['members'] {
  const members = (organization: string, ...rest: readonly string[]) => ['organizations', organization, 'members', ...rest];
  return {
    list: (organization, query) => api.list(members(organization), query),
    get: (organization, id) => api.get(members(organization, id)),
    change: (organization, id, changes) => api.send('PATCH', members(organization, id), changes),
    remove: (organization, id) => api.send('DELETE', members(organization, id)),
    rotateTokens: (organization, id) => api.send('POST', members(organization, id, 'tokens', 'rotate')),
  };
}

function organizationCalls(api: Api): Client['organizations'] {
  return {
    list: () => api.list(['organizations']),
    get: (organization) => api.get(['organizations', organization]),
    create: (organization) => api.send('POST', ['organizations'], organization),
    change: (organization, changes) => api.send('PATCH', ['organizations', organization], changes),
    remove: (organization) => api.send('DELETE', ['organizations', organization]),
  };
}

function domainCalls(api: Api): Client['domains'] {
  const at = (organization: string, ...rest: readonly string[]) => ['organizations', organization, 'domains', ...rest];
  return {
    list: async (organization) => (await api.get<ListPage<Domain>>(at(organization))).items,
    add: (organization, domain) => api.send('POST', at(organization), { domain }),
    verify: (organization, domain, options = {}) => api.send('POST', at(organization, domain, 'verify'), options),
    remove: (organization, domain) => api.send('DELETE', at(organization, domain)),
  };
}
