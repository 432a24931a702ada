import { Page } from '../layout.tsx';

export interface OperatorSignInPageProps {
  readonly returnTo: string | undefined;
  /** What was wrong with the attempt before. */
  readonly problem?: string;
}

/** Where the operator comes in: by the token that the gateway was started with. */
export function OperatorSignInPage({ returnTo, problem }: OperatorSignInPageProps) {
  return (
    <Page title="Operator sign-in">
      <h1>Operator sign-in</h1>
      <p>
        For who runs this gateway. Everybody else <a href="/login">signs in with their identity provider</a>.
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
            maxlength={512}
            autocomplete="current-password"
            aria-describedby="where"
            {...(problem === undefined ? {} : { 'aria-invalid': true })}
          />
        </label>
        <p class="hint" id="where">
          It is the value of <code>SAMLGATE_OPERATOR_TOKEN</code>, or what the file <code>operator-token</code> beside the SQLite database
          holds. You stay signed in for one hour; the token itself is not kept in this browser by the gateway.
        </p>
        {returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />}
        <button type="submit">Sign in</button>
      </form>
    </Page>
  );
}
