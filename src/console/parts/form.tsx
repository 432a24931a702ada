import { randomUUID } from 'node:crypto';
import type { ComponentChildren } from 'preact';

/** The CSRF token. A request without it, or with the token of another session, is refused. */
export const CsrfField = ({ token }: { readonly token: string }) => <input type="hidden" name="csrf" value={token} />;

export interface PostFormProps {
  readonly action: string;
  readonly csrfToken: string;
  /** `upload` sends the form as multipart/form-data. */
  readonly kind?: 'fields' | 'upload';
  /** For a single button in a table row. */
  readonly inline?: boolean;
  readonly children: ComponentChildren;
}

/** The one-time key lets the server recognize a form that is sent twice. */
export function PostForm({ action, csrfToken, kind = 'fields', inline = false, children }: PostFormProps) {
  return (
    <form
      method="post"
      action={action}
      {...(kind === 'upload' ? { enctype: 'multipart/form-data' } : {})}
      {...(inline ? { class: 'inline' } : {})}
    >
      <CsrfField token={csrfToken} />
      <input type="hidden" name="form_key" value={randomUUID()} />
      {children}
    </form>
  );
}
