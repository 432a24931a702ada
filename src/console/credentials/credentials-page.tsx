import type { ListedCliToken, NewCliToken } from '../../auth/tokens/cli-tokens.ts';
import type { Member, MemberSession } from '../../organizations/members.ts';
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
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { SessionsTable } from './sessions-table.tsx';
import { TokensTable } from './tokens-table.tsx';

export interface CredentialsPageProps {
  readonly frame: Frame;
  readonly member: Member;
  readonly tokens: readonly ListedCliToken[];
  /** Live ones, newest first. */
  readonly sessions: readonly MemberSession[];
  readonly currentSessionId: string;
  readonly policy: TokenPolicyView;
  /** `samlgate login` with what it needs. */
  readonly loginCommand: string;
}

/** What the organization asks of CLI tokens. */
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
          You are signed in as <strong dir="auto">{visibleText(member.name)}</strong>. This is who you are here, and what may act in your
          name.
        </>
      }
      scripts={['confirm.js']}
    >
      <You member={member} />
      <section class="panel" aria-labelledby="tokens">
        <header>
          <h2 id="tokens">CLI tokens</h2>
          <a class="button quiet danger" href="/console/revoke-all">
            Revoke all credentials
          </a>
        </header>
        {policy.ssoWithinDays === undefined ? null : (
          <p class="small">
            Your organization asks for a sign-in every {counted(policy.ssoWithinDays, 'day')}; after that tokens rest until you sign in
            again.
          </p>
        )}
        {tokens.length === 0 ? (
          <EmptyState title="No program acts in your name yet">
            <p>
              Run <code>{loginCommand}</code> in a terminal, or make a token below for a program that can’t open a browser.
            </p>
          </EmptyState>
        ) : (
          <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `/console/tokens/${id}/revoke`} />
        )}
        <NewTokenForm csrfToken={frame.csrfToken} maxDays={policy.maxDays} />
      </section>
      <section class="panel" aria-labelledby="sessions">
        <header>
          <h2 id="sessions">Sessions</h2>
          {sessions.length < 2 ? null : (
            <ButtonForm action="/console/sessions/end-others" csrfToken={frame.csrfToken} label="End all others" danger />
          )}
        </header>
        <SessionsTable frame={frame} sessions={sessions} currentId={currentSessionId} endAction={(id) => `/console/sessions/${id}/end`} />
      </section>
    </ConsolePage>
  );
}

function You({ member }: { readonly member: Member }) {
  return (
    <section class="panel" aria-labelledby="you">
      <h2 id="you">You</h2>
      <Facts
        facts={[
          ['Name', member.name],
          ['E-mail', member.email],
          [
            'Role',
            <>
              <strong>{member.role}</strong>: {roleReason(member, 'you')}
            </>,
          ],
          ['Groups', groupsText(member)],
          ['User id', <Copy value={member.id} what="user id" />],
        ]}
      />
    </section>
  );
}

const LIFETIMES: readonly (readonly [days: number, label: string])[] = [
  [7, '7 days'],
  [30, '30 days'],
  [90, '90 days'],
  [365, '1 year'],
];
const USUAL_DAYS = 90;

/** Only what the organization allows is offered; without a limit of its own a token may also live on. */
function NewTokenForm({ csrfToken, maxDays }: { readonly csrfToken: string; readonly maxDays: number | undefined }) {
  const offered = LIFETIMES.filter(([days]) => maxDays === undefined || days < maxDays);
  const chosen = offered.some(([days]) => days === USUAL_DAYS) ? USUAL_DAYS : maxDays;
  return (
    <>
      <h3>Make a token</h3>
      <PostForm action="/console/tokens" csrfToken={csrfToken}>
        <fieldset class="row">
          <legend class="unseen">A new CLI token</legend>
          <label>
            Name
            <input
              name="name"
              type="text"
              required
              maxlength={100}
              autocomplete="off"
              placeholder="What is it for? For example: nightly backup"
            />
          </label>
          <label class="narrow">
            Expires after
            <select name="expires_in_days">
              {offered.map(([days, label]) => (
                <option value={days} selected={days === chosen}>
                  {label}
                </option>
              ))}
              {maxDays === undefined ? (
                <option value="">never</option>
              ) : (
                <option value={maxDays} selected={maxDays === chosen}>
                  {counted(maxDays, 'day')} (the most here)
                </option>
              )}
            </select>
          </label>
          <button type="submit">Make token</button>
        </fieldset>
      </PostForm>
    </>
  );
}

export interface NewTokenPageProps {
  readonly frame: Frame;
  readonly made: NewCliToken;
  readonly endsAtMs: number | undefined;
  readonly loginCommand: string;
}

/** The only page that ever shows a token. */
export function NewTokenPage({ frame, made, endsAtMs, loginCommand }: NewTokenPageProps) {
  return (
    <ConsolePage frame={frame} section="credentials" title="Your new token" back={{ href: '/console', label: 'Credentials' }}>
      <div class="panel">
        <Callout kind="warning">
          <p>
            <strong>Take it along now.</strong> It is shown this once and kept nowhere. Whoever has it acts as you, so treat it like a
            password.
          </p>
        </Callout>
        <Copy value={made.token} what="token" block />
        <Facts
          facts={[
            ['Name', made.record.name],
            ['Expires', endsAtMs === undefined ? 'never' : <Moment ms={endsAtMs} />],
          ]}
        />
        <h2>How to use it</h2>
        <p>
          Give it to a program as the environment variable <code>SAMLGATE_CLI_TOKEN</code>, or send it as{' '}
          <code>Authorization: Bearer …</code>.
        </p>
        <p>On your own computer you don’t need to carry tokens about. The command line fetches one of its own:</p>
        <Copy value={loginCommand} what="command" block />
        <p class="buttons">
          <a class="button" href="/console">
            Done
          </a>
        </p>
      </div>
    </ConsolePage>
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
      <p>Do this when a computer is lost, or a token may have got into wrong hands. At once, and for good:</p>
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
        <li>
          {otherSessions === 0 ? 'there are no other sessions to end' : `${counted(otherSessions, 'other session')} must sign in again`}
        </li>
      </ul>
      <p>You stay signed in here. Afterwards you can make new tokens.</p>
    </ConfirmationPage>
  );
}
