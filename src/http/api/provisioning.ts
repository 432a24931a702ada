/** `/organizations/{org}/connections/{con}/provisioning`: what owners and the operator see and decide about the users of a SCIM client. */
import { requireConnection } from '../../organizations/connections/connections.ts';
import type { Member } from '../../organizations/members.ts';
import { approveConflict, conflictState, declineConflict, listConflicts } from '../../organizations/provisioning/provisioning-conflicts.ts';
import { toIsoTime } from '../../time.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { CONFLICT_DECISION, PROVISIONING_CONFLICT_PAGE } from './provisioning-shapes.ts';
import { memberJson } from './representations.ts';
import { json } from './request-body.ts';
import { PAGE_QUERY } from './request-shapes.ts';

export const PROVISIONING = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections/{con}/provisioning/conflicts',
    id: 'listProvisioningConflicts',
    summary: 'List conflicts of provisioning',
    description:
      'Returns the members that a SCIM user could be, but is not linked to without an approval, because the member is an owner or there are several such members. The identity provider got 409 for the user.',
    who: 'owner',
    query: PAGE_QUERY,
    status: 200,
    answer: PROVISIONING_CONFLICT_PAGE,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params, query }) => {
      const connection = requireConnection(organization, params.con);
      const { items, nextCursor } = await listConflicts(runtime.store, { organization, connection }, query);
      return { items: items.flatMap(({ value }) => conflictJson(value, runtime.now())), next_cursor: nextCursor };
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/provisioning/conflicts/{id}/approve',
    id: 'approveProvisioning',
    summary: 'Approve that a SCIM user is an existing member',
    description:
      'The next request of the identity provider that creates the user links it to the member, within 14 days. From then on, the identity provider can change and deactivate the member, also if it is the last owner. Other members that the user could be are declined. Returns 409 if the conflict was replaced or resolved.',
    who: 'owner',
    body: json(CONFLICT_DECISION),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body }) =>
      memberJson(await approveConflict(runtime, actor, decisionOf(organization.id, params, body))),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/provisioning/conflicts/{id}/decline',
    id: 'declineProvisioning',
    summary: 'Decline that a SCIM user is an existing member',
    description:
      'The user is linked to the only other member that it could be, unless that is an owner. If there is none, the identity provider continues to get 409. A declined conflict can still be approved. Returns 409 if the conflict was replaced or resolved.',
    who: 'owner',
    body: json(CONFLICT_DECISION),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body }) =>
      memberJson(await declineConflict(runtime, actor, decisionOf(organization.id, params, body))),
  }),
];

const decisionOf = (
  organizationId: string,
  { con, id }: { readonly con: string; readonly id: string },
  { conflict }: { readonly conflict: string },
) => ({ organizationId, connectionId: con, memberId: id, conflictId: conflict });

function conflictJson({ id, email, name, role, suspended, lastLoginAt, provisioningConflict: conflict }: Member, nowMs: number) {
  if (!conflict) return [];
  const { user } = conflict;
  return [
    {
      ...{ id, email, name, role, suspended, last_login_at: lastLoginAt ?? null },
      conflict: {
        id: conflict.id,
        reason: conflict.reason,
        state: conflictState(conflict, nowMs),
        user_name: user.userName,
        external_id: user.externalId ?? null,
        email: user.email,
        name: user.name,
        at: toIsoTime(conflict.atMs),
      },
    },
  ];
}
