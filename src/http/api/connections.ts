/** `/organizations/{org}/connections`: the identity providers of an organization. */
import { GatewayError } from '../../errors.ts';
import {
  changeConnection,
  createConnection,
  removeConnection,
  withNewConnection,
} from '../../organizations/connections/change-connection.ts';
import { requireConnection } from '../../organizations/connections/connections.ts';
import { loadMetadataFor } from '../../organizations/connections/identity-providers.ts';
import { signalOf } from '../request-context.ts';
import * as answers from './answer-shapes.ts';
import { describeConnection, METADATA_BODY, NEW_CONNECTION_BODY, previewChanges, putMetadata, withEntityId } from './metadata-body.ts';
import { operation } from './operation.ts';
import { json } from './request-body.ts';
import {
  CONNECTION_CHANGES,
  CONNECTION_REMOVAL_QUERY,
  DRY_RUN_QUERY,
  METADATA_QUERY,
  NEW_CONNECTION_QUERY,
  toConnectionChanges,
} from './request-shapes.ts';

export const CONNECTIONS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections',
    id: 'listConnections',
    summary: 'List connections',
    description: 'Returns the connections, the default connection first. All connections fit on one page.',
    who: 'owner',
    status: 200,
    answer: answers.CONNECTION_PAGE,
    handle: async ({ runtime, principal, organization }) => {
      const items = organization.connections.map((connection) => describeConnection(runtime, principal, { organization, connection }));
      return { items: await Promise.all(items), next_cursor: null };
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections',
    id: 'createConnection',
    summary: 'Create a connection',
    description:
      'Creates a draft. Only test sign-ins are possible with it. Accepts the metadata in the same forms as `/identity-provider`. JSON has the `name` in the body, other forms in the query. With `dry_run=true` nothing is saved.',
    who: 'owner',
    query: NEW_CONNECTION_QUERY,
    body: NEW_CONNECTION_BODY,
    status: 201,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_metadata_invalid', 'payload_too_large', 'conflict'],
    handle: async ({ runtime, principal, actor, organization, query, body, authorizeAgain }) => {
      const name = body.name ?? query.name;
      if (name === undefined) throw new GatewayError('validation_failed', 'name: is required');
      const loaded = await loadMetadataFor(runtime, organization, withEntityId(body.source, query.entity_id));
      if (body.source.kind === 'url') await authorizeAgain();
      const input = { organization, name, loaded };
      const created = query.dry_run === 'true' ? withNewConnection(input, runtime.now()) : await createConnection(runtime, actor, input);
      return describeConnection(runtime, principal, created, loaded);
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections/{con}',
    id: 'getConnection',
    summary: 'Retrieve a connection',
    who: 'owner',
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['not_found'],
    handle: ({ runtime, principal, organization, params }) =>
      describeConnection(runtime, principal, { organization, connection: requireConnection(organization, params.con) }),
  }),
  operation({
    method: 'put',
    path: '/api/v1/organizations/{org}/connections/{con}',
    id: 'setConnectionMetadata',
    summary: 'Set the metadata of a connection',
    description: 'Works like PUT `/identity-provider`, for the connection in the path. The name, the state and the settings remain.',
    who: 'owner',
    query: METADATA_QUERY,
    body: METADATA_BODY,
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_metadata_invalid', 'payload_too_large', 'conflict', 'not_found'],
    handle: ({ params, ...call }) => putMetadata({ ...call, connectionId: requireConnection(call.organization, params.con).id }),
  }),
  operation({
    method: 'patch',
    path: '/api/v1/organizations/{org}/connections/{con}',
    id: 'changeConnection',
    summary: 'Update a connection',
    description:
      'Changes the name, the state or the settings that are present. `null` restores the default of a setting. `"state": "disabled"` refuses sign-ins immediately and revokes the sessions and tokens of the connection’s members, unless `keep_sessions` is true. `"state": "active"` returns 409 if the organization would go live without a role rule that gives a user the owner role, unless the operator confirms it with `"allow_no_owner": true`. `"is_default": true` makes it the default connection. With `dry_run=true` nothing is saved, and `affected_members` counts the members whom a new `identifier` affects.',
    who: 'owner',
    query: DRY_RUN_QUERY,
    body: json(CONNECTION_CHANGES),
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['conflict', 'not_found'],
    handle: async ({ runtime, response, principal, actor, organization, query, body, params }) => {
      const { id: connectionId } = requireConnection(organization, params.con);
      const { changes, keepsSessions, allowNoOwner } = toConnectionChanges(body);
      if (query.dry_run === 'true') {
        return previewChanges(runtime, principal, { organization, connectionId, changes, signal: signalOf(response) });
      }
      const after = await changeConnection(runtime, actor, { organization, connectionId, changes, keepsSessions, allowNoOwner });
      return describeConnection(runtime, principal, { organization: after, connection: requireConnection(after, connectionId) });
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/connections/{con}',
    id: 'removeConnection',
    summary: 'Delete a connection',
    description:
      'Refuses sign-ins immediately and revokes the sessions and tokens of the connection’s members, unless `keep_sessions` is true. Returns 409 for the default connection while there are others, and for a connection that role rules name.',
    who: 'owner',
    query: CONNECTION_REMOVAL_QUERY,
    status: 204,
    refusals: ['conflict', 'not_found'],
    handle: async ({ runtime, actor, organization, params, query }) => {
      await removeConnection(runtime, actor, { organization, connectionId: params.con, keepsSessions: query.keep_sessions === 'true' });
    },
  }),
];
