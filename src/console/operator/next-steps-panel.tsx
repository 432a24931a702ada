import type { ComponentChildren } from 'preact';
import type { SetupLink, SetupLinkState } from '../../organizations/setup/setup-links.ts';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import type { SetupProgress } from '../setup-steps/steps.ts';

const TEXTS = {
  nextSteps: 'Next steps',
  connectIdentityProvider: 'Connect the identity provider',
  howToConnect: 'Send a setup link to the IT administrator of the organization, or set it up yourself.',
  inviteItAdministrator: 'Invite IT administrator',
  setUpYourself: 'Set up yourself',
  chooseOwners: 'Choose the group of owners',
  chooseRoles: 'Choose roles',
  testAndGoLive: 'Test and go live',
  continueSetup: 'Continue setup',
  ownerSignsIn: 'An owner signs in',
  sendSignInUrl: 'Send the sign-in URL below to an owner. From then on, the owners manage the organization.',
  done: 'done',
  invited: 'invited',
  linkIsOpen: (createdAt: ComponentChildren, expiresAt: ComponentChildren) => (
    <>
      The setup link of {createdAt} was not used yet. It expires {expiresAt}.
    </>
  ),
  started: 'started',
  linkWasUsed: (usedAt: ComponentChildren) => <>The IT administrator started the setup {usedAt}.</>,
  lastLink: (state: string) => `The last setup link is ${state}.`,
} as const;

export interface NextStepsPanelProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  /** The newest setup link. */
  readonly link: { readonly value: SetupLink; readonly state: SetupLinkState } | undefined;
  readonly hasOwner: boolean;
}

/** Leads from a new organization to its first owner. Not shown once that is done. */
export function NextStepsPanel({ frame, progress, link, hasOwner }: NextStepsPanelProps) {
  const isLive = progress.next === 'done';
  if (isLive && hasOwner) return null;
  const isConnected = progress.done.has('metadata');
  return (
    <section class="panel" aria-labelledby="next">
      <h2 id="next">{TEXTS.nextSteps}</h2>
      <ol class="next">
        <Step label={TEXTS.connectIdentityProvider} isDone={isConnected}>
          <p>{TEXTS.howToConnect}</p>
          <LinkState link={link} nowMs={frame.nowMs} />
          <div class="buttons">
            <PostForm action={`${frame.base}/single-sign-on/setup-links`} csrfToken={frame.csrfToken} inline>
              <input type="hidden" name="expires_in_days" value="7" />
              <button type="submit">{TEXTS.inviteItAdministrator}</button>
            </PostForm>
            <a class="button secondary" href={`${frame.base}/single-sign-on/steps`}>
              {TEXTS.setUpYourself}
            </a>
          </div>
        </Step>
        <Step label={TEXTS.chooseOwners} isDone={isConnected && progress.done.has('roles')} isNext={isConnected}>
          <a href={`${frame.base}/single-sign-on/steps/roles`}>{TEXTS.chooseRoles}</a>
        </Step>
        <Step label={TEXTS.testAndGoLive} isDone={isLive} isNext={isConnected}>
          {isConnected ? <LinkState link={link} nowMs={frame.nowMs} /> : null}
          <a href={`${frame.base}/single-sign-on/steps`}>{TEXTS.continueSetup}</a>
        </Step>
        <Step label={TEXTS.ownerSignsIn} isDone={hasOwner} isNext={isLive}>
          <p>{TEXTS.sendSignInUrl}</p>
        </Step>
      </ol>
    </section>
  );
}

interface StepProps {
  readonly label: string;
  readonly isDone: boolean;
  /** Whether the step can be done now. */
  readonly isNext?: boolean;
  readonly children: ComponentChildren;
}

const Step = ({ label, isDone, isNext = true, children }: StepProps) => (
  <li>
    <strong>{label}</strong> {isDone ? <span class="badge good">{TEXTS.done}</span> : null}
    {isDone || !isNext ? null : <div>{children}</div>}
  </li>
);

function LinkState({ link, nowMs }: Pick<NextStepsPanelProps, 'link'> & { readonly nowMs: number }) {
  if (!link) return null;
  const { value, state } = link;
  if (state === 'open') {
    return (
      <p>
        <span class="badge note">{TEXTS.invited}</span>{' '}
        {TEXTS.linkIsOpen(<Near ms={value.createdAtMs} nowMs={nowMs} />, <Near ms={value.expiresAtMs} nowMs={nowMs} />)}
      </p>
    );
  }
  if (state === 'used' && value.usedAtMs !== undefined) {
    return (
      <p>
        <span class="badge note">{TEXTS.started}</span> {TEXTS.linkWasUsed(<Near ms={value.usedAtMs} nowMs={nowMs} />)}
      </p>
    );
  }
  return <p>{TEXTS.lastLink(state)}</p>;
}
