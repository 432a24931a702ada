/** `/organizations/{org}/scim-tokens`: tokens that let identity providers provision users. */
import { createScimToken, listScimTokens, revokeScimToken, type ScimToken, scimTokenState } from '../../auth/tokens/scim-tokens.ts';
import { lastUseOf } from '../../auth/tokens/token-use.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { toIsoTime } from '../../time.ts';
import { pageOf } from './answer-parts.ts';
import { operation } from './operation.ts';
import { json } from './request-body.ts';
import { PAGE_QUERY } from './request-shapes.ts';
import { CREATED_SCIM_TOKEN, NEW_SCIM_TOKEN, SCIM_TOKEN } from './scim-token-shapes.ts';

export const SCIM_TOKENS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/scim-tokens',
    id: 'listScimTokens',
    summary: 'List SCIM tokens',
    description: 'Returns the SCIM tokens of all connections. The tokens themselves are never returned again.',
    who: 'owner',
    query: PAGE_QUERY,
    status: 200,
    answer: pageOf(SCIM_TOKEN),
    handle: async ({ runtime, organization, query }) => {
      const { items, nextCursor } = await listScimTokens(runtime.store, organization.id, query);
      return { items: await Promise.all(items.map(({ value }) => tokenJson(runtime, organization, value))), next_cursor: nextCursor };
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/scim-tokens',
    id: 'createScimToken',
    summary: 'Create a SCIM token',
    description:
      'Creates a token with which the identity provider of one connection creates, changes and deactivates its users. A connection has at most two, so that one can replace the other without a gap. The token is returned only once.',
    who: 'owner',
    body: json(NEW_SCIM_TOKEN),
    status: 201,
    answer: CREATED_SCIM_TOKEN,
    refusals: ['not_found', 'idp_not_configured', 'conflict'],
    handle: async ({ runtime, actor, organization, body }) => {
      const { token, ...created } = await createScimToken(runtime, actor, {
        organizationId: organization.id,
        name: body.name,
        connectionId: body.connection,
        expiresInDays: body.expires_in_days ?? undefined,
      });
      return {
        // The organization was read before its connection became a provisioned one.
        ...(await tokenJson(runtime, { ...organization, scimConnections: [created.connectionId] }, created)),
        token,
        base_url: `${runtime.config.baseUrl}/scim/v2/${organization.slug}`,
      };
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/scim-tokens/{id}',
    id: 'revokeScimToken',
    summary: 'Revoke a SCIM token',
    description: 'Revokes the token immediately. The users that it provisioned stay as they are.',
    who: 'owner',
    status: 204,
    refusals: ['not_found'],
    handle: ({ runtime, actor, organization, params }) =>
      revokeScimToken(runtime, actor, { organizationId: organization.id, id: params.id }),
  }),
];

async function tokenJson(runtime: Runtime, organization: Organization, token: ScimToken) {
  const use = await lastUseOf(runtime, organization.id, token.id);
  return {
    id: token.id,
    name: token.name,
    connection: token.connectionId,
    state: scimTokenState(organization, token, runtime.now()),
    created_at: toIsoTime(token.createdAtMs),
    expires_at: token.expiresAtMs === undefined ? null : toIsoTime(token.expiresAtMs),
    last_used_at: use ? toIsoTime(use.atMs) : null,
  };
}
