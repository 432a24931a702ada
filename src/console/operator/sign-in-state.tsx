import type { ComponentChildren } from 'preact';
import type { SignInHealth } from '../../auth/sign-in-log/sign-in-health.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { Near } from '../parts/moment.tsx';
import { CertificateBadge } from '../single-sign-on/connection-state.tsx';

const TEXTS = {
  failingSince: (time: ComponentChildren) => (
    <>
      <span class="badge bad">failing</span> since {time}
    </>
  ),
  unknownSignatureSince: (time: ComponentChildren) => (
    <>
      <span class="badge note">unknown signature</span> since {time}
    </>
  ),
  unknownSignatureCause: 'The identity provider renewed its certificate, or the responses are forged.',
  lastSignIn: (time: ComponentChildren) => <>last sign-in {time}</>,
} as const;

type State = 'not_configured' | 'draft' | 'tested' | 'live' | 'disabled';

const STATES: Readonly<Record<State, readonly [badge: string, text: string]>> = {
  not_configured: ['warning', 'not configured'],
  draft: ['note', 'in setup'],
  tested: ['note', 'tested'],
  live: ['good', 'live'],
  disabled: ['bad', 'disabled'],
};

/** Returns how far single sign-on of an organization is, by its best connection. */
function signInStateOf({ connections }: Pick<Organization, 'connections'>): State {
  if (connections.length === 0) return 'not_configured';
  if (connections.some(({ state }) => state === 'active')) return 'live';
  const drafts = connections.filter(({ state }) => state === 'draft');
  if (drafts.length === 0) return 'disabled';
  return drafts.some(({ testedAt }) => testedAt !== undefined) ? 'tested' : 'draft';
}

type Certificates = Connection['metadata']['signingCertificates'];

export interface SignInStateProps {
  readonly organization: Organization;
  /** Undefined if it was not read. */
  readonly health: SignInHealth | undefined;
  readonly nowMs: number;
}

/** Returns the certificates of the connection that will be the first without a valid one. */
function firstToExpire({ connections }: Organization): Certificates {
  const endOf = (certificates: Certificates) => Math.max(...certificates.map(({ notAfter }) => Date.parse(notAfter)));
  const all = connections.map(({ metadata }) => metadata.signingCertificates);
  return all.reduce((one, other) => (endOf(other) < endOf(one) ? other : one));
}

/** Shows whether users can sign in, when one did last, and since when sign-ins fail. */
export function SignInState({ organization, health, nowMs }: SignInStateProps) {
  const [badge, text] = STATES[signInStateOf(organization)];
  return (
    <>
      <span class={`badge ${badge}`}>{text}</span>{' '}
      {organization.connections.length === 0 ? null : <CertificateBadge certificates={firstToExpire(organization)} nowMs={nowMs} />}
      {health?.failingSinceMs === undefined ? null : <div>{TEXTS.failingSince(<Near ms={health.failingSinceMs} nowMs={nowMs} />)}</div>}
      {health?.unknownSignatureSinceMs === undefined ? null : (
        <div>
          {TEXTS.unknownSignatureSince(<Near ms={health.unknownSignatureSinceMs} nowMs={nowMs} />)}
          <div class="sub">{TEXTS.unknownSignatureCause}</div>
        </div>
      )}
      {health?.lastSignInMs === undefined ? null : (
        <div class="sub">{TEXTS.lastSignIn(<Near ms={health.lastSignInMs} nowMs={nowMs} />)}</div>
      )}
    </>
  );
}
