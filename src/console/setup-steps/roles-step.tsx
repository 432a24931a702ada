import type { ComponentChildren } from 'preact';
import type { RoleMapping } from '../../organizations/role-mapping.ts';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

const TEXTS = {
  whichGroupManages: 'Which group manages this organization?',
  ownersChangeSettings:
    'Owners change the settings and manage members. A group of your identity provider makes its users owners; everyone else gets the default role.',
  groupsTestSign: 'Groups in your test sign-in',
  chooseGroupWhose: 'Choose the group whose users become owners.',
  makeUsersOf: 'Make users of',
  owners: 'owners',
  roles: 'Roles',
  groupsWhoseUsers: 'Groups whose users are owners',
  onePerLine: 'One per line, exactly as the identity provider sends them. Entra ID sends the object ID of a group.',
  everyoneElse: 'Everyone else',
  signsCollaborator: 'signs in as collaborator',
  cannotSignIn: 'cannot sign in',
  saveRoles: 'Save roles',
  rolesOrganizationSet: 'The roles of this organization are set up already. Its owners manage them.',
  ownerOrganizationOperator:
    'An owner of the organization or the operator must choose which group manages it. Ask the person who sent you the link.',
  ruleGivesUsers: 'No rule gives users of the default connection the role owner.',
  ownersUsersGroups: 'Owners are the users of these groups:',
  roleMapping: 'Role mapping',
  changePageWhich: (link: ComponentChildren) => (
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
  /** Groups of the last test sign-in. */
  readonly seen: readonly string[];
}

/** Step 5: the group that gets the role owner, and the role of everyone else. */
export const RolesStep = (props: RolesStepProps) => (
  <StepPage frame={props.frame} step="roles" progress={props.progress} title={TEXTS.whichGroupManages} lead={TEXTS.ownersChangeSettings}>
    {props.isChoosing ? <Choice {...props} /> : <Decided {...props} />}
  </StepPage>
);

const MAX_SHOWN = 30;

function Choice({ frame, ownerGroups, defaultRole, seen }: RolesStepProps) {
  const offered = seen.filter((group) => !ownerGroups.includes(group)).slice(0, MAX_SHOWN);
  const action = stepPath(frame, 'roles');
  return (
    <>
      {offered.length === 0 ? null : (
        <section class="panel" aria-labelledby="seen">
          <h2 id="seen">{TEXTS.groupsTestSign}</h2>
          <p>{TEXTS.chooseGroupWhose}</p>
          <ul class="plain choices">
            {offered.map((group) => (
              <li>
                <PostForm action={action} csrfToken={frame.csrfToken} inline>
                  <input type="hidden" name="add_group" value={group} />
                  <button type="submit" class="secondary">
                    <span class="unseen">{TEXTS.makeUsersOf} </span>
                    {visibleText(group)}
                    <span class="unseen"> {TEXTS.owners}</span>
                  </button>
                </PostForm>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="panel" aria-labelledby="roles">
        <h2 id="roles">{TEXTS.roles}</h2>
        <PostForm action={action} csrfToken={frame.csrfToken}>
          <Field name="owner_groups" label={TEXTS.groupsWhoseUsers} value={ownerGroups.join('\n')} lines={3} hint={TEXTS.onePerLine} />
          <label>
            {TEXTS.everyoneElse}
            <select name="default_role">
              <option value="collaborator" selected={defaultRole !== 'none'}>
                {TEXTS.signsCollaborator}
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

/** For visitors who do not choose: a setup link learns nothing about the rules. */
const Decided = ({ frame, progress, ownerGroups }: RolesStepProps) => (
  <section class="panel" aria-label={TEXTS.roles}>
    {frame.viewer.kind === 'setup' ? (
      <p>{progress.done.has('roles') ? TEXTS.rolesOrganizationSet : TEXTS.ownerOrganizationOperator}</p>
    ) : (
      <>
        <p>{ownerGroups.length === 0 ? TEXTS.ruleGivesUsers : TEXTS.ownersUsersGroups}</p>
        <ul>
          {ownerGroups.slice(0, MAX_SHOWN).map((group) => (
            <li>
              <ForeignText text={group} />
            </li>
          ))}
        </ul>
        <p>{TEXTS.changePageWhich(<a href={`${frame.base}/roles`}>{TEXTS.roleMapping}</a>)}</p>
      </>
    )}
    <a class="button" href={stepPath(frame, progress.done.has('test') ? 'live' : 'test')}>
      {TEXTS.continue}
    </a>
  </section>
);
