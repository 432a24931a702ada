import { ConsolePage } from './console-page.tsx';
import type { Frame } from './navigation.ts';
import { OrganizationMark, type ShownOrganization } from './organization-mark.tsx';
import { ButtonForm } from './parts/button-form.tsx';
import { PostForm } from './parts/form.tsx';

const TEXTS = {
  title: 'Branding',
  lead: 'How this organization appears to users when they sign in.',
  preview: 'Preview',
  previewHint:
    'The sign-in page shows this in browsers that have chosen the organization before. Setup links and the choice between identity providers also show it.',
  signIn: 'Sign in',
  continueWith: 'Continue with',
  logo: 'Logo',
  none: 'Without a logo, pages show the initials of the organization.',
  set: (width: number, height: number) => `The logo has ${width} × ${height} pixels.`,
  upload: 'Upload logo',
  replace: 'Replace logo',
  file: 'Image file',
  limits:
    'PNG, JPEG or WebP, at most 64 KiB and 1024 × 1024 pixels, without animation. It is shown on white, at most 200 pixels wide and 48 high. Anyone can download it.',
  remove: 'Remove logo',
  removeQuestion: 'Remove the logo? Pages then show the initials of the organization.',
} as const;

export interface BrandingPageProps {
  readonly frame: Frame;
  readonly shown: ShownOrganization;
  /** Why the uploaded file was refused. */
  readonly problem?: string | undefined;
}

/** Lets owners and the operator set the logo, and shows the card of the sign-in page with it. */
export function BrandingPage({ frame, shown, problem }: BrandingPageProps) {
  return (
    <ConsolePage frame={frame} section="branding" title={TEXTS.title} lead={TEXTS.lead} scripts={['confirm.js', 'drop.js']}>
      <section class="panel" aria-labelledby="preview">
        <h2 id="preview">{TEXTS.preview}</h2>
        <div class="card-preview">
          <p class="brand">
            <OrganizationMark {...shown} />
          </p>
          <p class="title">{TEXTS.signIn}</p>
          <span class="button wide" aria-hidden="true">
            {TEXTS.continueWith} …
          </span>
        </div>
        <p class="hint">{TEXTS.previewHint}</p>
      </section>
      <section class="panel" aria-labelledby="logo">
        <h2 id="logo">{TEXTS.logo}</h2>
        <p>{shown.logo ? TEXTS.set(shown.logo.width, shown.logo.height) : TEXTS.none}</p>
        <UploadForm frame={frame} hasLogo={shown.logo !== undefined} problem={problem} />
        {shown.logo ? (
          <ButtonForm
            action={`${frame.base}/branding/remove`}
            csrfToken={frame.csrfToken}
            label={TEXTS.remove}
            question={TEXTS.removeQuestion}
            danger
          />
        ) : null}
      </section>
    </ConsolePage>
  );
}

interface UploadFormProps extends Pick<BrandingPageProps, 'frame' | 'problem'> {
  readonly hasLogo: boolean;
}

const UploadForm = ({ frame, problem, hasLogo }: UploadFormProps) => (
  <PostForm action={`${frame.base}/branding`} csrfToken={frame.csrfToken} kind="upload">
    <div class="field drop" data-drop>
      <label for="field-logo">{TEXTS.file}</label>
      <input
        id="field-logo"
        name="logo"
        type="file"
        accept="image/png,image/jpeg,image/webp"
        required
        aria-describedby={problem === undefined ? 'hint-logo' : 'problem-logo hint-logo'}
        {...(problem === undefined ? {} : { 'aria-invalid': true, autofocus: true })}
      />
      {problem === undefined ? null : (
        <p class="notice problem" role="alert" id="problem-logo">
          {problem}
        </p>
      )}
      <small class="hint" id="hint-logo">
        {TEXTS.limits}
      </small>
    </div>
    <button type="submit">{hasLogo ? TEXTS.replace : TEXTS.upload}</button>
  </PostForm>
);
