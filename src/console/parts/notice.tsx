import type { ComponentChildren } from 'preact';
import type { Notice } from '../navigation.ts';
import { visibleText } from './foreign-text.tsx';

/** What was done or went wrong; screen readers say it at once. */
export const NoticeBox = ({ kind, text }: Notice) => (
  <div class={`notice ${kind}`} role={kind === 'done' ? 'status' : 'alert'}>
    <p>{visibleText(text)}</p>
  </div>
);

export interface CalloutProps {
  /** `warning`: read this before you go on. */
  readonly kind: 'note' | 'warning';
  readonly children: ComponentChildren;
}

/** Something on a page that should not be overlooked. */
export const Callout = ({ kind, children }: CalloutProps) => <div class={`notice ${kind}`}>{children}</div>;
