import type { ComponentChildren } from 'preact';
import { Page } from './layout.tsx';
import type { ShownOrganization } from './organization-mark.tsx';
import { ForeignText } from './parts/foreign-text.tsx';

export interface ChooseConnectionPageProps {
  readonly organization: ShownOrganization;
  readonly choices: readonly { readonly name: string; readonly href: string }[];
}

const TEXTS = {
  title: 'Choose how to sign in',
  lead: (organization: ComponentChildren) => <>{organization} has several identity providers. Choose the one that you sign in with.</>,
  signInWith: (connection: ComponentChildren) => <>Sign in with {connection}</>,
  hint: 'If you do not know which one to choose, ask your IT administrator.',
} as const;

/** Lets a user choose between the identity providers of an organization. */
export const ChooseConnectionPage = ({ organization, choices }: ChooseConnectionPageProps) => (
  <Page title={TEXTS.title} organization={organization}>
    <h1>{TEXTS.title}</h1>
    <p>{TEXTS.lead(<ForeignText text={organization.name} />)}</p>
    {choices.map(({ name, href }) => (
      <p>
        <a class="button wide secondary" href={href}>
          {TEXTS.signInWith(<ForeignText text={name} />)}
        </a>
      </p>
    ))}
    <p class="hint">{TEXTS.hint}</p>
  </Page>
);
