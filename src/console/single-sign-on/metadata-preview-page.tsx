import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { type Comparison, type DecisionPreviews, MembersDecision } from './members-decision.tsx';
import { IdpFacts, Lint } from './single-sign-on-facts.tsx';

const TEXTS = {
  title: 'Is this your identity provider?',
  lead: 'Check the values below. Nothing is saved yet.',
  metadata: 'Metadata',
  preview: 'Preview',
  isOtherProvider: (entityId: ComponentChildren) => <>This is not the current identity provider ({entityId}).</>,
  save: 'Save',
  cancel: 'Cancel',
} as const;

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
      title={TEXTS.title}
      lead={TEXTS.lead}
      back={{ href: `${path}/steps/metadata`, label: TEXTS.metadata }}
    >
      <section class="panel" aria-label={TEXTS.preview}>
        <IdpFacts metadata={metadata} metadataUrl={metadataUrl} />
        {presentEntityId === undefined || presentEntityId === metadata.entityId ? null : (
          <div class="notice warning">
            <p>{TEXTS.isOtherProvider(<code>{presentEntityId}</code>)}</p>
          </div>
        )}
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
