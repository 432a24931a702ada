/** `/organizations/{org}/connections/{con}/provisioning`: what owners and the operator see and decide about the users of a SCIM client. */
import { requireConnection } from '../../organizations/connections/connections.ts';
import type { Member } from '../../organizations/members.ts';
import { approveConflict, conflictState, declineConflict, listConflicts } from '../../organizations/provisioning/provisioning-conflicts.ts';
import { listProvisioningRequests, type ProvisioningRequest } from '../../organizations/provisioning/provisioning-log.ts';
import { adviceOn } from '../../organizations/provisioning/request-advice.ts';
import { toIsoTime } from '../../time.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { CONFLICT_DECISION, PROVISIONING_CONFLICT_PAGE, PROVISIONING_REQUEST_PAGE } from './provisioning-shapes.ts';
import { memberJson, pageJson } from './representations.ts';
import { json } from './request-body.ts';
import { PAGE_QUERY } from './request-shapes.ts';

export const PROVISIONING = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections/{con}/provisioning/requests',
    id: 'listProvisioningRequests',
    summary: 'List SCIM requests',
    description:
      'Returns the last requests of the SCIM client of the connection, the newest first. At most 40 refused requests, 40 changes and 20 reads are kept, for SAMLGATE_SIGN_IN_LOG_DAYS days. Names of users are masked, and bodies are never stored. Requests without a valid token are not recorded.',
    who: 'owner',
    query: PAGE_QUERY,
    status: 200,
    answer: PROVISIONING_REQUEST_PAGE,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params, query }) => {
      const { id: connectionId } = requireConnection(organization, params.con);
      return pageJson(await listProvisioningRequests(runtime, { organizationId: organization.id, connectionId }, query), requestJson);
    },
  }),
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
    summary: 'Approve linking a SCIM user to a member',
    description:
      'The next request of the identity provider that creates the user links it to the member, within 14 days. From then on, the identity provider can change and deactivate the member, even if it is the last owner. Other members that the user could be are declined. Returns 409 if the conflict was replaced or resolved.',
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
    summary: 'Decline to link a SCIM user to a member',
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

const requestJson = (request: ProvisioningRequest) => ({
  at: toIsoTime(request.atMs),
  request_id: request.requestId ?? null,
  method: request.method,
  path: request.path,
  status: request.status,
  scim_type: request.scimType ?? null,
  detail: request.detail ?? null,
  advice: adviceOn(request) ?? null,
  user_name: request.userName ?? null,
  member_id: request.memberId ?? null,
});
