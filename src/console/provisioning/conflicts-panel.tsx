import type { ComponentChildren } from 'preact';
import type { Member, ProvisioningConflict } from '../../organizations/members.ts';
import { conflictState } from '../../organizations/provisioning/provisioning-conflicts.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';

const TEXTS = {
  conflicts: 'Conflicts',
  whenToApprove:
    'The identity provider sent users who could be existing members. Approve a user only if you know that this user is the member: from then on, the identity provider can change and deactivate the member. After an approval, provision the user again at the identity provider, or wait for its next cycle.',
  member: 'Member',
  user: 'User at the identity provider',
  identifiers: (names: ComponentChildren, time: ComponentChildren) => (
    <>
      {names}, {time}
    </>
  ),
  state: 'State',
  actions: 'Actions',
  approve: 'Approve',
  decline: 'Decline',
  hasMore: 'There are more conflicts. Resolve these first.',
} as const;

const REASONS: Readonly<Record<ProvisioningConflict['reason'], string>> = {
  owner: 'The member is an owner.',
  ambiguous: 'Several members could be this user.',
};

const STATES = { open: 'Waits for a decision', approved: 'Approved, waits for the identity provider', declined: 'Declined' } as const;

/** A member with a conflict. */
export interface ListedConflict {
  readonly member: Member;
  readonly conflict: ProvisioningConflict;
}

export interface ConflictsPanelProps {
  readonly frame: Frame;
  readonly path: string;
  readonly conflicts: readonly ListedConflict[];
  /** Whether there are more than the page lists. */
  readonly hasMore: boolean;
}

/** Lists members that a provisioned user could be, with the buttons that decide. */
export function ConflictsPanel({ frame, path, conflicts, hasMore }: ConflictsPanelProps) {
  if (conflicts.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="conflicts">
      <h2 id="conflicts">{TEXTS.conflicts}</h2>
      <p>{TEXTS.whenToApprove}</p>
      <DataTable
        label={TEXTS.conflicts}
        rows={conflicts}
        columns={[
          {
            label: TEXTS.member,
            kind: 'heading',
            cell: ({ member: { id, email, role } }) => (
              <>
                <a href={`${frame.base}/members/${id}`}>
                  <ForeignText text={email} />
                </a>
                <div class="sub">{role}</div>
              </>
            ),
          },
          {
            label: TEXTS.user,
            kind: 'wide',
            cell: ({ conflict: { user, atMs } }) => (
              <>
                <ForeignText text={`${user.name} <${user.email}>`} />
                <div class="sub">
                  {TEXTS.identifiers(
                    <ForeignText text={[user.userName, user.externalId].filter((name) => name !== undefined).join(', ')} />,
                    <Near ms={atMs} nowMs={frame.nowMs} />,
                  )}
                </div>
              </>
            ),
          },
          {
            label: TEXTS.state,
            cell: ({ conflict }) => (
              <>
                {STATES[conflictState(conflict, frame.nowMs)]}
                <div class="sub">{REASONS[conflict.reason]}</div>
              </>
            ),
          },
          { label: TEXTS.actions, kind: 'actions', cell: (listed) => <Decision frame={frame} path={path} listed={listed} /> },
        ]}
      />
      {hasMore ? <p class="small">{TEXTS.hasMore}</p> : null}
    </section>
  );
}

function Decision({ frame, path, listed: { member, conflict } }: { frame: Frame; path: string; listed: ListedConflict }) {
  const at = `${path}/conflicts/${member.id}/${conflict.id}`;
  const state = conflictState(conflict, frame.nowMs);
  return (
    <>
      {state === 'approved' ? null : (
        <ButtonForm action={`${at}/approve`} csrfToken={frame.csrfToken} label={TEXTS.approve} about={member.email} />
      )}{' '}
      {state === 'declined' ? null : (
        <ButtonForm action={`${at}/decline`} csrfToken={frame.csrfToken} label={TEXTS.decline} about={member.email} danger />
      )}
    </>
  );
}
