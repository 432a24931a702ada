import type { ComponentChildren } from 'preact';
import { ForeignText } from './foreign-text.tsx';

/** Names and values, as a list that screen readers know. A fact without value is left out; a mere text may be foreign. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== undefined && value !== null)
        .map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{typeof value === 'string' ? <ForeignText text={value} /> : value}</dd>
          </>
        ))}
    </dl>
  );
}
