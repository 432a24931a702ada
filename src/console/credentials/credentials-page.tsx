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
import { PostForm } from '../parts/form.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { QuotaNotice } from '../parts/quota-notice.tsx';
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
      scripts={['confirm.js']}
    >
      <QuotaNotice frame={frame} name="cli_tokens_per_member" used={tokens.length} />
      <QuotaNotice frame={frame} name="sessions_per_member" used={sessions.length} />
      <EndingTokens tokens={tokens} nowMs={frame.nowMs} />
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
            Your organization requires a sign-in every {counted(policy.ssoWithinDays, 'day')}. Tokens stop working after that, until you
            sign in again.
          </p>
        )}
        {tokens.length === 0 ? (
          <EmptyState title="No CLI tokens yet">
            <p>
              Run <code>{loginCommand}</code> in a terminal, or create a token below for a program that cannot open a browser.
            </p>
          </EmptyState>
        ) : (
          <TokensTable frame={frame} tokens={tokens} revokeAction={(id) => `/console/tokens/${id}/revoke`} />
        )}
        <NewTokenForm frame={frame} role={member.role} maxDays={policy.maxDays} isOpen={tokens.length === 0} />
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

const LIFETIMES: readonly (readonly [days: number, label: string])[] = [
  [7, '7 days'],
  [30, '30 days'],
  [90, '90 days'],
  [365, '1 year'],
];
const DEFAULT_DAYS = 90;

interface NewTokenFormProps {
  readonly frame: Frame;
  readonly role: Member['role'];
  readonly maxDays: number | undefined;
  readonly isOpen: boolean;
}

/** Offers only the lifetimes that the organization allows, including "never" if it sets no limit. */
function NewTokenForm({ frame, role, maxDays, isOpen }: NewTokenFormProps) {
  const offered = LIFETIMES.filter(([days]) => maxDays === undefined || days < maxDays);
  const chosen = offered.some(([days]) => days === DEFAULT_DAYS) ? DEFAULT_DAYS : maxDays;
  return (
    <details class="new-token" open={isOpen}>
      <summary>New CLI token</summary>
      <p>
        A program with the token acts as you in <ForeignText text={frame.organization?.name ?? 'your organization'} />: it has your role,
        now <strong>{role}</strong>, in the API and in services that accept your sign-in, and can create and revoke your CLI tokens. It
        cannot open this console. The token stops working when it expires, when you revoke it, and when you lose your access.
      </p>
      <PostForm action="/console/tokens" csrfToken={frame.csrfToken}>
        <fieldset class="row">
          <legend class="unseen">A new CLI token</legend>
          <label>
            Name
            <input name="name" type="text" required maxlength={100} autocomplete="off" placeholder="For example: nightly backup" />
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
                  {counted(maxDays, 'day')} (maximum)
                </option>
              )}
            </select>
          </label>
          <button type="submit">Create token</button>
        </fieldset>
      </PostForm>
    </details>
  );
}

export interface NewTokenPageProps {
  readonly frame: Frame;
  readonly created: { readonly name: string; readonly token: string; readonly endsAtMs?: number | undefined };
  readonly loginCommand: string;
}

/** The commands that sign in on each kind of computer. */
const LoginCommands = ({ command }: { readonly command: string }) => (
  <>
    {[
      ['macOS, Linux and Windows', command],
      ['On a computer without a browser', `${command} --no-browser`],
    ].map(([label = '', line = '']) => (
      <>
        <p class="small">{label}</p>
        <Copy value={line} what={`command: ${label}`} block />
      </>
    ))}
  </>
);

/** Shows a new token. No other page ever shows it. */
export function NewTokenPage({ frame, created: { name, token, endsAtMs }, loginCommand }: NewTokenPageProps) {
  return (
    <ConsolePage frame={frame} section="credentials" title="Your new token" back={{ href: '/console', label: 'Credentials' }}>
      <div class="panel">
        <Callout kind="warning">
          <p>
            <strong>Copy this token now.</strong> It is shown only once and is not stored. Anyone who has it can act as you, so treat it
            like a password.
          </p>
        </Callout>
        <Copy value={token} what="token" block />
        <Facts
          facts={[
            ['Name', name],
            ['Expires', endsAtMs === undefined ? 'never' : <Moment ms={endsAtMs} />],
          ]}
        />
        <h2>How to use the token</h2>
        <p>
          Pass it to a program in the environment variable <code>SAMLGATE_CLI_TOKEN</code>, or send it as{' '}
          <code>Authorization: Bearer …</code>.
        </p>
        <p>On your own computer you do not need to copy tokens. The command line creates its own:</p>
        <LoginCommands command={loginCommand} />
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
