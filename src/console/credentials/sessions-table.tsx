import type { MemberSession } from '../../organizations/members.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { userAgentText } from '../parts/user-agent.tsx';

export interface SessionsTableProps {
  readonly frame: Frame;
  /** Sessions that have not ended, newest first. */
  readonly sessions: readonly MemberSession[];
  /** The viewer's own session, which has no button. */
  readonly currentId?: string;
  /** Returns the URL that ends a session. */
  readonly endAction: (id: string) => string;
}

/** Lists browser sessions, either the viewer's own or those of a member that an owner looks at. */
export function SessionsTable({ frame, sessions, currentId, endAction }: SessionsTableProps) {
  const { nowMs, csrfToken } = frame;
  return (
    <DataTable
      label="Sessions"
      rows={sessions}
      columns={[
        {
          label: 'Browser',
          kind: 'heading',
          cell: ({ id, userAgent }) => (
            <>
              {userAgentText(userAgent)} {id === currentId ? <span class="badge good">this browser</span> : null}
            </>
          ),
        },
        { label: 'Address', cell: ({ address }) => <ForeignText text={address ?? 'unknown'} /> },
        { label: 'Signed in', cell: ({ createdAtMs }) => <Near ms={createdAtMs} nowMs={nowMs} /> },
        { label: 'Ends', cell: ({ endsAtMs }) => <Near ms={endsAtMs} nowMs={nowMs} /> },
        {
          label: 'Actions',
          kind: 'actions',
          cell: ({ id, userAgent }) =>
            id === currentId ? null : (
              <ButtonForm action={endAction(id)} csrfToken={csrfToken} label="End session" about={userAgentText(userAgent)} danger />
            ),
        },
      ]}
    />
  );
}
