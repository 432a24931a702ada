import type { DeviceRequest } from '../auth/tokens/device-login.ts';
import { toIsoTime } from '../time.ts';
import { Page } from './layout.tsx';

/** Where the code is typed in. */
export function DeviceCodePage({ unknown }: { readonly unknown?: string | undefined }) {
  return (
    <Page title="Sign in a terminal">
      <h1>Sign in a terminal</h1>
      <p>
        Type the code that <code>samlgate login</code> shows.
      </p>
      {unknown === undefined ? null : (
        <p class="notice problem" role="alert">
          Nothing waits for the code “{unknown}”. Compare it with the terminal; a code is good once and for ten minutes.
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

/** The person decides here, so it says where the request came from and what a yes gives away. */
export function DeviceConfirmationPage({ request, member, organization, csrfToken }: DeviceConfirmationPageProps) {
  return (
    <Page title="Sign in a terminal?">
      <h1>Sign in a terminal?</h1>
      <p>
        A terminal asks to act as <strong>{member.name}</strong> ({member.email}), {member.role} of <strong>{organization.name}</strong>.
      </p>
      <dl class="facts">
        <dt>Code</dt>
        <dd>
          <strong>
            <code>{request.userCode}</code>
          </strong>
        </dd>
        <dt>Asked from</dt>
        <dd>
          <code>{request.address ?? 'an unknown address'}</code>, at {toIsoTime(request.startedAtMs).slice(0, 19).replace('T', ' ')} UTC
        </dd>
        <dt>Says that it is</dt>
        <dd>{request.userAgent ?? 'nothing'}</dd>
        <dt>Name of its token</dt>
        <dd>{request.tokenName}</dd>
      </dl>
      <p class="notice warning">
        Go on only if you have just started <code>samlgate login</code> yourself and your terminal shows this very code. Nobody who helps
        you needs you to confirm a code that they sent you.
      </p>
      <form method="post" action="/device">
        <input type="hidden" name="csrf" value={csrfToken} />
        <input type="hidden" name="user_code" value={request.userCode} />
        <div class="buttons">
          <button type="submit" name="action" value="approve">
            Yes, sign it in
          </button>
          <button type="submit" name="action" value="deny" class="secondary">
            No
          </button>
        </div>
      </form>
    </Page>
  );
}

/** The terminal wants another organization than the one that this browser is signed in to. */
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
        The terminal asks for the organization “{wanted}”, but this browser is signed in to <strong>{organization.name}</strong>.
      </p>
      <p>Sign out in the console, and open the link from the terminal again.</p>
      <p>
        <a class="button" href="/console">
          To the console
        </a>
      </p>
    </Page>
  );
}

export function DeviceAnsweredPage({ approved }: { readonly approved: boolean }) {
  const title = approved ? 'The terminal is signed in' : 'The terminal was refused';
  return (
    <Page title={title}>
      <h1>{title}</h1>
      {approved ? (
        <p>Go back to it; this window may be closed. Its token stands in the list of your CLI tokens, where you can revoke it.</p>
      ) : (
        <p>It got nothing. If you did not start it, somebody has tried to get in with your help: tell the owners of your organization.</p>
      )}
    </Page>
  );
}
