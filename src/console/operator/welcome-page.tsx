import type { ComponentChildren } from 'preact';
import { Page } from '../layout.tsx';
import { Copy } from '../parts/copy.tsx';

const TEXTS = {
  windowTitle: 'Welcome',
  title: 'Welcome: sign in as operator',
  lead: 'This gateway is running and has no organization yet. Three steps lead to the first sign-in of a user.',
  token: (file: ComponentChildren, start: ComponentChildren) => (
    <>
      <strong>Sign in with the operator token.</strong> The gateway created it at its first start, in the file {file} beside its SQLite
      database. After {start}, show it in the same folder:
    </>
  ),
  commandToCopy: 'command',
  tokenVariable: (variable: ComponentChildren) => <>If {variable} is set, its value is the token.</>,
  organization: (
    <>
      <strong>Create an organization</strong> for your first customer, with a name and a short name for its addresses.
    </>
  ),
  connect: (
    <>
      <strong>Connect its identity provider.</strong> Upload the metadata yourself, or send the customer’s IT administrator a setup link.
      Test it, then users can sign in.
    </>
  ),
  signIn: 'Sign in as operator',
  demo: (command: ComponentChildren) => <>To see a complete gateway with example organizations first, run {command}.</>,
} as const;

/** Greets the operator of a gateway without organizations. Every visitor sees this page, so it says nothing about this gateway. */
export function WelcomePage() {
  return (
    <Page title={TEXTS.windowTitle} script="copy.js">
      <h1>{TEXTS.title}</h1>
      <p>{TEXTS.lead}</p>
      <ol class="steps">
        <li>
          {TEXTS.token(<code>operator-token</code>, <code>npm start</code>)}
          <Copy value="cat data/operator-token" what={TEXTS.commandToCopy} block />
          <span class="sub">{TEXTS.tokenVariable(<code>SAMLGATE_OPERATOR_TOKEN</code>)}</span>
        </li>
        <li>{TEXTS.organization}</li>
        <li>{TEXTS.connect}</li>
      </ol>
      <p>
        <a class="button wide" href="/console/operator">
          {TEXTS.signIn}
        </a>
      </p>
      <p class="small">{TEXTS.demo(<code>npm run demo</code>)}</p>
    </Page>
  );
}
