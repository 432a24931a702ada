/** `/organizations/{org}/role-mapping`: the rules that give members their roles. */
import { countOwnersLosingRole, switchesGroups } from '../../organizations/groups/switch-groups.ts';
import { roleMappingWarnings } from '../../organizations/role-mapping.ts';
import { changeRoleMapping } from '../../organizations/role-mapping-change.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { roleMappingJson } from './representations.ts';
import { json } from './request-body.ts';
import { DRY_RUN_QUERY, NEW_ROLE_MAPPING } from './request-shapes.ts';

export const ROLE_MAPPINGS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/role-mapping',
    id: 'getRoleMapping',
    summary: 'Retrieve the role rules',
    who: 'owner',
    status: 200,
    answer: answers.ROLE_MAPPING_ANSWER,
    handle: ({ organization }) => roleMappingJson(organization.roleMapping),
  }),
  operation({
    method: 'put',
    path: '/api/v1/organizations/{org}/role-mapping',
    id: 'setRoleMapping',
    summary: 'Replace the role rules',
    description:
      'Replaces all rules. A rule applies to the users of the default connection, unless `connection` names another one, or `*` for all; the default role applies to the default connection only. If several rules match a user, `owner` wins. The default role `none` denies access. Returns 409 if no known member would be an owner after the next sign-in, and either neither a rule nor the default gives the owner role or the organization has an owner now. Only the operator can confirm such rules, with `"allow_no_owner": true`. Others get 403. With `groups_from`, the operator also switches the groups, and only the combination is checked. With `dry_run=true`, the rules are checked but not saved.',
    who: 'owner',
    query: DRY_RUN_QUERY,
    body: json(NEW_ROLE_MAPPING),
    status: 200,
    answer: answers.SAVED_ROLE_MAPPING,
    refusals: ['conflict'],
    handle: async ({ runtime, actor, organization, query, body }) => {
      const after = await changeRoleMapping(runtime, actor, {
        organizationId: organization.id,
        roleMapping: { rules: body.rules, defaultRole: body.default_role },
        groupsFrom: body.groups_from,
        allowNoOwner: body.allow_no_owner ?? false,
        isDryRun: query.dry_run === 'true',
      });
      const isPreviewOfSwitch = query.dry_run === 'true' && switchesGroups(organization, after);
      return {
        ...roleMappingJson(after.roleMapping),
        warnings: roleMappingWarnings(after.roleMapping),
        ...(isPreviewOfSwitch ? { owners_losing_role: await countOwnersLosingRole(runtime.store, after) } : {}),
      };
    },
  }),
];
