import type { ComponentChildren } from 'preact';
import type { Notice } from '../navigation.ts';
import { visibleText } from './foreign-text.tsx';

/** Shows the result of an action. Screen readers announce it immediately. A problem also receives the focus. */
export const NoticeBox = ({ kind, text }: Notice) => (
  <div
    class={`notice ${kind}`}
    role={kind === 'done' ? 'status' : 'alert'}
    {...(kind === 'problem' ? { tabindex: -1, autofocus: true } : {})}
  >
    <p>{visibleText(text)}</p>
  </div>
);

export interface CalloutProps {
  /** `warning` is for text to read before continuing. */
  readonly kind: 'note' | 'warning';
  readonly children: ComponentChildren;
}

/** Highlights text that users should not overlook. */
export const Callout = ({ kind, children }: CalloutProps) => <div class={`notice ${kind}`}>{children}</div>;
