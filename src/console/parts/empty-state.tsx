import type { ComponentChildren } from 'preact';

/** Where a list would be: why there is nothing, and what to do. */
export const EmptyState = ({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) => (
  <div class="empty">
    <p>
      <strong>{title}</strong>
    </p>
    {children}
  </div>
);
