import { HELP } from './docs/help.ts';
import { Page } from './layout.tsx';

/** The identity provider's answer to the logout; undefined if it was not asked or did not answer. */
export type IdpLogout = 'success' | 'partial' | 'failed' | undefined;

const TEXTS = {
  title: 'Signed out',
  heading: 'You are signed out',
  ended: 'Your session at this gateway has ended.',
  notAsked: 'You may still be signed in at your identity provider.',
  again: 'Sign in again',
} as const;

const RESULTS: Readonly<Record<NonNullable<IdpLogout>, string>> = {
  success: 'Your identity provider confirmed that you are signed out there as well.',
  partial:
    'Your identity provider has signed you out but could not reach every application. Sign out of the others yourself, or close the browser.',
  failed: 'Your identity provider could not sign you out, and you are still signed in there. Sign out at the identity provider itself.',
};

export function SignedOutPage({ identityProvider }: { readonly identityProvider?: IdpLogout }) {
  const result = identityProvider === undefined ? TEXTS.notAsked : RESULTS[identityProvider];
  return (
    <Page title={TEXTS.title} help={HELP['signed-out']}>
      <h1>{TEXTS.heading}</h1>
      <p>
        {TEXTS.ended} {result}
      </p>
      <p>
        <a class="button" href="/login">
          {TEXTS.again}
        </a>
      </p>
    </Page>
  );
}
