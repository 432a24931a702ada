import { Prose } from './prose.tsx';

export interface FieldView {
  readonly name: string;
  readonly type: string;
  /** The object that the type names, if the page describes it. */
  readonly object?: string;
  readonly isRequired: boolean;
  readonly description?: string;
  /** All values, if there are too many to be part of the type. */
  readonly values?: readonly string[];
}

export interface FieldTableProps {
  readonly fields: readonly FieldView[];
  /** Marks required fields. The fields of an answer need no mark. */
  readonly marksRequired?: boolean;
}

const TEXTS = { required: 'required', values: 'Values' } as const;

/**
 * Lists fields with their types and descriptions. It is a plain list, because a description list takes 20 KB more for 700 fields, of
 * which most have no description.
 */
export const FieldTable = ({ fields, marksRequired = false }: FieldTableProps) => (
  <ul class="fields">
    {fields.map(({ name, type, object, isRequired, description, values }) => (
      <li>
        <b>{name}</b> <i>{object === undefined ? type : <a href={`#object-${object}`}>{type}</a>}</i>
        {marksRequired && isRequired ? <em> {TEXTS.required}</em> : null}
        {description === undefined ? null : (
          <p>
            <Prose text={description} />
          </p>
        )}
        {values === undefined ? null : (
          <details>
            <summary>{TEXTS.values}</summary>
            {values.map((value, at) => (
              <>
                {at === 0 ? null : ', '}
                <code>{value}</code>
              </>
            ))}
          </details>
        )}
      </li>
    ))}
  </ul>
);
