import type { DeviceRequest } from '../auth/tokens/device-login.ts';
import { toIsoTime } from '../time.ts';
import { Page } from './layout.tsx';

/** Asks for the code that the terminal shows. */
export function DeviceCodePage({ unknown }: { readonly unknown?: string | undefined }) {
  return (
    <Page title="Sign in a terminal">
      <h1>Sign in a terminal</h1>
      <p>
        Enter the code that <code>samlgate login</code> shows.
      </p>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          The code “{unknown}” is invalid, expired or already used. Compare it with your terminal. Each code is valid for ten minutes.
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
  readonly member: { readonly name: string; readonly email: string; readonly role: string };
  readonly organization: { readonly name: string; readonly slug: string };
  readonly csrfToken: string;
}

/** Asks the user to approve a device login. It shows where the request came from and what the approval grants. */
export function DeviceConfirmationPage({ request, member, organization, csrfToken }: DeviceConfirmationPageProps) {
  return (
    <Page title="Sign in a terminal?">
      <h1>Sign in a terminal?</h1>
      <p>
        A terminal requests access as <strong>{member.name}</strong> ({member.email}), {member.role} of <strong>{organization.name}</strong>
        .
      </p>
      <dl class="facts">
        <dt>Code</dt>
        <dd>
          <strong>
            <code>{request.userCode}</code>
          </strong>
        </dd>
        <dt>Requested from</dt>
        <dd>
          <code>{request.address ?? 'an unknown address'}</code>, at {toIsoTime(request.startedAtMs).slice(0, 19).replace('T', ' ')} UTC
        </dd>
        <dt>Program</dt>
        <dd>{request.userAgent ?? 'unknown'}</dd>
        <dt>Token name</dt>
        <dd>{request.tokenName}</dd>
      </dl>
      <p class="notice warning">
        Approve only if you have just started <code>samlgate login</code> yourself and your terminal shows exactly this code. Never approve
        a code that another person sent you.
      </p>
      <form method="post" action="/device">
        <input type="hidden" name="csrf" value={csrfToken} />
        <input type="hidden" name="user_code" value={request.userCode} />
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

/** Explains that the terminal requested another organization than the one this browser is signed in to. */
export function DeviceOrganizationPage({
  wanted,
  organization,
}: {
  readonly wanted: string;
  readonly organization: { readonly name: string };
}) {
  return (
    <Page title="Another organization">
      <h1>Another organization</h1>
      <p>
        The terminal requests the organization “{wanted}”, but this browser is signed in to <strong>{organization.name}</strong>.
      </p>
      <p>Sign out in the console, then open the link from the terminal again.</p>
      <p>
        <a class="button" href="/console">
          Open the console
        </a>
      </p>
    </Page>
  );
}

export function DeviceAnsweredPage({ approved }: { readonly approved: boolean }) {
  const title = approved ? 'The terminal is signed in' : 'The terminal was denied access';
  return (
    <Page title={title}>
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
