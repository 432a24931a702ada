import type { ComponentChildren } from 'preact';
import type { DeviceRequest } from '../auth/tokens/device-login.ts';
import { HELP } from './docs/help.ts';
import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';
import { Moment, nearText } from './parts/moment.tsx';
import { userAgentText } from './parts/user-agent.tsx';

const TEXTS = {
  enterTitle: 'Sign in a terminal',
  enter: (command: ComponentChildren) => <>Enter the code that {command} shows.</>,
  unknown: (code: ComponentChildren) => (
    <>The code “{code}” is invalid, expired or already used. Compare it with your terminal. Each code is valid for ten minutes.</>
  ),
  code: 'Code',
  codeFormat: 'XXXX-XXXX',
  submit: 'Continue',
  question: 'Sign in a terminal?',
  warning: (command: ComponentChildren) => (
    <>
      <strong>Approve only if you just started this</strong> with {command}, and your terminal shows exactly this code. Never approve a code
      or a link that another person sent you, not even a colleague or an administrator.
    </>
  ),
  grants: (name: ComponentChildren, email: ComponentChildren, role: string, organization: ComponentChildren) => (
    <>
      If you approve, the terminal can act as <strong>{name}</strong> ({email}), {role} of <strong>{organization}</strong>, until its token
      expires or is revoked.
    </>
  ),
  approve: 'Approve',
  deny: 'Deny',
  started: 'Started',
  address: 'Address',
  unknownAddress: 'unknown',
  organization: 'Organization',
  client: 'Client',
  commandLine: 'samlgate command line',
  userAgent: (name: string) => `It calls itself “${name}”.`,
  tokenName: 'Token name',
  otherAddress: (address: ComponentChildren) => (
    <>
      <strong>Not the address of this browser</strong>, which is {address}. That is expected only if you started the sign-in on another
      machine or network, for example over SSH. Otherwise deny it.
    </>
  ),
  otherOrganization: 'Another organization',
  mismatch: (requested: string, current: ComponentChildren) => (
    <>
      The terminal requests access to the organization <strong>{requested}</strong>, but this browser is signed in to{' '}
      <strong>{current}</strong>.
    </>
  ),
  mismatchAdvice: 'If you just started this sign-in yourself, sign in to the other organization. You then return to the code.',
  signInTo: (organization: string) => `Sign in to ${organization}`,
  approved: 'The terminal is signed in',
  approvedAdvice: (tokens: ComponentChildren) => (
    <>Return to the terminal. You can close this window. Its token is in the {tokens}, where you can revoke it.</>
  ),
  listOfTokens: 'list of your CLI tokens',
  denied: 'The terminal was denied access',
  deniedAdvice:
    'The terminal received no token. If you did not start this sign-in, someone may have tried to access your account. Tell an owner of your organization.',
} as const;

/** Asks for the code that the terminal shows. */
export function DeviceCodePage({ unknown }: { readonly unknown?: string | undefined }) {
  return (
    <Page title={TEXTS.enterTitle} help={HELP.device}>
      <h1>{TEXTS.enterTitle}</h1>
      <p>{TEXTS.enter(<code>samlgate login</code>)}</p>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          {TEXTS.unknown(<ForeignText text={unknown} />)}
        </p>
      )}
      <form method="get" action="/device">
        <label for="user_code">{TEXTS.code}</label>
        <input
          id="user_code"
          name="user_code"
          type="text"
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          required
          autofocus
          maxlength={20}
          placeholder={TEXTS.codeFormat}
        />
        <button type="submit">{TEXTS.submit}</button>
      </form>
    </Page>
  );
}

export interface DeviceConfirmationPageProps {
  readonly request: DeviceRequest;
  /** The request for this page, to compare with the request of the terminal. */
  readonly browser: { readonly address: string | undefined; readonly nowMs: number };
  readonly member: { readonly name: string; readonly email: string; readonly role: string };
  readonly organization: { readonly name: string; readonly slug: string };
  readonly csrfToken: string;
}

/**
 * Asks the user to approve a device login. Attackers send links with their own code (RFC 8628 §5.4), so the page shows where and when
 * the sign-in was started and what the approval grants, and only a click approves it.
 */
