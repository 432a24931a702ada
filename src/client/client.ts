/** `samlgate/client`: the JSON API of a gateway as typed functions. */
import type {
  AuditEntry,
  AuditQuery,
  CliToken,
  IdentityProvider,
  IdentityProviderSettings,
  Me,
  Member,
  MemberChanges,
  MemberQuery,
  MetadataInput,
  NewCliToken,
  NewOrganization,
  NewRoleMapping,
  NewToken,
  Organization,
  OrganizationChanges,
  RevokedKey,
  RoleMapping,
  RotatedTokens,
  SessionToken,
  SigningKey,
} from './api-types.ts';
import { type FoundGateway, findGateway, type GatewayWish } from './find-gateway.ts';
import { type ListPage, PagedList } from './paged-list.ts';
import { SamlgateError } from './samlgate-error.ts';
import { type CallOptions, type Connection, sendRequest } from './send-request.ts';

export interface ClientOptions extends GatewayWish {
  /** How long one try of a call may take; 30 seconds where it is not given. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is repeated that may be (see {@link Client.call}); twice where it is not given. */
  readonly maxRetries?: number | undefined;
}

/** Metadata of an identity provider: values for JSON, or a whole document. */
export type IdentityProviderMetadata = MetadataInput | { readonly document: string | Uint8Array };

export interface MetadataOptions {
  /** Which identity provider, where the document has several. */
  readonly entityId?: string | undefined;
  /** Tells what would be understood, and changes nothing. */
  readonly dryRun?: boolean | undefined;
}

/** Every method throws {@link SamlgateError}. Organizations are named by their slug. */
export interface Client {
  /** Base URL of the gateway. */
  readonly url: string;
  /** Where the token is from. */
  readonly tokenSource: FoundGateway['source'];
  /**
   * Any call of the gateway, with a path such as `/api/v1/me`; gives the answer's JSON. A GET is repeated where nothing came
   * back and after 429, 502, 503 and 504; other methods after 429 only, because nothing else tells that nothing was changed.
   */
  call(method: string, path: string, options?: CallOptions): Promise<unknown>;
  /** Who the token stands for. */
  me(): Promise<Me>;
  /**
   * A short-lived token that stands for this member towards other services.
   * @param audience whom it is for: the gateway itself where it is not given, or one of the organization's `session_token_audiences`
   */
  sessionToken(audience?: string): Promise<SessionToken>;
  /** The member's own CLI tokens. */
  readonly tokens: {
    list(): PagedList<CliToken>;
    create(token: NewToken): Promise<NewCliToken>;
    revoke(id: string): Promise<void>;
    /** Revokes all of them, and gives one new. */
    rotate(name?: string): Promise<RotatedTokens>;
  };
  /** People of an organization, for its owners and the operator. */
  readonly members: {
    list(organization: string, query?: MemberQuery): PagedList<Member>;
    get(organization: string, id: string): Promise<Member>;
    change(organization: string, id: string, changes: MemberChanges): Promise<Member>;
    remove(organization: string, id: string): Promise<void>;
    /** Revokes all CLI tokens of the member, and tells how many there were. */
    rotateTokens(organization: string, id: string): Promise<{ revoked: number }>;
  };
  /** For the operator; an owner may get the own one. */
  readonly organizations: {
    list(): PagedList<Organization>;
    get(organization: string): Promise<Organization>;
    create(organization: NewOrganization): Promise<Organization>;
    change(organization: string, changes: OrganizationChanges): Promise<Organization>;
    remove(organization: string): Promise<void>;
  };
  readonly identityProvider: {
    get(organization: string): Promise<IdentityProvider>;
    set(organization: string, metadata: IdentityProviderMetadata, options?: MetadataOptions): Promise<IdentityProvider>;
    change(organization: string, settings: IdentityProviderSettings): Promise<IdentityProvider>;
    remove(organization: string): Promise<void>;
  };
  readonly roleMapping: {
    get(organization: string): Promise<RoleMapping>;
    set(organization: string, mapping: NewRoleMapping): Promise<RoleMapping>;
  };
  /** The audit trail, newest first. */
  readonly audit: { list(organization: string, query?: AuditQuery): PagedList<AuditEntry> };
  /** Signing keys, for the operator. */
  readonly keys: {
    list(): Promise<readonly SigningKey[]>;
    rotate(): Promise<SigningKey>;
    /** All that the key has signed is refused from now on. */
    revoke(kid: string): Promise<RevokedKey>;
  };
}

