import type { ExpiringCertificate } from '../../organizations/expiring-certificates.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

export interface HealthPageProps {
  readonly frame: Frame;
  readonly version: string;
  readonly baseUrl: string;
  /** Which store, without its password. */
  readonly store: string;
  /** How long its answer took. */
  readonly storeMs: number;
  /** What to change about the store; none where all is well. */
  readonly storeWarnings: readonly string[];
  readonly expiring: readonly ExpiringCertificate[];
  /** How far ahead {@link expiring} looks. */
  readonly expiringDays: number;
}

/** Whether the gateway's ground is firm: its store, and the certificates that end soon. */
export function HealthPage({ frame, version, baseUrl, store, storeMs, storeWarnings, expiring, expiringDays }: HealthPageProps) {
  return (
    <ConsolePage frame={frame} section="health" title="Health" lead="What needs your attention, before people notice.">
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
                  {storeWarnings.length === 0 ? 'well' : 'answers, but'}
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
        <h2 id="certificates">Certificates that end within {expiringDays} days</h2>
        {expiring.length === 0 ? (
          <EmptyState title="None does" />
        ) : (
          <DataTable
            label="Certificates that end soon"
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
                label: 'Certificate',
                cell: ({ subject, fingerprintSha256 }) => (
                  <>
                    <ForeignText text={subject} />
                    <div class="sub">SHA-256 {fingerprintSha256.slice(0, 23)}…</div>
                  </>
                ),
              },
              {
                label: 'Ends',
                cell: ({ endsAtMs }) => (
                  <>
                    <Near ms={endsAtMs} nowMs={frame.nowMs} /> {endsAtMs < frame.nowMs ? <span class="badge bad">expired</span> : null}
                  </>
                ),
              },
              {
                label: 'Successor',
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
