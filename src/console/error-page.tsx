import type { ComponentChildren } from 'preact';
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

const TEXTS = {
  expected: 'Expected',
  received: 'Received',
  next: 'What to do',
  details: 'Details for your IT administrator',
  retry: 'Try again',
  reference: (code: ComponentChildren, requestId: ComponentChildren) => (
    <>
      Code {code}, request ID {requestId}. Include both when you ask for help.
    </>
  ),
} as const;

export function ErrorPage({ error, requestId, retryHref, wayOut }: ErrorPageProps) {
  const { title, advice } = error.textFor('user');
  const { detail, administratorDetail, wanted, got } = error.facts;
  const isSaml = error.code.startsWith('saml_');
  // A detail without separate administrator text is about the SAML response, and the user at the browser cannot change that.
  const isTechnical = isSaml && administratorDetail === undefined;
  const explanation = detail === undefined ? null : <p>{visibleText(detail)}</p>;
  const comparison =
    wanted === undefined && got === undefined ? null : (
      <Facts
        facts={[
          [TEXTS.expected, wanted && <code>{visibleText(wanted)}</code>],
          [TEXTS.received, got && <code>{visibleText(got)}</code>],
        ]}
      />
    );
  return (
    <Page title={title} help={helpForError(error.code)}>
      <h1>{title}</h1>
      {isTechnical ? null : explanation}
      {isSaml ? null : comparison}
      <h2>{TEXTS.next}</h2>
      <p>{advice}</p>
      {retryHref === undefined && wayOut === undefined ? null : (
        <p class="buttons">
          {retryHref === undefined ? null : (
            <a class="button" href={retryHref}>
              {TEXTS.retry}
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
          <summary>{TEXTS.details}</summary>
          {isTechnical ? explanation : null}
          {comparison}
        </details>
      ) : null}
      <p class="small">{TEXTS.reference(<code>{error.code}</code>, <code>{requestId}</code>)}</p>
    </Page>
  );
}
