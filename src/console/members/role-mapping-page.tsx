import type { ComponentChildren } from 'preact';
import type { Connection, GroupsFrom } from '../../organizations/organizations.ts';
import { ANY_CONNECTION, type RoleMapping } from '../../organizations/role-mapping.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { SettingsQuotaNotice } from '../parts/quota-notice.tsx';
import { decisionReason, type RuleTestResult } from './role-reason.ts';

const TEXTS = {
  roleMapping: 'Role mapping',
  previewChanges: 'Preview changes',
  rules: 'Rules',
  howToEnterGroups:
    'Rules without a group are ignored. A group must be written exactly as the identity provider sends it, including upper and lower case. Groups of recent sign-ins, or those that SCIM provisions, are suggested as you type.',
  defaultRole: 'Default role, for members in none of these groups',
  defaultRoleOfConnection: 'Default role, for members of the default connection in none of these groups',
  addRule: 'Add rule',
  rule: (number: number) => `Rule ${number}`,
  group: 'Group',
  role: 'Role',
  collaborator: 'collaborator',
  owner: 'owner',
  remove: (number: number) => (
    <>
      Remove<span class="unseen"> rule {number}</span>
    </>
  ),
  connection: 'Connection',
  defaultConnection: 'Default connection',
  allConnections: 'All connections',
  ruleTest: 'Rule test',
  whatTestDoes: 'Tests the rules above, saved or not, and changes nothing.',
  member: 'Member',
  memberExample: 'Email or user ID',
  groupsToTest: 'Or groups, one per line',
  connectionOfGroups: 'Connection of a user in these groups',
  testRules: 'Test rules',
  userInGroups: 'A user in these groups',
  userOfConnectionInGroups: (connection: ComponentChildren) => <>A user of the connection {connection} in these groups</>,
  suggestion: (group: string, origin: string) => `${group} (${origin})`,
  scimGroup: 'SCIM group',
  recentSignIn: 'recent sign-in',
  wouldBeDenied: (user: ComponentChildren, reason: string) => (
    <>
      {user} would <strong>be denied access</strong>, because {reason}.
    </>
  ),
  wouldHaveRole: (user: ComponentChildren, role: string, reason: string) => (
    <>
      {user} would have the <strong>{role}</strong> role, because {reason}.
    </>
  ),
} as const;

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
  /** The ID of the connection of a user in these groups. Empty: the default connection. */
  readonly connection: string;
  /** Absent if there was no test, or no such member. */
  readonly result?: RuleTestResult;
  readonly problem?: string;
}

/** A group of members, of a recent verified response, or one that SCIM provisions. */
export interface KnownGroup {
  readonly group: string;
  /** Members who had the group at their last sign-in, if some had. */
  readonly members?: number | undefined;
  readonly isProvisioned?: true | undefined;
}

const originOf = ({ members, isProvisioned }: KnownGroup): string => {
  if (members !== undefined) return counted(members, 'member');
  return isProvisioned ? TEXTS.scimGroup : TEXTS.recentSignIn;
};

export interface RoleMappingPageProps {
  readonly frame: Frame;
  /** The digest of the rules that the form started from. */
  readonly base: string;
  readonly mapping: TypedMapping;
  /** The number of empty rows below the rules. */
  readonly blankRows: number;
  /** Groups that are suggested as the user types. */
  readonly knownGroups: readonly KnownGroup[];
  /** Whether the first empty row gets the focus. */
  readonly focusesBlankRow: boolean;
  /** The connections of the organization, the default connection first. */
  readonly connections: readonly Pick<Connection, 'id' | 'name'>[];
  readonly test: RuleTest;
}

/** Which groups the rules read, and when. */
const LEADS: Readonly<Record<GroupsFrom, string>> = {
  saml: 'Role rules read the groups of SAML responses, at every sign-in. If several rules match, owner wins; the order of the rules does not matter.',
  scim: 'Role rules read the groups that SCIM provisions, at every sign-in and when a group changes. If several rules match, owner wins; the order of the rules does not matter.',
  both: 'Role rules read the groups of SAML responses and those that SCIM provisions, at every sign-in and when a provisioned group changes. If several rules match, owner wins; the order of the rules does not matter.',
};

const ROLES = { owner: 'owner', collaborator: 'collaborator', none: 'none (no access)' } as const;

