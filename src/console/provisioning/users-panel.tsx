import type { Member } from '../../organizations/members.ts';
import type { ScimUser } from '../../organizations/provisioning/scim-users.ts';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';

/** A provisioned user with its member. */
export interface ListedUser {
  readonly id: string;
  readonly user: ScimUser;
  readonly member: Member | undefined;
}

export interface UsersPanelProps {
  readonly frame: Frame;
  readonly path: string;
  readonly users: readonly ListedUser[];
  /** All users of the connection. */
  readonly count: number;
  /** Members of the organization without a SCIM user. */
  readonly unprovisioned: number;
  /** Whether these members are refused. */
  readonly isRequired: boolean;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Lists the users that the identity provider has provisioned, with their states. */
export function UsersPanel({ frame, path, users, count, unprovisioned, isRequired, cursor, nextCursor }: UsersPanelProps) {
  return (
    <section class="panel" aria-labelledby="users">
      <header>
        <h2 id="users">Users</h2>
        <span>{count} provisioned</span>
      </header>
      {unprovisioned === 0 ? null : (
        <p>
          {counted(unprovisioned, 'member')} of the organization {unprovisioned === 1 ? 'has' : 'have'} no SCIM user{' '}
          {isRequired ? 'and cannot sign in.' : 'and could not sign in if the operator required provisioning.'}{' '}
          <a href={`${frame.base}/members?provisioned=no`}>Show these members</a>
        </p>
      )}
      {users.length === 0 ? (
        <EmptyState title="No users yet">
          <p>Assign users to the application at your identity provider, and start provisioning there.</p>
        </EmptyState>
      ) : (
        <DataTable
          label="Users"
          rows={users}
          columns={[
            {
              label: 'User',
              kind: 'heading',
              cell: ({ id, user, member }) => (
                <>
                  <a href={`${frame.base}/members/${id}`}>
                    <ForeignText text={member?.name ?? user.userName} />
                  </a>
                  <div class="sub">
                    <ForeignText text={user.userName} />
                  </div>
                </>
              ),
            },
            { label: 'State', cell: (listed) => <UserState {...listed} /> },
            { label: 'Role', cell: ({ member }) => (member ? member.role : '–') },
            { label: 'Changed', cell: ({ user }) => <Near ms={Date.parse(user.changedAt)} nowMs={frame.nowMs} /> },
          ]}
        />
      )}
      <Paging path={path} query={{}} cursor={cursor} nextCursor={nextCursor} />
    </section>
  );
}

function UserState({ user, member }: Pick<ListedUser, 'user' | 'member'>) {
  if (!member) return <span class="badge">removed</span>;
  if (!user.active) return <span class="badge bad">deactivated</span>;
  if (member.suspended) return <span class="badge bad">suspended</span>;
  return member.lastLoginAt === undefined ? <span class="badge">invited</span> : <span class="badge good">active</span>;
}
