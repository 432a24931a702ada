import { ERRORS, type Fixer, type GatewayError } from '../errors.ts';
import { Page } from './layout.tsx';

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
}

export function ErrorPage({ error, requestId, retryHref }: ErrorPageProps) {
  const { title, advice, fixer } = ERRORS[error.code];
  const { detail, wanted, got } = error.facts;
  return (
    <Page title={title}>
      <h1>{title}</h1>
      {detail === undefined ? null : <p>{detail}</p>}
      {wanted === undefined && got === undefined ? null : (
        <dl class="facts">
          {wanted === undefined ? null : (
            <>
              <dt>Wanted</dt>
              <dd>
                <code>{wanted}</code>
              </dd>
            </>
          )}
          {got === undefined ? null : (
            <>
              <dt>Got</dt>
              <dd>
                <code>{got}</code>
              </dd>
            </>
          )}
        </dl>
      )}
      <h2>What to do</h2>
      <p>{advice}</p>
      <p>{WHO[fixer]}</p>
      {retryHref === undefined ? null : (
        <p>
          <a class="button" href={retryHref}>
            Try again
          </a>
        </p>
      )}
      <p class="small">
        Code <code>{error.code}</code>, request <code>{requestId}</code>. Tell both to whom you ask for help.
      </p>
    </Page>
  );
}