/** Shows the rules as a form. */
export function RoleMappingPage({ frame, base, test, ...rules }: RoleMappingPageProps) {
  const path = `${frame.base}/roles`;
  return (
    <ConsolePage frame={frame} section="roles" title={TEXTS.roleMapping} lead={LEADS[frame.organization?.groupsFrom ?? 'saml']}>
      <SettingsQuotaNotice frame={frame} />
      <PostForm action={`${path}/preview`} csrfToken={frame.csrfToken}>
        <input type="hidden" name="base" value={base} />
        {/* The Enter key presses the first button of a form, which must not be one that removes a rule. */}
        <button type="submit" hidden>
          {TEXTS.previewChanges}
        </button>
        <RulesSection path={path} {...rules} />
        <TestSection path={path} test={test} connections={rules.connections} />
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
      <h2 id="rules">{TEXTS.rules}</h2>
      <datalist id="known-groups">
        {knownGroups.map((known) => (
          <option value={known.group} label={TEXTS.suggestion(visibleText(known.group), originOf(known))} />
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
      <p class="hint">{TEXTS.howToEnterGroups}</p>
      <label>
        {connections.length > 1 ? TEXTS.defaultRoleOfConnection : TEXTS.defaultRole}
        <select name="default_role">
          {(['collaborator', 'owner', 'none'] as const).map((role) => (
            <option value={role} selected={role === mapping.defaultRole}>
              {ROLES[role]}
            </option>
          ))}
        </select>
      </label>
      <div class="buttons">
        <button type="submit">{TEXTS.previewChanges}</button>
        <button type="submit" class="secondary" formaction={`${path}/rows`}>
          {TEXTS.addRule}
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
    <legend class="unseen">{TEXTS.rule(index + 1)}</legend>
    <label>
      {TEXTS.group}
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
      {TEXTS.role}
      <select name={`role_${index}`}>
        <option value="collaborator" selected={role === 'collaborator'}>
          {TEXTS.collaborator}
        </option>
        <option value="owner" selected={role === 'owner'}>
          {TEXTS.owner}
        </option>
      </select>
    </label>
    {connections.length > 1 ? (
      <ConnectionChoice name={`connection_${index}`} value={connection} connections={connections} />
    ) : connection === undefined ? null : (
      <input type="hidden" name={`connection_${index}`} value={connection} />
    )}
    <button type="submit" class="quiet danger" name="remove" value={index} formaction={removeAction}>
      {TEXTS.remove(index + 1)}
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
    {TEXTS.connection}
    <select name={name}>
      {[
        ['', TEXTS.defaultConnection] as const,
        [ANY_CONNECTION, TEXTS.allConnections] as const,
        ...connections.map((connection) => [connection.id, visibleText(connection.name)] as const),
      ].map(([id, label]) => (
        <option value={id} selected={id === value}>
          {label}
        </option>
      ))}
    </select>
  </label>
);

interface TestSectionProps {
  readonly path: string;
  readonly test: RuleTest;
  readonly connections: Connections;
}

const TestSection = ({ path, test, connections }: TestSectionProps) => (
  <section class="panel" aria-labelledby="try">
    <h2 id="try">{TEXTS.ruleTest}</h2>
    <p>{TEXTS.whatTestDoes}</p>
    <label>
      {TEXTS.member}
      <input name="try_member" type="text" value={test.member} maxlength={254} autocomplete="off" placeholder={TEXTS.memberExample} />
    </label>
    <label>
      {TEXTS.groupsToTest}
      <textarea name="try_groups" rows={3} spellcheck={false}>
        {test.groups}
      </textarea>
    </label>
    {connections.length > 1 ? (
      <label>
        {TEXTS.connectionOfGroups}
        <select name="try_connection">
          {connections.map(({ id, name }) => (
            <option value={id} selected={id === test.connection}>
              {visibleText(name)}
            </option>
          ))}
        </select>
      </label>
    ) : null}
    <button type="submit" class="secondary" formaction={`${path}/try#try`}>
      {TEXTS.testRules}
    </button>
    {test.problem === undefined ? null : (
      <div class="notice problem" role="alert">
        <p>{visibleText(test.problem)}</p>
      </div>
    )}
    {test.result ? <TestResult {...test.result} connection={connectionOf(test, connections)} /> : null}
  </section>
);

/** Returns the name of the connection that groups were tested for. With one connection, the text needs no name. */
const connectionOf = ({ connection }: RuleTest, connections: Connections): string | undefined =>
  connections.length > 1 ? connections.find(({ id }) => id === connection)?.name : undefined;

function TestResult({ connection, ...test }: RuleTestResult & { readonly connection: string | undefined }) {
  const { email, role } = test;
  const userInGroups = connection === undefined ? TEXTS.userInGroups : TEXTS.userOfConnectionInGroups(<ForeignText text={connection} />);
  const user = email === undefined ? userInGroups : <ForeignText text={email} />;
  const reason = decisionReason(test);
  return (
    <div class="notice done" role="status">
      <p>{role === 'none' ? TEXTS.wouldBeDenied(user, reason) : TEXTS.wouldHaveRole(user, role, reason)}</p>
    </div>
  );
}
