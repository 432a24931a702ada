import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { userAgentText } from '../parts/user-agent.tsx';

export interface TokensTableProps {
  readonly frame: Frame;
  readonly tokens: readonly ListedCliToken[];
  /** Returns the URL that revokes a token. */
  readonly revokeAction: (id: string) => string;
}

/** Lists CLI tokens, either the viewer's own or those of a member that an owner looks at. */
export function TokensTable({ frame, tokens, revokeAction }: TokensTableProps) {
  const { nowMs, csrfToken } = frame;
  return (
    <DataTable
      label="CLI tokens"
      rows={tokens}
      columns={[
        { label: 'Name', kind: 'heading', cell: ({ record }) => <ForeignText text={record.name} /> },
        { label: 'Created', cell: ({ record }) => <Near ms={record.createdAtMs} nowMs={nowMs} /> },
        { label: 'Last used', cell: (token) => <LastUse token={token} nowMs={nowMs} /> },
        { label: 'Expires', cell: ({ endsAtMs }) => (endsAtMs === undefined ? 'never' : <Near ms={endsAtMs} nowMs={nowMs} />) },
        {
          label: 'Actions',
          kind: 'actions',
          cell: ({ record }) => (
            <ButtonForm
              action={revokeAction(record.id)}
              csrfToken={csrfToken}
              label="Revoke"
              about={visibleText(record.name)}
              question={`Revoke “${visibleText(record.name)}”? Programs that use it stop working immediately.`}
              danger
            />
          ),
        },
      ]}
    />
  );
}

function LastUse({ token: { lastUse }, nowMs }: { readonly token: ListedCliToken; readonly nowMs: number }) {
  if (!lastUse) return <>never</>;
  return (
    <>
      <Near ms={lastUse.atMs} nowMs={nowMs} />
      <div class="sub">
        from <ForeignText text={lastUse.address ?? 'an unknown address'} />, {userAgentText(lastUse.userAgent)}
      </div>
    </>
  );
}
