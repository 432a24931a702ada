import type { ComponentChildren } from 'preact';

export interface EmptyStateProps {
  readonly title: string;
  /** The next action, as a link. */
  readonly action?: { readonly href: string; readonly label: string };
  readonly children?: ComponentChildren;
}

/** Stands in for an empty list: says why it is empty and what to do. */
export const EmptyState = ({ title, action, children }: EmptyStateProps) => (
  <div class="empty">
    <p>
      <strong>{title}</strong>
    </p>
    {children}
    {action === undefined ? null : (
      <p>
        <a class="button secondary" href={action.href}>
          {action.label}
        </a>
      </p>
    )}
  </div>
);
