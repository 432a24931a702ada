import type { Member } from '../../organizations/members.ts';
import type { Connection } from '../../organizations/organizations.ts';
import { ANY_CONNECTION, type RoleDecision, type RoleMapping, type RoleMappingWarning } from '../../organizations/role-mapping.ts';
import {
  type GroupCount,
  NO_OWNER_TEXTS,
  type NoOwnerReason,
  type RoleChange,
  type RoleMappingEffect,
} from '../../organizations/role-mapping-effect.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { SettingsQuotaNotice } from '../parts/quota-notice.tsx';

export interface TypedRule {
  readonly group: string;
  readonly role: 'owner' | 'collaborator';
  /** As in a {@link RoleRule}. */
  readonly connection?: string | undefined;
}

/** The rules in the form, saved or not. */
export interface TypedMapping {
  readonly rules: readonly TypedRule[];
  readonly defaultRole: RoleMapping['defaultRole'];
}

/** A test of the rules on a member or on groups. */
export interface RuleTest {
  readonly member: string;
  readonly groups: string;
  /** Absent if there was no test, or no such member. `email` is absent for a test on groups. */
  readonly result?: { readonly email: string | undefined; readonly role: Member['role']; readonly decision: RoleDecision };
  readonly problem?: string;
}

export interface RoleMappingPageProps {
  readonly frame: Frame;
  readonly mapping: TypedMapping;
  /** The number of empty rows below the rules. */
  readonly blankRows: number;
  /** Groups of recent sign-ins, suggested as the user types. */
  readonly knownGroups: readonly GroupCount[];
  /** The connections of the organization, the default connection first. */
  readonly connections: readonly Pick<Connection, 'id' | 'name'>[];
  readonly test: RuleTest;
}

const ROLES = { owner: 'owner', collaborator: 'collaborator', none: 'none (no access)' } as const;

/** Shows the rules as a form. */
export function RoleMappingPage({ frame, mapping, blankRows, knownGroups, connections, test }: RoleMappingPageProps) {
  const path = `${frame.base}/roles`;
  return (
    <ConsolePage
      frame={frame}
      section="roles"
      title="Role mapping"
      lead="Groups from your identity provider give members their roles, again at every sign-in. If several rules match, owner wins; the order of the rules does not matter."
    >
      <SettingsQuotaNotice frame={frame} />
      <PostForm action={`${path}/preview`} csrfToken={frame.csrfToken}>
        <RulesSection path={path} mapping={mapping} blankRows={blankRows} knownGroups={knownGroups} connections={connections} />
        <TestSection path={path} test={test} />
      </PostForm>
    </ConsolePage>
  );
}

type RulesSectionProps = Pick<RoleMappingPageProps, 'mapping' | 'blankRows' | 'knownGroups' | 'connections'> & { readonly path: string };

function RulesSection({ path, mapping, blankRows, knownGroups, connections }: RulesSectionProps) {
  const rows: readonly TypedRule[] = [
    ...mapping.rules,
    ...Array.from({ length: blankRows }, () => ({ group: '', role: 'collaborator' }) as const),
  ];
  return (
    <section class="panel" aria-labelledby="rules">
      <h2 id="rules">Rules</h2>
      <datalist id="known-groups">
        {knownGroups.map(({ group, members }) => (
          <option value={group} label={`${visibleText(group)} (${counted(members, 'member')})`} />
        ))}
      </datalist>
      {rows.map((rule, index) => (
        <RuleRow rule={rule} index={index} connections={connections} />
      ))}
      <p class="hint">
        Rules without a group are ignored. A group must be written exactly as the identity provider sends it, including upper and lower
        case. Groups of recent sign-ins are suggested as you type.
      </p>
      <label>
        Default role, for members{connections.length > 1 ? ' of the default connection' : ''} in none of these groups
        <select name="default_role">
          {(['collaborator', 'owner', 'none'] as const).map((role) => (
            <option value={role} selected={role === mapping.defaultRole}>
              {ROLES[role]}
            </option>
          ))}
        </select>
      </label>
      <div class="buttons">
        <button type="submit">Preview changes</button>
        <button type="submit" class="secondary" formaction={`${path}/rows`}>
          Add rows
        </button>
      </div>
    </section>
  );
}

type Connections = RoleMappingPageProps['connections'];

const RuleRow = ({
  rule: { group, role, connection },
  index,
  connections,
}: {
  readonly rule: TypedRule;
  readonly index: number;
  readonly connections: Connections;
}) => (
  <fieldset class="row">
    <legend class="unseen">Rule {index + 1}</legend>
    <label>
      Group
      <input name={`group_${index}`} type="text" value={group} list="known-groups" maxlength={1024} autocomplete="off" spellcheck={false} />
    </label>
    <label class="narrow">
      Role
      <select name={`role_${index}`}>
        <option value="collaborator" selected={role === 'collaborator'}>
          collaborator
        </option>
        <option value="owner" selected={role === 'owner'}>
          owner
        </option>
      </select>
    </label>
    {connections.length > 1 ? (
      <ConnectionChoice name={`connection_${index}`} value={connection} connections={connections} />
    ) : connection === undefined ? null : (
      <input type="hidden" name={`connection_${index}`} value={connection} />
    )}
  </fieldset>
);

