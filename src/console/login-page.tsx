import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';

export interface LoginPageProps {
  readonly returnTo: string | undefined;
  /** What the user entered, if no organization matches it. */
  readonly unknown?: string | undefined;
  /** The organization that this browser last signed in to. */
  readonly last?: { readonly name: string; readonly href: string } | undefined;
}

export function LoginPage({ returnTo, unknown, last }: LoginPageProps) {
  return (
    <Page title="Sign in">
      <h1>Sign in</h1>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          No organization matches “<ForeignText text={unknown} />
          ”. Enter your work email address or its domain, or ask your IT administrator for the organization’s short name.
        </p>
      )}
      {last === undefined ? (
        <p>You sign in with your organization’s identity provider.</p>
      ) : (
        <LastOrganization {...last} returnTo={returnTo} />
      )}
      <form method="post" action="/login">
        <label for="who">Work email or organization</label>
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
        />
        <ReturnTo returnTo={returnTo} />
        <button type="submit" {...(last === undefined ? {} : { class: 'secondary' })}>
          Continue
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
        Continue with <ForeignText text={name} />
      </a>
      <form class="forget" method="post" action="/login/forget">
        <ReturnTo returnTo={returnTo} />
        <button type="submit" class="quiet">
          Forget this organization
        </button>
      </form>
      <p class="or">or sign in to another organization</p>
    </>
  );
}

const ReturnTo = ({ returnTo }: { readonly returnTo: string | undefined }) =>
  returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />;
