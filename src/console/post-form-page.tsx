import { Page } from './layout.tsx';

export interface PostFormPageProps {
  readonly action: string;
  readonly fields: Readonly<Record<string, string>>;
}

const TEXTS = { title: 'Continue to your identity provider', submit: 'Continue' } as const;

/** Sends a SAML message with the HTTP-POST binding (saml-bindings §3.5.4). A script submits the form; without scripts, the button does. */
export function PostFormPage({ action, fields }: PostFormPageProps) {
  return (
    <Page title={TEXTS.title} script="submit.js">
      <h1>{TEXTS.title}</h1>
      <form method="post" action={action} data-submit>
        {Object.entries(fields).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        <button type="submit">{TEXTS.submit}</button>
      </form>
    </Page>
  );
}
