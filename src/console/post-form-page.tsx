import { Page } from './layout.tsx';

export interface PostFormPageProps {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** Sends a SAML message with the HTTP-POST binding (saml-bindings §3.5.4). A script submits the form; without scripts, the button does. */
export function PostFormPage({ action, fields }: PostFormPageProps) {
  return (
    <Page title="Continue to your identity provider" script="submit.js">
      <h1>Continue to your identity provider</h1>
      <form method="post" action={action} data-submit>
        {Object.entries(fields).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit">Continue</button>
      </form>
    </Page>
  );
}
