import type { Member } from '../../organizations/members.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';
import { QuotaNotice } from '../parts/quota-notice.tsx';
import { RoleBadge } from './role-badge.tsx';
import { shortRoleReason } from './role-reason.ts';

export interface MembersPageProps {
  readonly frame: Frame;
  readonly members: readonly Member[];
  /** All members of the organization. */
  readonly count: number;
  /** The search text, empty without a search. */
  readonly query: string;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Lists the members of an organization in the order of their email addresses. */
export function MembersPage({ frame, members, count, query, cursor, nextCursor }: MembersPageProps) {
  const path = `${frame.base}/members`;
  return (
    <ConsolePage
      frame={frame}
      section="members"
      title="Members"
      lead="All users who have signed in or were provisioned with SCIM. Groups give them their roles."
    >
      <QuotaNotice frame={frame} name="members" used={count} />
      <section class="panel" aria-label="Members">
        <search>
          <form class="row" method="get" action={path}>
            <label>
              Search
              <input
                name="query"
                type="search"
                value={query}
                maxlength={254}
                autocomplete="off"
                placeholder="Part of a name or email, or a user ID"
              />
            </label>
            <button type="submit" class="secondary">
              Search
            </button>
            {query === '' ? null : (
              <a class="button quiet" href={path}>
                Show all members
              </a>
            )}
          </form>
        </search>
        {members.length === 0 ? (
          <NoMembers query={query} hasMore={nextCursor !== null} />
        ) : (
          <MembersTable frame={frame} members={members} />
        )}
        <Paging path={path} query={{ query }} cursor={cursor} nextCursor={nextCursor} />
      </section>
    </ConsolePage>
  );
}

function NoMembers({ query, hasMore }: { readonly query: string; readonly hasMore: boolean }) {
  if (query === '') {
    return (
      <EmptyState title="No members yet">
        <p>Users become members at their first sign-in, or when SCIM provisions them.</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title={hasMore ? 'No results so far' : 'No results'}>
      <p>
        {hasMore ? 'The next page continues the search for' : 'No name or email contains'} “<ForeignText text={query} />
        ”.
      </p>
    </EmptyState>
  );
}

function MembersTable({ frame, members }: { readonly frame: Frame; readonly members: readonly Member[] }) {
  return (
    <DataTable
      label="Members"
      rows={members}
      columns={[
        {
          label: 'Member',
          kind: 'heading',
          cell: ({ id, name, email }) => (
            <>
              <a href={`${frame.base}/members/${id}`}>
                <ForeignText text={name} />
              </a>
              <div class="sub">
                <ForeignText text={email} />
              </div>
            </>
          ),
        },
        {
          label: 'Role',
          cell: (member) => (
            <>
              <RoleBadge member={member} />
              <div class="sub">{shortRoleReason(member)}</div>
            </>
          ),
        },
        {
          label: 'Last sign-in',
          cell: ({ lastLoginAt }) => (lastLoginAt === undefined ? 'Never' : <Near ms={Date.parse(lastLoginAt)} nowMs={frame.nowMs} />),
        },
        { label: 'User ID', cell: ({ id }) => <Copy value={id} what="user ID" /> },
      ]}
    />
  );
}
