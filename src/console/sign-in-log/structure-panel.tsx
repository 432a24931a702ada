import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import type { MaskedAttribute, MaskedRow, MaskedValue } from '../../saml/explain/masking.ts';
import { visibleText } from '../parts/foreign-text.tsx';

const TEXTS = {
  structure: 'Structure of the SAML response',
  whatIsMasked: 'Values about the user are masked. Nothing else of the response is stored.',
  elements: 'Elements of the SAML response',
  decryptedAssertion: 'Decrypted assertion',
  decryptedElements: 'Structure of the decrypted assertion',
} as const;

/** The elements of the response, folded, with the values about the user masked. */
export function Structure({ entry: { examination } }: { readonly entry: SignInLogEntry }) {
  if (!examination || examination.structure.length === 0) return null;
  return (
    <details class="panel">
      <summary>{TEXTS.structure}</summary>
      <p class="small">{TEXTS.whatIsMasked}</p>
      <Rows rows={examination.structure} label={TEXTS.elements} />
      {examination.decryptedStructure ? (
        <>
          <h2>{TEXTS.decryptedAssertion}</h2>
          <Rows rows={examination.decryptedStructure} label={TEXTS.decryptedElements} />
        </>
      ) : null}
    </details>
  );
}

const Rows = ({ rows, label }: { readonly rows: readonly MaskedRow[]; readonly label: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard
  <section class="structure" aria-label={label} tabIndex={0}>
    <pre>
      <code>{rows.map(rowText).join('\n')}</code>
    </pre>
  </section>
);

function rowText({ depth, name, namespace, attributes = [], text, omitted }: MaskedRow): string {
  const indent = '  '.repeat(depth);
  if (omitted !== undefined) return `${indent}… ${omitted} more: ${visibleText(name)}`;
  const parts = [
    visibleText(name),
    ...(namespace === undefined ? [] : [`xmlns="${visibleText(namespace)}"`]),
    ...attributes.map((attribute: MaskedAttribute) => `${visibleText(attribute.name)}=${valueText(attribute)}`),
  ];
  return `${indent}<${parts.join(' ')}>${text === undefined ? '' : ` ${valueText(text)}`}`;
}

const valueText = (value: MaskedValue): string => ('shown' in value ? `"${visibleText(value.shown)}"` : `(${visibleText(value.masked)})`);
