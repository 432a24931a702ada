import type { MetadataVersion } from '../../organizations/metadata-versions.ts';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Moment, momentText } from '../parts/moment.tsx';

export interface VersionsPanelProps {
  readonly frame: Frame;
  /** Newest first. */
  readonly versions: readonly { readonly id: string; readonly value: MetadataVersion }[];
}

const SAVED_BY: Readonly<Record<NonNullable<MetadataVersion['savedBy']>['kind'], string>> = {
  operator: 'the operator',
  member: 'a member',
  identity_provider: 'fetched again from its link',
  gateway: 'the gateway itself',
  setup_link: 'somebody with a setup link',
  anonymous: 'nobody known',
};

/** What there was before, and the way back to it. */
export function VersionsPanel({ frame, versions }: VersionsPanelProps) {
  return (
    <section class="panel" aria-labelledby="versions">
      <h2 id="versions">Earlier metadata</h2>
      <p>The last ten versions. A return counts at once; where the metadata comes from a link, the next fetch brings what is there then.</p>
      <DataTable
        label="Versions of the metadata"
        rows={versions.map((version, index) => ({ ...version, isNewest: index === 0 }))}
        columns={[
          { label: 'Saved', kind: 'heading', cell: ({ value }) => <Moment ms={value.savedAtMs} /> },
          {
            label: 'By',
            cell: ({ value: { savedBy } }) => <ForeignText text={savedBy?.email ?? SAVED_BY[savedBy?.kind ?? 'anonymous']} />,
          },
          {
            label: 'Identity provider',
            cell: ({ value: { metadata } }) => (
              <>
                <ForeignText text={metadata.entityId} />
                <span class="sub">certificate until {untilOf(metadata)}</span>
              </>
            ),
          },
          {
            label: 'Actions',
            kind: 'actions',
            cell: ({ id, value, isNewest }) =>
              isNewest ? (
                <span class="badge good">newest</span>
              ) : (
                <ButtonForm
                  action={`${frame.base}/single-sign-on/versions/${id}/return`}
                  csrfToken={frame.csrfToken}
                  label="Return to it"
                  about={`as saved ${momentText(value.savedAtMs)}`}
                  question="Return to this metadata? It counts at once."
                />
              ),
          },
        ]}
      />
    </section>
  );
}

const untilOf = ({ signingCertificates }: MetadataVersion['metadata']): string =>
  momentText(Math.max(...signingCertificates.map(({ notAfter }) => Date.parse(notAfter))));
