import type { ComponentChildren } from 'preact';
import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import { canBeOwner, type Member, type MemberSession } from '../../organizations/members.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import { SessionsTable } from '../credentials/sessions-table.tsx';
import { TokensTable } from '../credentials/tokens-table.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { RoleBadge } from './role-badge.tsx';
import { groupsLabel, groupsText, roleReason } from './role-reason.ts';

const TEXTS = {
  members: 'Members',
  thisIsYou: 'This is you.',
  member: 'Member',
  name: 'Name',
  email: 'Email',
  userId: 'User ID',
  userIdToCopy: 'user ID',
  role: 'Role',
  showSignIns: 'Sign-ins of this member',
  showAuditTrail: 'Audit trail of this member',
  memberSince: 'Member since',
  lastSignIn: 'Last sign-in',
  never: 'Never',
  access: 'Access',
  isLastOwner: (
    <>
      <strong>This is the last owner.</strong> Without an owner, no member could manage the organization, so this member cannot be
      suspended, removed or made a collaborator. Make another member an owner first.
    </>
  ),
  isDeactivated: 'The identity provider deactivated this member. Assign the user to the application again there.',
  ruleDecidesRole:
    'A role rule decides this member’s role. To change it, change the rule, or the member’s groups at the identity provider. A changed rule takes effect at the next sign-in. If SCIM provisions the groups, a changed group takes effect immediately.',
  canBecomeOwner: 'This member can become an owner after the first sign-in.',
  whatOwnersDo:
    'An owner manages members, single sign-on and role rules, and reads the audit trail. The role stays until a rule matches the member’s groups.',
  whatCollaboratorsDo: 'A collaborator manages only their own credentials. The role stays until a rule matches the member’s groups.',
  changeRoleTo: (role: string) => `Change role to ${role}`,
  isSuspended:
    'This member is suspended and cannot sign in. Tokens are refused until the suspension is lifted, and no new account with this email address can be created.',
  whatSuspensionDoes:
    'A suspension ends all sessions and prevents new sign-ins. Tokens are refused until it is lifted. Other accounts with this email address are also suspended, except those of owners.',
  liftSuspension: 'Lift suspension',
  suspendMember: 'Suspend member',
  cliTokens: 'CLI tokens',
  revokeAllTokens: 'Revoke all tokens',
  confirmRevocation: (name: string) => `Revoke all CLI tokens of ${name}? Only the member can create new ones.`,
  noCliTokens: 'No CLI tokens',
  sessions: 'Sessions',
  endOtherSessions: 'End all other sessions',
  endAllSessions: 'End all sessions',
  noSessions: 'No sessions',
  removal: 'Removal',
  whatRemovalDoes:
    'Removing a member ends all sessions and tokens immediately and deletes the member’s record. A user whom the identity provider still lets sign in becomes a new member at the next sign-in. To prevent that, suspend the member, or remove the user’s access to the application at the identity provider.',
  lastOwnerCannot: 'The last owner cannot be removed.',
  openRemoval: (name: ComponentChildren) => <>Remove {name}…</>,
  removeQuestion: (name: string) => `Remove ${name}?`,
  confirmRemoval: (name: string) => `Remove ${name}`,
  typeEmail: 'Type the member’s email address to confirm',
  withoutRole: 'without a role',
  removalEffect: (email: ComponentChildren, role: string) => (
    <>
      {email}, {role}. This takes effect immediately and cannot be undone:
    </>
  ),
  noSessionsToEnd: 'there are no sessions to end',
  sessionsToEnd: (count: number) => `${counted(count, 'session')} will end`,
  noTokensToRevoke: 'there are no CLI tokens to revoke',
  tokensToRevoke: (count: number) => `${counted(count, 'CLI token')} can no longer be used`,
  manualRoleIsLost: 'a role that was set manually is lost',
} as const;

export interface MemberPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: readonly ListedCliToken[];
  /** Sessions that have not ended, newest first. */
  readonly sessions: readonly MemberSession[];
  /** The viewer's own session, if this is the viewer's own page. */
  readonly currentSessionId: string | undefined;
  readonly isLastOwner: boolean;
  /** Whether only the identity provider can restore the member, because it deactivated it with SCIM. */
  readonly isHeldDeactivated: boolean;
}

