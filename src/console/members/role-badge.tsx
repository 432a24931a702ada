import type { Member } from '../../organizations/members.ts';

const TEXTS = { noRole: 'no role', suspended: 'suspended', invited: 'invited' } as const;

/** Shows the role of a member, and whether the member is suspended or has never signed in. */
export function RoleBadge({ member: { role, suspended, lastLoginAt } }: { readonly member: Member }) {
  return (
    <>
      <span class={role === 'owner' ? 'badge note' : role === 'none' ? 'badge warning' : 'badge'}>
        {role === 'none' ? TEXTS.noRole : role}
      </span>{' '}
      {suspended ? (
        <span class="badge bad">{TEXTS.suspended}</span>
      ) : lastLoginAt === undefined ? (
        <span class="badge">{TEXTS.invited}</span>
      ) : null}
    </>
  );
}
