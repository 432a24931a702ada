import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { Member, MemberSession } from '../../organizations/members.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import { SessionsTable } from '../credentials/sessions-table.tsx';
import { TokensTable } from '../credentials/tokens-table.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { Paging } from '../parts/paging.tsx';
import { groupsText, roleReason } from './role-reason.ts';

export interface MembersPageProps {
  readonly frame: Frame;
  readonly members: readonly Member[];
  /** What is searched for. */
  readonly query: string;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Everybody in the organization, by address. */
export function MembersPage({ frame, members, query, cursor, nextCursor }: MembersPageProps) {
  const path = `${frame.base}/members`;
  return (
    <ConsolePage
      frame={frame}
      section="members"
      title="Members"
      lead="Everybody who has signed in. People become members by their first sign-in, and get their role from their groups."
    >
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
                placeholder="A part of name or address, or a user id"
              />
            </label>
            <button type="submit" class="secondary">
              Search
            </button>
            {query === '' ? null : (
              <a class="button quiet" href={path}>
                Show all
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
  if (query === '') return <EmptyState title="Nobody has signed in yet" />;
  return (
    <EmptyState title={hasMore ? 'Nobody so far' : 'Nobody fits'}>
      <p>
        {hasMore ? 'The next page searches on for' : 'No name or address has'} “<ForeignText text={query} />
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
              <div class="sub">{shortReason(member)}</div>
            </>
          ),
        },
        { label: 'Last sign-in', cell: ({ lastLoginAt }) => <Near ms={Date.parse(lastLoginAt)} nowMs={frame.nowMs} /> },
        { label: 'User id', cell: ({ id }) => <Copy value={id} what="user id" /> },
      ]}
    />
  );
}

function RoleBadge({ member: { role, suspended } }: { readonly member: Member }) {
  return (
    <>
      <span class={role === 'owner' ? 'badge note' : role === 'none' ? 'badge warning' : 'badge'}>
        {role === 'none' ? 'no role' : role}
      </span>{' '}
      {suspended ? <span class="badge bad">suspended</span> : null}
    </>
  );
}

function shortReason({ role, roleSource }: Member): string {
  if (role === 'none') return 'no group gives one';
  if (roleSource.kind === 'rule') return `by the group ${visibleText(roleSource.group)}`;
  return roleSource.kind === 'manual' ? 'given by hand' : 'by default';
}

export interface MemberPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: readonly ListedCliToken[];
  /** Live ones, newest first. */
  readonly sessions: readonly MemberSession[];
  /** The session of who looks, where it is their own page. */
  readonly currentSessionId: string | undefined;
  readonly isLastOwner: boolean;
}

/** One member: who it is, what acts in their name, and what can be done about it. */
export function MemberPage({ frame, member, tokens, sessions, currentSessionId, isLastOwner }: MemberPageProps) {
  const path = `${frame.base}/members/${member.id}`;
  const { csrfToken, viewer } = frame;
  const isSelf = viewer.kind === 'member' && viewer.id === member.id;
  return (
    <ConsolePage
      frame={frame}
      section="members"
      title={member.name}
      back={{ href: `${frame.base}/members`, label: 'Members' }}
      scripts={['confirm.js']}
    >
      {isSelf ? (
        <Callout kind="note">
          <p>This is you.</p>
        </Callout>
      ) : null}
      <section class="panel" aria-labelledby="who">
        <h2 id="who">Member</h2>
        <MemberFacts member={member} />
      </section>
      <section class="panel" aria-labelledby="access">
        <h2 id="access">Access</h2>
        {isLastOwner ? (
          <Callout kind="note">
            <p>
              <strong>This is the last owner.</strong> Without an owner nobody could manage the organization, so this person can be neither
              suspended nor removed, nor made a collaborator. Make somebody else an owner first.
            </p>
          </Callout>
        ) : null}
        <RoleChange member={member} path={path} csrfToken={csrfToken} isLastOwner={isLastOwner} />
        <Suspension member={member} path={path} csrfToken={csrfToken} isLastOwner={isLastOwner} />
      </section>
      <section class="panel" aria-labelledby="tokens">
        <header>
          <h2 id="tokens">CLI tokens</h2>
          {tokens.length === 0 ? null : (
            <ButtonForm
              action={`${path}/tokens/rotate`}
              csrfToken={csrfToken}
              label="Revoke all tokens"
              question={`Revoke all CLI tokens of ${visibleText(member.name)}? A new one is theirs to make.`}
              danger
            />
          )}
        </header>
        {tokens.length === 0 ? (
          <EmptyState title="None" />
        ) : (
          <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `${path}/tokens/${id}/revoke`} />
        )}
      </section>
      <section class="panel" aria-labelledby="sessions">
        <header>
          <h2 id="sessions">Sessions</h2>
          {sessions.length === 0 ? null : (
            <ButtonForm
              action={`${path}/sessions/end-all`}
              csrfToken={csrfToken}
              label={isSelf ? 'End all others' : 'End all sessions'}
              danger
            />
          )}
        </header>
        {sessions.length === 0 ? (
          <EmptyState title="Not signed in" />
        ) : (
          <SessionsTable
            frame={frame}
            sessions={sessions}
            endAction={(id) => `${path}/sessions/${id}/end`}
            {...(currentSessionId === undefined ? {} : { currentId: currentSessionId })}
          />
        )}
      </section>
      <section class="panel danger" aria-labelledby="end">
        <h2 id="end">Remove</h2>
        <p>
          All sessions and tokens end at once, and the record of the person is gone. As long as the identity provider lets them sign in,
          they come back as a new member by doing so; to keep them out, suspend them or take the application from them there.
        </p>
        {isLastOwner ? (
          <p>The last owner can’t be removed.</p>
        ) : (
          <a class="button quiet danger" href={`${path}/remove`}>
            Remove <ForeignText text={member.name} />…
          </a>
        )}
      </section>
    </ConsolePage>
  );
}

