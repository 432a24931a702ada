import type { Member } from '../organizations/members.ts';
import { ConsolePage } from './console-page.tsx';
import type { Frame } from './navigation.ts';
import { Copy } from './parts/copy.tsx';
import { Facts } from './parts/facts.tsx';
import { groupsText, roleReason } from './role-reason.ts';

export interface CredentialsPageProps {
  readonly frame: Frame;
  readonly member: Member;
}

export function CredentialsPage({ frame, member }: CredentialsPageProps) {
  return (
    <ConsolePage frame={frame} section="credentials" title="Credentials" lead="Who you are here, and what acts in your name.">
      <section class="panel" aria-labelledby="you">
        <h2 id="you">You</h2>
        <Facts
          facts={[
            ['Name', member.name],
            ['E-mail', member.email],
            [
              'Role',
              <>
                <strong>{member.role}</strong>. {roleReason(member, 'you')}
              </>,
            ],
            ['Groups', groupsText(member)],
            ['User id', <Copy value={member.id} what="user id" />],
          ]}
        />
      </section>
    </ConsolePage>
  );
}
