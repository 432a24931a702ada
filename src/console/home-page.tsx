import type { Member } from '../organizations/members.ts';
import { Page } from './layout.tsx';

export interface HomePageProps {
  readonly member: Member;
  readonly organization: { readonly name: string; readonly slug: string };
  readonly csrfToken: string;
}

export function HomePage({ member, organization, csrfToken }: HomePageProps) {
  return (
    <Page title={organization.name}>
      <h1>{organization.name}</h1>
      <p>
        You are signed in as <strong>{member.name}</strong>.
      </p>
      <dl class="facts">
        <dt>E-mail</dt>
        <dd>{member.email}</dd>
        <dt>Role</dt>
        <dd>
          <strong>{member.role}</strong>: {whyRole(member)}
        </dd>
        <dt>Groups</dt>
        <dd>{groupsOf(member)}</dd>
        <dt>User id</dt>
        <dd>
          <code>{member.id}</code>
        </dd>
      </dl>
      <form method="post" action="/logout">
        <input type="hidden" name="csrf" value={csrfToken} />
        <button type="submit">Sign out</button>
      </form>
    </Page>
  );
}

function whyRole({ roleSource }: Member): string {
  if (roleSource.kind === 'rule')
    return `your identity provider says that you are in the group “${roleSource.group}”, and a rule gives this role for it.`;
  if (roleSource.kind === 'manual') return 'an owner of the organization gave it to you.';
  return 'no rule matches your groups, and this is the role that everybody else has.';
}

function groupsOf({ groups, groupsState }: Member): string {
  if (groupsState === 'over_limit') return 'more than your identity provider sends';
  if (groupsState === 'absent') return 'none were sent by your identity provider';
  return groups.length === 0 ? 'none' : groups.join(', ');
}