function MemberFacts({ member }: { readonly member: Member }) {
  return (
    <Facts
      facts={[
        ['Name', member.name],
        ['E-mail', member.email],
        ['User id', <Copy value={member.id} what="user id" />],
        [
          'Role',
          <>
            <RoleBadge member={member} /> {roleReason(member, 'they')}
          </>,
        ],
        ['Groups', groupsText(member)],
        ['First sign-in', <Moment ms={Date.parse(member.createdAt)} />],
        ['Last sign-in', <Moment ms={Date.parse(member.lastLoginAt)} />],
      ]}
    />
  );
}

interface ChangeProps {
  readonly member: Member;
  readonly path: string;
  readonly csrfToken: string;
  readonly isLastOwner: boolean;
}

function RoleChange({ member: { role, roleSource }, path, csrfToken, isLastOwner }: ChangeProps) {
  if (roleSource.kind === 'rule') {
    return (
      <p>
        A role rule decides this member’s role. To change it, change the rule, or the person’s groups at the identity provider; it counts
        from the next sign-in on.
      </p>
    );
  }
  const other = role === 'owner' ? 'collaborator' : 'owner';
  if (isLastOwner && other === 'collaborator') return null;
  return (
    <PostForm action={`${path}/role`} csrfToken={csrfToken}>
      <p>
        {other === 'owner'
          ? 'An owner manages members, single sign-on and role rules, and reads the audit trail.'
          : 'A collaborator only has their own credentials.'}{' '}
        The role stays until a rule fits the person’s groups.
      </p>
      <button type="submit" class="secondary" name="role" value={other}>
        Make {other === 'owner' ? 'an owner' : 'a collaborator'}
      </button>
    </PostForm>
  );
}

function Suspension({ member: { suspended }, path, csrfToken, isLastOwner }: ChangeProps) {
  if (isLastOwner) return null;
  return (
    <PostForm action={`${path}/${suspended ? 'unsuspend' : 'suspend'}`} csrfToken={csrfToken}>
      <p>
        {suspended
          ? 'This person is suspended: they can’t sign in, and their tokens are refused. When the suspension is lifted, the tokens work again.'
          : 'A suspension ends all sessions, and keeps the person out until it is lifted; tokens rest as long.'}
      </p>
      <button type="submit" class={suspended ? 'secondary' : 'quiet danger'}>
        {suspended ? 'Lift the suspension' : 'Suspend'}
      </button>
    </PostForm>
  );
}

export interface RemoveMemberPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: number;
  readonly sessions: number;
  readonly mistyped: boolean;
}

export function RemoveMemberPage({ frame, member, tokens, sessions, mistyped }: RemoveMemberPageProps) {
  const path = `${frame.base}/members/${member.id}`;
  return (
    <ConfirmationPage
      frame={frame}
      section="members"
      title={`Remove ${member.name}?`}
      action={`${path}/remove`}
      yes={`Remove ${member.name}`}
      cancelHref={path}
      typed={{ label: 'Type the member’s address to confirm', expected: member.email }}
      mistyped={mistyped}
    >
      <p>
        <ForeignText text={member.email} />, {member.role === 'none' ? 'without role' : member.role}. At once, and for good:
      </p>
      <ul>
        <li>{sessions === 0 ? 'there are no sessions to end' : `${sessions} of their sessions end`}</li>
        <li>{tokens === 0 ? 'there are no CLI tokens to revoke' : `${tokens} of their CLI tokens can no longer be used`}</li>
        <li>a role that was given by hand is forgotten</li>
      </ul>
    </ConfirmationPage>
  );
}
