import { PostForm } from './form.tsx';

export interface ButtonFormProps {
  readonly action: string;
  readonly csrfToken: string;
  readonly label: string;
  /** The row's name, which screen readers add to the label so that the buttons of a table differ. */
  readonly about?: string;
  /** A confirmation question, shown if scripts run. */
  readonly question?: string;
  readonly danger?: boolean;
}

/** A form with a single button, for table rows and headings. */
export function ButtonForm({ action, csrfToken, label, about, question, danger = false }: ButtonFormProps) {
  return (
    <PostForm action={action} csrfToken={csrfToken} inline>
      <button type="submit" class={danger ? 'quiet danger' : 'quiet'} {...(question === undefined ? {} : { 'data-confirm': question })}>
        {label}
        {about === undefined ? null : <span class="unseen"> {about}</span>}
      </button>
    </PostForm>
  );
}