/** Shows a member, the member's credentials, and the actions that owners and the operator have. */
export function MemberPage({ frame, member, tokens, sessions, currentSessionId, isLastOwner, isHeldDeactivated }: MemberPageProps) {
  const path = `${frame.base}/members/${member.id}`;
  const { csrfToken, viewer } = frame;
  const isSelf = viewer.kind === 'member' && viewer.id === member.id;
  return (
    <ConsolePage
      frame={frame}
      section="members"
      title={member.name}
      back={{ href: `${frame.base}/members`, label: TEXTS.members }}
      scripts={['confirm.js']}
    >
      {isSelf ? (
        <Callout kind="note">
          <p>{TEXTS.thisIsYou}</p>
        </Callout>
      ) : null}
      <section class="panel" aria-labelledby="who">
        <h2 id="who">{TEXTS.member}</h2>
        <MemberFacts member={member} frame={frame} />
        <div class="buttons">
          <a class="button quiet" href={`${frame.base}/sign-ins?person=${encodeURIComponent(member.email)}`}>
            {TEXTS.showSignIns}
          </a>
          <a class="button quiet" href={`${frame.base}/audit?member=${encodeURIComponent(member.id)}`}>
            {TEXTS.showAuditTrail}
          </a>
        </div>
      </section>
      <AccessSection {...{ member, path, csrfToken, isLastOwner, isHeldDeactivated }} />
      <TokensSection frame={frame} member={member} path={path} tokens={tokens} />
      <SessionsSection frame={frame} path={path} sessions={sessions} currentSessionId={currentSessionId} isSelf={isSelf} />
      <RemovalSection member={member} path={path} isLastOwner={isLastOwner} />
    </ConsolePage>
  );
}

