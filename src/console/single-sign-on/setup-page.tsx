import { HELP } from '../docs/help.ts';
import { Page } from '../layout.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { momentText } from '../parts/moment.tsx';

export interface SetupStartPageProps {
  readonly organization: { readonly name: string };
  readonly action: string;
  readonly expiresAtMs: number;
}

/** The page that a setup link opens. */
export const SetupStartPage = ({ organization, action, expiresAtMs }: SetupStartPageProps) => (
  <Page title={`Set up single sign-on for ${visibleText(organization.name)}`} organization={organization.name} help={HELP.setup}>
    <h1>
      Set up single sign-on for <ForeignText text={organization.name} />
    </h1>
    <p>
      Connect your identity provider (Okta, Entra ID, Google Workspace or another) step by step, then test the sign-in. This takes about ten
      minutes.
    </p>
    <form method="post" action={action}>
      <button type="submit">Start setup</button>
    </form>
    <p class="hint">
      The link works once and opens the setup in this browser for 24 hours. If it is not used, it expires on {momentText(expiresAtMs)}.
    </p>
  </Page>
);

export const SetupDonePage = () => (
  <Page title="Setup ended" help={HELP.setup}>
    <h1>The setup has ended in this browser</h1>
    <p>Your changes are saved. To make further changes, ask the person who sent you the setup link for a new one.</p>
  </Page>
);
