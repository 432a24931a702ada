import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import type { MaskedAttribute, MaskedRow, MaskedValue } from '../../saml/explain/masking.ts';
import { visibleText } from '../parts/foreign-text.tsx';

/** The elements of the response, folded, with the values about the user masked. */
export function Structure({ entry: { examination } }: { readonly entry: SignInLogEntry }) {
  if (!examination || examination.structure.length === 0) return null;
  return (
    <details class="panel">
      <summary>Structure of the SAML response</summary>
      <p class="small">Values about the user are masked. Nothing else of the response is stored.</p>
      <Rows rows={examination.structure} label="Elements of the SAML response" />
      {examination.decryptedStructure ? (
        <>
          <h2>Decrypted assertion</h2>
          <Rows rows={examination.decryptedStructure} label="Structure of the decrypted assertion" />
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