function MemberFacts({ member, frame: { organization } }: Pick<MemberPageProps, 'member' | 'frame'>) {
  const groupsFrom = organization?.groupsFrom;
  return (
    <Facts
      facts={[
        [TEXTS.name, member.name],
        [TEXTS.email, member.email],
        [TEXTS.userId, <Copy value={member.id} what={TEXTS.userIdToCopy} />],
        [
          TEXTS.role,
          <>
            <RoleBadge member={member} /> {roleReason(member, 'they', groupsFrom)}
          </>,
        ],
        [groupsLabel(groupsFrom), groupsText(member)],
        [TEXTS.memberSince, <Moment ms={Date.parse(member.createdAt)} />],
        [TEXTS.lastSignIn, member.lastLoginAt === undefined ? TEXTS.never : <Moment ms={Date.parse(member.lastLoginAt)} />],
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

type AccessProps = ChangeProps & Pick<MemberPageProps, 'isHeldDeactivated'>;

function AccessSection({ member, path, csrfToken, isLastOwner, isHeldDeactivated }: AccessProps) {
  return (
    <section class="panel" aria-labelledby="access">
      <h2 id="access">{TEXTS.access}</h2>
      {isLastOwner ? (
        <Callout kind="note">
          <p>{TEXTS.isLastOwner}</p>
        </Callout>
      ) : null}
      <RoleChange member={member} path={path} csrfToken={csrfToken} isLastOwner={isLastOwner} />
      {isHeldDeactivated ? (
        <p>{TEXTS.isDeactivated}</p>
      ) : (
        <Suspension member={member} path={path} csrfToken={csrfToken} isLastOwner={isLastOwner} />
      )}
    </section>
  );
}

function RoleChange({ member, path, csrfToken, isLastOwner }: ChangeProps) {
  const { role, roleSource } = member;
  if (roleSource.kind === 'rule') {
    return <p>{TEXTS.ruleDecidesRole}</p>;
  }
  const other = role === 'owner' ? 'collaborator' : 'owner';
  if (other === 'owner' && !canBeOwner(member)) return <p>{TEXTS.canBecomeOwner}</p>;
  if (isLastOwner && other === 'collaborator') return null;
  return (
    <PostForm action={`${path}/role`} csrfToken={csrfToken}>
      <p>{other === 'owner' ? TEXTS.whatOwnersDo : TEXTS.whatCollaboratorsDo}</p>
      <button type="submit" class="secondary" name="role" value={other}>
        {TEXTS.changeRoleTo(other)}
      </button>
    </PostForm>
  );
}

function Suspension({ member: { suspended }, path, csrfToken, isLastOwner }: ChangeProps) {
  if (isLastOwner) return null;
  return (
    <PostForm action={`${path}/${suspended ? 'unsuspend' : 'suspend'}`} csrfToken={csrfToken}>
      <p>{suspended ? TEXTS.isSuspended : TEXTS.whatSuspensionDoes}</p>
      <button type="submit" class={suspended ? 'secondary' : 'quiet danger'}>
        {suspended ? TEXTS.liftSuspension : TEXTS.suspendMember}
      </button>
    </PostForm>
  );
}

type TokensSectionProps = Pick<MemberPageProps, 'frame' | 'member' | 'tokens'> & { readonly path: string };

function TokensSection({ frame, member, tokens, path }: TokensSectionProps) {
  return (
    <section class="panel" aria-labelledby="tokens">
      <header>
        <h2 id="tokens">{TEXTS.cliTokens}</h2>
        {tokens.length === 0 ? null : (
          <ButtonForm
            action={`${path}/tokens/rotate`}
            csrfToken={frame.csrfToken}
            label={TEXTS.revokeAllTokens}
            question={TEXTS.confirmRevocation(visibleText(member.name))}
            danger
          />
        )}
      </header>
      {tokens.length === 0 ? (
        <EmptyState title={TEXTS.noCliTokens} />
      ) : (
        <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `${path}/tokens/${id}/revoke`} />
      )}
    </section>
  );
}

type SessionsSectionProps = Pick<MemberPageProps, 'frame' | 'sessions' | 'currentSessionId'> & {
  readonly path: string;
  readonly isSelf: boolean;
};

function SessionsSection({ frame, sessions, currentSessionId, path, isSelf }: SessionsSectionProps) {
  return (
    <section class="panel" aria-labelledby="sessions">
      <header>
        <h2 id="sessions">{TEXTS.sessions}</h2>
        {sessions.length === 0 ? null : (
          <ButtonForm
            action={`${path}/sessions/end-all`}
            csrfToken={frame.csrfToken}
            label={isSelf ? TEXTS.endOtherSessions : TEXTS.endAllSessions}
            danger
          />
        )}
      </header>
      {sessions.length === 0 ? (
        <EmptyState title={TEXTS.noSessions} />
      ) : (
        <SessionsTable
          frame={frame}
          sessions={sessions}
          endAction={(id) => `${path}/sessions/${id}/end`}
          {...(currentSessionId === undefined ? {} : { currentId: currentSessionId })}
        />
      )}
    </section>
  );
}

const RemovalSection = ({ member, path, isLastOwner }: Pick<MemberPageProps, 'member' | 'isLastOwner'> & { readonly path: string }) => (
  <section class="panel danger" aria-labelledby="remove">
    <h2 id="remove">{TEXTS.removal}</h2>
    <p>{TEXTS.whatRemovalDoes}</p>
    {isLastOwner ? (
      <p>{TEXTS.lastOwnerCannot}</p>
    ) : (
      <a class="button quiet danger" href={`${path}/remove`}>
        {TEXTS.openRemoval(<ForeignText text={member.name} />)}
      </a>
    )}
  </section>
);

export interface RemoveMemberPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: number;
  readonly sessions: number;
  readonly mistyped: boolean;
}

/** Asks for confirmation before a member is removed. */
export function RemoveMemberPage({ frame, member, tokens, sessions, mistyped }: RemoveMemberPageProps) {
  const path = `${frame.base}/members/${member.id}`;
  return (
    <ConfirmationPage
      frame={frame}
      section="members"
      title={TEXTS.removeQuestion(member.name)}
      action={`${path}/remove`}
      yes={TEXTS.confirmRemoval(member.name)}
      cancelHref={path}
      typed={{ label: TEXTS.typeEmail, expected: member.email }}
      mistyped={mistyped}
    >
      <p>{TEXTS.removalEffect(<ForeignText text={member.email} />, member.role === 'none' ? TEXTS.withoutRole : member.role)}</p>
      <ul>
        <li>{sessions === 0 ? TEXTS.noSessionsToEnd : TEXTS.sessionsToEnd(sessions)}</li>
        <li>{tokens === 0 ? TEXTS.noTokensToRevoke : TEXTS.tokensToRevoke(tokens)}</li>
        <li>{TEXTS.manualRoleIsLost}</li>
      </ul>
    </ConfirmationPage>
  );
}
