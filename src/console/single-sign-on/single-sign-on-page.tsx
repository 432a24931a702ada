import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import type { MetadataProposal } from '../../organizations/setup/metadata-proposals.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { SettingsQuotaNotice } from '../parts/quota-notice.tsx';
import type { OwnValue } from '../setup-steps/idp-product.ts';
import { StateBadge, StateText } from './connection-state.tsx';
import { IdentifierPanel } from './identifier-panel.tsx';
import { ProposalPanel } from './proposal-panel.tsx';
import { IdpFacts, Lint } from './single-sign-on-facts.tsx';

const TEXTS = {
  singleSignOn: 'Single sign-on',
  lead: 'The identity provider with which the users of this organization sign in.',
  identityProvider: 'Identity provider',
  noIdentityProviderYet: 'No identity provider yet',
  whatSetupDoes: 'Users cannot sign in until you connect one. The setup leads you through it and takes about ten minutes.',
  setUp: 'Set up single sign-on',
  settings: 'Settings',
  askOwnerToEnable: 'Ask an owner of the organization to enable it.',
  isLocked:
    'Members exist, so the settings can only be changed by an owner. Metadata that you save here is a proposal. It takes effect when an owner accepts it.',
  continueSetup: 'Continue setup',
  changeMetadata: 'Change metadata',
  testSignIn: 'Test sign-in',
  whatTestDoes:
    'A test sign-in goes to your identity provider and back, and shows the result of every check. It creates no session and changes no member.',
  values: 'Values for your identity provider',
  acsUrl: 'ACS URL',
  entityId: 'Entity ID',
  entityIdToCopy: 'entity ID',
  signInUrl: 'Sign-in URL',
  signInUrlToCopy: 'sign-in URL',
  metadata: 'Metadata',
} as const;

export interface SingleSignOnPageProps {
  readonly frame: Frame;
  readonly values: Readonly<Record<OwnValue, string>>;
  readonly connection: Connection | undefined;
  readonly warnings: readonly MetadataWarning[];
  /** Whether members exist who keep the setup link from changing the connection. Always false for owners and the operator. */
  readonly isLocked: boolean;
  readonly proposal: MetadataProposal | undefined;
  /** Versions and setup links, for owners and the operator. */
  readonly children?: ComponentChildren;
}

/** Shows a connection with everything that was set up. The steps of the setup have pages of their own. */
export function SingleSignOnPage({ frame, values, connection, warnings, isLocked, proposal, children }: SingleSignOnPageProps) {
  const path = frame.singleSignOnPath;
  return (
    <ConsolePage frame={frame} section="single-sign-on" title={TEXTS.singleSignOn} lead={TEXTS.lead} scripts={['confirm.js']}>
      <SettingsQuotaNotice frame={frame} />
      {connection ? (
        <Present frame={frame} path={path} connection={connection} warnings={warnings} isLocked={isLocked} />
      ) : (
        <section class="panel" aria-label={TEXTS.identityProvider}>
          <EmptyState title={TEXTS.noIdentityProviderYet}>
            <p>{TEXTS.whatSetupDoes}</p>
            <a class="button" href={`${path}/steps`}>
              {TEXTS.setUp}
            </a>
          </EmptyState>
        </section>
      )}
      {connection && proposal ? <ProposalPanel frame={frame} connection={connection} proposal={proposal} /> : null}
      {connection ? <IdentifierPanel frame={frame} connection={connection} isLocked={isLocked} /> : null}
      <OwnValues values={values} />
      {children}
    </ConsolePage>
  );
}

interface PresentProps extends Pick<SingleSignOnPageProps, 'frame' | 'warnings' | 'isLocked'> {
  readonly path: string;
  readonly connection: Connection;
}

function Present({ frame, path, connection, warnings, isLocked }: PresentProps) {
  const { state } = connection;
  const isSetup = frame.viewer.kind === 'setup';
  return (
    <section class="panel" aria-labelledby="present">
      <header>
        <h2 id="present">{TEXTS.identityProvider}</h2>
        <span>
          <ForeignText text={connection.name} /> <StateBadge state={state} />
        </span>
        {isLocked ? null : (
          <a class="button quiet" href={`${path}/settings`}>
            {TEXTS.settings}
          </a>
        )}
      </header>
      <StateText {...connection} />
      {isSetup && state === 'disabled' ? <p>{TEXTS.askOwnerToEnable}</p> : null}
      {isLocked ? (
        <Callout kind="note">
          <p>{TEXTS.isLocked}</p>
        </Callout>
      ) : null}
      <IdpFacts metadata={connection.metadata} metadataUrl={connection.metadataUrl} product={connection.product} />
      <Lint warnings={warnings} />
      <div class="buttons">
        {state === 'draft' ? (
          <a class="button" href={`${path}/steps`}>
            {TEXTS.continueSetup}
          </a>
        ) : null}
        <a class="button secondary" href={`${path}/steps/metadata`}>
          {TEXTS.changeMetadata}
        </a>
        <PostForm action={`${path}/test`} csrfToken={frame.csrfToken} inline>
          <button type="submit" class={state === 'draft' ? 'secondary' : ''}>
            {TEXTS.testSignIn}
          </button>
        </PostForm>
      </div>
      <p class="hint">{TEXTS.whatTestDoes}</p>
    </section>
  );
}

const OwnValues = ({ values }: Pick<SingleSignOnPageProps, 'values'>) => (
  <section class="panel" aria-labelledby="values">
    <h2 id="values">{TEXTS.values}</h2>
    <Facts
      facts={[
        [TEXTS.acsUrl, <Copy value={values.acs} what={TEXTS.acsUrl} />],
        [TEXTS.entityId, <Copy value={values.entityId} what={TEXTS.entityIdToCopy} />],
        [TEXTS.signInUrl, <Copy value={values.login} what={TEXTS.signInUrlToCopy} />],
        [TEXTS.metadata, <a href={values.metadata}>{values.metadata}</a>],
      ]}
    />
  </section>
);
