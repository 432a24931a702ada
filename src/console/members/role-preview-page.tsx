import type { ComponentChildren } from 'preact';
import { ANY_CONNECTION, compareRules, type RoleMapping, type RoleMappingWarning } from '../../organizations/role-mapping.ts';
import { NO_OWNER_TEXTS, type NoOwnerReason, type RoleChange, type RoleMappingEffect } from '../../organizations/role-mapping-effect.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import type { RoleMappingPageProps } from './role-mapping-page.tsx';

const TEXTS = {
  title: 'Save these rules?',
  basedOn: (count: number) =>
    `Based on the groups that ${counted(count, 'member')} had at their last sign-in. Each role changes at the next sign-in.`,
  roleMapping: 'Role mapping',
  changes: 'Changes',
  isPartial: 'The organization has more members. The changes for the others are not shown.',
  noRoleChanges: 'No member’s role would change.',
  losesOwnRole: (
    <>
      <strong>You would lose the owner role</strong> at your next sign-in, and could not undo this yourself.
    </>
  ),
  onlyOperatorCanSave: 'Only the operator can save the rules as they are.',
  confirmLoss: 'I understand that this removes my own owner role',
  confirmNoOwner: 'Save rules that leave the organization without an owner',
  saveRules: 'Save rules',
  editRules: 'Edit rules',
  discardChanges: 'Discard changes',
  changedRules: 'Changed rules',
  noRuleChanges: 'The rules do not change.',
  added: (rule: ComponentChildren) => <>Add {rule}</>,
  removed: (rule: ComponentChildren) => <>Remove {rule}</>,
  rule: (group: ComponentChildren, role: string) => (
    <>
      {group} → {role}
    </>
  ),
  ruleForAll: (group: ComponentChildren, role: string) => (
    <>
      {group} → {role} for all connections
    </>
  ),
  ruleForConnection: (group: ComponentChildren, role: string, connection: ComponentChildren) => (
    <>
      {group} → {role} for {connection}
    </>
  ),
  moreRules: (count: number) => `and ${counted(count, 'other rule')}`,
  defaultRoleChange: (from: string, to: string) => `Change the default role from ${from} to ${to}`,
  change: (change: ComponentChildren, examples: ComponentChildren) => (
    <>
      {change}: {examples}
    </>
  ),
  changeAndMore: (change: ComponentChildren, examples: ComponentChildren, more: number) => (
    <>
      {change}: {examples} and {more} more
    </>
  ),
} as const;

/** Names members by their role before the change. */
const MEMBERS: Readonly<Record<RoleChange['from'], (count: number) => string>> = {
  owner: (count) => counted(count, 'owner'),
  collaborator: (count) => counted(count, 'collaborator'),
  none: (count) => `${counted(count, 'member')} without a role`,
};

/** Describes a change by the role after it: “2 owners would become collaborators”. */
const CHANGES: Readonly<Record<RoleChange['to'], (members: string, count: number) => string>> = {
  owner: (members, count) => (count === 1 ? `${members} would become an owner` : `${members} would become owners`),
  collaborator: (members, count) => (count === 1 ? `${members} would become a collaborator` : `${members} would become collaborators`),
  none: (members) => `${members} would lose access`,
};

export interface RolePreviewPageProps {
  readonly frame: Frame;
  /** The digest of the saved rules. */
  readonly base: string;
  readonly mapping: RoleMapping;
  /** The saved rules. */
  readonly present: RoleMapping;
  readonly connections: RoleMappingPageProps['connections'];
  readonly effect: RoleMappingEffect;
  readonly warnings: readonly RoleMappingWarning[];
  /** Why the rules leave no owner. Only the operator can save them then. */
  readonly noOwner: NoOwnerReason | undefined;
}

/** Shows which roles would change before the rules are saved. */
export function RolePreviewPage({ frame, base, mapping, present, connections, effect, warnings, noOwner }: RolePreviewPageProps) {
  const path = `${frame.base}/roles`;
  const losesOwn = effect.own?.from === 'owner' && effect.own.to !== 'owner';
  const isRefused = noOwner !== undefined && frame.viewer.kind !== 'operator';
  return (
    <ConsolePage
      frame={frame}
      section="roles"
      title={TEXTS.title}
      lead={TEXTS.basedOn(effect.members)}
      back={{ href: path, label: TEXTS.roleMapping }}
    >
      <section class={losesOwn || noOwner !== undefined ? 'panel danger' : 'panel'} aria-label={TEXTS.changes}>
        <RuleChanges mapping={mapping} present={present} connections={connections} />
        {effect.isPartial ? <p>{TEXTS.isPartial}</p> : null}
        {effect.changes.length === 0 ? <p>{TEXTS.noRoleChanges}</p> : <Changes frame={frame} changes={effect.changes} />}
        {losesOwn ? <p>{TEXTS.losesOwnRole}</p> : null}
        {noOwner === undefined ? null : (
          <div class="notice problem" role="alert">
            <p>
              {NO_OWNER_TEXTS[noOwner]} {isRefused ? TEXTS.onlyOperatorCanSave : ''}
            </p>
          </div>
        )}
        {warnings.length === 0 ? null : (
          <Callout kind="warning">
            {warnings.map(({ text }) => (
              <p>
                <ForeignText text={text} />
              </p>
            ))}
          </Callout>
        )}
        <SaveRules
          frame={frame}
          base={base}
          mapping={mapping}
          losesOwn={losesOwn}
          leavesNoOwner={noOwner !== undefined}
          isRefused={isRefused}
        />
      </section>
    </ConsolePage>
  );
}

