const TEXTS = {
  copy: (what: string) => (
    <>
      <span>Copy</span> <span class="unseen">the {what}</span>
    </>
  ),
} as const;

export interface CopyProps {
  readonly value: string;
  /** Names the value for screen readers: “Copy the user ID”. */
  readonly what: string;
  /** Shows the value in its own box, for tokens and commands. */
  readonly block?: boolean;
}

/** Shows a value with a copy button. Without scripts there is no button, and one click selects the text. */
export function Copy({ value, what, block = false }: CopyProps) {
  return (
    <span class={block ? 'copy block' : 'copy'}>
      <code>{value}</code>
      <button type="button" class="quiet" data-copy={value} hidden>
        {TEXTS.copy(what)}
      </button>
    </span>
  );
}
