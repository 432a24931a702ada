export interface CopyProps {
  readonly value: string;
  /** What is copied, for screen readers: “Copy the user id”. */
  readonly what: string;
  /** A token or a command: a box of its own. */
  readonly block?: boolean;
}

/** A value to take along. The button appears where scripts run; without them the text is selected by one click. */
export function Copy({ value, what, block = false }: CopyProps) {
  return (
    <span class={block ? 'copy block' : 'copy'}>
      <code>{value}</code>
      <button type="button" class="quiet" data-copy={value} hidden>
        <span>Copy</span> <span class="unseen">the {what}</span>
      </button>
    </span>
  );
}
