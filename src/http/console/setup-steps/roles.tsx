/** The step that chooses which group gets the owner role. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { RolesStep } from '../../../console/setup-steps/roles-step.tsx';
import { setupProgress } from '../../../console/setup-steps/steps.ts';
import { GatewayError } from '../../../errors.ts';
import { activeConnections, isDefaultConnection } from '../../../organizations/connections/connections.ts';
import { listRuleCandidates } from '../../../organizations/groups/groups-with-counts.ts';
import { changeRoleMapping } from '../../../organizations/role-mapping-change.ts';
import { canSetupChangeRoles, ownerGroupsOf, withOwnerGroups } from '../../../organizations/setup/setup-roles.ts';
import type { Runtime } from '../../../runtime.ts';
import { organizationOf } from '../../api/callers.ts';
import { checkShape, NEW_ROLE_MAPPING } from '../../api/request-shapes.ts';
import { findVisitedConnection, requireVisitedConnection } from '../connections/visited-connection.ts';
import { visitActorOf } from '../setup-visit.ts';
import { frameOf, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf, visitOf } from '../visit.ts';
import { findLastTest } from './tests.tsx';

const TEXTS = {
  isClosed: 'Roles can no longer be chosen here. Ask an owner to change the role rules.',
  saved: 'The roles are saved.',
} as const;

export function rolesPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/steps/roles', (request, response) => show(runtime, request, response));
  router.post('/steps/roles', (request, response) => save(runtime, request, response));
  return router;
}

/**
 * Returns whether the visitor chooses roles in this step. After the first connection is active, and for owners, it is done on the page
 * Role mapping, which shows the effect on the members first.
 */
export async function canChooseRoles(runtime: Runtime, response: Response): Promise<boolean> {
  const organization = organizationOf(response);
  const connection = requireVisitedConnection(response);
  const { viewer } = visitOf(response);
  if (viewer.kind === 'setup') return canSetupChangeRoles(runtime.store, organization, connection);
  return viewer.kind === 'operator' && activeConnections(organization).length === 0 && isDefaultConnection(organization, connection);
}

async function show(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const connection = findVisitedConnection(response);
  if (!connection) return response.redirect(303, `${singleSignOnPathOf(response)}/steps`);
  const organization = organizationOf(response);
  const { roleMapping } = organization;
  const isChoosing = await canChooseRoles(runtime, response);
  const test = isChoosing ? await findLastTest(runtime, response, connection) : undefined;
  const page = (
    <RolesStep
      frame={frameOf(runtime, request, response)}
      progress={setupProgress(organization, connection)}
      isChoosing={isChoosing}
      ownerGroups={ownerGroupsOf(roleMapping)}
      defaultRole={roleMapping.defaultRole}
      test={test}
      seen={organization.groupsFrom === 'scim' ? [] : (test?.groups?.groups ?? [])}
      provisioned={isChoosing ? await listRuleCandidates(runtime.store, organization, [connection]) : []}
    />
  );
  sendConsolePage(response, page);
}

const ROLES_FORM = z.object({
  /** One group per line. White space is kept, because it is part of a group’s name. */
  owner_groups: z.string().max(20_000).optional(),
  add_group: z.string().max(2000).optional(),
  default_role: z.enum(['collaborator', 'none']).optional(),
});

async function save(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { owner_groups, add_group, default_role } = parseForm(ROLES_FORM, request);
  if (!(await canChooseRoles(runtime, response))) {
    throw new GatewayError('forbidden', TEXTS.isClosed);
  }
  await changeRoleMapping(runtime, visitActorOf(request, response), {
    organizationId: organizationOf(response).id,
    roleMapping: (saved) => {
      const typed = owner_groups === undefined ? ownerGroupsOf(saved) : owner_groups.split(/\r?\n/).filter((line) => line !== '');
      const groups = add_group === undefined ? typed : [...typed, add_group];
      const defaultRole = default_role ?? (saved.defaultRole === 'none' ? 'none' : 'collaborator');
      const { rules } = withOwnerGroups(saved, { groups, defaultRole });
      const checked = checkShape(NEW_ROLE_MAPPING, { rules, default_role: defaultRole });
      return { rules: checked.rules, defaultRole: checked.default_role };
    },
    allowNoOwner: false,
  });
  redirectWithNotice(runtime, response, `${singleSignOnPathOf(response)}/steps`, TEXTS.saved);
}
