import { HELP } from './docs/help.ts';
import { Page } from './layout.tsx';

/** The identity provider's answer to the logout; undefined if it was not asked or did not answer. */
export type IdpLogout = 'success' | 'partial' | 'failed' | undefined;

const RESULTS: Readonly<Record<NonNullable<IdpLogout>, string>> = {
  success: 'Your identity provider confirmed that you are signed out there as well.',
  partial:
    'Your identity provider has signed you out but could not reach every application. Sign out of the others yourself, or close the browser.',
  failed: 'Your identity provider could not sign you out, and you are still signed in there. Sign out at the identity provider itself.',
};

export function SignedOutPage({ identityProvider }: { readonly identityProvider?: IdpLogout }) {
  const result = identityProvider === undefined ? 'You may still be signed in at your identity provider.' : RESULTS[identityProvider];
  return (
    <Page title="Signed out" help={HELP['signed-out']}>
      <h1>You are signed out</h1>
      <p>Your session at this gateway has ended. {result}</p>
      <p>
        <a class="button" href="/login">
          Sign in again
        </a>
      </p>
    </Page>
  );
}
