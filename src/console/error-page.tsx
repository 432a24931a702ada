import { ERRORS, type Fixer, type GatewayError } from '../errors.ts';
import { Page } from './layout.tsx';
import { Facts } from './parts/facts.tsx';
import { visibleText } from './parts/foreign-text.tsx';

const WHO: Record<Fixer, string> = {
  person: 'You can put this right yourself.',
  owner: 'An owner of your organization can put this right.',
  'idp-administrator': 'The administrator of your identity provider (Okta, Entra ID, Google Workspace…) can put this right.',
  operator: 'The operator of this gateway can put this right.',
};

export interface ErrorPageProps {
  readonly error: GatewayError;
  readonly requestId: string;
  /** Where trying again makes sense. */
  readonly retryHref?: string | undefined;
  /** Where else to go. */
  readonly wayOut?: { readonly href: string; readonly label: string } | undefined;
}

export function ErrorPage({ error, requestId, retryHref, wayOut }: ErrorPageProps) {
  const { title, advice, fixer } = ERRORS[error.code];
  const { detail, wanted, got } = error.facts;
  return (
    <Page title={title}>
      <h1>{title}</h1>
      {detail === undefined ? null : <p>{visibleText(detail)}</p>}
      {wanted === undefined && got === undefined ? null : (
        <Facts
          facts={[
            ['Wanted', wanted && <code>{visibleText(wanted)}</code>],
            ['Got', got && <code>{visibleText(got)}</code>],
          ]}
        />
      )}
      <h2>What to do</h2>
      <p>{advice}</p>
      <p>{WHO[fixer]}</p>
      {retryHref === undefined && wayOut === undefined ? null : (
        <p class="buttons">
          {retryHref === undefined ? null : (
            <a class="button" href={retryHref}>
              Try again
            </a>
          )}
          {wayOut === undefined ? null : (
            <a class={retryHref === undefined ? 'button' : 'button secondary'} href={wayOut.href}>
              {wayOut.label}
            </a>
          )}
        </p>
      )}
      <p class="small">
        Code <code>{error.code}</code>, request <code>{requestId}</code>. Tell both to whom you ask for help.
      </p>
    </Page>
  );
}
