import type { ComponentChildren } from 'preact';
import { HELP } from '../docs/help.ts';
import { Page } from '../layout.tsx';

export interface OperatorSignInPageProps {
  readonly returnTo: string | undefined;
  /** Why the previous attempt failed. */
  readonly problem?: string;
}

const TEXTS = {
  title: 'Operator sign-in',
  lead: (linkToSignIn: (text: string) => ComponentChildren) => (
    <>This page is for the operator of this gateway. All other users {linkToSignIn('sign in with their identity provider')}.</>
  ),
  token: 'Operator token',
  hint: (variable: ComponentChildren, file: ComponentChildren) => (
    <>
      This is the value of {variable}, or the content of the file {file} beside the SQLite database. You stay signed in for one hour. The
      gateway does not store the token in this browser.
    </>
  ),
  submit: 'Sign in',
} as const;

/** Signs the operator in with the operator token. */
export function OperatorSignInPage({ returnTo, problem }: OperatorSignInPageProps) {
  return (
    <Page title={TEXTS.title} help={HELP['operator-sign-in']}>
      <h1>{TEXTS.title}</h1>
      <p>
        {TEXTS.lead((text) => (
          <a href="/login">{text}</a>
        ))}
      </p>
      {problem === undefined ? null : (
        <p class="notice problem" role="alert">
          {problem}
        </p>
      )}
      <form method="post" action="/console/operator/sign-in">
        <label>
          {TEXTS.token}
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
          {TEXTS.hint(<code>SAMLGATE_OPERATOR_TOKEN</code>, <code>operator-token</code>)}
        </p>
        {returnTo === undefined ? null : <input type="hidden" name="return_to" value={returnTo} />}
        <button type="submit">{TEXTS.submit}</button>
      </form>
    </Page>
  );
}
