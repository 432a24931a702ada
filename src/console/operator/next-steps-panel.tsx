import type { ComponentChildren } from 'preact';
import type { SetupLink, SetupLinkState } from '../../organizations/setup/setup-links.ts';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import type { SetupProgress } from '../setup-steps/steps.ts';

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
      <h2 id="next">Next steps</h2>
      <ol class="next">
        <Step label="Connect the identity provider" isDone={isConnected}>
          <p>Send a setup link to the IT administrator of the organization, or set it up yourself.</p>
          <LinkState link={link} nowMs={frame.nowMs} />
          <div class="buttons">
            <PostForm action={`${frame.base}/single-sign-on/setup-links`} csrfToken={frame.csrfToken} inline>
              <input type="hidden" name="expires_in_days" value="7" />
              <button type="submit">Invite IT administrator</button>
            </PostForm>
            <a class="button secondary" href={`${frame.base}/single-sign-on/steps`}>
              Set up yourself
            </a>
          </div>
        </Step>
        <Step label="Choose the group of owners" isDone={isConnected && progress.done.has('roles')} isNext={isConnected}>
          <a href={`${frame.base}/single-sign-on/steps/roles`}>Choose roles</a>
        </Step>
        <Step label="Test and go live" isDone={isLive} isNext={isConnected}>
          {isConnected ? <LinkState link={link} nowMs={frame.nowMs} /> : null}
          <a href={`${frame.base}/single-sign-on/steps`}>Continue setup</a>
        </Step>
        <Step label="An owner signs in" isDone={hasOwner} isNext={isLive}>
          <p>Send the sign-in URL below to an owner. From then on, the owners manage the organization.</p>
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
    <strong>{label}</strong> {isDone ? <span class="badge good">done</span> : null}
    {isDone || !isNext ? null : <div>{children}</div>}
  </li>
);

function LinkState({ link, nowMs }: Pick<NextStepsPanelProps, 'link'> & { readonly nowMs: number }) {
  if (!link) return null;
  const { value, state } = link;
  if (state === 'open') {
    return (
      <p>
        <span class="badge note">invited</span> The setup link of <Near ms={value.createdAtMs} nowMs={nowMs} /> was not used yet. It expires{' '}
        <Near ms={value.expiresAtMs} nowMs={nowMs} />.
      </p>
    );
  }
  if (state === 'used' && value.usedAtMs !== undefined) {
    return (
      <p>
        <span class="badge note">started</span> The IT administrator started the setup <Near ms={value.usedAtMs} nowMs={nowMs} />.
      </p>
    );
  }
  return <p>The last setup link is {state}.</p>;
}
