import type { RoleMapping } from '../../organizations/role-mapping.ts';
import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

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
  <StepPage
    frame={props.frame}
    step="roles"
    progress={props.progress}
    title="Which group manages this organization?"
    lead="Owners change the settings and manage members. A group of your identity provider makes its users owners; everyone else gets the default role."
  >
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
          <h2 id="seen">Groups in your test sign-in</h2>
          <p>Choose the group whose users become owners.</p>
          <ul class="plain choices">
            {offered.map((group) => (
              <li>
                <PostForm action={action} csrfToken={frame.csrfToken} inline>
                  <input type="hidden" name="add_group" value={group} />
                  <button type="submit" class="secondary">
                    <span class="unseen">Make users of </span>
                    {visibleText(group)}
                    <span class="unseen"> owners</span>
                  </button>
                </PostForm>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section class="panel" aria-labelledby="roles">
        <h2 id="roles">Roles</h2>
        <PostForm action={action} csrfToken={frame.csrfToken}>
          <Field
            name="owner_groups"
            label="Groups whose users are owners"
            value={ownerGroups.join('\n')}
            lines={3}
            hint="One per line, exactly as the identity provider sends them. Entra ID sends the object ID of a group."
          />
          <label>
            Everyone else
            <select name="default_role">
              <option value="collaborator" selected={defaultRole !== 'none'}>
                signs in as collaborator
              </option>
              <option value="none" selected={defaultRole === 'none'}>
                cannot sign in
              </option>
            </select>
          </label>
          <button type="submit">Save roles</button>
        </PostForm>
      </section>
    </>
  );
}

/** For visitors who do not choose: a setup link learns nothing about the rules. */
const Decided = ({ frame, progress, ownerGroups }: RolesStepProps) => (
  <section class="panel" aria-label="Roles">
    {frame.viewer.kind === 'setup' ? (
      <p>
        {progress.done.has('roles')
          ? 'The roles of this organization are set up already. Its owners manage them.'
          : 'An owner of the organization or the operator must choose which group manages it. Ask the person who sent you the link.'}
      </p>
    ) : (
      <>
        <p>
          {ownerGroups.length === 0
            ? 'No rule gives users of the default connection the role owner.'
            : 'Owners are the users of these groups:'}
        </p>
        <ul>
          {ownerGroups.slice(0, MAX_SHOWN).map((group) => (
            <li>
              <ForeignText text={group} />
            </li>
          ))}
        </ul>
        <p>
          Change them on the page <a href={`${frame.base}/roles`}>Role mapping</a>, which shows the effect on the members first. Rules
          without a connection apply to the default connection only.
        </p>
      </>
    )}
    <a class="button" href={stepPath(frame, progress.done.has('test') ? 'live' : 'test')}>
      Continue
    </a>
  </section>
);
