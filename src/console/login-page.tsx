import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';

export interface LoginPageProps {
  readonly returnTo: string | undefined;
  /** What was typed, where nothing was found for it. */
  readonly unknown?: string | undefined;
  /** Where somebody signed in last in this browser. */
  readonly last?: { readonly name: string; readonly href: string } | undefined;
}

export function LoginPage({ returnTo, unknown, last }: LoginPageProps) {
  return (
    <Page title="Sign in">
      <h1>Sign in</h1>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          No organization here has “<ForeignText text={unknown} />
          ”. Use your work address, or ask your administrator for the organization’s short name.
        </p>
      )}
      {last === undefined ? (
        <p>You sign in with your company’s identity provider. Tell us where to send you.</p>
      ) : (
        <LastOrganization {...last} returnTo={returnTo} />
      )}
      <form method="post" action="/login">
        <label for="who">Work e-mail or organization</label>
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

/** One click for who comes back; one more for who shares the computer. */
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
      <p class="or">or sign in to another one</p>
    </>
  );
}

const ReturnTo = ({ returnTo }: { readonly returnTo: string | undefined }) =>
  returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />;
