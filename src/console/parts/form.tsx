import type { ComponentChildren } from 'preact';

/** What every form of the console carries; a request without it, or with that of another session, is refused. */
export const CsrfField = ({ token }: { readonly token: string }) => <input type="hidden" name="csrf" value={token} />;

export interface PostFormProps {
  readonly action: string;
  readonly csrfToken: string;
  /** `upload`: the form has a file in it. */
  readonly kind?: 'fields' | 'upload';
  /** One button, in a row of a table. */
  readonly inline?: boolean;
  readonly children: ComponentChildren;
}

export function PostForm({ action, csrfToken, kind = 'fields', inline = false, children }: PostFormProps) {
  return (
    <form
      method="post"
      action={action}
      {...(kind === 'upload' ? { enctype: 'multipart/form-data' } : {})}
      {...(inline ? { class: 'inline' } : {})}
    >
      <CsrfField token={csrfToken} />
      {children}
    </form>
  );
}
