import type { ComponentChildren } from 'preact';

export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** `heading` names the row, `wide` holds long words, `actions` holds buttons and shows its label to screen readers only. */
  readonly kind?: 'heading' | 'wide' | 'actions';
}

export interface DataTableProps<Row> {
  /** Names the table for screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Returns the text that the live filter searches, if the page has one. */
  readonly filterText?: (row: Row) => string;
}

/** Renders a table. On a phone each row is a card with the column's name before each value. */
export function DataTable<Row>({ label, columns, rows, filterText }: DataTableProps<Row>) {
  return (
    <div class="table">
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" {...(column.kind === 'actions' ? { class: 'actions' } : {})}>
                {column.kind === 'actions' ? <span class="unseen">{column.label}</span> : column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr {...(filterText ? { 'data-filter-text': filterText(row).toLowerCase() } : {})}>
              {columns.map((column) => (
                <Cell column={column}>{column.cell(row)}</Cell>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell<Row>({ column, children }: { readonly column: Column<Row>; readonly children: ComponentChildren }) {
  if (column.kind === 'heading') {
    return <th scope="row">{children}</th>;
  }
  if (column.kind === 'actions') {
    return <td class="actions">{children}</td>;
  }
  return (
    <td data-label={column.label} {...(column.kind === 'wide' ? { class: 'wide' } : {})}>
      <div>{children}</div>
    </td>
  );
}
