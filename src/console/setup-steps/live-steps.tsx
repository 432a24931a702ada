import type { ComponentChildren } from 'preact';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { ownerGroupsOf } from '../../organizations/setup/setup-roles.ts';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { NO_TEST_YET } from '../single-sign-on/connection-state.tsx';
import { identifierText } from '../single-sign-on/identifier-panel.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import { SETUP_STEPS, type SetupProgress, type SetupStepId } from './steps.ts';

const TEXTS = {
  goLive: 'Go live',
  whatGoLiveDoes: 'So far, only test sign-ins work. When you go live, users can sign in immediately.',
  isReady: 'Everything is set up, and the test sign-in succeeded.',
  isDisabled: 'This connection is disabled. Ask an owner of the organization to enable it.',
  isLocked: 'Some members can already sign in through this identity provider. An owner of the organization must enable the connection.',
  openStep: (link: ComponentChildren, problem: string | undefined) => (
    <>
      {link}: {problem}
    </>
  ),
  missedOwnerGroups: (groups: ComponentChildren, roles: ComponentChildren) => (
    <>
      The user of your test sign-in is in no group of the owners ({groups}). Compare the spelling under {roles} with the groups that
      arrived. If nobody becomes an owner, nobody can manage the organization.
    </>
  ),
  roles: 'Roles',
  goLiveWithoutOwner: 'Go live without an owner',
  isLive: 'Single sign-on is live',
  whoAndWhere: 'Who can sign in, and where',
  signInAddress: 'Sign-in address',
  signInAddressToCopy: 'sign-in address',
  whoSignsIn: 'Who can sign in',
  allAssignedUsers: 'The users who are assigned to the application at your identity provider.',
  assignedUsersWithRole:
    'The users who are assigned to the application at your identity provider, if they are in a group that has a role here.',
  owners: 'Owners',
  usersOf: (groups: ComponentChildren) => <>users of {groups}</>,
  identifiedBy: 'Identified by',
  nextSteps: 'Next steps',
  sendSignInAddress: 'Send the sign-in address to the users. They become members at their first sign-in.',
  askOwnerToSignIn: 'Ask an owner to sign in first. Owners see the members and the settings in the console.',
  members: 'Members',
  tellSender: 'Tell the person who sent you the setup link that the setup is done. Then end it here, at the top right.',
  tellItAdministrator: 'If you sent setup links, tell the IT administrator that the setup is done, and revoke the links.',
  provisioning: 'Optional: let your identity provider create users before they sign in, and end their access immediately when they leave.',
  ownerProvisions: 'An owner sets this up on the Provisioning page of the console.',
  setUpProvisioning: 'Set up provisioning',
  showTheConnection: 'Show the connection',
} as const;

export interface LiveStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly connection: Connection;
  /** Whether members exist who keep the setup link from changing the connection. */
  readonly isLocked: boolean;
  /** The groups of the owners if the user of the last test sign-in was in none of them. */
  readonly missedOwnerGroups: readonly string[];
}

const OPEN_STEPS: Partial<Record<SetupStepId, string>> = {
  users: 'The identifier of users is not known yet.',
  roles: 'No role rule gives the owner role, so no member could manage the organization.',
  test: NO_TEST_YET,
};