const TIMEOUT_MS = 30_000;
const MAX_RETRIES = 2;

/**
 * A client that finds gateway and token the way the command line does: what is given here, then `SAMLGATE_URL` and
 * `SAMLGATE_CLI_TOKEN`, then what `samlgate login` has kept.
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
export function createClient({ timeoutMs = TIMEOUT_MS, maxRetries = MAX_RETRIES, ...wish }: ClientOptions = {}): Client {
  const { url, token, source } = findGateway(wish);
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
    identityProvider: identityProviderCalls(api),
    roleMapping: {
      get: (organization) => api.get(['organizations', organization, 'role-mapping']),
      set: (organization, mapping) => api.send('PUT', ['organizations', organization, 'role-mapping'], mapping),
    },
    audit: { list: (organization, query) => api.list(['organizations', organization, 'audit'], query) },
    keys: {
      list: async () => (await api.get<ListPage<SigningKey>>(['keys'])).items,
      rotate: () => api.send('POST', ['keys', 'rotate']),
      revoke: (kid) => api.send('POST', ['keys', kid, 'revoke']),
    },
  };
}

/** Answers are taken for what the gateway's own document says that they are. */
class Api {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  call(method: string, path: string, options?: CallOptions): Promise<unknown> {
    return sendRequest(this.#connection, method, path, options);
  }

  async get<T>(segments: readonly string[], query?: CallOptions['query']): Promise<T> {
    return (await this.call('GET', pathOf(segments), { query })) as T;
  }

  async send<T>(method: string, segments: readonly string[], body?: unknown, options: CallOptions = {}): Promise<T> {
    return (await this.call(method, pathOf(segments), { ...options, body })) as T;
  }

  list<T>(segments: readonly string[], query: CallOptions['query'] = {}): PagedList<T> {
    const path = pathOf(segments);
    return new PagedList<T>(async (cursor, limit) => (await this.call('GET', path, { query: { ...query, cursor, limit } })) as ListPage<T>);
  }
}

/** A name from outside is one segment of the path, whatever it has in it. @throws argument_invalid */
function pathOf(segments: readonly string[]): string {
  for (const segment of segments) {
    // These would lead to another resource.
    if (['', '.', '..'].includes(segment)) {
      throw new SamlgateError({ code: 'argument_invalid', title: 'A name or id is empty or made of dots' });
    }
  }
  return `/api/v1/${segments.map(encodeURIComponent).join('/')}`;
}

function tokenCalls(api: Api): Client['tokens'] {
  return {
    list: () => api.list(['me', 'tokens']),
    create: (token) => api.send('POST', ['me', 'tokens'], token),
    revoke: (id) => api.send('DELETE', ['me', 'tokens', id]),
    rotate: (name) => api.send('POST', ['me', 'tokens', 'rotate'], name === undefined ? {} : { name }),
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

function identityProviderCalls(api: Api): Client['identityProvider'] {
  const at = (organization: string) => ['organizations', organization, 'identity-provider'];
  return {
    get: (organization) => api.get(at(organization)),
    set: (organization, metadata, { entityId, dryRun } = {}) => {
      const query = { entity_id: entityId, dry_run: dryRun };
      if (!('document' in metadata)) return api.send('PUT', at(organization), metadata, { query });
      return api.send('PUT', at(organization), metadata.document, { query, contentType: 'application/samlmetadata+xml' });
    },
    change: (organization, settings) => api.send('PATCH', at(organization), settings),
    remove: (organization) => api.send('DELETE', at(organization)),
  };
}
