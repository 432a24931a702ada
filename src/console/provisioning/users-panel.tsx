import type { Member } from '../../organizations/members.ts';
import type { ScimUser } from '../../organizations/provisioning/scim-users.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';

const TEXTS = {
  users: 'Users',
  provisioned: (count: number) => `${count.toLocaleString('en')} provisioned`,
  cannotSignIn: (count: number) =>
    count === 1
      ? '1 member of the organization has no SCIM user and cannot sign in.'
      : `${count.toLocaleString('en')} members of the organization have no SCIM user and cannot sign in.`,
  couldNotSignIn: (count: number) =>
    count === 1
      ? '1 member of the organization has no SCIM user and could not sign in if the operator required provisioning.'
      : `${count.toLocaleString('en')} members of the organization have no SCIM user and could not sign in if the operator required provisioning.`,
  showUnprovisioned: 'Show these members',
  noUsersYet: 'No users yet',
  howToProvision: 'Assign users to the application at your identity provider, and start provisioning there.',
  user: 'User',
  state: 'State',
  role: 'Role',
  noRole: '–',
  changed: 'Changed',
  removed: 'removed',
  deactivated: 'deactivated',
  suspended: 'suspended',
  invited: 'invited',
  active: 'active',
} as const;

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
        <h2 id="users">{TEXTS.users}</h2>
        <span>{TEXTS.provisioned(count)}</span>
      </header>
      {unprovisioned === 0 ? null : (
        <p>
          {isRequired ? TEXTS.cannotSignIn(unprovisioned) : TEXTS.couldNotSignIn(unprovisioned)}{' '}
          <a href={`${frame.base}/members?provisioned=no`}>{TEXTS.showUnprovisioned}</a>
        </p>
      )}
      {users.length === 0 ? (
        <EmptyState title={TEXTS.noUsersYet}>
          <p>{TEXTS.howToProvision}</p>
        </EmptyState>
      ) : (
        <DataTable
          label={TEXTS.users}
          rows={users}
          columns={[
            {
              label: TEXTS.user,
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
            { label: TEXTS.state, cell: (listed) => <UserState {...listed} /> },
            { label: TEXTS.role, cell: ({ member }) => (member ? member.role : TEXTS.noRole) },
            { label: TEXTS.changed, cell: ({ user }) => <Near ms={Date.parse(user.changedAt)} nowMs={frame.nowMs} /> },
          ]}
        />
      )}
      <Paging path={path} query={{}} cursor={cursor} nextCursor={nextCursor} />
    </section>
  );
}

function UserState({ user, member }: Pick<ListedUser, 'user' | 'member'>) {
  if (!member) return <span class="badge">{TEXTS.removed}</span>;
  if (!user.active) return <span class="badge bad">{TEXTS.deactivated}</span>;
  if (member.suspended) return <span class="badge bad">{TEXTS.suspended}</span>;
  return member.lastLoginAt === undefined ? <span class="badge">{TEXTS.invited}</span> : <span class="badge good">{TEXTS.active}</span>;
}
