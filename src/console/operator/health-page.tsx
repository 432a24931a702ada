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
export function HealthPage({ frame, version, baseUrl, store, storeMs, storeWarnings, expiring, expiringDays }: HealthPageProps) {
  return (
    <ConsolePage frame={frame} section="health" title="Health" lead="Shows problems to resolve before users notice them.">
      <section class="panel" aria-labelledby="store">
        <h2 id="store">Gateway and store</h2>
        <Facts
          facts={[
            ['Version', version],
            ['Address', baseUrl],
            ['Store', <code>{store}</code>],
            [
              'State',
              <>
                <span class={storeWarnings.length === 0 ? 'badge good' : 'badge warning'}>
                  {storeWarnings.length === 0 ? 'healthy' : 'needs attention'}
                </span>{' '}
                answered in {storeMs.toFixed(1)} ms
              </>,
            ],
          ]}
        />
        {storeWarnings.map((text) => (
          <Callout kind="warning">
            <p>{text}</p>
          </Callout>
        ))}
      </section>
      <section class="panel" aria-labelledby="certificates">
        <h2 id="certificates">Certificates that expire within {expiringDays} days</h2>
        {expiring.length === 0 ? (
          <EmptyState title="No certificates" />
        ) : (
          <DataTable
            label="Certificates that expire soon"
            rows={expiring}
            columns={[
              {
                label: 'Organization',
                kind: 'heading',
                cell: ({ organization }) => (
                  <a href={`/console/operator/organizations/${organization.slug}`}>
                    <ForeignText text={organization.name} />
                  </a>
                ),
              },
              {
                label: 'Connection',
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
                label: 'Certificate',
                cell: ({ subject, fingerprintSha256 }) => (
                  <>
                    <ForeignText text={subject} />
                    <div class="sub">SHA-256 {fingerprintSha256.slice(0, 23)}…</div>
                  </>
                ),
              },
              {
                label: 'Expires',
                cell: ({ endsAtMs }) => (
                  <>
                    <Near ms={endsAtMs} nowMs={frame.nowMs} /> {endsAtMs < frame.nowMs ? <span class="badge bad">expired</span> : null}
                  </>
                ),
              },
              {
                label: 'Replacement',
                cell: ({ successors }) =>
                  successors > 0 ? (
                    `${counted(successors, 'other certificate')} in the metadata`
                  ) : (
                    <span class="badge warning">none yet</span>
                  ),
              },
            ]}
          />
        )}
      </section>
    </ConsolePage>
  );
}
