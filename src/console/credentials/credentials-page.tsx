import type { ListedCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { Member, MemberSession } from '../../organizations/members.ts';
import { DAY_MS } from '../../time.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import { groupsText, roleReason } from '../members/role-reason.ts';
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
  /** `samlgate login` with its options for this gateway. */
  readonly loginCommand: string;
}

/** The organization's rules for CLI tokens. */
export interface TokenPolicyView {
  readonly maxDays: number | undefined;
  readonly ssoWithinDays: number | undefined;
}

export function CredentialsPage(props: CredentialsPageProps) {
  const { frame, member, tokens, sessions, currentSessionId, policy, loginCommand } = props;
  return (
    <ConsolePage
      frame={frame}
      section="credentials"
      title="Credentials"
      lead={
        <>
          You are signed in as <strong dir="auto">{visibleText(member.name)}</strong>. This page shows your role, your CLI tokens and your
          sessions.
        </>
      }
      scripts={['confirm.js', 'dialog.js']}
    >
      <QuotaNotice frame={frame} name="cli_tokens_per_member" used={tokens.length} />
      <QuotaNotice frame={frame} name="sessions_per_member" used={sessions.length} />
      <EndingTokens tokens={tokens} nowMs={frame.nowMs} />
      <You member={member} />
      <section class="panel" aria-labelledby="tokens">
        <header>
          <h2 id="tokens">CLI tokens</h2>
          <div class="buttons">
            <a class="button quiet danger" href="/console/revoke-all">
              Revoke all credentials
            </a>
            <CreateTokenLink />
          </div>
        </header>
        {policy.ssoWithinDays === undefined ? null : (
          <p class="small">
            Your organization requires a sign-in every {counted(policy.ssoWithinDays, 'day')}. Tokens stop working after that, until you
            sign in again.
          </p>
        )}
        {tokens.length === 0 ? (
          <EmptyState title="No CLI tokens yet">
            <p>
              Run <code>{loginCommand}</code> in a terminal, or create a token for a program that cannot open a browser.
            </p>
          </EmptyState>
        ) : (
          <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `/console/tokens/${id}/revoke`} />
        )}
        <NewTokenDialog frame={frame} role={member.role} maxDays={policy.maxDays} />
      </section>
      <section class="panel" aria-labelledby="sessions">
        <header>
          <h2 id="sessions">Sessions</h2>
          {sessions.length < 2 ? null : (
            <ButtonForm action="/console/sessions/end-others" csrfToken={frame.csrfToken} label="End all other sessions" danger />
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
        <p>
          The token <ForeignText text={name} /> expires <Near ms={endsAtMs} nowMs={nowMs} />.
        </p>
      ))}
      {ending.length > MAX_NAMED ? <p>{counted(ending.length - MAX_NAMED, 'other token')} will expire within 14 days, too.</p> : null}
      <p>Create a new token for each program that still needs one, then revoke the old one.</p>
    </Callout>
  );
}

function You({ member }: { readonly member: Member }) {
  return (
    <section class="panel" aria-labelledby="you">
      <h2 id="you">You</h2>
      <Facts
        facts={[
          ['Name', member.name],
          ['Email', member.email],
          [
            'Role',
            <>
              <strong>{member.role}</strong>: {roleReason(member, 'you')}
            </>,
          ],
          ['Groups', groupsText(member)],
          ['User ID', <Copy value={member.id} what="user ID" />],
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
      title="Revoke all credentials?"
      action="/console/revoke-all"
      yes="Revoke all credentials"
      cancelHref="/console"
    >
      <p>Do this if a computer was lost or a token may have leaked. It takes effect immediately and cannot be undone:</p>
      <ul>
        <li>
          {tokens.length === 0 ? 'there are no CLI tokens to revoke' : `${counted(tokens.length, 'CLI token')} can no longer be used`}
          {tokens.length === 0 ? null : (
            <>
              {': '}
              {tokens.map(({ record }, index) => (
                <>
                  {index === 0 ? '' : ', '}
                  <ForeignText text={record.name} />
                </>
              ))}
            </>
          )}
        </li>
        <li>{otherSessions === 0 ? 'there are no other sessions to end' : `${counted(otherSessions, 'other session')} will end`}</li>
      </ul>
      <p>You stay signed in here and can create new tokens afterwards.</p>
    </ConfirmationPage>
  );
}
