/** `/organizations/{org}/members`: the members of an organization. */
import { revokeAllCliTokens } from '../../auth/tokens/cli-tokens.ts';
import { changeMember, removeMember } from '../../organizations/member-changes.ts';
import { listMembers } from '../../organizations/member-list.ts';
import { getMember } from '../../organizations/members.ts';
import { provisioningConnections } from '../../organizations/provisioning/unprovisioned-members.ts';
import { signalOf } from '../request-context.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { memberJson, pageJson } from './representations.ts';
import { json } from './request-body.ts';
import { MEMBER_CHANGES, MEMBER_QUERY } from './request-shapes.ts';

export const MEMBERS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/members',
    id: 'listMembers',
    summary: 'List members',
    description:
      'Returns members sorted by email address. With `query` or `provisioned`, one request searches at most 1,000 members, so a page may have fewer than `limit` items, or none, although more follow; only `next_cursor` tells. `provisioned=false` returns the members without a SCIM user, whom `scim_required` refuses.',
    who: 'owner',
    query: MEMBER_QUERY,
    status: 200,
    answer: answers.MEMBER_PAGE,
    handle: async ({ runtime, response, organization, query }) => {
      const { provisioned, ...rest } = query;
      const withoutUserOf = provisioned === 'false' ? provisioningConnections(organization) : undefined;
      const page = await listMembers(runtime.store, organization.id, { ...rest, withoutUserOf, signal: signalOf(response) });
      return pageJson(page, ({ value }) => memberJson(value));
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/members/{id}',
    id: 'getMember',
    summary: 'Retrieve a member',
    who: 'owner',
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params }) => memberJson((await getMember(runtime.store, organization.id, params.id)).value),
  }),
  operation({
    method: 'patch',
    path: '/api/v1/organizations/{org}/members/{id}',
    id: 'changeMember',
    summary: 'Update a member',
    description:
      'Changes the role or the suspension. Suspending a member immediately ends all sessions and blocks all tokens. It also suspends other accounts with the same email address: at most 20, the oldest first. An owner is only suspended with another account if both also have the same globally unique identifier, because some identity providers let users edit their email address. Lifting a suspension concerns one account. Members are refused while another account with their globally unique identifier is suspended, and new users while a member with their email address is. Returns 409 if a role rule determines the role, and for the last owner.',
    who: 'owner',
    body: json(MEMBER_CHANGES),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body }) =>
      memberJson(await changeMember(runtime, actor, { organizationId: organization.id, memberId: params.id, changes: body })),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/members/{id}',
    id: 'removeMember',
    summary: 'Remove a member',
    description: 'Removes the member and immediately revokes all sessions and tokens. Returns 409 for the last owner.',
    who: 'owner',
    status: 204,
    refusals: ['not_found', 'conflict'],
    handle: ({ runtime, actor, organization, params }) =>
      removeMember(runtime, actor, { organizationId: organization.id, memberId: params.id }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/members/{id}/tokens/rotate',
    id: 'rotateMemberTokens',
    summary: 'Revoke a member’s CLI tokens',
    description: 'Revokes all CLI tokens of the member. Only the member can create a new one. A session token cannot revoke CLI tokens.',
    who: 'owner',
    status: 200,
    answer: answers.REVOKED_TOKENS,
    refusals: ['not_found'],
    handle: async ({ runtime, actor, principal, organization, params }) => {
      const credential = principal.kind === 'member' ? principal.credential : undefined;
      return { revoked: await revokeAllCliTokens(runtime, actor, { organizationId: organization.id, memberId: params.id, credential }) };
    },
  }),
];
