import type { ComponentChildren } from 'preact';
import { openRequestOf } from '../../organizations/idp-change/pending-members.ts';
import type { Member } from '../../organizations/members.ts';
import type { Connection, IdpChange } from '../../organizations/organizations.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';

const TEXTS = {
  pendingMembers: 'Members who have not signed in again',
  whenToApprove: (time: ComponentChildren) => (
    <>
      The identity provider changed on {time}. Approve a user only if you know that this user is the member: the user gets the account with
      its tokens. A user whom you decline gets a new account.
    </>
  ),
  member: 'Member',
  role: 'Role',
  suspendedRole: (role: string) => `${role}, suspended`,
  lastSignIn: 'Last sign-in',
  never: 'Never',
  askedBy: 'Asked by',
  identifierAndTime: (identifier: ComponentChildren, time: ComponentChildren) => (
    <>
      {identifier}, {time}
    </>
  ),
  actions: 'Actions',
  revokeAll: 'Revoke their sessions and tokens',
  confirmRevocation: 'Revoke the sessions and CLI tokens of all members who have not signed in again, on all pages?',
  noMoreMembers: 'No more members.',
  searchGoesOn: 'No members on this page. More may be on the next page.',
  isApproved: 'Approved, waits for a sign-in',
  approve: 'Approve',
  decline: 'Decline',
} as const;

export interface PendingMembersPanelProps {
  readonly frame: Frame;
  readonly connection: Connection;
  readonly change: IdpChange;
  readonly members: readonly Member[];
  /** The cursor of this page; undefined on the first page. */
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Lists members who have not signed in since the identity provider changed, with the users who ask to become them. */
export function PendingMembersPanel({ frame, connection, change, members, cursor, nextCursor }: PendingMembersPanelProps) {
  const connectionPath = `${frame.base}/single-sign-on/${connection.id}`;
  const path = `${connectionPath}/pending-members`;
  return (
    <section class="panel" aria-labelledby="pending-members">
      <h2 id="pending-members">{TEXTS.pendingMembers}</h2>
      <p>{TEXTS.whenToApprove(<Moment ms={Date.parse(change.at)} />)}</p>
      {members.length === 0 ? <p>{nextCursor === null ? TEXTS.noMoreMembers : TEXTS.searchGoesOn}</p> : null}
      <DataTable
        label={TEXTS.pendingMembers}
        rows={members}
        columns={[
          { label: TEXTS.member, kind: 'heading', cell: ({ email }) => <ForeignText text={email} /> },
          { label: TEXTS.role, cell: ({ role, suspended }) => (suspended ? TEXTS.suspendedRole(role) : role) },
          {
            label: TEXTS.lastSignIn,
            cell: ({ lastLoginAt }) => (lastLoginAt === undefined ? TEXTS.never : <Moment ms={Date.parse(lastLoginAt)} />),
          },
          { label: TEXTS.askedBy, kind: 'wide', cell: (member) => <Request member={member} connection={connection} /> },
          {
            label: TEXTS.actions,
            kind: 'actions',
            cell: (member) => <Decision member={member} connection={connection} path={path} csrfToken={frame.csrfToken} />,
          },
        ]}
      />
      <Paging path={connectionPath} query={{}} cursor={cursor} nextCursor={nextCursor} />
      <PostForm action={`${path}/revoke`} csrfToken={frame.csrfToken}>
        <input type="hidden" name="change" value={change.id} />
        <button type="submit" class="danger" data-confirm={TEXTS.confirmRevocation}>
          {TEXTS.revokeAll}
        </button>
      </PostForm>
    </section>
  );
}

interface RowProps {
  readonly member: Member;
  readonly connection: Connection;
}

const isApproved = ({ idpChange }: Member, { change }: Connection): boolean =>
  idpChange !== undefined && idpChange.id === change?.id && idpChange.outcome === 'approved';

function Request({ member, connection }: RowProps) {
  const request = openRequestOf(member, connection);
  if (!request) return isApproved(member, connection) ? TEXTS.isApproved : null;
  return (
    <>
      <ForeignText text={`${request.name} <${request.email}>`} />
      <div class="sub">{TEXTS.identifierAndTime(<ForeignText text={request.identifier.value} />, <Moment ms={request.atMs} />)}</div>
    </>
  );
}

function Decision({ member, connection, path, csrfToken }: RowProps & { readonly path: string; readonly csrfToken: string }) {
  const request = openRequestOf(member, connection);
  if (!request) return null;
  const at = `${path}/${member.id}/${request.id}`;
  return (
    <>
      <ButtonForm action={`${at}/approve`} csrfToken={csrfToken} label={TEXTS.approve} about={member.email} />
      <ButtonForm action={`${at}/decline`} csrfToken={csrfToken} label={TEXTS.decline} about={member.email} danger />
    </>
  );
}
