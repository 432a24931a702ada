/** Saves the role rules of an organization, unless they leave it without an owner. */
import { type Actor, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { findConnection } from './connections/connections.ts';
import { finishBeforeSwitch, noOwnerAfterSwitch, requireFinishedBeforeSwitch, switchesGroups } from './groups/switch-groups.ts';
import { type GroupsFrom, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from './organizations.ts';
import { ownerLossStep, reportOwnerLoss, withOwner, withoutOwner } from './owners/owner-loss.ts';
import { requireSettingsFit } from './quotas/quotas.ts';
import { ANY_CONNECTION, compareRules, type RoleMapping } from './role-mapping.ts';
import { foreseeRoles, NO_OWNER_TEXTS, noOwnerReason } from './role-mapping-effect.ts';
import { requireRolesChangeableBy } from './setup/setup-roles.ts';

const HOW_TO_CONFIRM =
  'Only the operator can save the rules as they are, with "allow_no_owner": true in the API or --allow-no-owner at the command line.';

export interface RoleMappingChange {
  readonly organizationId: string;
  /** The new rules, or a function of those that are saved. */
  readonly roleMapping: RoleMapping | ((saved: RoleMapping) => RoleMapping);
  /**
   * Another `groups_from`, which the operator switches in the same commit. Saved one after the other, the rules would be checked against
   * the former groups, and sign-ins in between would be evaluated with an unintended combination.
   */
  readonly groupsFrom?: GroupsFrom | undefined;
  /** The operator's confirmation of rules that leave no owner. */
  readonly allowNoOwner: boolean;
  /** Checks the rules without saving them. */
  readonly isDryRun?: boolean | undefined;
}

/**
 * Saves role rules with an audit entry, on every replica of the store before it returns.
 *
 * Rules that leave no owner (see {@link noOwnerReason}) are refused, unless the operator confirms them. The members are read after
 * the organization's record, and the commit requires its version, which every removal, suspension or demotion of an owner
 * increments. So no owner that is counted here can be removed, suspended or demoted in between.
 * @throws validation_failed for a rule of an unknown connection; conflict for rules that leave no owner, or if groups are renamed or deleted
 *   while `groups_from` is switched; forbidden if anyone but the operator confirms them or switches the groups, or for a setup link that may
 *   not change them; organization_unknown
 */
export async function changeRoleMapping(runtime: Runtime, actor: Actor, change: RoleMappingChange): Promise<Organization> {
  const { organizationId, groupsFrom, allowNoOwner, isDryRun = false } = change;
  requireOperator(actor, change);
  if (groupsFrom !== undefined && !isDryRun) await finishBeforeSwitch(runtime, { organizationId, groupsFrom });
  return compareAndSet(async () => {
    const stored = await runtime.store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!stored) throw new GatewayError('organization_unknown');
    const before = stored.value;
    const saved = before.roleMapping;
    const roleMapping = typeof change.roleMapping === 'function' ? change.roleMapping(saved) : change.roleMapping;
    requireKnownConnections(before, roleMapping);
    const setupSteps = await requireRolesChangeableBy(runtime.store, actor, { organization: before, roleMapping });
    const value: Organization = { ...before, roleMapping, ...(groupsFrom === undefined ? {} : { groupsFrom }) };
    const isSwitch = switchesGroups(before, value);
    const effect = await foreseeRoles(runtime.store, { organization: value, mapping: roleMapping });
    const reason = noOwnerReason(saved, roleMapping, { ...effect, isSwitch });
    if (reason !== undefined && !allowNoOwner) {
      if (isSwitch && reason === 'no_owner_member') throw noOwnerAfterSwitch('These rules with this groups_from', effect);
      throw new GatewayError('conflict', `${NO_OWNER_TEXTS[reason]} ${HOW_TO_CONFIRM}`);
    }
    requireSettingsFit(runtime, { before, after: value, isByGateway: false });
    if (isDryRun) return value;
    await requireFinishedBeforeSwitch(runtime.store, before, value);
    const nowMs = runtime.now();
    const marked = reason !== undefined && effect.ownersBefore > 0 ? withoutOwner(value, nowMs) : undefined;
    const hasOwner = effect.ownersBefore > 0 && effect.ownersAfter > 0;
    const after = marked ?? (hasOwner ? withOwner(value) : value);
    const details = {
      // A long list of rules will be shortened, so the rules that changed are in the entry separately.
      ...compareRules(saved.rules, roleMapping.rules),
      rules: roleMapping.rules,
      default_role: roleMapping.defaultRole,
      ...(reason === undefined ? {} : { allow_no_owner: true }),
    };
    const result = await runtime.store.commit(
      organizationId,
      [
        { do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version: stored.version, value: after },
        auditStep(nowMs, actor, 'role_mapping.changed', { details }),
        ...(isSwitch ? [auditStep(nowMs, actor, 'organization.changed', { details: { fields: ['groupsFrom'] } })] : []),
        ...(marked ? [ownerLossStep(nowMs, actor, 'role_mapping')] : []),
        ...setupSteps,
      ],
      // A failover must not bring back rules that were replaced.
      { replicated: true },
    );
    if (!result.ok) return RETRY;
    if (marked) await reportOwnerLoss(runtime, after, 'role_mapping');
    return after;
  });
}

/** @throws forbidden */
function requireOperator({ kind }: Actor, { allowNoOwner, groupsFrom }: RoleMappingChange): void {
  if (kind === 'operator') return;
  if (allowNoOwner)
    throw new GatewayError('forbidden', 'Only the operator can allow role rules that leave the organization without an owner.');
  if (groupsFrom !== undefined) throw new GatewayError('forbidden', 'Only the operator can change groups_from.');
}

/** @throws validation_failed */
function requireKnownConnections(organization: Organization, { rules }: RoleMapping): void {
  for (const { connection } of rules) {
    if (connection === undefined || connection === ANY_CONNECTION || findConnection(organization, connection)) continue;
    throw new GatewayError('validation_failed', 'rules: “connection” must be the ID of a connection of this organization, or “*”.');
  }
}
