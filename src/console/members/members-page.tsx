import type { ComponentChildren } from 'preact';
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

const TEXTS = {
  members: 'Members',
  membersAndRoles: 'All users who have signed in or were provisioned with SCIM. Groups give them their roles.',
  search: 'Search',
  searchExample: 'Part of a name or email, or a user ID',
  showAllMembers: 'Show all members',
  noMembersYet: 'No members yet',
  howToBecomeMember: 'Users become members at their first sign-in, or when SCIM provisions them.',
  noResults: 'No results',
  noMatch: (query: ComponentChildren) => <>No name or email contains “{query}”.</>,
  noResultsSoFar: 'No results so far',
  searchGoesOn: (query: ComponentChildren) => <>More results for “{query}” may be on the next page.</>,
  unprovisionedOnly: 'These members have no SCIM user. If the organization requires provisioning, they cannot sign in.',
  allProvisioned: 'All members have a SCIM user',
  noneUnprovisionedSoFar: 'No results so far. Open the next page.',
  member: 'Member',
  role: 'Role',
  lastSignIn: 'Last sign-in',
  never: 'Never',
  userId: 'User ID',
  userIdToCopy: 'user ID',
} as const;

export interface MembersPageProps {
  readonly frame: Frame;
  readonly members: readonly Member[];
  /** All members of the organization. */
  readonly count: number;
  /** The search text, empty without a search. */
  readonly query: string;
  /** Whether only members without a SCIM user are listed. */
  readonly isUnprovisionedOnly: boolean;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Lists the members of an organization in the order of their email addresses. */
export function MembersPage({ frame, members, count, query, isUnprovisionedOnly, cursor, nextCursor }: MembersPageProps) {
  const path = `${frame.base}/members`;
  return (
    <ConsolePage frame={frame} section="members" title={TEXTS.members} lead={TEXTS.membersAndRoles}>
      <QuotaNotice frame={frame} name="members" used={count} />
      <section class="panel" aria-label={TEXTS.members}>
        <search>
          <form class="row" method="get" action={path}>
            <label>
              {TEXTS.search}
              <input name="query" type="search" value={query} maxlength={254} autocomplete="off" placeholder={TEXTS.searchExample} />
            </label>
            <button type="submit" class="secondary">
              {TEXTS.search}
            </button>
            {isUnprovisionedOnly ? <input type="hidden" name="provisioned" value="no" /> : null}
            {query === '' && !isUnprovisionedOnly ? null : (
              <a class="button quiet" href={path}>
                {TEXTS.showAllMembers}
              </a>
            )}
          </form>
        </search>
        {isUnprovisionedOnly ? <p>{TEXTS.unprovisionedOnly}</p> : null}
        {members.length === 0 ? (
          <NoMembers query={query} hasMore={nextCursor !== null} isUnprovisionedOnly={isUnprovisionedOnly} />
        ) : (
          <MembersTable frame={frame} members={members} />
        )}
        <Paging path={path} query={{ query, provisioned: isUnprovisionedOnly ? 'no' : '' }} cursor={cursor} nextCursor={nextCursor} />
      </section>
    </ConsolePage>
  );
}

interface NoMembersProps {
  readonly query: string;
  readonly hasMore: boolean;
  readonly isUnprovisionedOnly: boolean;
}

function NoMembers({ query, hasMore, isUnprovisionedOnly }: NoMembersProps) {
  if (query === '' && isUnprovisionedOnly) {
    return <EmptyState title={hasMore ? TEXTS.noneUnprovisionedSoFar : TEXTS.allProvisioned} />;
  }
  if (query === '') {
    return (
      <EmptyState title={TEXTS.noMembersYet}>
        <p>{TEXTS.howToBecomeMember}</p>
      </EmptyState>
    );
  }
  return (
    <EmptyState title={hasMore ? TEXTS.noResultsSoFar : TEXTS.noResults}>
      <p>{TEXTS[hasMore ? 'searchGoesOn' : 'noMatch'](<ForeignText text={query} />)}</p>
    </EmptyState>
  );
}

function MembersTable({ frame, members }: { readonly frame: Frame; readonly members: readonly Member[] }) {
  return (
    <DataTable
      label={TEXTS.members}
      rows={members}
      columns={[
        {
          label: TEXTS.member,
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
          label: TEXTS.role,
          cell: (member) => (
            <>
              <RoleBadge member={member} />
              <div class="sub">{shortRoleReason(member, frame.organization?.groupsFrom)}</div>
            </>
          ),
        },
        {
          label: TEXTS.lastSignIn,
          cell: ({ lastLoginAt }) => (lastLoginAt === undefined ? TEXTS.never : <Near ms={Date.parse(lastLoginAt)} nowMs={frame.nowMs} />),
        },
        { label: TEXTS.userId, cell: ({ id }) => <Copy value={id} what={TEXTS.userIdToCopy} /> },
      ]}
    />
  );
}
