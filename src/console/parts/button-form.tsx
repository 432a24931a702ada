import { PostForm } from './form.tsx';

export interface ButtonFormProps {
  readonly action: string;
  readonly csrfToken: string;
  readonly label: string;
  /** What screen readers add to the label, so that buttons of one table differ: the row's name. */
  readonly about?: string;
  /** Asked first, where scripts run. */
  readonly question?: string;
  readonly danger?: boolean;
}

/** A form that is one button, in a row of a table or beside a heading. */
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
