import type { ComponentChildren } from 'preact';
import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { Member, MemberSession } from '../../organizations/members.ts';
import { DAY_MS } from '../../time.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import { groupsLabel, groupsText, roleReason } from '../members/role-reason.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { QuotaNotice } from '../parts/quota-notice.tsx';
import { EndingScimTokens } from '../provisioning/ending-scim-tokens.tsx';
import { CreateTokenLink, NewTokenDialog } from './new-token-page.tsx';
import { SessionsTable } from './sessions-table.tsx';
import { TokensTable } from './tokens-table.tsx';

export interface CredentialsPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: readonly ListedCliToken[];
  /** Sessions that have not ended, newest first. */
  readonly sessions: readonly MemberSession[];
  readonly currentSessionId: string;
  readonly policy: TokenPolicyView;
  /** SCIM tokens of the organization that expire soon, for owners. */
  readonly endingScimTokens: readonly ScimToken[];
  /** `samlgate login` with its options for this gateway. */
  readonly loginCommand: string;
}

/** The organization's rules for CLI tokens. */
export interface TokenPolicyView {
  readonly maxDays: number | undefined;
  readonly ssoWithinDays: number | undefined;
}

const TEXTS = {
  title: 'Credentials',
  lead: (name: ComponentChildren) => <>You are signed in as {name}. This page shows your role, your CLI tokens and your sessions.</>,
  cliTokens: 'CLI tokens',
  revokeAll: 'Revoke all credentials',
  pauseAfter: (days: number) =>
    `Your organization requires a sign-in every ${counted(days, 'day')}. Tokens stop working after that, until you sign in again.`,
  noTokens: 'No CLI tokens yet',
  howToCreateFirst: (command: ComponentChildren) => (
    <>Run {command} in a terminal, or create a token for a program that cannot open a browser.</>
  ),
  sessions: 'Sessions',
  endOthers: 'End all other sessions',
  tokenExpires: (name: ComponentChildren, when: ComponentChildren) => (
    <>
      The token {name} expires {when}.
    </>
  ),
  moreTokensExpire: (count: number) => `${counted(count, 'other token')} will also expire within 14 days.`,
  howToReplace: 'Create a new token for each program that still needs one, then revoke the old one.',
  you: 'You',
  name: 'Name',
  email: 'Email',
  role: 'Role',
  roleAndReason: (role: string, reason: string) => (
    <>
      <strong>{role}</strong>: {reason}
    </>
  ),
  userId: 'User ID',
  userIdToCopy: 'user ID',
  revokeQuestion: 'Revoke all credentials?',
  whenToRevoke: 'Do this if a computer was lost or a token may have leaked. It takes effect immediately and cannot be undone:',
  noTokensToRevoke: 'there are no CLI tokens to revoke',
  tokensToRevoke: (count: number, names: ComponentChildren) => (
    <>
      {counted(count, 'CLI token')} can no longer be used: {names}
    </>
  ),
  noSessionsToEnd: 'there are no other sessions to end',
  sessionsToEnd: (count: number) => `${counted(count, 'other session')} will end`,
  revokeAfter: 'You stay signed in here and can create new tokens afterwards.',
} as const;

