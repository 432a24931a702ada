import type { GatewayError } from '../errors.ts';
import { helpForError } from './docs/help.ts';
import { Page } from './layout.tsx';
import { Facts } from './parts/facts.tsx';
import { visibleText } from './parts/foreign-text.tsx';

export interface ErrorPageProps {
  readonly error: GatewayError;
  readonly requestId: string;
  /** The page on which the user can try again. */
  readonly retryHref?: string | undefined;
  /** Another page to continue on. */
  readonly wayOut?: { readonly href: string; readonly label: string } | undefined;
}

export function ErrorPage({ error, requestId, retryHref, wayOut }: ErrorPageProps) {
  const { title, advice } = error.textFor('user');
  const { detail, administratorDetail, wanted, got } = error.facts;
  const isSaml = error.code.startsWith('saml_');
  // A detail without words of its own for administrators is about the SAML response, and the user at the browser cannot change that.
  const isTechnical = isSaml && administratorDetail === undefined;
  const explanation = detail === undefined ? null : <p>{visibleText(detail)}</p>;
  const comparison =
    wanted === undefined && got === undefined ? null : (
      <Facts
        facts={[
          ['Expected', wanted && <code>{visibleText(wanted)}</code>],
          ['Received', got && <code>{visibleText(got)}</code>],
        ]}
      />
    );
  return (
    <Page title={title} help={helpForError(error.code)}>
      <h1>{title}</h1>
      {isTechnical ? null : explanation}
      {isSaml ? null : comparison}
      <h2>What to do</h2>
      <p>{advice}</p>
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
      {isSaml && (comparison || (isTechnical && explanation)) ? (
        <details>
          <summary>Details for your IT administrator</summary>
          {isTechnical ? explanation : null}
          {comparison}
        </details>
      ) : null}
      <p class="small">
        Code <code>{error.code}</code>, request ID <code>{requestId}</code>. Include both when you ask for help.
      </p>
    </Page>
  );
}