/** Step 7: activating the draft. */
export function LiveStep({ frame, progress, connection, isLocked, missedOwnerGroups }: LiveStepProps) {
  const { viewer } = frame;
  const open = SETUP_STEPS.filter(({ id }) => !progress.done.has(id) && id in OPEN_STEPS);
  const isBlocked =
    viewer.kind === 'setup' ? open.some(({ id }) => id !== 'users') : viewer.kind === 'member' && !progress.done.has('roles');
  return (
    <StepPage frame={frame} step="live" progress={progress} title={TEXTS.goLive} lead={TEXTS.whatGoLiveDoes}>
      <section class="panel" aria-label={TEXTS.goLive}>
        {open.length === 0 ? <p>{TEXTS.isReady}</p> : <OpenSteps frame={frame} open={open} />}
        {missedOwnerGroups.length === 0 ? null : (
          <Callout kind="warning">
            <p>
              {TEXTS.missedOwnerGroups(<GroupNames groups={missedOwnerGroups} />, <a href={stepPath(frame, 'roles')}>{TEXTS.roles}</a>)}
            </p>
          </Callout>
        )}
        {connection.state === 'disabled' && viewer.kind === 'setup' ? (
          <p>{TEXTS.isDisabled}</p>
        ) : isLocked ? (
          <p>{TEXTS.isLocked}</p>
        ) : isBlocked ? null : (
          <PostForm action={`${frame.singleSignOnPath}/go-live`} csrfToken={frame.csrfToken}>
            {viewer.kind === 'operator' && !progress.done.has('roles') ? (
              <label>
                <input type="checkbox" name="allow_no_owner" value="yes" required /> {TEXTS.goLiveWithoutOwner}
              </label>
            ) : null}
            <button type="submit">{TEXTS.goLive}</button>
          </PostForm>
        )}
      </section>
    </StepPage>
  );
}

const OpenSteps = ({ frame, open }: { readonly frame: Frame; readonly open: readonly (typeof SETUP_STEPS)[number][] }) => (
  <div class="notice warning">
    <ul>
      {open.map(({ id, label }) => (
        <li>{TEXTS.openStep(<a href={stepPath(frame, id)}>{label}</a>, OPEN_STEPS[id])}</li>
      ))}
    </ul>
  </div>
);

const MAX_SHOWN = 10;

const GroupNames = ({ groups }: { readonly groups: readonly string[] }) => (
  <>
    {groups.slice(0, MAX_SHOWN).map((group, index) => (
      <>
        {index === 0 ? null : ', '}
        <ForeignText text={group} />
      </>
    ))}
  </>
);

export interface DoneStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly organization: Organization;
  readonly connection: Connection;
  readonly login: string;
}

/** The last page of a setup: the sign-in address, the users and owners it is for, and the next steps. */
export function DoneStep({ frame, progress, organization, connection, login }: DoneStepProps) {
  const { roleMapping } = organization;
  const isSetup = frame.viewer.kind === 'setup';
  const owners = ownerGroupsOf(roleMapping);
  return (
    <StepPage frame={frame} step="done" progress={progress} title={TEXTS.isLive}>
      <section class="panel" aria-labelledby="who">
        <h2 id="who">{TEXTS.whoAndWhere}</h2>
        <Facts
          facts={[
            [TEXTS.signInAddress, <Copy value={login} what={TEXTS.signInAddressToCopy} />],
            [TEXTS.whoSignsIn, roleMapping.defaultRole === 'none' ? TEXTS.assignedUsersWithRole : TEXTS.allAssignedUsers],
            // A setup link learns no rules once members could exist.
            [TEXTS.owners, isSetup || owners.length === 0 ? undefined : TEXTS.usersOf(<GroupNames groups={owners} />)],
            [TEXTS.identifiedBy, identifierText(connection.settings.identifier ?? 'auto')],
          ]}
        />
      </section>
      <section class="panel" aria-labelledby="next">
        <h2 id="next">{TEXTS.nextSteps}</h2>
        <ol class="steps">
          <li>{TEXTS.sendSignInAddress}</li>
          <li>
            {TEXTS.askOwnerToSignIn}
            {isSetup ? null : (
              <>
                {' '}
                <a href={`${frame.base}/members`}>{TEXTS.members}</a>
              </>
            )}
          </li>
          <li>{isSetup ? TEXTS.tellSender : TEXTS.tellItAdministrator}</li>
          <li>
            {TEXTS.provisioning}{' '}
            {isSetup ? TEXTS.ownerProvisions : <a href={`${frame.base}/provisioning/${connection.id}`}>{TEXTS.setUpProvisioning}</a>}
          </li>
        </ol>
        <a class="button secondary" href={frame.singleSignOnPath}>
          {TEXTS.showTheConnection}
        </a>
      </section>
    </StepPage>
  );
}
