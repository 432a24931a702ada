export interface FieldProps {
  readonly name: string;
  readonly label: string;
  /** The value that the user entered, or the saved one. */
  readonly value: string;
  readonly type?: 'text' | 'email' | 'url' | 'number';
  /** Renders a text area if more than 1. */
  readonly lines?: number;
  /** A sentence below the field about the expected value. */
  readonly hint?: string;
  readonly required?: boolean;
  readonly maxlength?: number;
  /** A regular expression, in the `v` mode of browsers. */
  readonly pattern?: string;
}

/** Renders a labelled field with a hint that screen readers associate with it. */
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
