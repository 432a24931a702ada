import type { ComponentChildren } from 'preact';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import type { RoleMapping } from '../../organizations/role-mapping.ts';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

const TEXTS = {
  title: 'Which group manages this organization?',
  lead: 'Owners change the settings and manage members. A group of your identity provider makes its users owners; everyone else gets the default role.',
  provisionedGroups: 'Groups that your identity provider provisions',
  groupsInTest: 'Groups in your test sign-in',
  chooseGroup: 'Choose the group whose users become owners.',
  makeOwners: (group: ComponentChildren) => (
    <>
      <span class="unseen">Make users of </span>
      {group}
      <span class="unseen"> owners</span>
    </>
  ),
  noGroupsArrived: (attributes: string, settings: ComponentChildren) => (
    <>
      Your test sign-in brought no groups. These attributes arrived: {attributes}. If one of them contains the groups, enter its name under{' '}
      {settings}, and test again. Otherwise, let your identity provider send the groups, or test with a user who is in one.
    </>
  ),
  noAttributes: 'none',
  attributesSetting: 'Settings',
  roles: 'Roles',
  ownerGroups: 'Groups whose users are owners',
  ownerGroupsHint: 'One per line, exactly as the identity provider sends them. Entra ID sends the object ID of a group.',
  everyoneElse: 'Everyone else',
  signsInAsCollaborator: 'signs in as collaborator',
  cannotSignIn: 'cannot sign in',
  saveRoles: 'Save roles',
  isDone: 'The roles of this organization are already set up. Its owners manage them.',
  askOwnerOrOperator:
    'An owner of the organization or the operator must choose which group manages it. Ask the person who sent you the link.',
  noOwnerGroups: 'No rule gives users of the default connection the owner role.',
  presentOwnerGroups: 'Owners are the users of these groups:',
  roleMapping: 'Role mapping',
  howToChange: (link: ComponentChildren) => (
    <>
      Change them on the page {link}, which shows the effect on the members first. Rules without a connection apply to the default
      connection only.
    </>
  ),
  continue: 'Continue',
} as const;

export interface RolesStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  /** Whether the visitor chooses the roles in this step. */
  readonly isChoosing: boolean;
  readonly ownerGroups: readonly string[];
  readonly defaultRole: RoleMapping['defaultRole'];
  /** The last test sign-in, for visitors who choose. */
  readonly test: SignInLogEntry | undefined;
  /** Groups of the last test sign-in, if rules read those. */
  readonly seen: readonly string[];
  /** Groups that SCIM provisioned for the connection, if rules read those. */
  readonly provisioned: readonly string[];
}

/** Step 5: the group that gets the owner role, and the role of everyone else. */
export const RolesStep = (props: RolesStepProps) => (
  <StepPage frame={props.frame} step="roles" progress={props.progress} title={TEXTS.title} lead={TEXTS.lead}>
    {props.isChoosing ? <Choice {...props} /> : <Decided {...props} />}
  </StepPage>
);

const MAX_SHOWN = 30;

function Choice({ frame, ownerGroups, defaultRole, test, seen, provisioned }: RolesStepProps) {
  const onlyProvisioned = provisioned.filter((group) => !seen.includes(group));
  const offerable = (groups: readonly string[]) => groups.filter((group) => !ownerGroups.includes(group)).slice(0, MAX_SHOWN);
  return (
    <>
      {test?.groups?.groupsState === 'absent' && test.isVerified ? (
        <Callout kind="warning">
          <p>
            {TEXTS.noGroupsArrived(
              test.attributeNames.map(visibleText).join(', ') || TEXTS.noAttributes,
              <a href={`${frame.singleSignOnPath}/settings#field-attributes_groups`}>{TEXTS.attributesSetting}</a>,
            )}
          </p>
        </Callout>
      ) : null}
      <OfferedGroups frame={frame} id="seen" title={TEXTS.groupsInTest} groups={offerable(seen)} />
      <OfferedGroups frame={frame} id="provisioned" title={TEXTS.provisionedGroups} groups={offerable(onlyProvisioned)} />
      <section class="panel" aria-labelledby="roles">
        <h2 id="roles">{TEXTS.roles}</h2>
        <PostForm action={stepPath(frame, 'roles')} csrfToken={frame.csrfToken}>
          <Field name="owner_groups" label={TEXTS.ownerGroups} value={ownerGroups.join('\n')} lines={3} hint={TEXTS.ownerGroupsHint} />
          <label>
            {TEXTS.everyoneElse}
            <select name="default_role">
              <option value="collaborator" selected={defaultRole !== 'none'}>
                {TEXTS.signsInAsCollaborator}
              </option>
              <option value="none" selected={defaultRole === 'none'}>
                {TEXTS.cannotSignIn}
              </option>
            </select>
          </label>
          <button type="submit">{TEXTS.saveRoles}</button>
        </PostForm>
      </section>
    </>
  );
}

interface OfferedGroupsProps extends Pick<RolesStepProps, 'frame'> {
  readonly id: string;
  readonly title: string;
  readonly groups: readonly string[];
}

/** Each group is a button that makes its users owners. */
function OfferedGroups({ frame, id, title, groups }: OfferedGroupsProps) {
  if (groups.length === 0) return null;
  return (
    <section class="panel" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <p>{TEXTS.chooseGroup}</p>
      <ul class="plain choices">
        {groups.map((group) => (
          <li>
            <PostForm action={stepPath(frame, 'roles')} csrfToken={frame.csrfToken} inline>
              <input type="hidden" name="add_group" value={group} />
              <button type="submit" class="secondary">
                {TEXTS.makeOwners(visibleText(group))}
              </button>
            </PostForm>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** For visitors who do not choose: a setup link learns nothing about the rules. */
const Decided = ({ frame, progress, ownerGroups }: RolesStepProps) => (
  <section class="panel" aria-label={TEXTS.roles}>
    {frame.viewer.kind === 'setup' ? (
      <p>{progress.done.has('roles') ? TEXTS.isDone : TEXTS.askOwnerOrOperator}</p>
    ) : (
      <>
        <p>{ownerGroups.length === 0 ? TEXTS.noOwnerGroups : TEXTS.presentOwnerGroups}</p>
        <ul>
          {ownerGroups.slice(0, MAX_SHOWN).map((group) => (
            <li>
              <ForeignText text={group} />
            </li>
          ))}
        </ul>
        <p>{TEXTS.howToChange(<a href={`${frame.base}/roles`}>{TEXTS.roleMapping}</a>)}</p>
      </>
    )}
    <a class="button" href={stepPath(frame, progress.done.has('test') ? 'live' : 'test')}>
      {TEXTS.continue}
    </a>
  </section>
);
