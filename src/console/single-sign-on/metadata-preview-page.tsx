import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { type Comparison, type DecisionPreviews, MembersDecision } from './members-decision.tsx';
import { IdpFacts, Lint } from './single-sign-on-facts.tsx';

const TEXTS = {
  title: 'Is this your identity provider?',
  lead: 'Check the values below. Nothing is saved yet.',
  metadata: 'Metadata',
  preview: 'Preview',
  isOtherProvider: (entityId: ComponentChildren) => <>This is not the current identity provider ({entityId}).</>,
  isInUse: 'Users sign in through this connection. A changed value takes effect immediately when you save it.',
  save: 'Save',
  cancel: 'Cancel',
} as const;

export interface PreviewPageProps {
  readonly frame: Frame;
  readonly metadata: Connection['metadata'];
  readonly metadataUrl: string | undefined;
  readonly warnings: readonly MetadataWarning[];
  /** The connection before the change. */
  readonly present: Pick<Connection, 'metadata' | 'state'> | undefined;
  /** What each decision does to the members. Undefined if another identity provider affects none. */
  readonly previews: DecisionPreviews | undefined;
  readonly comparison?: Comparison | undefined;
  /** Hidden fields that send the metadata again when the user saves. */
  readonly carried: Readonly<Record<string, string>>;
}

/** Shows what the gateway read from the metadata, before the user saves it. */
export function MetadataPreviewPage(props: PreviewPageProps) {
  const { frame, metadata, metadataUrl, warnings, present, previews, comparison, carried } = props;
  const isOtherProvider = present !== undefined && present.metadata.entityId !== metadata.entityId;
  const isInUse = present?.state === 'active' && !isOtherProvider && frame.viewer.kind !== 'setup';
  const path = frame.singleSignOnPath;
  return (
    <ConsolePage
      frame={frame}
      section="single-sign-on"
      title={TEXTS.title}
      lead={TEXTS.lead}
      back={{ href: `${path}/steps/metadata`, label: TEXTS.metadata }}
    >
      <section class="panel" aria-label={TEXTS.preview}>
        <IdpFacts metadata={metadata} metadataUrl={metadataUrl} present={present?.metadata} />
        {isOtherProvider ? (
          <Callout kind="warning">
            <p>{TEXTS.isOtherProvider(<code>{present.metadata.entityId}</code>)}</p>
          </Callout>
        ) : null}
        {isInUse ? (
          <Callout kind="warning">
            <p>{TEXTS.isInUse}</p>
          </Callout>
        ) : null}
        <Lint warnings={warnings} />
        <PostForm action={`${path}/save`} csrfToken={frame.csrfToken} kind="upload">
          {Object.entries(carried).map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          {previews ? <MembersDecision previews={previews} compareAction={`${path}/compare`} comparison={comparison} /> : null}
          <div class="buttons">
            <button type="submit">{TEXTS.save}</button>
            <a class="button secondary" href={`${path}/steps/metadata`}>
              {TEXTS.cancel}
            </a>
          </div>
        </PostForm>
      </section>
    </ConsolePage>
  );
}
