import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';

export interface ChooseConnectionPageProps {
  readonly organization: string;
  readonly choices: readonly { readonly name: string; readonly href: string }[];
}

/** Lets a user choose between the identity providers of an organization. */
export const ChooseConnectionPage = ({ organization, choices }: ChooseConnectionPageProps) => (
  <Page title="Choose how to sign in">
    <h1>Choose how to sign in</h1>
    <p>
      <ForeignText text={organization} /> has several identity providers. Choose the one that you sign in with.
    </p>
    {choices.map(({ name, href }) => (
      <p>
        <a class="button wide secondary" href={href}>
          Sign in with <ForeignText text={name} />
        </a>
      </p>
    ))}
    <p class="hint">If you do not know which one to choose, ask your IT administrator.</p>
  </Page>
);
