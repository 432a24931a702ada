/** Calls about identity providers and connections. */
import type { Api } from './api-calls.ts';
import type {
  ConnectionChanges,
  IdentityProvider,
  IdentityProviderSettings,
  Member,
  MetadataInput,
  MetadataProposal,
  PendingMember,
} from './api-types.ts';
import type { ListPage, PagedList } from './paged-list.ts';
import type { CallOptions } from './send-request.ts';

/** Metadata of an identity provider: JSON, or the XML document itself. */
export type IdentityProviderMetadata = MetadataInput | { readonly document: string | Uint8Array };

export interface MetadataOptions {
  /** Entity ID of the identity provider to use, if the document describes several. */
  readonly entityId?: string | undefined;
  /** Returns what the gateway would read from the metadata, without saving it. */
  readonly dryRun?: boolean | undefined;
  /** What happens to the members if the metadata has another entity ID. Required while the connection has members. */
  readonly onNewEntityId?: EntityIdDecision | undefined;
  /** Until when `link_by_email` links users, RFC 3339, at most 30 days ahead. Required for it. */
  readonly linkUntil?: string | undefined;
}

/**
 * `keep` creates a draft that replaces the identity provider once an owner's test is accepted with the owner's identifier.
 * `link_by_email` links users of the new identity provider to existing members by verified email addresses. `new_accounts` gives every
 * user a new account.
 */
export type EntityIdDecision = 'keep' | 'link_by_email' | 'new_accounts';

/** The identity provider of an organization, for its owners and the operator. */
export interface IdentityProviderCalls {
  /** @throws SamlgateError idp_not_configured */
  get(organization: string): Promise<IdentityProvider>;
  /**
   * Replaces the metadata; settings stay.
   * @throws SamlgateError idp_metadata_invalid; conflict if another entity ID needs the decision `onNewEntityId`
   */
  set(organization: string, metadata: IdentityProviderMetadata, options?: MetadataOptions): Promise<IdentityProvider>;
  /** Changes the given settings. @throws SamlgateError idp_not_configured */
  change(organization: string, settings: IdentityProviderSettings): Promise<IdentityProvider>;
  /** Removes the identity provider. Users cannot sign in to the organization until it has a new one. */
  remove(organization: string): Promise<void>;
}

/** The connections of an organization, each to one identity provider, for its owners and the operator. */
export interface ConnectionCalls {
  /** Returns all connections, the default connection first. */
  list(organization: string): Promise<ListPage<IdentityProvider>>;
  get(organization: string, id: string): Promise<IdentityProvider>;
  /** Creates a draft. @throws SamlgateError idp_metadata_invalid, conflict */
  create(organization: string, name: string, metadata: IdentityProviderMetadata, options?: MetadataOptions): Promise<IdentityProvider>;
  /** Replaces the metadata; name, state and settings stay. @throws SamlgateError idp_metadata_invalid, conflict */
  setMetadata(organization: string, id: string, metadata: IdentityProviderMetadata, options?: MetadataOptions): Promise<IdentityProvider>;
  /**
   * Changes the given fields. Disabling revokes the credentials of its members unless `keep_sessions` is true. With `dryRun`, returns
   * the connection as it would be, and how many members a new identifier affects.
   */
  change(
    organization: string,
    id: string,
    changes: ConnectionChanges,
    options?: { readonly dryRun?: boolean | undefined },
  ): Promise<IdentityProvider>;
  /** Returns the metadata that a setup link proposes. @throws SamlgateError not_found */
  getProposal(organization: string, id: string): Promise<MetadataProposal>;
  /**
   * Makes proposed metadata the current one.
   * @param proposal the ID of the proposal
   * @param options.metadata_url the metadata URL of the proposal; required if the connection has another one or none
   * @throws SamlgateError conflict, not_found
   */
  acceptProposal(
    organization: string,
    id: string,
    proposal: string,
    options?: { readonly metadata_url?: string | undefined },
  ): Promise<IdentityProvider>;
  /** Deletes proposed metadata. @param proposal the ID of the proposal. @throws SamlgateError conflict, not_found */
  discardProposal(organization: string, id: string, proposal: string): Promise<void>;
  /** Deletes a connection and revokes the credentials of its members. @throws SamlgateError conflict */
  remove(organization: string, id: string, options?: { readonly keepSessions?: boolean | undefined }): Promise<void>;
  /** Members who have not signed in since the identity provider of a connection changed, with the users who ask to become them. */
  readonly pendingMembers: PendingMemberCalls;
}