interface SaveRulesProps {
  readonly frame: Frame;
  readonly base: string;
  readonly mapping: RoleMapping;
  readonly losesOwn: boolean;
  readonly leavesNoOwner: boolean;
  /** The viewer cannot save these rules, only edit them. */
  readonly isRefused: boolean;
}

function SaveRules({ frame, base, mapping, losesOwn, leavesNoOwner, isRefused }: SaveRulesProps) {
  const path = `${frame.base}/roles`;
  return (
    <PostForm action={isRefused ? `${path}/rows` : `${path}/save`} csrfToken={frame.csrfToken}>
      <input type="hidden" name="base" value={base} />
      {mapping.rules.map(({ group, role, connection }, index) => (
        <>
          <input type="hidden" name={`group_${index}`} value={group} />
          <input type="hidden" name={`role_${index}`} value={role} />
          {connection === undefined ? null : <input type="hidden" name={`connection_${index}`} value={connection} />}
        </>
      ))}
      <input type="hidden" name="default_role" value={mapping.defaultRole} />
      {losesOwn && !isRefused ? (
        <label>
          <input type="checkbox" name="confirmed" value="yes" required /> {TEXTS.confirmLoss}
        </label>
      ) : null}
      {leavesNoOwner && !isRefused ? (
        <label>
          <input type="checkbox" name="allow_no_owner" value="yes" required /> {TEXTS.confirmNoOwner}
        </label>
      ) : null}
      <div class="buttons">
        {isRefused ? null : (
          <button type="submit" class={losesOwn || leavesNoOwner ? 'danger' : ''}>
            {TEXTS.saveRules}
          </button>
        )}
        <button type="submit" class={isRefused ? '' : 'secondary'} formaction={`${path}/rows`} formnovalidate>
          {TEXTS.editRules}
        </button>
        <a class="button secondary" href={path}>
          {TEXTS.discardChanges}
        </a>
      </div>
    </PostForm>
  );
}

const MAX_SHOWN_RULES = 20;

/** Lists the rules that are added and removed, and the default role if it changes. */
function RuleChanges({ mapping, present, connections }: Pick<RolePreviewPageProps, 'mapping' | 'present' | 'connections'>) {
  const { added, removed } = compareRules(present.rules, mapping.rules);
  const lines = [...added.map((rule) => ['added', rule] as const), ...removed.map((rule) => ['removed', rule] as const)];
  const more = lines.length - MAX_SHOWN_RULES;
  if (lines.length === 0 && mapping.defaultRole === present.defaultRole) return <p>{TEXTS.noRuleChanges}</p>;
  return (
    <ul aria-label={TEXTS.changedRules}>
      {lines.slice(0, MAX_SHOWN_RULES).map(([change, rule]) => (
        <li>{TEXTS[change](<Rule rule={rule} connections={connections} />)}</li>
      ))}
      {more > 0 ? <li>{TEXTS.moreRules(more)}</li> : null}
      {mapping.defaultRole === present.defaultRole ? null : <li>{TEXTS.defaultRoleChange(present.defaultRole, mapping.defaultRole)}</li>}
    </ul>
  );
}

interface RuleProps {
  readonly rule: RoleMapping['rules'][number];
  readonly connections: RolePreviewPageProps['connections'];
}

function Rule({ rule: { group, role, connection }, connections }: RuleProps) {
  const name = <ForeignText text={group} />;
  if (connection === undefined) return TEXTS.rule(name, role);
  if (connection === ANY_CONNECTION) return TEXTS.ruleForAll(name, role);
  return TEXTS.ruleForConnection(name, role, <ForeignText text={connections.find(({ id }) => id === connection)?.name ?? connection} />);
}

const Changes = ({ frame, changes }: { readonly frame: Frame; readonly changes: readonly RoleChange[] }) => (
  <ul>
    {changes.map((change) => (
      <Change frame={frame} change={change} />
    ))}
  </ul>
);

function Change({ frame, change: { from, to, count, examples } }: { readonly frame: Frame; readonly change: RoleChange }) {
  const text = CHANGES[to](MEMBERS[from](count), count);
  const emails = examples.map(({ id, email }, index) => (
    <>
      {index === 0 ? '' : ', '}
      <a href={`${frame.base}/members/${id}`}>
        <ForeignText text={email} />
      </a>
    </>
  ));
  const more = count - examples.length;
  return <li>{more > 0 ? TEXTS.changeAndMore(text, emails, more) : TEXTS.change(text, emails)}</li>;
}
