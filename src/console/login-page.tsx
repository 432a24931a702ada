import type { ComponentChildren } from 'preact';
import { Page } from './layout.tsx';
import type { ShownOrganization } from './organization-mark.tsx';
import { ForeignText } from './parts/foreign-text.tsx';

export interface LoginPageProps {
  readonly returnTo: string | undefined;
  /** What the user entered, if no organization matches it. */
  readonly unknown?: string | undefined;
  /** The organization that this browser last signed in to. */
  readonly last?: (ShownOrganization & { readonly href: string }) | undefined;
}

const TEXTS = {
  title: 'Sign in',
  lead: 'You sign in with your organization’s identity provider.',
  unknown: (entry: ComponentChildren) => (
    <>
      No organization matches “{entry}”. Enter your work email address or its domain, or ask your IT administrator for the organization’s
      short name.
    </>
  ),
  entry: 'Work email or organization',
  submit: 'Continue',
  continueWith: (organization: ComponentChildren) => <>Continue with {organization}</>,
  forget: 'Forget this organization',
  other: 'or sign in to another organization',
} as const;

export function LoginPage({ returnTo, unknown, last }: LoginPageProps) {
  return (
    <Page title={TEXTS.title} {...(last === undefined ? {} : { organization: last })}>
      <h1>{TEXTS.title}</h1>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert" id="unknown">
          {TEXTS.unknown(<ForeignText text={unknown} />)}
        </p>
      )}
      {last === undefined ? <p>{TEXTS.lead}</p> : <LastOrganization {...last} returnTo={returnTo} />}
      <form method="post" action="/login">
        <label for="who">{TEXTS.entry}</label>
        <input
          id="who"
          name="who"
          type="text"
          autocomplete="email"
          autocapitalize="none"
          spellcheck={false}
          required
          maxlength={254}
          value={unknown ?? ''}
          autofocus={last === undefined || unknown !== undefined}
          {...(unknown === undefined ? {} : { 'aria-invalid': true, 'aria-describedby': 'unknown' })}
        />
        <ReturnTo returnTo={returnTo} />
        <button type="submit" {...(last === undefined ? {} : { class: 'secondary' })}>
          {TEXTS.submit}
        </button>
      </form>
    </Page>
  );
}

/** Offers the last organization with one click, and a way to forget it on a shared computer. */
function LastOrganization({
  name,
  href,
  returnTo,
}: {
  readonly name: string;
  readonly href: string;
  readonly returnTo: string | undefined;
}) {
  return (
    <>
      <a class="button wide" href={href}>
        {TEXTS.continueWith(<ForeignText text={name} />)}
      </a>
      <form class="forget" method="post" action="/login/forget">
        <ReturnTo returnTo={returnTo} />
        <button type="submit" class="quiet">
          {TEXTS.forget}
        </button>
      </form>
      <p class="or">{TEXTS.other}</p>
    </>
  );
}

const ReturnTo = ({ returnTo }: { readonly returnTo: string | undefined }) =>
  returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />;
