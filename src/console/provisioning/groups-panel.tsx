import type { GroupWithCount } from '../../organizations/groups/groups-with-counts.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';
import { QuotaNotice } from '../parts/quota-notice.tsx';

const TEXTS = {
  groups: 'Groups',
  provisioned: (count: number) => `${count.toLocaleString('en')} provisioned`,
  noGroups: 'No groups yet',
  howToPush: 'Assign or push groups to the application at your identity provider, if they decide the roles of users.',
  givesNoRoles: 'These groups give no roles, because role rules read the groups of SAML responses. The operator can change that.',
  givesRoles: 'Role rules read these groups, so changes at the identity provider change roles immediately.',
  roleMapping: 'Show role mapping',
  group: 'Group',
  members: 'Members',
  moreThan: (count: number) => `more than ${count}`,
  role: 'Role by a rule',
  noRule: 'no rule',
  noRole: '–',
  changed: 'Changed',
} as const;

export interface GroupsPanelProps {
  readonly frame: Frame;
  readonly path: string;
  readonly groups: readonly GroupWithCount[];
  /** All groups of the connection. */
  readonly count: number;
  /** Members of all groups together. */
  readonly memberships: number;
  /** Whether role rules read these groups. */
  readonly decidesRoles: boolean;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Lists the groups that the identity provider has provisioned, with the roles that they give. */
export function GroupsPanel({ frame, path, groups, count, memberships, decidesRoles, cursor, nextCursor }: GroupsPanelProps) {
  return (
    <section class="panel" aria-labelledby="groups">
      <header>
        <h2 id="groups">{TEXTS.groups}</h2>
        <span>{TEXTS.provisioned(count)}</span>
      </header>
      <QuotaNotice frame={frame} name="groups" used={count} />
      <QuotaNotice frame={frame} name="group_memberships" used={memberships} />
      {groups.length === 0 ? (
        <EmptyState title={TEXTS.noGroups}>
          <p>{TEXTS.howToPush}</p>
        </EmptyState>
      ) : (
        <>
          <p>
            {decidesRoles ? TEXTS.givesRoles : TEXTS.givesNoRoles} <a href={`${frame.base}/roles`}>{TEXTS.roleMapping}</a>
          </p>
          <DataTable
            label={TEXTS.groups}
            rows={groups}
            columns={[
              { label: TEXTS.group, kind: 'heading', cell: ({ group }) => <ForeignText text={group.displayName} /> },
              { label: TEXTS.members, cell: ({ members, hasMoreMembers }) => (hasMoreMembers ? TEXTS.moreThan(members) : members) },
              { label: TEXTS.role, cell: ({ role }) => role ?? (decidesRoles ? TEXTS.noRule : TEXTS.noRole) },
              { label: TEXTS.changed, cell: ({ group }) => <Near ms={Date.parse(group.changedAt)} nowMs={frame.nowMs} /> },
            ]}
          />
        </>
      )}
      <Paging path={path} query={{}} parameter="groups" cursor={cursor} nextCursor={nextCursor} />
    </section>
  );
}
