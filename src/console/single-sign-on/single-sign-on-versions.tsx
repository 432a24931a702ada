import type { MetadataVersion } from '../../organizations/connections/metadata-versions.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, momentText } from '../parts/moment.tsx';
import { type Comparison, type DecisionPreviews, MembersDecision } from './members-decision.tsx';

const TEXTS = {
  earlierMetadata: 'Earlier metadata',
  whatRestoringDoes:
    'The last ten versions. Restoring one takes effect immediately. If the metadata has a URL, the next refresh replaces it with the metadata found there.',
  versions: 'Versions of the metadata',
  saved: 'Saved',
  by: 'By',
  identityProvider: 'Identity provider',
  certificateUntil: (time: string) => `certificate until ${time}`,
  actions: 'Actions',
  current: 'current',
  restore: 'Restore',
  asSaved: (time: string) => `as saved ${time}`,
  confirmRestoration: 'Restore this metadata? It takes effect immediately.',
  restoreQuestion: 'Restore the former identity provider?',
  singleSignOn: 'Single sign-on',
  confirmation: 'Confirmation',
  restoreIdentityProvider: 'Restore identity provider',
  cancel: 'Cancel',
} as const;

export interface VersionsPanelProps {
  readonly frame: Frame;
  /** Newest first. */
  readonly versions: readonly { readonly id: string; readonly value: MetadataVersion }[];
}

const SAVED_BY: Readonly<Record<NonNullable<MetadataVersion['savedBy']>['kind'], string>> = {
  operator: 'the operator',
  member: 'a member',
  identity_provider: 'metadata refresh',
  gateway: 'the gateway',
  setup_link: 'a user with a setup link',
  scim: 'a SCIM client',
  anonymous: 'an unknown user',
};

/** Lists the last versions of the metadata, with a button to restore each. */
export function VersionsPanel({ frame, versions }: VersionsPanelProps) {
  return (
    <section class="panel" aria-labelledby="versions">
      <h2 id="versions">{TEXTS.earlierMetadata}</h2>
      <p>{TEXTS.whatRestoringDoes}</p>
      <DataTable
        label={TEXTS.versions}
        rows={versions.map((version, index) => ({ ...version, isNewest: index === 0 }))}
        columns={[
          { label: TEXTS.saved, kind: 'heading', cell: ({ value }) => <Moment ms={value.savedAtMs} /> },
          {
            label: TEXTS.by,
            cell: ({ value: { savedBy } }) => <ForeignText text={savedBy?.email ?? SAVED_BY[savedBy?.kind ?? 'anonymous']} />,
          },
          {
            label: TEXTS.identityProvider,
            cell: ({ value: { metadata } }) => (
              <>
                <ForeignText text={metadata.entityId} />
                <span class="sub">{TEXTS.certificateUntil(untilOf(metadata))}</span>
              </>
            ),
          },
          {
            label: TEXTS.actions,
            kind: 'actions',
            cell: ({ id, value, isNewest }) =>
              isNewest ? (
                <span class="badge good">{TEXTS.current}</span>
              ) : (
                <ButtonForm
                  action={`${frame.base}/single-sign-on/versions/${id}/return`}
                  csrfToken={frame.csrfToken}
                  label={TEXTS.restore}
                  about={TEXTS.asSaved(momentText(value.savedAtMs))}
                  question={TEXTS.confirmRestoration}
                />
              ),
          },
        ]}
      />
    </section>
  );
}

export interface RestoreIdentityProviderPageProps {
  readonly frame: Frame;
  readonly versionId: string;
  /** What each decision does to the members. */
  readonly previews: DecisionPreviews;
  readonly comparison?: Comparison | undefined;
}

/** Asks what happens to the members before another identity provider is restored, because it changes which users can sign in. */
export const RestoreIdentityProviderPage = ({ frame, versionId, previews, comparison }: RestoreIdentityProviderPageProps) => (
  <ConsolePage
    frame={frame}
    section="single-sign-on"
    title={TEXTS.restoreQuestion}
    back={{ href: `${frame.base}/single-sign-on`, label: TEXTS.singleSignOn }}
  >
    <section class="panel" aria-label={TEXTS.confirmation}>
      <PostForm action={`${frame.base}/single-sign-on/versions/${versionId}/return`} csrfToken={frame.csrfToken} kind="upload">
        <MembersDecision
          previews={previews}
          compareAction={`${frame.base}/single-sign-on/versions/${versionId}/compare`}
          comparison={comparison}
          isRestored
        />
        <div class="buttons">
          <button type="submit">{TEXTS.restoreIdentityProvider}</button>
          <a class="button secondary" href={`${frame.base}/single-sign-on`}>
            {TEXTS.cancel}
          </a>
        </div>
      </PostForm>
    </section>
  </ConsolePage>
);

const untilOf = ({ signingCertificates }: MetadataVersion['metadata']): string =>
  momentText(Math.max(...signingCertificates.map(({ notAfter }) => Date.parse(notAfter))));
