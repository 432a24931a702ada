/** `/organizations`: the organizations of the gateway. */

import { deleteOrganization } from '../../organizations/deletion.ts';
import { listOrganizations, organizationIdOf } from '../../organizations/directory.ts';
import { countOwnersLosingRole, switchesGroups } from '../../organizations/groups/switch-groups.ts';
import { changeOrganization, createOrganization, previewOrganization } from '../../organizations/organization-lifecycle.ts';
import { countUnprovisioned } from '../../organizations/provisioning/unprovisioned-members.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { organizationJson } from './representations.ts';
import { json } from './request-body.ts';
import { DRY_RUN_QUERY, NEW_ORGANIZATION, ORGANIZATION_CHANGES, PAGE_QUERY, toOrganizationChanges } from './request-shapes.ts';

export const ORGANIZATIONS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations',
    id: 'listOrganizations',
    summary: 'List organizations',
    description: 'Returns organizations sorted by slug.',
    who: 'operator',
    query: PAGE_QUERY,
    status: 200,
    answer: answers.ORGANIZATION_PAGE,
    handle: async ({ runtime, query }) => {
      const { items, nextCursor } = await listOrganizations(runtime.store, query);
      const answers = await Promise.all(items.map((organization) => organizationJson(runtime, organization)));
      return { items: answers, next_cursor: nextCursor };
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations',
    id: 'createOrganization',
    summary: 'Create an organization',
    description: 'Returns 409 if another organization has the slug or one of the domains.',
    who: 'operator',
    body: json(NEW_ORGANIZATION),
    status: 201,
    answer: answers.ORGANIZATION,
    refusals: ['conflict'],
    handle: async ({ runtime, actor, body: { slug, name, ...rest } }) =>
      organizationJson(
        runtime,
        await createOrganization(runtime, actor, { slug, name, domains: [], allowedReturnUrls: [], ...toOrganizationChanges(rest) }),
      ),
  }),
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}',
    id: 'getOrganization',
    summary: 'Retrieve an organization',
    who: 'owner',
    status: 200,
    answer: answers.ORGANIZATION,
    handle: ({ runtime, organization }) => organizationJson(runtime, organization),
  }),
  operation({
    method: 'patch',
    path: '/api/v1/organizations/{org}',
    id: 'changeOrganization',
    summary: 'Update an organization',
    description:
      'Changes the fields that are present. `null` removes a value. With `dry_run=true` the changes are checked but not saved. If `provisioning` is or becomes `scim_required`, the answer counts the members whom it refuses, and if `groups_from` changes, the owners who would lose the role. Returns 409 if another `groups_from` leaves no owner, unless `allow_no_owner` is true.',
    who: 'operator',
    query: DRY_RUN_QUERY,
    body: json(ORGANIZATION_CHANGES),
    status: 200,
    answer: answers.ORGANIZATION,
    refusals: ['conflict'],
    handle: async ({ runtime, actor, organization, query, body: { allow_no_owner: allowNoOwner, ...fields } }) => {
      const change = { organizationId: organization.id, changes: toOrganizationChanges(fields), allowNoOwner };
      if (query.dry_run !== 'true') return organizationJson(runtime, await changeOrganization(runtime, actor, change));
      const preview = await previewOrganization(runtime, change);
      const counts = {
        ...(preview.provisioning === 'scim_required' ? { members_not_provisioned: await countUnprovisioned(runtime.store, preview) } : {}),
        ...(switchesGroups(organization, preview) ? { owners_losing_role: await countOwnersLosingRole(runtime.store, preview) } : {}),
      };
      return { ...(await organizationJson(runtime, preview)), ...counts };
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}',
    id: 'deleteOrganization',
    summary: 'Delete an organization',
    description:
      'Permanently deletes the organization with its members, sessions, tokens and audit trail. When the call returns, its sign-ins, sessions and tokens are refused, and its slug and domains are free. The data is deleted in the background, even if the call fails halfway.',
    who: 'operator',
    // A deletion that stopped halfway leaves only the directory entry. The operator must still be able to repeat it.
    findOrganization: async (store, slug) => ({ id: await organizationIdOf(store, slug) }),
    status: 204,
    handle: ({ runtime, actor, organization }) => deleteOrganization(runtime, actor, organization.id),
  }),
];
