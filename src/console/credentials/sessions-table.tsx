import type { MemberSession } from '../../organizations/members.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { userAgentText } from '../parts/user-agent.tsx';

export interface SessionsTableProps {
  readonly frame: Frame;
  /** Live ones, newest first. */
  readonly sessions: readonly MemberSession[];
  /** The session of who looks; it has no button. */
  readonly currentId?: string;
  /** Where the form that ends a session is sent. */
  readonly endAction: (id: string) => string;
}

/** Browser sessions, a member's own or those of a member as an owner sees them. */
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
              {userAgentText(userAgent)} {id === currentId ? <span class="badge good">this one</span> : null}
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
              <ButtonForm
                action={endAction(id)}
                csrfToken={csrfToken}
                label="End this"
                about={`session: ${userAgentText(userAgent)}`}
                danger
              />
            ),
        },
      ]}
    />
  );
}
