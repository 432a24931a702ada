import type { ComponentChildren } from 'preact';
import { HELP } from '../docs/help.ts';
import { Page } from '../layout.tsx';
import type { ShownOrganization } from '../organization-mark.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { momentText } from '../parts/moment.tsx';

export interface SetupStartPageProps {
  readonly organization: ShownOrganization;
  readonly action: string;
  readonly expiresAtMs: number;
}

const TEXTS = {
  title: (organization: ComponentChildren) => <>Set up single sign-on for {organization}</>,
  windowTitle: (organization: string) => `Set up single sign-on for ${organization}`,
  lead: 'Connect your identity provider (Okta, Entra ID, Google Workspace or another) step by step, then test the sign-in. This takes about ten minutes.',
  start: 'Start setup',
  hint: (expiresAt: string) =>
    `The link starts one setup, in this browser. To continue later, open it again here within 24 hours. If it is not used, it expires on ${expiresAt}.`,
  endedWindowTitle: 'Setup ended',
  ended: 'The setup has ended in this browser',
  saved: 'Your changes are saved. To make further changes, ask the person who sent you the setup link for a new one.',
} as const;

/** The page that a setup link opens. */
export const SetupStartPage = ({ organization, action, expiresAtMs }: SetupStartPageProps) => (
  <Page title={TEXTS.windowTitle(visibleText(organization.name))} organization={organization} help={HELP.setup}>
    <h1>{TEXTS.title(<ForeignText text={organization.name} />)}</h1>
    <p>{TEXTS.lead}</p>
    <form method="post" action={action}>
      <button type="submit">{TEXTS.start}</button>
    </form>
    <p class="hint">{TEXTS.hint(momentText(expiresAtMs))}</p>
  </Page>
);

export const SetupDonePage = () => (
  <Page title={TEXTS.endedWindowTitle} help={HELP.setup}>
    <h1>{TEXTS.ended}</h1>
    <p>{TEXTS.saved}</p>
  </Page>
);
