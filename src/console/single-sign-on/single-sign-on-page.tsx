import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import type { MetadataProposal } from '../../organizations/setup/metadata-proposals.ts';
import type { IdpKind } from '../../saml/explain/idp-screens.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { SettingsQuotaNotice } from '../parts/quota-notice.tsx';
import { GoLivePanel, StateBadge, StateText } from './connection-state.tsx';
import { IdentifierPanel } from './identifier-panel.tsx';
import { type Comparison, type DecisionPreviews, MembersDecision } from './members-decision.tsx';
import { ProposalPanel } from './proposal-panel.tsx';
import { IdpFacts, Lint } from './single-sign-on-facts.tsx';
import { GUIDES, type GuideStep, type OwnValue } from './single-sign-on-guides.ts';

/** Metadata as the user has entered it so far. */
export interface TypedMetadata {
  readonly metadata_xml: string;
  readonly metadata_url: string;
  readonly entity_id: string;
  readonly sso_url: string;
  readonly certificates: string;
  /** The entity ID to use if the metadata describes several identity providers. */
  readonly wanted: string;
}

export const NOTHING_TYPED: TypedMetadata = {
  metadata_xml: '',
  metadata_url: '',
  entity_id: '',
  sso_url: '',
  certificates: '',
  wanted: '',
};

export interface SingleSignOnPageProps {
  readonly frame: Frame;
  readonly values: Readonly<Record<OwnValue, string>>;
  readonly connection: Connection | undefined;
  readonly warnings: readonly MetadataWarning[];
  readonly guide: IdpKind;
  readonly typed: TypedMetadata;
  /** Whether members exist who keep the setup link from changing the connection. Always false for owners and the operator. */
  readonly isLocked: boolean;
  readonly proposal: MetadataProposal | undefined;
  /** Versions and setup links, for owners and the operator. */
  readonly children?: ComponentChildren;
}

/** Leads from an organization without an identity provider to a working sign-in. */
export function SingleSignOnPage(props: SingleSignOnPageProps) {
  const { frame, values, connection, warnings, guide, typed, isLocked, proposal, children } = props;
  const path = frame.singleSignOnPath;
  return (
    <ConsolePage
      frame={frame}
      section="single-sign-on"
      title="Single sign-on"
      lead="Connect your identity provider: copy the values below into its screens, provide its metadata, then test the sign-in."
      scripts={['confirm.js']}
    >
      <SettingsQuotaNotice frame={frame} />
      <Present frame={frame} path={path} connection={connection} warnings={warnings} isLocked={isLocked} />
      {connection && proposal ? <ProposalPanel frame={frame} connection={connection} proposal={proposal} /> : null}
      {connection && frame.viewer.kind === 'setup' ? <GoLivePanel frame={frame} connection={connection} isLocked={isLocked} /> : null}
      {connection ? <IdentifierPanel frame={frame} connection={connection} isLocked={isLocked} /> : null}
      <OwnValues values={values} />
      <Steps path={path} guide={guide} values={values} />
      <MetadataForms frame={frame} path={path} typed={typed} />
      {children}
    </ConsolePage>
  );
}

interface PresentProps extends Pick<SingleSignOnPageProps, 'frame' | 'connection' | 'warnings' | 'isLocked'> {
  readonly path: string;
}

function Present({ frame, path, connection, warnings, isLocked }: PresentProps) {
  return (
    <section class="panel" aria-labelledby="present">
      <header>
        <h2 id="present">Identity provider</h2>
        {connection ? (
          <span>
            <ForeignText text={connection.name} /> <StateBadge state={connection.state} />
          </span>
        ) : null}
        {connection && !isLocked ? (
          <a class="button quiet" href={`${path}/settings`}>
            Settings
          </a>
        ) : null}
      </header>
      {connection ? (
        <>
          {frame.viewer.kind === 'setup' || connection.state === 'active' ? null : <StateText {...connection} />}
          <IdpFacts metadata={connection.metadata} metadataUrl={connection.metadataUrl} />
          <Lint warnings={warnings} />
          <PostForm action={`${path}/test`} csrfToken={frame.csrfToken}>
            <p class="hint">
              A test sign-in goes to your identity provider and back, and shows the result of every check. It creates no session and changes
              no member.
            </p>
            <button type="submit">Test sign-in</button>
          </PostForm>
        </>
      ) : (
        <EmptyState title="No identity provider yet">
          <p>Users cannot sign in until you connect one. Follow the steps below.</p>
        </EmptyState>
      )}
    </section>
  );
}

const OwnValues = ({ values }: Pick<SingleSignOnPageProps, 'values'>) => (
  <section class="panel" aria-labelledby="values">
    <h2 id="values">Values for your identity provider</h2>
    <Facts
      facts={[
        ['ACS URL', <Copy value={values.acs} what="ACS URL" />],
        ['Entity ID', <Copy value={values.entityId} what="entity ID" />],
        ['Sign-in URL', <Copy value={values.login} what="sign-in URL" />],
        ['Metadata', <a href={values.metadata}>{values.metadata}</a>],
      ]}
    />
  </section>
);

interface StepsProps extends Pick<SingleSignOnPageProps, 'guide' | 'values'> {
  readonly path: string;
}

function Steps({ path, guide, values }: StepsProps) {
  return (
    <section class="panel" aria-labelledby="steps">
      <h2 id="steps">Setup steps</h2>
      <nav class="choices" aria-label="Identity providers">
        {Object.entries(GUIDES).map(([kind, { label }]) => (
          <a class="button quiet" href={`${path}?guide=${kind}#steps`} {...(kind === guide ? { 'aria-current': 'true' as const } : {})}>
            {label}
          </a>
        ))}
      </nav>
      <ol class="steps">
        {GUIDES[guide].steps.map((step) => (
          <Step step={step} values={values} />
        ))}
      </ol>
    </section>
  );
}

