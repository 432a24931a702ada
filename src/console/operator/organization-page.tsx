import type { ComponentChildren } from 'preact';
import type { SignInHealth } from '../../auth/sign-in-log/sign-in-health.ts';
import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import type { QuotaUse } from '../../organizations/quotas/quota-use.ts';
import type { MetadataWarning } from '../../saml/metadata/idp-metadata.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { EndingScimTokens } from '../provisioning/ending-scim-tokens.tsx';
import { CertificateBadge, StateBadge } from '../single-sign-on/connection-state.tsx';
import { NextStepsPanel, type NextStepsPanelProps } from './next-steps-panel.tsx';
import { QuotasPanel } from './quotas-panel.tsx';
import { SignInState } from './sign-in-state.tsx';

const TEXTS = {
  organizations: 'Organizations',
  editOrganization: 'Edit organization',
  makeMemberOwner: 'Make a member an owner',
  changeRoleRules: 'change the role rules',
  hasNoOwner: (lostAt: ComponentChildren, makeMemberOwner: ComponentChildren, changeRoleRules: ComponentChildren) => (
    <>
      This organization lost its last owner {lostAt}, so only you can change its settings. {makeMemberOwner}, or {changeRoleRules} so that
      an owner can sign in.
    </>
  ),
  organization: 'Organization',
  identityProviders: 'Identity providers',
  noIdentityProvider: 'This organization has no identity provider yet, so users cannot sign in.',
  deleteOrganization: 'Delete organization',
  whatDeletionDoes: 'Deletes the organization with all its members, sessions, tokens and its audit trail. This cannot be undone.',
  openDeletion: (slug: ComponentChildren) => <>Delete {slug}…</>,
  warningOfConnection: (connection: ComponentChildren, warning: string) => (
    <>
      {connection}: {warning}
    </>
  ),
  connection: 'Connection',
  state: 'State',
  entityId: 'Entity ID',
  certificates: 'Certificates',
  expires: (time: ComponentChildren) => <>expires {time}</>,
  isDefault: 'default',
  changed: 'Changed',
  name: 'Name',
  signIn: 'Sign-in',
  slug: 'Slug',
  id: 'ID',
  idToCopy: 'organization ID',
  signInUrl: 'Sign-in URL',
  signInUrlToCopy: 'sign-in URL',
  entityIdAndMetadata: 'Entity ID and metadata',
  entityIdToCopy: 'entity ID',
  emailDomains: 'Email domains',
  returnUrls: 'Return URLs',
  none: 'none',
  contact: 'Contact',
  cliTokenLifetime: 'CLI token lifetime',
  noLimit: 'no limit',
  atMostDays: (days: number) => `at most ${counted(days, 'day')}`,
  cliTokensPause: 'CLI tokens pause',
  pauseAfter: (days: number) => `after ${counted(days, 'day')} without a sign-in`,
  created: 'Created',
  deleteQuestion: (name: string) => `Delete ${name}?`,
  confirmDeletion: (slug: string) => `Delete ${slug}`,
  typeSlug: 'Type the organization’s slug to confirm',
  deletionEffect:
    'Access ends immediately. All members, sessions, tokens and the audit trail are deleted in the background. This cannot be undone.',
} as const;

export interface ConnectionWarnings {
  readonly connection: Connection;
  readonly warnings: readonly MetadataWarning[];
}

export interface OrganizationPageProps extends Omit<NextStepsPanelProps, 'frame'> {
  readonly frame: Frame;
  readonly organization: Organization;
  /** Findings about each connection. */
  readonly warnings: readonly ConnectionWarnings[];
  readonly urls: { readonly loginUrl: string; readonly entityId: string };
  readonly quotaUse: QuotaUse;
  readonly health: SignInHealth;
  /** SCIM tokens that expire soon or have expired, without those that another token replaces. */
  readonly endingScimTokens: readonly ScimToken[];
}

