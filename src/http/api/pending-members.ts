/** `/organizations/{org}/connections/{con}/pending-members`: members who have not signed in since the identity provider changed. */
import { requireRecentSignIn } from '../../auth/sessions/recent-sign-in.ts';
import { GatewayError } from '../../errors.ts';
import { requireConnection } from '../../organizations/connections/connections.ts';
import { readIdentifierTable } from '../../organizations/idp-change/identifier-table.ts';
import { approveLink, declineLink } from '../../organizations/idp-change/link-requests.ts';
import { listPendingMembers, revokePendingMembers } from '../../organizations/idp-change/pending-members.ts';
import { previewChange } from '../../organizations/idp-change/preview-change.ts';
import { runComparison } from '../limits/request-slots.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { CHANGE_PREVIEW, PENDING_MEMBER_PAGE, REVOKED_PENDING_MEMBERS } from './pending-member-answers.ts';
import { CHANGE_TO_PREVIEW, LINK_DECISION, PENDING_REVOCATION } from './pending-member-requests.ts';
import { changePreviewJson, memberJson, pageJson, pendingMemberJson } from './representations.ts';
import { json } from './request-body.ts';
import { PAGE_QUERY } from './request-shapes.ts';

export const PENDING_MEMBERS = [
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/preview-change',
    id: 'previewChange',
    summary: 'Preview a change of the identity provider',
    description:
      'Counts what a decision about metadata with another entity ID would do to the members of the connection, and saves nothing. With `identifiers_csv`, the identifiers of the new identity provider are compared with those of the members; this needs the operator, or an owner’s session whose sign-in is less than 10 minutes old.',
    who: 'owner',
    body: json(CHANGE_TO_PREVIEW),
    status: 200,
    answer: CHANGE_PREVIEW,
    refusals: ['not_found', 'payload_too_large'],
    handle: async ({ runtime, response, principal, organization, params, body: { on_new_entity_id: decision, identifiers_csv: csv } }) => {
      const connection = requireConnection(organization, params.con);
      if (csv !== undefined) requireRecentSignIn(principal, runtime.now());
      if (csv !== undefined && decision !== 'keep') {
        throw new GatewayError('validation_failed', 'identifiers_csv: is only possible with on_new_entity_id: keep.');
      }
      const change = { organization, connection, decision };
      const preview =
        csv === undefined
          ? await previewChange(runtime.store, change, runtime.now())
          : await runComparison(runtime, organization.id, response, async () =>
              previewChange(runtime.store, { ...change, table: await readIdentifierTable(csv) }, runtime.now()),
            );
      const lines = preview.lines.map(({ line, from, to, email = null, result }) => ({
        ...{ line, old_identifier: from, new_identifier: to, email, result },
      }));
      return { ...changePreviewJson(preview), problems: preview.problems, lines };
    },
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections/{con}/pending-members',
    id: 'listPendingMembers',
    summary: 'List members who have not signed in since the identity provider changed',
    description:
      'Returns members sorted by email address, with the users who ask to become them. A member stays in the list after an approval until the user signs in. The list is empty if the entity ID has never changed while the connection had members. A page may have fewer than `limit` items although more follow; only `next_cursor` tells.',
    who: 'owner',
    query: PAGE_QUERY,
    status: 200,
    answer: PENDING_MEMBER_PAGE,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params, query }) => {
      const connection = requireConnection(organization, params.con);
      const page = await listPendingMembers(runtime.store, { organization, connection }, query);
      return pageJson(page, ({ value }) => pendingMemberJson(value, connection));
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/pending-members/{id}/approve',
    id: 'approveLink',
    summary: 'Approve linking a user to an existing member',
    description:
      'The user of the request is this member from the next sign-in on. ID, tokens and a suspension of the member stay. Returns 409 if the request was replaced, decided or expired, or if the user has another account by now.',
    who: 'owner',
    body: json(LINK_DECISION),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body }) =>
      memberJson(await approveLink(runtime, actor, decisionOf(organization.id, params, body))),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/pending-members/{id}/decline',
    id: 'declineLink',
    summary: 'Decline to link a user to an existing member',
    description:
      'No user of the new identity provider becomes this member, and the user of the request gets a new account at the next sign-in. The credentials of the member stay until you revoke them. Returns 409 if the request was replaced, decided or expired.',
    who: 'owner',
    body: json(LINK_DECISION),
    status: 200,
    answer: answers.MEMBER,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body }) =>
      memberJson(await declineLink(runtime, actor, decisionOf(organization.id, params, body))),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/pending-members/revoke',
    id: 'revokePendingMembers',
    summary: 'Revoke the credentials of all members who have not signed in since the identity provider changed',
    description:
      'Immediately revokes the sessions and CLI tokens of these members, approved and declined ones included. The members stay, and can still sign in. Returns 409 if the identity provider has changed again.',
    who: 'owner',
    body: json(PENDING_REVOCATION),
    status: 200,
    answer: REVOKED_PENDING_MEMBERS,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, organization, params, body: { change } }) => {
      await revokePendingMembers(runtime, actor, { organization, connectionId: params.con, changeId: change });
      return { change };
    },
  }),
];

const decisionOf = (
  organizationId: string,
  { con, id }: { readonly con: string; readonly id: string },
  { link_request: requestId }: { readonly link_request: string },
) => ({ organizationId, connectionId: con, memberId: id, requestId });
