import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import { Moment } from '../parts/moment.tsx';

const TEXTS = {
  certificateExpired: 'certificate expired',
  certificateExpiresSoon: 'certificate expires soon',
  isActive: 'Users can sign in through this connection.',
  isDisabled: 'This connection is disabled, so users cannot sign in through it.',
  isDraft: 'This connection is a draft. Only test sign-ins work.',
  wasTested: (time: ComponentChildren) => <>A test sign-in succeeded on {time}.</>,
} as const;

export const NO_TEST_YET = 'No test sign-in with the current metadata and settings has succeeded yet.';

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
  if (last < nowMs) return <span class="badge bad">{TEXTS.certificateExpired}</span>;
  return last < nowMs + SOON_MS ? <span class="badge warning">{TEXTS.certificateExpiresSoon}</span> : null;
}

/** Says what the state of a connection means for sign-ins. */
export function StateText({ state, testedAt }: Pick<Connection, 'state' | 'testedAt'>) {
  if (state === 'active') return <p>{TEXTS.isActive}</p>;
  if (state === 'disabled') return <p>{TEXTS.isDisabled}</p>;
  return (
    <p>
      {TEXTS.isDraft} {testedAt === undefined ? NO_TEST_YET : TEXTS.wasTested(<Moment ms={Date.parse(testedAt)} />)}
    </p>
  );
}