export interface LinkDecision {
  /** ID of the member. */
  readonly member: string;
  /** ID of the request, so that no other request is decided than the one you saw. */
  readonly linkRequest: string;
}

export interface PendingMemberCalls {
  list(organization: string, connection: string): PagedList<PendingMember>;
  /** Makes the user of a request the member. @throws SamlgateError conflict if the request was replaced, decided or expired */
  approve(organization: string, connection: string, decision: LinkDecision): Promise<Member>;
  /** Lets no user become the member. @throws SamlgateError conflict */
  decline(organization: string, connection: string, decision: LinkDecision): Promise<Member>;
  /** Revokes the sessions and CLI tokens of all pending members of a change. @throws SamlgateError conflict if there was another change */
  revoke(organization: string, connection: string, change: string): Promise<{ change: string }>;
}

export function identityProviderCalls(api: Api): IdentityProviderCalls {
  const at = (organization: string) => ['organizations', organization, 'identity-provider'];
  return {
    get: (organization) => api.get(at(organization)),
    set: (organization, metadata, options = {}) => sendMetadata(api, 'PUT', at(organization), { metadata, query: metadataQuery(options) }),
    change: (organization, settings) => api.send('PATCH', at(organization), settings),
    remove: (organization) => api.send('DELETE', at(organization)),
  };
}

const metadataQuery = ({ entityId, dryRun, onNewEntityId, linkUntil }: MetadataOptions) => ({
  entity_id: entityId,
  dry_run: dryRun,
  on_new_entity_id: onNewEntityId,
  link_until: linkUntil,
});

interface SentMetadata {
  readonly metadata: IdentityProviderMetadata;
  readonly query: NonNullable<CallOptions['query']>;
}

function sendMetadata<T>(api: Api, method: string, path: readonly string[], { metadata, query }: SentMetadata): Promise<T> {
  if (!('document' in metadata)) return api.send(method, path, metadata, { query });
  // Text is sent as UTF-8, whatever encoding its XML declaration names. The byte order mark takes precedence.
  const document = typeof metadata.document === 'string' ? `\ufeff${metadata.document}` : metadata.document;
  return api.send(method, path, document, { query, contentType: 'application/samlmetadata+xml' });
}

export function connectionCalls(api: Api): ConnectionCalls {
  const at = (organization: string, ...id: readonly string[]) => ['organizations', organization, 'connections', ...id];
  return {
    list: (organization) => api.get(at(organization)),
    get: (organization, id) => api.get(at(organization, id)),
    getProposal: (organization, id) => api.get(at(organization, id, 'proposal')),
    acceptProposal: (organization, id, proposal, { metadata_url } = {}) =>
      api.send('POST', at(organization, id, 'proposal', 'accept'), { proposal, metadata_url }),
    discardProposal: (organization, id, proposal) => api.send('POST', at(organization, id, 'proposal', 'discard'), { proposal }),
    create: (organization, name, metadata, { entityId, dryRun } = {}) => {
      const named = 'document' in metadata ? metadata : { ...metadata, name };
      const query = { entity_id: entityId, dry_run: dryRun, ...('document' in metadata ? { name } : {}) };
      return sendMetadata(api, 'POST', at(organization), { metadata: named, query });
    },
    setMetadata: (organization, id, metadata, options = {}) =>
      sendMetadata(api, 'PUT', at(organization, id), { metadata, query: metadataQuery(options) }),
    change: (organization, id, changes, { dryRun } = {}) =>
      api.send('PATCH', at(organization, id), changes, { query: { dry_run: dryRun } }),
    remove: (organization, id, { keepSessions } = {}) =>
      api.send('DELETE', at(organization, id), undefined, { query: { keep_sessions: keepSessions } }),
    pendingMembers: {
      list: (organization, id) => api.list(at(organization, id, 'pending-members')),
      approve: (organization, id, { member, linkRequest }) =>
        api.send('POST', at(organization, id, 'pending-members', member, 'approve'), { link_request: linkRequest }),
      decline: (organization, id, { member, linkRequest }) =>
        api.send('POST', at(organization, id, 'pending-members', member, 'decline'), { link_request: linkRequest }),
      revoke: (organization, id, change) => api.send('POST', at(organization, id, 'pending-members', 'revoke'), { change }),
    },
  };
}
