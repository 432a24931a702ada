import { ANY_CONNECTION, compareRules, type RoleMapping, type RoleMappingWarning } from '../../organizations/role-mapping.ts';
import { NO_OWNER_TEXTS, type NoOwnerReason, type RoleChange, type RoleMappingEffect } from '../../organizations/role-mapping-effect.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import type { RoleMappingPageProps } from './role-mapping-page.tsx';

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
      title="Save these rules?"
      lead={`Based on the groups that ${counted(effect.members, 'member')} had at their last sign-in. Each role changes at the next sign-in.`}
      back={{ href: path, label: 'Role mapping' }}
    >
      <section class={losesOwn || noOwner !== undefined ? 'panel danger' : 'panel'} aria-label="Changes">
        <RuleChanges mapping={mapping} present={present} connections={connections} />
        {effect.isPartial ? <p>The organization has more members. The changes for the others are not shown.</p> : null}
        {effect.changes.length === 0 ? <p>No member’s role would change.</p> : <Changes frame={frame} changes={effect.changes} />}
        {losesOwn ? (
          <p>
            <strong>You would lose the owner role</strong> at your next sign-in, and could not undo this yourself.
          </p>
        ) : null}
        {noOwner === undefined ? null : (
          <div class="notice problem" role="alert">
            <p>
              {NO_OWNER_TEXTS[noOwner]} {isRefused ? 'Only the operator can save the rules as they are.' : ''}
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
          <input type="checkbox" name="confirmed" value="yes" required /> I understand that this removes my own owner role
        </label>
      ) : null}
      {leavesNoOwner && !isRefused ? (
        <label>
          <input type="checkbox" name="allow_no_owner" value="yes" required /> Save rules that leave the organization without an owner
        </label>
      ) : null}
      <div class="buttons">
        {isRefused ? null : (
          <button type="submit" class={losesOwn || leavesNoOwner ? 'danger' : ''}>
            Save rules
          </button>
        )}
        <button type="submit" class={isRefused ? '' : 'secondary'} formaction={`${path}/rows`} formnovalidate>
          Edit rules
        </button>
        <a class="button secondary" href={path}>
          Discard changes
        </a>
      </div>
    </PostForm>
  );
}

const MAX_SHOWN_RULES = 20;

/** Lists the rules that are added and removed, and the default role if it changes. */
function RuleChanges({ mapping, present, connections }: Pick<RolePreviewPageProps, 'mapping' | 'present' | 'connections'>) {
  const { added, removed } = compareRules(present.rules, mapping.rules);
  const lines = [...added.map((rule) => ['Add', rule] as const), ...removed.map((rule) => ['Remove', rule] as const)];
  const more = lines.length - MAX_SHOWN_RULES;
  if (lines.length === 0 && mapping.defaultRole === present.defaultRole) return <p>The rules do not change.</p>;
  return (
    <ul aria-label="Changed rules">
      {lines.slice(0, MAX_SHOWN_RULES).map(([verb, { group, role, connection }]) => (
        <li>
          {verb} <ForeignText text={group} /> → {role}
          {connection === undefined ? null : (
            <>
              {' '}
              for{' '}
              {connection === ANY_CONNECTION ? (
                'all connections'
              ) : (
                <ForeignText text={connections.find(({ id }) => id === connection)?.name ?? connection} />
              )}
            </>
          )}
        </li>
      ))}
      {more > 0 ? <li>and {counted(more, 'other rule')}</li> : null}
      {mapping.defaultRole === present.defaultRole ? null : (
        <li>
          Change the default role from {present.defaultRole} to {mapping.defaultRole}
        </li>
      )}
    </ul>
  );
}

const Changes = ({ frame, changes }: { readonly frame: Frame; readonly changes: readonly RoleChange[] }) => (
  <ul>
    {changes.map((change) => (
      <li>
        {describeChange(change)}:{' '}
        {change.examples.map(({ id, email }, index) => (
          <>
            {index === 0 ? '' : ', '}
            <a href={`${frame.base}/members/${id}`}>
              <ForeignText text={email} />
            </a>
          </>
        ))}
        {change.count > change.examples.length ? ` and ${change.count - change.examples.length} more` : ''}
      </li>
    ))}
  </ul>
);

/** Describes a change: “2 owners would become collaborators”. */
function describeChange({ from, to, count }: Pick<RoleChange, 'from' | 'to' | 'count'>): string {
  const members = from === 'none' ? `${counted(count, 'member')} without a role` : counted(count, from);
  if (to === 'none') return `${members} would lose access`;
  return `${members} would become ${count === 1 ? `${to === 'owner' ? 'an' : 'a'} ${to}` : `${to}s`}`;
}