/** Shows one organization to the operator. */
export function OrganizationPage(props: OrganizationPageProps) {
  const { frame, organization, warnings, urls, quotaUse, health, endingScimTokens, progress, link, hasOwner } = props;
  const { slug } = organization;
  return (
    <ConsolePage
      frame={frame}
      section="organization"
      title={organization.name}
      back={{ href: '/console/operator', label: TEXTS.organizations }}
      actions={
        <a class="button secondary" href={`${frame.base}/change`}>
          {TEXTS.editOrganization}
        </a>
      }
    >
      {organization.withoutOwnerSince === undefined ? null : (
        <Callout kind="warning">
          <p>
            {TEXTS.hasNoOwner(
              <Near ms={Date.parse(organization.withoutOwnerSince)} nowMs={frame.nowMs} />,
              <a href={`${frame.base}/members`}>{TEXTS.makeMemberOwner}</a>,
              <a href={`${frame.base}/roles`}>{TEXTS.changeRoleRules}</a>,
            )}
          </p>
        </Callout>
      )}
      <EndingScimTokens frame={frame} tokens={endingScimTokens} />
      <NextStepsPanel {...{ frame, progress, link, hasOwner }} />
      <section class="panel" aria-labelledby="facts">
        <h2 id="facts">{TEXTS.organization}</h2>
        <OrganizationFacts organization={organization} urls={urls} health={health} nowMs={frame.nowMs} />
      </section>
      <section class="panel" aria-labelledby="idp">
        <h2 id="idp">{TEXTS.identityProviders}</h2>
        {organization.connections.length === 0 ? (
          <Callout kind="warning">
            <p>{TEXTS.noIdentityProvider}</p>
          </Callout>
        ) : (
          <ConnectionTable frame={frame} organization={organization} />
        )}
        {warnings.map(({ connection, warnings: found }) =>
          found.map(({ level, text }) => (
            <Callout kind={level === 'warning' ? 'warning' : 'note'}>
              <p>{organization.connections.length > 1 ? TEXTS.warningOfConnection(<ForeignText text={connection.name} />, text) : text}</p>
            </Callout>
          )),
        )}
      </section>
      <QuotasPanel frame={frame} organization={organization} quotaUse={quotaUse} />
      <section class="panel danger" aria-labelledby="delete">
        <h2 id="delete">{TEXTS.deleteOrganization}</h2>
        <p>{TEXTS.whatDeletionDoes}</p>
        <a class="button quiet danger" href={`${frame.base}/delete`}>
          {TEXTS.openDeletion(slug)}
        </a>
      </section>
    </ConsolePage>
  );
}

const ConnectionTable = ({ frame, organization }: Pick<OrganizationPageProps, 'frame' | 'organization'>) => (
  <DataTable
    label={TEXTS.identityProviders}
    rows={organization.connections}
    columns={[
      {
        label: TEXTS.connection,
        kind: 'heading',
        cell: ({ id, name }) => (
          <a href={`${frame.base}/single-sign-on/${id}`}>
            <ForeignText text={name} />
          </a>
        ),
      },
      {
        label: TEXTS.state,
        cell: ({ id, state }) => (
          <>
            <StateBadge state={state} /> {id === organization.connections[0]?.id ? TEXTS.isDefault : null}
          </>
        ),
      },
      { label: TEXTS.entityId, kind: 'wide', cell: ({ metadata }) => <ForeignText text={metadata.entityId} /> },
      {
        label: TEXTS.certificates,
        cell: ({ metadata }) => (
          <>
            {metadata.signingCertificates.map(({ notAfter }) => (
              <div>{TEXTS.expires(<Near ms={Date.parse(notAfter)} nowMs={frame.nowMs} />)}</div>
            ))}
            <CertificateBadge certificates={metadata.signingCertificates} nowMs={frame.nowMs} />
          </>
        ),
      },
      { label: TEXTS.changed, cell: ({ updatedAt }) => <Near ms={Date.parse(updatedAt)} nowMs={frame.nowMs} /> },
    ]}
  />
);

type OrganizationFactsProps = Pick<OrganizationPageProps, 'organization' | 'urls' | 'health'> & { readonly nowMs: number };

function OrganizationFacts({ organization, urls, health, nowMs }: OrganizationFactsProps) {
  const { id, slug, name, domains, allowedReturnUrls, contactEmail, cliTokenMaxDays, cliTokenSsoWithinDays, createdAt } = organization;
  const listed = (texts: readonly string[]) => (texts.length === 0 ? TEXTS.none : texts.join(', '));
  return (
    <Facts
      facts={[
        [TEXTS.name, name],
        [TEXTS.signIn, <SignInState organization={organization} health={health} nowMs={nowMs} />],
        [TEXTS.slug, slug],
        [TEXTS.id, <Copy value={id} what={TEXTS.idToCopy} />],
        [TEXTS.signInUrl, <Copy value={urls.loginUrl} what={TEXTS.signInUrlToCopy} />],
        [TEXTS.entityIdAndMetadata, <Copy value={urls.entityId} what={TEXTS.entityIdToCopy} />],
        [TEXTS.emailDomains, listed(domains)],
        [TEXTS.returnUrls, listed(allowedReturnUrls)],
        [TEXTS.contact, contactEmail],
        [TEXTS.cliTokenLifetime, cliTokenMaxDays === undefined ? TEXTS.noLimit : TEXTS.atMostDays(cliTokenMaxDays)],
        [TEXTS.cliTokensPause, cliTokenSsoWithinDays && TEXTS.pauseAfter(cliTokenSsoWithinDays)],
        [TEXTS.created, <Moment ms={Date.parse(createdAt)} />],
      ]}
    />
  );
}

/** Requires the slug to be typed, so that an organization is not deleted by accident. */
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
      title={TEXTS.deleteQuestion(organization.name)}
      action={`${frame.base}/delete`}
      yes={TEXTS.confirmDeletion(organization.slug)}
      cancelHref={frame.base}
      typed={{ label: TEXTS.typeSlug, expected: organization.slug }}
      mistyped={mistyped}
    >
      <p>{TEXTS.deletionEffect}</p>
    </ConfirmationPage>
  );
}
