import type { ComponentChildren } from 'preact';
import { ForeignText } from './foreign-text.tsx';

/** Renders names and values as a description list. Facts without a value are omitted. Plain strings may come from users. */
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
