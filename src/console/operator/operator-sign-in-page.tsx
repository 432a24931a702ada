import { HELP } from '../docs/help.ts';
import { Page } from '../layout.tsx';

export interface OperatorSignInPageProps {
  readonly returnTo: string | undefined;
  /** Why the previous attempt failed. */
  readonly problem?: string;
}

/** Signs the operator in with the operator token. */
export function OperatorSignInPage({ returnTo, problem }: OperatorSignInPageProps) {
  return (
    <Page title="Operator sign-in" help={HELP['operator-sign-in']}>
      <h1>Operator sign-in</h1>
      <p>
        This page is for the operator of this gateway. All other users <a href="/login">sign in with their identity provider</a>.
      </p>
      {problem === undefined ? null : (
        <p class="notice problem" role="alert">
          {problem}
        </p>
      )}
      <form method="post" action="/console/operator/sign-in">
        <label>
          Operator token
          <input
            name="token"
            type="password"
            required
            autofocus
            maxlength={512}
            autocomplete="current-password"
            aria-describedby="where"
            {...(problem === undefined ? {} : { 'aria-invalid': true })}
          />
        </label>
        <p class="hint" id="where">
          This is the value of <code>SAMLGATE_OPERATOR_TOKEN</code>, or the content of the file <code>operator-token</code> beside the
          SQLite database. You stay signed in for one hour. The gateway does not store the token in this browser.
        </p>
        {returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />}
        <button type="submit">Sign in</button>
      </form>
    </Page>
  );
}