interface ConnectionChoiceProps {
  readonly name: string;
  readonly value: string | undefined;
  readonly connections: Connections;
}

const ConnectionChoice = ({ name, value = '', connections }: ConnectionChoiceProps) => (
  <label class="narrow">
    Connection
    <select name={name}>
      {[
        ['', 'Default connection'] as const,
        [ANY_CONNECTION, 'All connections'] as const,
        ...connections.map((connection) => [connection.id, visibleText(connection.name)] as const),
      ].map(([id, label]) => (
        <option value={id} selected={id === value}>
          {label}
        </option>
      ))}
    </select>
  </label>
);

const TestSection = ({ path, test }: { readonly path: string; readonly test: RuleTest }) => (
  <section class="panel" aria-labelledby="try">
    <h2 id="try">Rule test</h2>
    <p>Tests the rules above, saved or not, and changes nothing.</p>
    <label>
      Member
      <input name="try_member" type="text" value={test.member} maxlength={254} autocomplete="off" placeholder="Email or user ID" />
    </label>
    <label>
      Or groups, one per line
      <textarea name="try_groups" rows={3} spellcheck={false}>
        {test.groups}
      </textarea>
    </label>
    <button type="submit" class="secondary" formaction={`${path}/try#try`}>
      Test rules
    </button>
    {test.problem === undefined ? null : (
      <div class="notice problem" role="alert">
        <p>{visibleText(test.problem)}</p>
      </div>
    )}
    {test.result ? <TestResult {...test.result} /> : null}
  </section>
);

function TestResult({ email, role, decision }: NonNullable<RuleTest['result']>) {
  return (
    <div class="notice done" role="status">
      <p>
        {email === undefined ? 'A user in these groups' : <ForeignText text={email} />} would{' '}
        {role === 'none' ? (
          <strong>be denied access</strong>
        ) : (
          <>
            have the role <strong>{role}</strong>
          </>
        )}
        , because {reasonOf(role, decision)}.
      </p>
    </div>
  );
}

function reasonOf(role: Member['role'], { role: decided, group }: RoleDecision): string {
  if (group !== undefined) return `a rule gives it to the group “${visibleText(group)}”`;
  if (role === 'none') return 'no rule matches and the default role is none';
  return role === decided ? 'no rule matches and it is the default role' : 'no rule matches and an owner or the operator set it';
}

export interface RolePreviewPageProps {
  readonly frame: Frame;
  readonly mapping: RoleMapping;
  readonly effect: RoleMappingEffect;
  readonly warnings: readonly RoleMappingWarning[];
  /** Why the rules leave no owner. Only the operator can save them then. */
  readonly noOwner: NoOwnerReason | undefined;
}

/** Shows which roles would change before the rules are saved. */
export function RolePreviewPage({ frame, mapping, effect, warnings, noOwner }: RolePreviewPageProps) {
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
        {isRefused ? null : <SaveRules frame={frame} mapping={mapping} losesOwn={losesOwn} leavesNoOwner={noOwner !== undefined} />}
      </section>
    </ConsolePage>
  );
}

interface SaveRulesProps {
  readonly frame: Frame;
  readonly mapping: RoleMapping;
  readonly losesOwn: boolean;
  readonly leavesNoOwner: boolean;
}

function SaveRules({ frame, mapping, losesOwn, leavesNoOwner }: SaveRulesProps) {
  const path = `${frame.base}/roles`;
  return (
    <PostForm action={`${path}/save`} csrfToken={frame.csrfToken}>
      {mapping.rules.map(({ group, role, connection }, index) => (
        <>
          <input type="hidden" name={`group_${index}`} value={group} />
          <input type="hidden" name={`role_${index}`} value={role} />
          {connection === undefined ? null : <input type="hidden" name={`connection_${index}`} value={connection} />}
        </>
      ))}
      <input type="hidden" name="default_role" value={mapping.defaultRole} />
      {losesOwn ? (
        <label>
          <input type="checkbox" name="confirmed" value="yes" required /> I understand that this removes my own owner role
        </label>
      ) : null}
      {leavesNoOwner ? (
        <label>
          <input type="checkbox" name="allow_no_owner" value="yes" required /> Save rules that leave the organization without an owner
        </label>
      ) : null}
      <div class="buttons">
        <button type="submit" class={losesOwn || leavesNoOwner ? 'danger' : ''}>
          Save rules
        </button>
        <a class="button secondary" href={path}>
          Cancel
        </a>
      </div>
    </PostForm>
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
