import type { Member } from '../../organizations/members.ts';
import type { Connection } from '../../organizations/organizations.ts';
import { ANY_CONNECTION, type RoleDecision, type RoleMapping } from '../../organizations/role-mapping.ts';
import type { GroupCount } from '../../organizations/role-mapping-effect.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
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
  /** The digest of the rules that the form started from. */
  readonly base: string;
  readonly mapping: TypedMapping;
  /** The number of empty rows below the rules. */
  readonly blankRows: number;
  /** Groups of recent verified responses, suggested as the user types. */
  readonly knownGroups: readonly GroupCount[];
  /** Whether the first empty row gets the focus. */
  readonly focusesBlankRow: boolean;
  /** The connections of the organization, the default connection first. */
  readonly connections: readonly Pick<Connection, 'id' | 'name'>[];
  readonly test: RuleTest;
}

const ROLES = { owner: 'owner', collaborator: 'collaborator', none: 'none (no access)' } as const;

/** Shows the rules as a form. */
export function RoleMappingPage({ frame, base, test, ...rules }: RoleMappingPageProps) {
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
        <input type="hidden" name="base" value={base} />
        {/* The Enter key presses the first button of a form, which must not be one that removes a rule. */}
        <button type="submit" hidden>
          Preview changes
        </button>
        <RulesSection path={path} {...rules} />
        <TestSection path={path} test={test} />
      </PostForm>
    </ConsolePage>
  );
}

type RulesSectionProps = Omit<RoleMappingPageProps, 'frame' | 'base' | 'test'> & { readonly path: string };

function RulesSection({ path, mapping, blankRows, knownGroups, focusesBlankRow, connections }: RulesSectionProps) {
  const rows: readonly TypedRule[] = [
    ...mapping.rules,
    ...Array.from({ length: blankRows }, () => ({ group: '', role: 'collaborator' }) as const),
  ];
  return (
    <section class="panel" aria-labelledby="rules">
      <h2 id="rules">Rules</h2>
      <datalist id="known-groups">
        {knownGroups.map(({ group, members }) => (
          <option value={group} label={`${visibleText(group)} (${members === 0 ? 'recent sign-in' : counted(members, 'member')})`} />
        ))}
      </datalist>
      {rows.map((rule, index) => (
        <RuleRow
          rule={rule}
          index={index}
          connections={connections}
          removeAction={`${path}/rows`}
          hasFocus={focusesBlankRow && index === mapping.rules.length}
        />
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
          Add rule
        </button>
      </div>
    </section>
  );
}

type Connections = RoleMappingPageProps['connections'];

interface RuleRowProps {
  readonly rule: TypedRule;
  readonly index: number;
  readonly connections: Connections;
  readonly removeAction: string;
  readonly hasFocus: boolean;
}

const RuleRow = ({ rule: { group, role, connection }, index, connections, removeAction, hasFocus }: RuleRowProps) => (
  <fieldset class="row">
    <legend class="unseen">Rule {index + 1}</legend>
    <label>
      Group
      <input
        name={`group_${index}`}
        type="text"
        value={group}
        list="known-groups"
        maxlength={1024}
        autocomplete="off"
        spellcheck={false}
        autofocus={hasFocus}
      />
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
    <button type="submit" class="quiet danger" name="remove" value={index} formaction={removeAction}>
      Remove<span class="unseen"> rule {index + 1}</span>
    </button>
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
