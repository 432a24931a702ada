import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { LastUse } from './last-use.tsx';

export interface TokensTableProps {
  readonly frame: Frame;
  readonly tokens: readonly ListedCliToken[];
  /** Returns the URL that revokes a token. */
  readonly revokeAction: (id: string) => string;
}

const TEXTS = {
  table: 'CLI tokens',
  name: 'Name',
  created: 'Created',
  lastUsed: 'Last used',
  expires: 'Expires',
  never: 'never',
  actions: 'Actions',
  revoke: 'Revoke',
  question: (name: string) => `Revoke “${name}”? Programs that use it stop working immediately.`,
} as const;

/** Lists CLI tokens, either the viewer's own or those of a member that an owner looks at. */
export function TokensTable({ frame, tokens, revokeAction }: TokensTableProps) {
  const { nowMs, csrfToken } = frame;
  return (
    <DataTable
      label={TEXTS.table}
      rows={tokens}
      columns={[
        { label: TEXTS.name, kind: 'heading', cell: ({ record }) => <ForeignText text={record.name} /> },
        { label: TEXTS.created, cell: ({ record }) => <Near ms={record.createdAtMs} nowMs={nowMs} /> },
        { label: TEXTS.lastUsed, cell: ({ lastUse }) => <LastUse use={lastUse} nowMs={nowMs} /> },
        { label: TEXTS.expires, cell: ({ endsAtMs }) => (endsAtMs === undefined ? TEXTS.never : <Near ms={endsAtMs} nowMs={nowMs} />) },
        {
          label: TEXTS.actions,
          kind: 'actions',
          cell: ({ record }) => (
            <ButtonForm
              action={revokeAction(record.id)}
              csrfToken={csrfToken}
              label={TEXTS.revoke}
              about={visibleText(record.name)}
              question={TEXTS.question(visibleText(record.name))}
              danger
            />
          ),
        },
      ]}
    />
  );
}
