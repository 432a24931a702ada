export interface FieldProps {
  readonly name: string;
  readonly label: string;
  /** As it was typed, or as it is kept. */
  readonly value: string;
  readonly type?: 'text' | 'email' | 'url' | 'number';
  /** More than one: a text area. */
  readonly lines?: number;
  /** What belongs into it, in a sentence below. */
  readonly hint?: string;
  readonly required?: boolean;
  readonly maxlength?: number;
  /** A regular expression in the browsers' `v` mode. */
  readonly pattern?: string;
}

/** A labelled field with a hint that screen readers tie to it. */
export function Field({ name, label, value, type = 'text', lines = 1, hint, required = false, maxlength, pattern }: FieldProps) {
  const shared = {
    name,
    id: `field-${name}`,
    required,
    autocomplete: 'off',
    spellcheck: false,
    ...(maxlength === undefined ? {} : { maxlength }),
    ...(hint === undefined ? {} : { 'aria-describedby': `hint-${name}` }),
  };
  return (
    <div class="field">
      <label for={`field-${name}`}>{label}</label>
      {lines > 1 ? (
        <textarea {...shared} rows={lines}>
          {value}
        </textarea>
      ) : (
        <input
          {...shared}
          type={type as 'text'}
          value={value}
          {...(type === 'number' ? { min: 1 } : {})}
          {...(pattern === undefined ? {} : { pattern })}
        />
      )}
      {hint === undefined ? null : (
        <small class="hint" id={`hint-${name}`}>
          {hint}
        </small>
      )}
    </div>
  );
}
