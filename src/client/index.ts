/** `samlgate/client`: a typed client of a gateway's JSON API, for Node.js. */
export type * from './api-types.ts';
export {
  type Client,
  type ClientOptions,
  createClient,
} from './client.ts';
export type {
  ConnectionCalls,
  EntityIdDecision,
  IdentityProviderCalls,
  IdentityProviderMetadata,
  LinkDecision,
  MetadataOptions,
  PendingMemberCalls,
} from './connections.ts';
export type { FindGatewayOptions } from './find-gateway.ts';
export { type ListPage, PagedList } from './paged-list.ts';
export type { ConflictCalls, ProvisioningCalls, ProvisioningDecision, ProvisioningRequestCalls } from './provisioning.ts';
export { SamlgateError, type SamlgateErrorCode } from './samlgate-error.ts';
export type { CallOptions } from './send-request.ts';
