import { Page } from '../layout.tsx';
import { Copy } from '../parts/copy.tsx';

/** Greets the operator of a gateway without organizations. Every visitor sees this page, so it says nothing about this gateway. */
export function WelcomePage() {
  return (
    <Page title="Welcome" script="copy.js">
      <h1>Welcome: sign in as operator</h1>
      <p>This gateway is running and has no organization yet. Three steps lead to the first sign-in of a user.</p>
      <ol class="steps">
        <li>
          <strong>Sign in with the operator token.</strong> The gateway created it at its first start, in the file{' '}
          <code>operator-token</code> beside its SQLite database. After <code>npm start</code>, show it in the same folder:
          <Copy value="cat data/operator-token" what="command" block />
          <span class="sub">
            If <code>SAMLGATE_OPERATOR_TOKEN</code> is set, its value is the token.
          </span>
        </li>
        <li>
          <strong>Create an organization</strong> for your first customer, with a name and a short name for its addresses.
        </li>
        <li>
          <strong>Connect its identity provider.</strong> Upload the metadata yourself, or send the customer’s IT administrator a setup
          link. Test it, then users can sign in.
        </li>
      </ol>
      <p>
        <a class="button wide" href="/console/operator">
          Sign in as operator
        </a>
      </p>
      <p class="small">
        To see a complete gateway with example organizations first, run <code>npm run demo</code>.
      </p>
    </Page>
  );
}
