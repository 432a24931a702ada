/** `/organizations/{org}/identity-provider`: the metadata of the identity provider and the settings. */
import type { Principal } from '../../auth/principal.ts';
import { changeConnection, removeIdentityProvider } from '../../organizations/connections/change-connection.ts';
import { requireConnection, requireDefaultConnection } from '../../organizations/connections/connections.ts';
import { changeIdpSettings, type LoadedMetadata } from '../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { signalOf } from '../request-context.ts';
import * as answers from './answer-shapes.ts';
import { describeConnection, METADATA_BODY, previewChanges, putMetadata } from './metadata-body.ts';
import { operation } from './operation.ts';
import { json } from './request-body.ts';
import { CONNECTION_CHANGES, CONNECTION_REMOVAL_QUERY, DRY_RUN_QUERY, METADATA_QUERY, toConnectionChanges } from './request-shapes.ts';

export const IDENTITY_PROVIDERS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'getIdentityProvider',
    summary: 'Retrieve the identity provider',
    description: 'Returns the metadata, the settings, and the values that the identity provider’s administrator needs.',
    who: 'owner',
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured'],
    handle: ({ runtime, principal, organization }) => describe(runtime, principal, organization),
  }),
  operation({
    method: 'put',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'setIdentityProvider',
    summary: 'Set the metadata of the identity provider',
    description:
      'Accepts a metadata document, a form with the field `metadata`, or JSON with the document, its URL or its values. The settings remain. Metadata with another entity ID needs the decision `on_new_entity_id` while the connection has members, otherwise the answer is 409 `conflict`. With `dry_run=true` nothing is saved, and `members` counts the members whom another entity ID affects.',
    who: 'owner',
    query: METADATA_QUERY,
    body: METADATA_BODY,
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_metadata_invalid', 'payload_too_large', 'conflict'],
    handle: putMetadata,
  }),
  operation({
    method: 'patch',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'changeIdentityProviderSettings',
    summary: 'Update the settings of the identity provider',
    description: 'Works like PATCH `/connections/{con}`, for the settings of the default connection.',
    who: 'owner',
    query: DRY_RUN_QUERY,
    body: json(CONNECTION_CHANGES),
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured', 'conflict'],
    handle: async ({ runtime, response, principal, actor, organization, query, body }) => {
      const { id } = requireDefaultConnection(organization);
      const { changes, keepsSessions } = toConnectionChanges(body);
      const { name, state, isDefault, settings = {} } = changes;
      if (query.dry_run === 'true') {
        return previewChanges(runtime, principal, { organization, connectionId: id, changes, signal: signalOf(response) });
      }
      const isSettingsOnly = name === undefined && state === undefined && isDefault === undefined;
      const after = isSettingsOnly
        ? await changeIdpSettings(runtime, actor, { organization, connectionId: id, changes: settings })
        : await changeConnection(runtime, actor, { organization, connectionId: id, changes, keepsSessions });
      return describeConnection(runtime, principal, { organization: after, connection: requireConnection(after, id) });
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'removeIdentityProvider',
    summary: 'Remove the identity provider',
    description:
      'Deletes the only connection. Refuses sign-ins immediately and revokes the sessions and tokens of the members, unless `keep_sessions` is true. Returns 409 if role rules name the connection, or if the organization has several connections. In that case, make another one the default and delete this one at `/connections/{con}`.',
    who: 'owner',
    query: CONNECTION_REMOVAL_QUERY,
    status: 204,
    refusals: ['conflict'],
    handle: ({ runtime, actor, organization, query }) =>
      removeIdentityProvider(runtime, actor, { organization, keepsSessions: query.keep_sessions === 'true' }),
  }),
];

const describe = (runtime: Runtime, principal: Principal, organization: Organization, loaded?: LoadedMetadata) =>
  describeConnection(runtime, principal, { organization, connection: requireDefaultConnection(organization) }, loaded);
