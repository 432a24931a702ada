import { Page } from './layout.tsx';

/** What the identity provider made of the logout; undefined where it was not asked, or has not answered. */
export type IdpLogout = 'success' | 'partial' | 'failed' | undefined;

const TOLD: Readonly<Record<NonNullable<IdpLogout>, string>> = {
  success: 'Your identity provider confirmed that you are signed out there too.',
  partial:
    'Your identity provider has signed you out, but could not reach every application. Sign out of the others by yourself, or close the browser.',
  failed: 'Your identity provider could not sign you out. You are still signed in there: sign out at the identity provider itself.',
};

export function SignedOutPage({ identityProvider }: { readonly identityProvider?: IdpLogout }) {
  const told = identityProvider === undefined ? 'You may still be signed in at your identity provider.' : TOLD[identityProvider];
  return (
    <Page title="Signed out">
      <h1>You are signed out</h1>
      <p>Your session at this gateway has ended. {told}</p>
      <p>
        <a class="button" href="/login">
          Sign in again
        </a>
      </p>
    </Page>
  );
}
