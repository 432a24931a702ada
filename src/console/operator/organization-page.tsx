import type { Organization } from '../../organizations/organizations.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata-lint.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { Facts } from '../parts/facts.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

export interface OrganizationPageProps {
  readonly frame: Frame;
  readonly organization: Organization;
  /** About the identity provider; none where there is no identity provider. */
  readonly warnings: readonly MetadataWarning[];
  readonly urls: { readonly loginUrl: string; readonly entityId: string };
}

/** One organization as the operator sees it. */
export function OrganizationPage({ frame, organization, warnings, urls }: OrganizationPageProps) {
  const { slug, identityProvider } = organization;
  return (
    <ConsolePage
      frame={frame}
      section="organization"
      title={organization.name}
      back={{ href: '/console/operator', label: 'Organizations' }}
      actions={
        <a class="button secondary" href={`${frame.base}/change`}>
          Change
        </a>
      }
    >
      <section class="panel" aria-labelledby="facts">
        <h2 id="facts">Organization</h2>
        <OrganizationFacts organization={organization} urls={urls} />
      </section>
      <section class="panel" aria-labelledby="idp">
        <h2 id="idp">Identity provider</h2>
        {identityProvider ? (
          <>
            <Facts
              facts={[
                ['Entity ID', identityProvider.metadata.entityId],
                ['Changed', <Near ms={Date.parse(identityProvider.updatedAt)} nowMs={frame.nowMs} />],
                [
                  'Certificates',
                  identityProvider.metadata.signingCertificates.map(({ notAfter }) => (
                    <div>
                      ends <Near ms={Date.parse(notAfter)} nowMs={frame.nowMs} />
                    </div>
                  )),
                ],
              ]}
            />
            {warnings.map(({ level, text }) => (
              <Callout kind={level === 'warning' ? 'warning' : 'note'}>
                <p>{text}</p>
              </Callout>
            ))}
          </>
        ) : (
          <Callout kind="warning">
            <p>There is none yet, so nobody can sign in to this organization.</p>
          </Callout>
        )}
      </section>
      <section class="panel danger" aria-labelledby="end">
        <h2 id="end">Delete</h2>
        <p>With the organization all its members, sessions, tokens and its audit trail are gone, for good.</p>
        <a class="button quiet danger" href={`${frame.base}/delete`}>
          Delete {slug}…
        </a>
      </section>
    </ConsolePage>
  );
}

function OrganizationFacts({ organization, urls }: Pick<OrganizationPageProps, 'organization' | 'urls'>) {
  const { id, slug, name, domains, allowedReturnUrls, contactEmail, cliTokenMaxDays, cliTokenSsoWithinDays, createdAt } = organization;
  const listed = (texts: readonly string[]) => (texts.length === 0 ? 'none' : texts.join(', '));
  return (
    <Facts
      facts={[
        ['Name', name],
        ['Slug', slug],
        ['Id', <Copy value={id} what="id of the organization" />],
        ['Sign-in', <Copy value={urls.loginUrl} what="sign-in address" />],
        ['Entity ID and metadata', <Copy value={urls.entityId} what="entity ID" />],
        ['E-mail domains', listed(domains)],
        ['Return URLs', listed(allowedReturnUrls)],
        ['Contact', contactEmail],
        [
          'CLI tokens live',
          cliTokenMaxDays === undefined ? 'as long as their member wishes' : `at most ${counted(cliTokenMaxDays, 'day')}`,
        ],
        ['CLI tokens rest', cliTokenSsoWithinDays && `after ${counted(cliTokenSsoWithinDays, 'day')} without a sign-in`],
        ['Made', <Moment ms={Date.parse(createdAt)} />],
      ]}
    />
  );
}

/** Nobody deletes a company by a slip of the hand: its slug must be typed. */
export function DeleteOrganizationPage({
  frame,
  organization,
  mistyped,
}: {
  readonly frame: Frame;
  readonly organization: Organization;
  readonly mistyped: boolean;
}) {
  return (
    <ConfirmationPage
      frame={frame}
      section="organization"
      title={`Delete ${organization.name}?`}
      action={`${frame.base}/delete`}
      yes={`Delete ${organization.slug}`}
      cancelHref={frame.base}
      typed={{ label: 'Type the organization’s slug to confirm', expected: organization.slug }}
      mistyped={mistyped}
    >
      <p>All its members, sessions, tokens and its audit trail are deleted at once. There is no way back.</p>
    </ConfirmationPage>
  );
}