export function DeviceConfirmationPage({ request, browser, member, organization, csrfToken }: DeviceConfirmationPageProps) {
  return (
    <Page title={TEXTS.question} help={HELP.device}>
      <h1>{TEXTS.question}</h1>
      <p class="notice warning">{TEXTS.warning(<code>samlgate login</code>)}</p>
      <RequestFacts request={request} browser={browser} organization={organization} />
      <p>
        {TEXTS.grants(
          <ForeignText text={member.name} />,
          <ForeignText text={member.email} />,
          member.role,
          <ForeignText text={organization.name} />,
        )}
      </p>
      <form method="post" action="/device">
        <input type="hidden" name="csrf" value={csrfToken} />
        <input type="hidden" name="user_code" value={request.userCode} />
        <input type="hidden" name="organization" value={organization.slug} />
        <div class="buttons">
          <button type="submit" name="action" value="approve">
            {TEXTS.approve}
          </button>
          <button type="submit" name="action" value="deny" class="secondary">
            {TEXTS.deny}
          </button>
        </div>
      </form>
    </Page>
  );
}

type RequestFactsProps = Pick<DeviceConfirmationPageProps, 'request' | 'browser' | 'organization'>;

function RequestFacts({ request, browser, organization }: RequestFactsProps) {
  return (
    <dl class="facts">
      <dt>{TEXTS.code}</dt>
      <dd>
        <code class="user-code">{request.userCode}</code>
      </dd>
      <dt>{TEXTS.started}</dt>
      <dd>
        <strong>{nearText(request.startedAtMs, browser.nowMs)}</strong>, <Moment ms={request.startedAtMs} />
      </dd>
      <dt>{TEXTS.address}</dt>
      <dd>
        <code>{request.address ?? TEXTS.unknownAddress}</code>
        <AddressComparison terminal={request.address} browser={browser.address} />
      </dd>
      <dt>{TEXTS.organization}</dt>
      <dd>
        <ForeignText text={organization.name} /> (<code>{organization.slug}</code>)
      </dd>
      <dt>{TEXTS.client}</dt>
      <dd>
        {TEXTS.commandLine}
        <span class="sub">{TEXTS.userAgent(userAgentText(request.userAgent))}</span>
      </dd>
      <dt>{TEXTS.tokenName}</dt>
      <dd>
        <ForeignText text={request.tokenName} />
      </dd>
    </dl>
  );
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

/**
 * Warns if the sign-in was started at another address than this browser's. Equal addresses are not mentioned: many users share the
 * address of a proxy, so they prove nothing.
 */
function AddressComparison({ terminal, browser }: { readonly terminal: string | undefined; readonly browser: string | undefined }) {
  if (terminal === undefined || browser === undefined) return null;
  const isSame = terminal === browser || (LOOPBACK.has(terminal) && LOOPBACK.has(browser));
  if (isSame) return null;
  return (
    <span class="notice problem" role="note">
      {TEXTS.otherAddress(<code>{browser}</code>)}
    </span>
  );
}

export interface DeviceOrganizationPageProps {
  /** The slug of the organization that the terminal asked for. */
  readonly requested: string;
  /** The organization that this browser is signed in to. */
  readonly current: { readonly name: string };
  readonly signInHref: string;
}

/** Explains that the terminal requested another organization than the one this browser is signed in to. */
export function DeviceOrganizationPage({ requested, current, signInHref }: DeviceOrganizationPageProps) {
  return (
    <Page title={TEXTS.otherOrganization} help={HELP.device}>
      <h1>{TEXTS.otherOrganization}</h1>
      <p>{TEXTS.mismatch(requested, <ForeignText text={current.name} />)}</p>
      <p>{TEXTS.mismatchAdvice}</p>
      <p>
        <a class="button" href={signInHref}>
          {TEXTS.signInTo(requested)}
        </a>
      </p>
    </Page>
  );
}

export function DeviceAnsweredPage({ approved }: { readonly approved: boolean }) {
  const title = approved ? TEXTS.approved : TEXTS.denied;
  return (
    <Page title={title} help={HELP.device}>
      <h1>{title}</h1>
      <p>{approved ? TEXTS.approvedAdvice(<a href="/console">{TEXTS.listOfTokens}</a>) : TEXTS.deniedAdvice}</p>
    </Page>
  );
}
