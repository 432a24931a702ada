import type { ComponentChildren } from 'preact';
import type { LineResult } from '../../organizations/idp-change/table-results.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';

const TEXTS = {
  compareFirst: 'Compare a table of identifiers first',
  whatComparisonShows:
    'If you know which identifiers the new identity provider sends, compare them with those of the members. Members who are not in the table count as replaced by new accounts. Nothing is saved.',
  file: 'Table of identifiers (CSV in UTF-8, at most 1 MiB)',
  fileHint: (firstLine: ComponentChildren) => <>The first line is {firstLine}. Owners must have signed in within the last 10 minutes.</>,
  pasteTable: 'Or paste the table',
  compare: 'Compare',
  noLines: 'The table has no lines.',
  effectOfTable: (effect: string) => `With this table: ${effect} At most 100 lines are shown, those with problems first.`,
  comparedIdentifiers: 'Compared identifiers',
  line: 'Line',
  oldIdentifier: 'Old identifier',
  newIdentifier: 'New identifier',
  member: 'Member',
  result: 'Result',
} as const;

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
    <summary>{TEXTS.compareFirst}</summary>
    <p>{TEXTS.whatComparisonShows}</p>
    <div class="field">
      <label for="field-identifiers_file">{TEXTS.file}</label>
      <input
        id="field-identifiers_file"
        name="identifiers_file"
        type="file"
        accept=".csv,text/csv"
        aria-describedby="hint-identifiers_file"
      />
      <small class="hint" id="hint-identifiers_file">
        {TEXTS.fileHint(<code>old_identifier,new_identifier</code>)}
      </small>
    </div>
    <Field name="identifiers_csv" label={TEXTS.pasteTable} value={text} lines={5} />
    <div class="buttons">
      <button type="submit" class="secondary" formaction={action} formnovalidate>
        {TEXTS.compare}
      </button>
    </div>
    {isCompared ? <Results lines={lines} effect={effect} /> : null}
  </details>
);

const Results = ({ lines, effect }: Pick<IdentifierComparisonProps, 'lines' | 'effect'>) =>
  lines.length === 0 ? (
    <p>{TEXTS.noLines}</p>
  ) : (
    <>
      <p>{TEXTS.effectOfTable(effect)}</p>
      <DataTable
        label={TEXTS.comparedIdentifiers}
        rows={lines}
        columns={[
          { label: TEXTS.line, kind: 'heading', cell: ({ line }) => line },
          { label: TEXTS.oldIdentifier, kind: 'wide', cell: ({ from }) => <ForeignText text={from} /> },
          { label: TEXTS.newIdentifier, kind: 'wide', cell: ({ to }) => <ForeignText text={to} /> },
          { label: TEXTS.member, kind: 'wide', cell: ({ email }) => (email === undefined ? '–' : <ForeignText text={email} />) },
          { label: TEXTS.result, kind: 'wide', cell: ({ result }) => RESULTS[result] },
        ]}
      />
    </>
  );
