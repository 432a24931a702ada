import { Page } from './layout.tsx';

export interface LoginPageProps {
  readonly returnTo: string | undefined;
  /** What was typed, where nothing was found for it. */
  readonly unknown?: string | undefined;
}

export function LoginPage({ returnTo, unknown }: LoginPageProps) {
  return (
    <Page title="Sign in">
      <h1>Sign in</h1>
      <p>You sign in with your company’s identity provider. Tell us where to send you.</p>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          No organization here has “{unknown}”. Use your work address, or ask your administrator for the organization’s short name.
        </p>
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
        {returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />}
        <button type="submit">Continue</button>
      </form>
    </Page>
  );
}