const Step = ({ step: { text, fields }, values }: { readonly step: GuideStep } & Pick<SingleSignOnPageProps, 'values'>) => (
  <li>
    {text}
    {fields ? (
      <Facts
        facts={fields.map(([field, value]) => [
          field,
          typeof value === 'string' ? value : <Copy value={values[value.own]} what={`value for ${field}`} />,
        ])}
      />
    ) : null}
  </li>
);

interface MetadataFormsProps extends Pick<SingleSignOnPageProps, 'frame' | 'typed'> {
  readonly path: string;
}

/** Offers four ways to provide metadata. Each leads to a preview first. */
function MetadataForms({ frame: { csrfToken }, path, typed }: MetadataFormsProps) {
  const action = `${path}/preview`;
  const isManual = typed.entity_id !== '' || typed.sso_url !== '' || typed.certificates !== '';
  return (
    <section class="panel" aria-labelledby="metadata">
      <h2 id="metadata">Metadata of your identity provider</h2>
      <p>Choose one of four ways. You see a preview before anything is saved.</p>
      <details open={!isManual && typed.metadata_xml === ''}>
        <summary>Metadata URL</summary>
        <PostForm action={action} csrfToken={csrfToken}>
          <Field
            name="metadata_url"
            label="URL"
            type="url"
            value={typed.metadata_url}
            required
            maxlength={2048}
            hint="The gateway fetches it now and once a day, so it picks up new certificates in time."
          />
          <WantedEntityId way="link" value={typed.wanted} />
          <Preview />
        </PostForm>
      </details>
      <details>
        <summary>Metadata file</summary>
        <PostForm action={action} csrfToken={csrfToken} kind="upload">
          <div class="field">
            <label for="field-metadata_file">Metadata file (XML)</label>
            <input id="field-metadata_file" name="metadata_file" type="file" required accept=".xml,application/xml,text/xml" />
          </div>
          <WantedEntityId way="file" value={typed.wanted} />
          <Preview />
        </PostForm>
      </details>
      <details open={typed.metadata_xml !== ''}>
        <summary>Pasted metadata</summary>
        <PostForm action={action} csrfToken={csrfToken} kind="upload">
          <Field name="metadata_xml" label="Metadata (XML)" value={typed.metadata_xml} lines={8} required />
          <WantedEntityId way="text" value={typed.wanted} />
          <Preview />
        </PostForm>
      </details>
      <details open={isManual}>
        <summary>Enter values manually</summary>
        <PostForm action={action} csrfToken={csrfToken} kind="upload">
          <Field name="entity_id" label="Entity ID (issuer) of the identity provider" value={typed.entity_id} required maxlength={1024} />
          <Field
            name="sso_url"
            label="Single sign-on URL of the identity provider"
            type="url"
            value={typed.sso_url}
            required
            maxlength={2048}
          />
          <Field
            name="certificates"
            label="Signing certificate of the identity provider"
            value={typed.certificates}
            lines={6}
            required
            hint="PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, or base64. Enter several one after the other."
          />
          <Preview />
        </PostForm>
      </details>
    </section>
  );
}

/** Each form has a field of its own, because field names are unique on the page. */
const WantedEntityId = ({ way, value }: { readonly way: 'link' | 'file' | 'text'; readonly value: string }) => (
  <details open={value !== ''}>
    <summary>The metadata describes several identity providers</summary>
    <Field name={`wanted_${way}`} label="Entity ID of your identity provider" value={value} maxlength={1024} />
  </details>
);

const Preview = () => <button type="submit">Preview</button>;

export interface PreviewPageProps {
  readonly frame: Frame;
  readonly metadata: Connection['metadata'];
  readonly metadataUrl: string | undefined;
  readonly warnings: readonly MetadataWarning[];
  /** The entity ID of the current identity provider. */
  readonly presentEntityId: string | undefined;
  /** What each decision does to the members. Undefined if another identity provider affects none. */
  readonly previews: DecisionPreviews | undefined;
  readonly comparison?: Comparison | undefined;
  /** Hidden fields that send the metadata again when the user saves. */
  readonly carried: Readonly<Record<string, string>>;
}

/** Shows what the gateway read from the metadata, before the user saves it. */
export function MetadataPreviewPage(props: PreviewPageProps) {
  const { frame, metadata, metadataUrl, warnings, presentEntityId, previews, comparison, carried } = props;
  const path = frame.singleSignOnPath;
  return (
    <ConsolePage
      frame={frame}
      section="single-sign-on"
      title="Is this your identity provider?"
      lead="Check the values below. Nothing is saved yet."
      back={{ href: path, label: 'Single sign-on' }}
    >
      <section class="panel" aria-label="Preview">
        <IdpFacts metadata={metadata} metadataUrl={metadataUrl} />
        {presentEntityId === undefined || presentEntityId === metadata.entityId ? null : (
          <div class="notice warning">
            <p>
              This is not the current identity provider (<code>{presentEntityId}</code>).
            </p>
          </div>
        )}
        <Lint warnings={warnings} />
        <PostForm action={`${path}/save`} csrfToken={frame.csrfToken} kind="upload">
          {Object.entries(carried).map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          {previews ? <MembersDecision previews={previews} compareAction={`${path}/compare`} comparison={comparison} /> : null}
          <div class="buttons">
            <button type="submit">Save</button>
            <a class="button secondary" href={path}>
              Cancel
            </a>
          </div>
        </PostForm>
      </section>
    </ConsolePage>
  );
}
