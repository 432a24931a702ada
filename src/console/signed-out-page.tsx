import { Page } from './layout.tsx';

export function SignedOutPage() {
  return (
    <Page title="Signed out">
      <h1>You are signed out</h1>
      <p>Your session at this gateway has ended. You may still be signed in at your identity provider.</p>
      <p>
        <a class="button" href="/login">
          Sign in again
        </a>
      </p>
    </Page>
  );
}
