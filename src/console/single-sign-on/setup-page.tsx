import { Page } from '../layout.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { momentText } from '../parts/moment.tsx';

export interface SetupStartPageProps {
  readonly organization: { readonly name: string };
  readonly action: string;
  readonly expiresAtMs: number;
}

/** Where a setup link leads. */
export const SetupStartPage = ({ organization, action, expiresAtMs }: SetupStartPageProps) => (
  <Page title={`Set up single sign-on for ${visibleText(organization.name)}`}>
    <h1>
      Set up single sign-on for <ForeignText text={organization.name} />
    </h1>
    <p>
      You connect your identity provider (Okta, Entra ID, Google Workspace or another) step by step and try a sign-in. It takes some ten
      minutes.
    </p>
    <form method="post" action={action}>
      <button type="submit">Start</button>
    </form>
    <p class="hint">
      The link is good once: it opens the setup in this browser, for 24 hours. Not used, it ends on {momentText(expiresAtMs)}.
    </p>
  </Page>
);

export const SetupDonePage = () => (
  <Page title="The setup is over">
    <h1>The setup is over in this browser</h1>
    <p>What you saved counts. For further changes ask who sent you the setup link for a new one.</p>
  </Page>
);
