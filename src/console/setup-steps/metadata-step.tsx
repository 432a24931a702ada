import type { Frame } from '../navigation.ts';
import { Field } from '../parts/field.tsx';
import { visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Callout } from '../parts/notice.tsx';
import { IDP_PRODUCTS, type IdpProductId } from './idp-products.ts';
import { StepPage } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

const TEXTS = {
  title: 'Add your identity provider’s metadata',
  lead: 'The metadata tells the gateway where users sign in, and which certificate signs its responses. You see a preview before anything is saved.',
  isProposal: 'Members exist, so metadata that you save here is a proposal. It takes effect when an owner accepts it.',
  metadata: 'Metadata',
  whereToFind: (place: string) => (
    <>
      <strong>Where to find it:</strong> {place}
    </>
  ),
  manualEntry: 'Manual entry',
  enterManually: 'Enter the values manually',
  urlOrXml: 'URL or XML of the metadata',
  urlExample: 'https://…',
  orFile: 'Or a file',
  metadataHint:
    'Enter an address, paste the XML, or drop the file here. From an address, the gateway fetches the metadata once a day, so it picks up new certificates in time.',
  severalProviders: 'The metadata describes several identity providers',
  wantedEntityId: 'Entity ID of your identity provider',
  preview: 'Preview',
  entityId: 'Entity ID (issuer) of the identity provider',
  singleSignOnUrl: 'Single sign-on URL of the identity provider',
  certificate: 'Signing certificate of the identity provider',
  certificateHint: 'PEM text from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, or base64. Enter several one after the other.',
} as const;

/** Metadata as the user has entered it so far. */
export interface TypedMetadata {
  /** A URL or XML. */
  readonly metadata: string;
  readonly entity_id: string;
  readonly sso_url: string;
  readonly certificates: string;
  /** The entity ID to use if the metadata describes several identity providers. */
  readonly wanted: string;
}

export const NOTHING_TYPED: TypedMetadata = { metadata: '', entity_id: '', sso_url: '', certificates: '', wanted: '' };

/** Why metadata was refused, and what the gateway took it for. */
export interface MetadataProblem {
  readonly understood: string;
  readonly reason: string;
}

export interface MetadataStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly product: IdpProductId;
  readonly typed: TypedMetadata;
  readonly problem: MetadataProblem | undefined;
  /** Whether what is saved here becomes a proposal. */
  readonly isLocked: boolean;
}

/** Step 3: the identity provider's metadata. It leads to a preview first. */
export function MetadataStep({ frame, progress, product, typed, problem, isLocked }: MetadataStepProps) {
  const isManual = typed.entity_id !== '' || typed.sso_url !== '' || typed.certificates !== '';
  return (
    <StepPage
      frame={frame}
      step="metadata"
      progress={progress}
      product={product}
      title={TEXTS.title}
      lead={TEXTS.lead}
      scripts={['drop.js']}
    >
      {isLocked ? (
        <Callout kind="note">
          <p>{TEXTS.isProposal}</p>
        </Callout>
      ) : null}
      <section class="panel" aria-labelledby="metadata">
        <h2 id="metadata">{TEXTS.metadata}</h2>
        <p>{TEXTS.whereToFind(IDP_PRODUCTS[product].metadata)}</p>
        <OneField frame={frame} product={product} typed={typed} problem={isManual ? undefined : problem} />
      </section>
      <section class="panel" aria-label={TEXTS.manualEntry}>
        <details open={isManual}>
          <summary>{TEXTS.enterManually}</summary>
          <ManualForm frame={frame} product={product} typed={typed} problem={isManual ? problem : undefined} />
        </details>
      </section>
    </StepPage>
  );
}

type FormProps = Pick<MetadataStepProps, 'frame' | 'product' | 'typed' | 'problem'>;

const actionOf = (frame: Frame): string => `${frame.singleSignOnPath}/preview`;

const OneField = ({ frame, product, typed, problem }: FormProps) => (
  <PostForm action={actionOf(frame)} csrfToken={frame.csrfToken} kind="upload">
    <input type="hidden" name="product" value={product} />
    <div class="field drop" data-drop>
      <label for="field-metadata">{TEXTS.urlOrXml}</label>
      <textarea
        id="field-metadata"
        name="metadata"
        rows={4}
        autocomplete="off"
        spellcheck={false}
        autofocus
        placeholder={TEXTS.urlExample}
        aria-describedby={problem ? 'problem-metadata hint-metadata' : 'hint-metadata'}
        {...(problem ? { 'aria-invalid': true } : {})}
      >
        {typed.metadata}
      </textarea>
      {problem ? <ProblemText id="problem-metadata" problem={problem} /> : null}
      <label for="field-metadata_file">{TEXTS.orFile}</label>
      <input id="field-metadata_file" name="metadata_file" type="file" accept=".xml,application/xml,text/xml,text/plain" />
      <small class="hint" id="hint-metadata">
        {TEXTS.metadataHint}
      </small>
    </div>
    <details open={typed.wanted !== ''}>
      <summary>{TEXTS.severalProviders}</summary>
      <Field name="wanted" label={TEXTS.wantedEntityId} value={typed.wanted} maxlength={1024} />
    </details>
    <button type="submit">{TEXTS.preview}</button>
  </PostForm>
);

const ProblemText = ({ id, problem: { understood, reason } }: { readonly id: string; readonly problem: MetadataProblem }) => (
  <p class="error" id={id} role="alert">
    <strong>{visibleText(understood)}</strong> {visibleText(reason)}
  </p>
);

const ManualForm = ({ frame, product, typed, problem }: FormProps) => (
  <PostForm action={actionOf(frame)} csrfToken={frame.csrfToken} kind="upload">
    <input type="hidden" name="product" value={product} />
    {problem ? <ProblemText id="problem-manual" problem={problem} /> : null}
    <Field name="entity_id" label={TEXTS.entityId} value={typed.entity_id} required maxlength={1024} />
    <Field name="sso_url" label={TEXTS.singleSignOnUrl} type="url" value={typed.sso_url} required maxlength={2048} />
    <Field name="certificates" label={TEXTS.certificate} value={typed.certificates} lines={6} required hint={TEXTS.certificateHint} />
    <button type="submit">{TEXTS.preview}</button>
  </PostForm>
);
