import type { LineResult } from '../../organizations/idp-change/table-results.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';

export interface IdentifierComparisonProps {
  /** Where the button sends the form around this. */
  readonly action: string;
  /** The pasted table. */
  readonly text: string;
  /** What the lines of the last table mean. */
  readonly lines: readonly LineResult[];
  /** The counts that follow from the last table. */
  readonly effect: string;
  /** The last table could be read. */
  readonly isCompared: boolean;
}

const RESULTS: Readonly<Record<LineResult['result'], string>> = {
  other_member: 'Would get the account of another member',
  duplicate_old: 'An earlier line has the old identifier',
  duplicate_new: 'An earlier line has the new identifier',
  new: 'Gets a new account',
  ambiguous: 'Keeps the account after an approval',
  no_member: 'No member has the old identifier',
  matching: 'Keeps the account',
};

/** The part of a form that compares the identifiers of a new identity provider with those of the members. Its button saves nothing. */
export const IdentifierComparison = ({ action, text, lines, effect, isCompared }: IdentifierComparisonProps) => (
  <details class="spaced" open={isCompared || text !== ''}>
    <summary>Compare a table of identifiers first</summary>
    <p>
      If you know which identifiers the new identity provider sends, compare them with those of the members. Members who are not in the
      table count as replaced by new accounts. Nothing is saved.
    </p>
    <div class="field">
      <label for="field-identifiers_file">Table of identifiers (CSV in UTF-8, at most 1 MiB)</label>
      <input
        id="field-identifiers_file"
        name="identifiers_file"
        type="file"
        accept=".csv,text/csv"
        aria-describedby="hint-identifiers_file"
      />
      <small class="hint" id="hint-identifiers_file">
        The first line is <code>old_identifier,new_identifier</code>. Owners must have signed in within the last 10 minutes.
      </small>
    </div>
    <Field name="identifiers_csv" label="Or paste the table" value={text} lines={5} />
    <div class="buttons">
      <button type="submit" class="secondary" formaction={action} formnovalidate>
        Compare
      </button>
    </div>
    {isCompared ? <Results lines={lines} effect={effect} /> : null}
  </details>
);

const Results = ({ lines, effect }: Pick<IdentifierComparisonProps, 'lines' | 'effect'>) =>
  lines.length === 0 ? (
    <p>The table has no lines.</p>
  ) : (
    <>
      <p>With this table: {effect} At most 100 lines are shown, those with problems first.</p>
      <DataTable
        label="Compared identifiers"
        rows={lines}
        columns={[
          { label: 'Line', kind: 'heading', cell: ({ line }) => line },
          { label: 'Old identifier', kind: 'wide', cell: ({ from }) => <ForeignText text={from} /> },
          { label: 'New identifier', kind: 'wide', cell: ({ to }) => <ForeignText text={to} /> },
          { label: 'Member', kind: 'wide', cell: ({ email }) => (email === undefined ? '–' : <ForeignText text={email} />) },
          { label: 'Result', kind: 'wide', cell: ({ result }) => RESULTS[result] },
        ]}
      />
    </>
  );
