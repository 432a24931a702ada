import type { Member } from '../../organizations/members.ts';

/** Shows the role of a member, and whether the member is suspended or has never signed in. */
export function RoleBadge({ member: { role, suspended, lastLoginAt } }: { readonly member: Member }) {
  return (
    <>
      <span class={role === 'owner' ? 'badge note' : role === 'none' ? 'badge warning' : 'badge'}>
        {role === 'none' ? 'no role' : role}
      </span>{' '}
      {suspended ? <span class="badge bad">suspended</span> : lastLoginAt === undefined ? <span class="badge">invited</span> : null}
    </>
  );
}
