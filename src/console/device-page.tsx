import type { DeviceRequest } from '../auth/tokens/device-login.ts';
import { HELP } from './docs/help.ts';
import { Page } from './layout.tsx';
import { ForeignText } from './parts/foreign-text.tsx';
import { Moment, nearText } from './parts/moment.tsx';
import { userAgentText } from './parts/user-agent.tsx';

/** Asks for the code that the terminal shows. */
export function DeviceCodePage({ unknown }: { readonly unknown?: string | undefined }) {
  return (
    <Page title="Sign in a terminal" help={HELP.device}>
      <h1>Sign in a terminal</h1>
      <p>
        Enter the code that <code>samlgate login</code> shows.
      </p>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          The code “<ForeignText text={unknown} />” is invalid, expired or already used. Compare it with your terminal. Each code is valid
          for ten minutes.
        </p>
      )}
      <form method="get" action="/device">
        <label for="user_code">Code</label>
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
          placeholder="XXXX-XXXX"
        />
        <button type="submit">Continue</button>
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
    <Page title="Sign in a terminal?" help={HELP.device}>
      <h1>Sign in a terminal?</h1>
      <p class="notice warning">
        <strong>Approve only if you just started this</strong> with <code>samlgate login</code>, and your terminal shows exactly this code.
        Never approve a code or a link that another person sent you, not even a colleague or an administrator.
      </p>
      <RequestFacts request={request} browser={browser} organization={organization} />
      <p>
        If you approve, the terminal can act as{' '}
        <strong>
          <ForeignText text={member.name} />
        </strong>{' '}
        (<ForeignText text={member.email} />
        ), {member.role} of{' '}
        <strong>
          <ForeignText text={organization.name} />
        </strong>
        , until its token expires or is revoked.
      </p>
      <form method="post" action="/device">
        <input type="hidden" name="csrf" value={csrfToken} />
        <input type="hidden" name="user_code" value={request.userCode} />
        <input type="hidden" name="organization" value={organization.slug} />
        <div class="buttons">
          <button type="submit" name="action" value="approve">
            Approve
          </button>
          <button type="submit" name="action" value="deny" class="secondary">
            Deny
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
      <dt>Code</dt>
      <dd>
        <code class="user-code">{request.userCode}</code>
      </dd>
      <dt>Started</dt>
      <dd>
        <strong>{nearText(request.startedAtMs, browser.nowMs)}</strong>, <Moment ms={request.startedAtMs} />
      </dd>
      <dt>Address</dt>
      <dd>
        <code>{request.address ?? 'unknown'}</code>
        <AddressComparison terminal={request.address} browser={browser.address} />
      </dd>
      <dt>Organization</dt>
      <dd>
        <ForeignText text={organization.name} /> (<code>{organization.slug}</code>)
      </dd>
      <dt>Client</dt>
      <dd>
        samlgate command line
        <span class="sub">It calls itself “{userAgentText(request.userAgent)}”.</span>
      </dd>
      <dt>Token name</dt>
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
      <strong>Not the address of this browser</strong>, which is <code>{browser}</code>. That is expected only if you started the sign-in on
      another machine or network, for example over SSH. Otherwise deny it.
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
    <Page title="Another organization" help={HELP.device}>
      <h1>Another organization</h1>
      <p>
        The terminal requests access to the organization <strong>{requested}</strong>, but this browser is signed in to{' '}
        <strong>
          <ForeignText text={current.name} />
        </strong>
        .
      </p>
      <p>If you just started this sign-in yourself, sign in to the other organization. You then return to the code.</p>
      <p>
        <a class="button" href={signInHref}>
          Sign in to {requested}
        </a>
      </p>
    </Page>
  );
}

export function DeviceAnsweredPage({ approved }: { readonly approved: boolean }) {
  const title = approved ? 'The terminal is signed in' : 'The terminal was denied access';
  return (
    <Page title={title} help={HELP.device}>
      <h1>{title}</h1>
      {approved ? (
        <p>Return to the terminal. You can close this window. Its token is in the list of your CLI tokens, where you can revoke it.</p>
      ) : (
        <p>
          The terminal received no token. If you did not start this sign-in, someone may have tried to access your account. Tell an owner of
          your organization.
        </p>
      )}
    </Page>
  );
}
