import { Page } from './layout.tsx';

export interface PostFormPageProps {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** HTTP-POST binding (saml-bindings §3.5.4): a form that submits itself by a script of ours, or by the button. */
export function PostFormPage({ action, fields }: PostFormPageProps) {
  return (
    <Page title="To your identity provider" script="submit.js">
      <h1>To your identity provider</h1>
      <form method="post" action={action} data-submit>
        {Object.entries(fields).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit">Continue</button>
      </form>
    </Page>
  );
}
