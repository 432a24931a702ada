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

const TEXTS = {
  table: 'Sessions',
  browser: 'Browser',
  own: 'this browser',
  address: 'Address',
  unknown: 'unknown',
  signedIn: 'Signed in',
  ends: 'Ends',
  actions: 'Actions',
  end: 'End session',
} as const;

/** Lists browser sessions, either the viewer's own or those of a member that an owner looks at. */
export function SessionsTable({ frame, sessions, currentId, endAction }: SessionsTableProps) {
  const { nowMs, csrfToken } = frame;
  return (
    <DataTable
      label={TEXTS.table}
      rows={sessions}
      columns={[
        {
          label: TEXTS.browser,
          kind: 'heading',
          cell: ({ id, userAgent }) => (
            <>
              {userAgentText(userAgent)} {id === currentId ? <span class="badge good">{TEXTS.own}</span> : null}
            </>
          ),
        },
        { label: TEXTS.address, cell: ({ address }) => <ForeignText text={address ?? TEXTS.unknown} /> },
        { label: TEXTS.signedIn, cell: ({ createdAtMs }) => <Near ms={createdAtMs} nowMs={nowMs} /> },
        { label: TEXTS.ends, cell: ({ endsAtMs }) => <Near ms={endsAtMs} nowMs={nowMs} /> },
        {
          label: TEXTS.actions,
          kind: 'actions',
          cell: ({ id, userAgent }) =>
            id === currentId ? null : (
              <ButtonForm action={endAction(id)} csrfToken={csrfToken} label={TEXTS.end} about={userAgentText(userAgent)} danger />
            ),
        },
      ]}
    />
  );
}
