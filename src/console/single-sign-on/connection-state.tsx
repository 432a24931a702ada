import type { Connection } from '../../organizations/organizations.ts';
import type { Frame } from '../navigation.ts';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

const STATES = { draft: ['note', 'draft'], active: ['good', 'active'], disabled: ['bad', 'disabled'] } as const;

/** Shows whether users can sign in through a connection. */
export const StateBadge = ({ state }: Pick<Connection, 'state'>) => <span class={`badge ${STATES[state][0]}`}>{STATES[state][1]}</span>;

const SOON_MS = 30 * 86_400_000;

export interface CertificateBadgeProps {
  readonly certificates: Connection['metadata']['signingCertificates'];
  readonly nowMs: number;
}

/** Warns if all certificates of a connection have expired, or expire within 30 days. */
export function CertificateBadge({ certificates, nowMs }: CertificateBadgeProps) {
  const last = Math.max(...certificates.map(({ notAfter }) => Date.parse(notAfter)));
  if (last < nowMs) return <span class="badge bad">certificate expired</span>;
  return last < nowMs + SOON_MS ? <span class="badge warning">certificate expires soon</span> : null;
}

/** Says what the state of a connection means for sign-ins. */
export function StateText({ state, testedAt }: Pick<Connection, 'state' | 'testedAt'>) {
  if (state === 'active') return <p>Users can sign in through this connection.</p>;
  if (state === 'disabled') return <p>This connection is disabled, so users cannot sign in through it.</p>;
  return (
    <p>
      This connection is a draft. Only test sign-ins work.{' '}
      {testedAt === undefined ? (
        'No test sign-in with the present metadata and settings has succeeded yet.'
      ) : (
        <>
          A test sign-in succeeded on <Moment ms={Date.parse(testedAt)} />.
        </>
      )}
    </p>
  );
}

export interface GoLivePanelProps {
  readonly frame: Frame;
  readonly connection: Connection;
  /** Whether members exist who keep the setup link from changing the connection. */
  readonly isLocked: boolean;
}

/** The last step of a setup. */
export function GoLivePanel({ frame, connection: { state, testedAt }, isLocked }: GoLivePanelProps) {
  return (
    <section class="panel" aria-labelledby="go-live">
      <header>
        <h2 id="go-live">Go live</h2>
        <StateBadge state={state} />
      </header>
      <StateText state={state} testedAt={testedAt} />
      {state === 'disabled' ? <p>Ask an owner of the organization to enable it.</p> : null}
      {state !== 'draft' ? null : isLocked ? (
        <p>Members exist who can sign in through this identity provider. An owner of the organization must enable the connection.</p>
      ) : testedAt === undefined ? (
        <p>Run a test sign-in. When it succeeds, you can go live here.</p>
      ) : (
        <PostForm action={`${frame.singleSignOnPath}/go-live`} csrfToken={frame.csrfToken}>
          <p>When you go live, users can sign in immediately.</p>
          <button type="submit">Go live</button>
        </PostForm>
      )}
      {isLocked ? (
        <Callout kind="note">
          <p>
            Members exist, so the settings can only be changed by an owner. Metadata that you save here is a proposal. It takes effect when
            an owner accepts it.
          </p>
        </Callout>
      ) : null}
    </section>
  );
}