export function CredentialsPage(props: CredentialsPageProps) {
  const { frame, member, tokens, sessions, currentSessionId, policy, endingScimTokens, loginCommand } = props;
  return (
    <ConsolePage
      frame={frame}
      section="credentials"
      title={TEXTS.title}
      lead={TEXTS.lead(<strong dir="auto">{visibleText(member.name)}</strong>)}
      scripts={['confirm.js', 'dialog.js']}
    >
      <QuotaNotice frame={frame} name="cli_tokens_per_member" used={tokens.length} />
      <QuotaNotice frame={frame} name="sessions_per_member" used={sessions.length} />
      <EndingScimTokens frame={frame} tokens={endingScimTokens} />
      <EndingTokens tokens={tokens} nowMs={frame.nowMs} />
      <You member={member} frame={frame} />
      <section class="panel" aria-labelledby="tokens">
        <header>
          <h2 id="tokens">{TEXTS.cliTokens}</h2>
          <div class="buttons">
            <a class="button quiet danger" href="/console/revoke-all">
              {TEXTS.revokeAll}
            </a>
            <CreateTokenLink />
          </div>
        </header>
        {policy.ssoWithinDays === undefined ? null : <p class="small">{TEXTS.pauseAfter(policy.ssoWithinDays)}</p>}
        {tokens.length === 0 ? (
          <EmptyState title={TEXTS.noTokens}>
            <p>{TEXTS.howToCreateFirst(<code>{loginCommand}</code>)}</p>
          </EmptyState>
        ) : (
          <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `/console/tokens/${id}/revoke`} />
        )}
        <NewTokenDialog frame={frame} role={member.role} maxDays={policy.maxDays} />
      </section>
      <section class="panel" aria-labelledby="sessions">
        <header>
          <h2 id="sessions">{TEXTS.sessions}</h2>
          {sessions.length < 2 ? null : (
            <ButtonForm action="/console/sessions/end-others" csrfToken={frame.csrfToken} label={TEXTS.endOthers} danger />
          )}
        </header>
        <SessionsTable frame={frame} sessions={sessions} currentId={currentSessionId} endAction={(id) => `/console/sessions/${id}/end`} />
      </section>
    </ConsolePage>
  );
}

const WARN_BEFORE_MS = 14 * DAY_MS;
const MAX_NAMED = 3;

/** Warns of tokens that end within 14 days, so that they are replaced before a program stops working. */
function EndingTokens({ tokens, nowMs }: { readonly tokens: readonly ListedCliToken[]; readonly nowMs: number }) {
  const ending = tokens.flatMap(({ record: { name }, endsAtMs }) =>
    endsAtMs !== undefined && endsAtMs > nowMs && endsAtMs - nowMs <= WARN_BEFORE_MS ? [{ name, endsAtMs }] : [],
  );
  if (ending.length === 0) return null;
  return (
    <Callout kind="warning">
      {ending.slice(0, MAX_NAMED).map(({ name, endsAtMs }) => (
        <p>{TEXTS.tokenExpires(<ForeignText text={name} />, <Near ms={endsAtMs} nowMs={nowMs} />)}</p>
      ))}
      {ending.length > MAX_NAMED ? <p>{TEXTS.moreTokensExpire(ending.length - MAX_NAMED)}</p> : null}
      <p>{TEXTS.howToReplace}</p>
    </Callout>
  );
}

function You({ member, frame: { organization } }: Pick<CredentialsPageProps, 'member' | 'frame'>) {
  const groupsFrom = organization?.groupsFrom;
  return (
    <section class="panel" aria-labelledby="you">
      <h2 id="you">{TEXTS.you}</h2>
      <Facts
        facts={[
          [TEXTS.name, member.name],
          [TEXTS.email, member.email],
          [TEXTS.role, TEXTS.roleAndReason(member.role, roleReason(member, 'you', groupsFrom))],
          [groupsLabel(groupsFrom), groupsText(member)],
          [TEXTS.userId, <Copy value={member.id} what={TEXTS.userIdToCopy} />],
        ]}
      />
    </section>
  );
}

export interface RevokeAllPageProps {
  readonly frame: Frame;
  readonly tokens: readonly ListedCliToken[];
  readonly otherSessions: number;
}

export function RevokeAllPage({ frame, tokens, otherSessions }: RevokeAllPageProps) {
  return (
    <ConfirmationPage
      frame={frame}
      section="credentials"
      title={TEXTS.revokeQuestion}
      action="/console/revoke-all"
      yes={TEXTS.revokeAll}
      cancelHref="/console"
    >
      <p>{TEXTS.whenToRevoke}</p>
      <ul>
        <li>{tokens.length === 0 ? TEXTS.noTokensToRevoke : TEXTS.tokensToRevoke(tokens.length, <TokenNames tokens={tokens} />)}</li>
        <li>{otherSessions === 0 ? TEXTS.noSessionsToEnd : TEXTS.sessionsToEnd(otherSessions)}</li>
      </ul>
      <p>{TEXTS.revokeAfter}</p>
    </ConfirmationPage>
  );
}

const TokenNames = ({ tokens }: { readonly tokens: readonly ListedCliToken[] }) => (
  <>
    {tokens.map(({ record }, index) => (
      <>
        {index === 0 ? '' : ', '}
        <ForeignText text={record.name} />
      </>
    ))}
  </>
);
