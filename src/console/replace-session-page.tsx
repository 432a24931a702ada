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

/** Asks the user before a sign-in replaces a session of another organization. */
export const ReplaceSessionPage = ({ current, next, action, csrfToken }: ReplaceSessionPageProps) => (
  <Page title="Switch organizations?" help={HELP['replace-session']}>
    <h1>Switch organizations?</h1>
    <p>
      You are signed in to{' '}
      <strong>
        <ForeignText text={current.organization} />
      </strong>{' '}
      as <ForeignText text={current.email} />. Another sign-in has just finished in this browser, to{' '}
      <strong>
        <ForeignText text={next.organization} />
      </strong>{' '}
      as <ForeignText text={next.email} />.
    </p>
    <p class="notice warning">
      If you did not start this sign-in, stay signed in. What you do after switching may be visible to the other organization.
    </p>
    <PostForm action={action} csrfToken={csrfToken}>
      <div class="buttons">
        <button type="submit" name="answer" value="stay">
          Stay signed in to <ForeignText text={current.organization} />
        </button>
        <button type="submit" name="answer" value="switch" class="secondary">
          Switch to <ForeignText text={next.organization} />
        </button>
      </div>
    </PostForm>
    <p class="hint">
      Switching ends your session in <ForeignText text={current.organization} />.
    </p>
  </Page>
);
