import type { ComponentChildren } from 'preact';
import type { ExpiringCertificate } from '../../organizations/connections/expiring-certificates.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { StateBadge } from '../single-sign-on/connection-state.tsx';

const TEXTS = {
  health: 'Health',
  whatPageShows: 'Shows the state of the gateway and its store, and certificates to replace before users notice.',
  organizations: 'Organizations',
  troubleElsewhere: (organizations: ComponentChildren) => (
    <>{organizations} lists those whose sign-ins fail, that have no owner, or that have used most of a quota.</>
  ),
  backup: 'Backup',
  howToBackUp: 'How to back up and restore',
  gatewayAndStore: 'Gateway and store',
  version: 'Version',
  address: 'Address',
  store: 'Store',
  state: 'State',
  healthy: 'healthy',
  needsAttention: 'needs attention',
  answeredInMs: (badge: ComponentChildren, count: ComponentChildren) => (
    <>
      {badge} answered in {count} ms
    </>
  ),
  expireWithin: (expiringDays: ComponentChildren) => <>Certificates that expire within {expiringDays} days</>,
  noCertificates: (expiringDays: number) => `No certificate expires within ${counted(expiringDays, 'day')}`,
  expireSoon: 'Certificates that expire soon',
  organization: 'Organization',
  connection: 'Connection',
  certificate: 'Certificate',
  fingerprint: (text: ComponentChildren) => <>SHA-256 {text}…</>,
  expires: 'Expires',
  expired: 'expired',
  replacement: 'Replacement',
  noneYet: 'none yet',
  otherCertificates: (count: number) => `${counted(count, 'other certificate')} in the metadata`,
} as const;

export interface HealthPageProps {
  readonly frame: Frame;
  readonly version: string;
  readonly baseUrl: string;
  /** The store's URL without its password. */
  readonly store: string;
  /** How long the store took to answer, in milliseconds. */
  readonly storeMs: number;
  /** Recommended changes to the store; empty if there are none. */
  readonly storeWarnings: readonly string[];
  readonly expiring: readonly ExpiringCertificate[];
  /** How far ahead {@link expiring} looks. */
  readonly expiringDays: number;
}

/** Shows the state of the store and the certificates that expire soon. */
export const HealthPage = (props: HealthPageProps) => (
  <ConsolePage frame={props.frame} section="health" title={TEXTS.health} lead={TEXTS.whatPageShows}>
    <GatewayPanel {...props} />
    <CertificatesPanel {...props} />
  </ConsolePage>
);

function GatewayPanel({ version, baseUrl, store, storeMs, storeWarnings }: HealthPageProps) {
  return (
    <section class="panel" aria-labelledby="store">
      <h2 id="store">{TEXTS.gatewayAndStore}</h2>
      <Facts
        facts={[
          [TEXTS.version, version],
          [TEXTS.address, baseUrl],
          [TEXTS.store, <code>{store}</code>],
          [
            TEXTS.state,
            TEXTS.answeredInMs(
              <span class={storeWarnings.length === 0 ? 'badge good' : 'badge warning'}>
                {storeWarnings.length === 0 ? TEXTS.healthy : TEXTS.needsAttention}
              </span>,
              storeMs.toFixed(1),
            ),
          ],
          [TEXTS.backup, <a href="/docs/operations#backup-and-restore">{TEXTS.howToBackUp}</a>],
        ]}
      />
      <p class="sub">{TEXTS.troubleElsewhere(<a href="/console/operator">{TEXTS.organizations}</a>)}</p>
      {storeWarnings.map((text) => (
        <Callout kind="warning">
          <p>{text}</p>
        </Callout>
      ))}
    </section>
  );
}

function CertificatesPanel({ frame, expiring, expiringDays }: HealthPageProps) {
  return (
    <section class="panel" aria-labelledby="certificates">
      <h2 id="certificates">{TEXTS.expireWithin(expiringDays)}</h2>
      {expiring.length === 0 ? (
        <EmptyState title={TEXTS.noCertificates(expiringDays)} />
      ) : (
        <DataTable
          label={TEXTS.expireSoon}
          rows={expiring}
          columns={[
            {
              label: TEXTS.organization,
              kind: 'heading',
              cell: ({ organization }) => (
                <a href={`/console/operator/organizations/${organization.slug}`}>
                  <ForeignText text={organization.name} />
                </a>
              ),
            },
            {
              label: TEXTS.connection,
              cell: ({ organization: { slug }, connection: { id, name, state } }) => (
                <>
                  <a href={`/console/operator/organizations/${slug}/single-sign-on/${id}`}>
                    <ForeignText text={name} />
                  </a>{' '}
                  <StateBadge state={state} />
                </>
              ),
            },
            {
              label: TEXTS.certificate,
              cell: ({ subject, fingerprintSha256 }) => (
                <>
                  <ForeignText text={subject} />
                  <div class="sub">{TEXTS.fingerprint(fingerprintSha256.slice(0, 23))}</div>
                </>
              ),
            },
            {
              label: TEXTS.expires,
              cell: ({ endsAtMs }) => (
                <>
                  <Near ms={endsAtMs} nowMs={frame.nowMs} />{' '}
                  {endsAtMs < frame.nowMs ? <span class="badge bad">{TEXTS.expired}</span> : null}
                </>
              ),
            },
            {
              label: TEXTS.replacement,
              cell: ({ successors }) =>
                successors > 0 ? TEXTS.otherCertificates(successors) : <span class="badge warning">{TEXTS.noneYet}</span>,
            },
          ]}
        />
      )}
    </section>
  );
}
