import type { ComponentChildren } from 'preact';
import { HELP } from './docs/help.ts';
import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';
import { PostForm } from './parts/form.tsx';

interface SignedInAs {
  readonly organization: string;
  readonly email: string;
}

export interface ReplaceSessionPageProps {
  readonly current: SignedInAs;
  /** The sign-in that has just finished. Its organization chose both texts. */
  readonly next: SignedInAs;
  readonly action: string;
  readonly csrfToken: string;
}

/** Names and addresses as the page shows them. */
interface Shown {
  readonly organization: ComponentChildren;
  readonly email: ComponentChildren;
}

const TEXTS = {
  title: 'Switch organizations?',
  state: (current: Shown, next: Shown) => (
    <>
      You are signed in to <strong>{current.organization}</strong> as {current.email}. Another sign-in has just finished in this browser, to{' '}
      <strong>{next.organization}</strong> as {next.email}.
    </>
  ),
  warning: 'If you did not start this sign-in, stay signed in. What you do after switching may be visible to the other organization.',
  stay: (organization: ComponentChildren) => <>Stay signed in to {organization}</>,
  replace: (organization: ComponentChildren) => <>Switch to {organization}</>,
  effect: (organization: ComponentChildren) => <>Switching ends your session in {organization}.</>,
} as const;

const shownOf = ({ organization, email }: SignedInAs): Shown => ({
  organization: <ForeignText text={organization} />,
  email: <ForeignText text={email} />,
});

/** Asks the user before a sign-in replaces a session of another organization. */
export const ReplaceSessionPage = (props: ReplaceSessionPageProps) => {
  const [current, next] = [shownOf(props.current), shownOf(props.next)];
  return (
    <Page title={TEXTS.title} help={HELP['replace-session']}>
      <h1>{TEXTS.title}</h1>
      <p>{TEXTS.state(current, next)}</p>
      <p class="notice warning">{TEXTS.warning}</p>
      <PostForm action={props.action} csrfToken={props.csrfToken}>
        <div class="buttons">
          <button type="submit" name="answer" value="stay">
            {TEXTS.stay(current.organization)}
          </button>
          <button type="submit" name="answer" value="switch" class="secondary">
            {TEXTS.replace(next.organization)}
          </button>
        </div>
      </PostForm>
      <p class="hint">{TEXTS.effect(current.organization)}</p>
    </Page>
  );
};
