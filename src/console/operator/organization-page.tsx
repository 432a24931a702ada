import type { SignInHealth } from '../../auth/sign-in-log/sign-in-health.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import { nearQuotas, type QuotaUse } from '../../organizations/quotas/quota-use.ts';
import { QUOTA_NAMES, type QuotaName, quotaOf } from '../../organizations/quotas/quotas.ts';
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
import { CertificateBadge, StateBadge } from '../single-sign-on/connection-state.tsx';
import { NextStepsPanel, type NextStepsPanelProps } from './next-steps-panel.tsx';
import { SignInState } from './sign-in-state.tsx';

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
}

/** Shows one organization to the operator. */
export function OrganizationPage(props: OrganizationPageProps) {
  const { frame, organization, warnings, urls, quotaUse, health, progress, link, hasOwner } = props;
  const { slug } = organization;
  return (
    <ConsolePage
      frame={frame}
      section="organization"
      title={organization.name}
      back={{ href: '/console/operator', label: 'Organizations' }}
      actions={
        <a class="button secondary" href={`${frame.base}/change`}>
          Edit organization
        </a>
      }
    >
      {organization.withoutOwnerSince === undefined ? null : (
        <Callout kind="warning">
          <p>
            This organization lost its last owner <Near ms={Date.parse(organization.withoutOwnerSince)} nowMs={frame.nowMs} />, so only you
            can change its settings. <a href={`${frame.base}/members`}>Make a member an owner</a>, or{' '}
            <a href={`${frame.base}/roles`}>change the role rules</a> so that an owner can sign in.
          </p>
        </Callout>
      )}
      <NextStepsPanel {...{ frame, progress, link, hasOwner }} />
      <section class="panel" aria-labelledby="facts">
        <h2 id="facts">Organization</h2>
        <OrganizationFacts organization={organization} urls={urls} health={health} nowMs={frame.nowMs} />
      </section>
      <section class="panel" aria-labelledby="idp">
        <h2 id="idp">Identity providers</h2>
        {organization.connections.length === 0 ? (
          <Callout kind="warning">
            <p>This organization has no identity provider yet, so users cannot sign in.</p>
          </Callout>
        ) : (
          <ConnectionTable frame={frame} organization={organization} />
        )}
        {warnings.map(({ connection, warnings: found }) =>
          found.map(({ level, text }) => (
            <Callout kind={level === 'warning' ? 'warning' : 'note'}>
              <p>
                {organization.connections.length > 1 ? (
                  <>
                    <ForeignText text={connection.name} />:{' '}
                  </>
                ) : null}
                {text}
              </p>
            </Callout>
          )),
        )}
      </section>
      <QuotasPanel organization={organization} quotaUse={quotaUse} />
      <section class="panel danger" aria-labelledby="delete">
        <h2 id="delete">Delete organization</h2>
        <p>Deletes the organization with all its members, sessions, tokens and its audit trail. This cannot be undone.</p>
        <a class="button quiet danger" href={`${frame.base}/delete`}>
          Delete {slug}…
        </a>
      </section>
    </ConsolePage>
  );
}

const QUOTA_LABELS: Readonly<Record<QuotaName, string>> = {
  members: 'Members',
  new_members_per_minute: 'New members per minute',
  sessions_per_member: 'Sessions per member',
  cli_tokens_per_member: 'CLI tokens per member',
  domains: 'Domains',
  groups: 'Groups per connection',
  group_memberships: 'Group memberships per connection',
  audit_entries: 'Audit entries',
  settings_bytes: 'Bytes of settings',
};

function QuotasPanel({ organization, quotaUse }: Pick<OrganizationPageProps, 'organization' | 'quotaUse'>) {
  const near = nearQuotas(organization, quotaUse);
  const shown = (value: number) => value.toLocaleString('en');
  return (
    <section class="panel" aria-labelledby="quotas">
      <h2 id="quotas">Quotas</h2>
      {near.length === 0 ? null : (
        <Callout kind="warning">
          <p>This organization has used 80 % or more of these quotas: {near.map((name) => QUOTA_LABELS[name].toLowerCase()).join(', ')}.</p>
        </Callout>
      )}
      <details open={near.length > 0}>
        <summary>Use and limits</summary>
        <Facts
          facts={QUOTA_NAMES.map((name) => {
            const limit = shown(quotaOf(organization, name));
            return [QUOTA_LABELS[name], name in quotaUse ? `${shown(quotaUse[name as keyof QuotaUse])} of ${limit}` : `at most ${limit}`];
          })}
        />
        <p class="sub">
          Change them with <code>PATCH /api/v1/organizations/{organization.slug}</code>.
        </p>
      </details>
    </section>
  );
}

const ConnectionTable = ({ frame, organization }: Pick<OrganizationPageProps, 'frame' | 'organization'>) => (
  <DataTable
    label="Identity providers"
    rows={organization.connections}
    columns={[
      {
        label: 'Connection',
        kind: 'heading',
        cell: ({ id, name }) => (
          <a href={`${frame.base}/single-sign-on/${id}`}>
            <ForeignText text={name} />
          </a>
        ),
      },
      {
        label: 'State',
        cell: ({ id, state }) => (
          <>
            <StateBadge state={state} /> {id === organization.connections[0]?.id ? 'default' : null}
          </>
        ),
      },
      { label: 'Entity ID', kind: 'wide', cell: ({ metadata }) => <ForeignText text={metadata.entityId} /> },
      {
        label: 'Certificates',
        cell: ({ metadata }) => (
          <>
            {metadata.signingCertificates.map(({ notAfter }) => (
              <div>
                expires <Near ms={Date.parse(notAfter)} nowMs={frame.nowMs} />
              </div>
            ))}
            <CertificateBadge certificates={metadata.signingCertificates} nowMs={frame.nowMs} />
          </>
        ),
      },
      { label: 'Changed', cell: ({ updatedAt }) => <Near ms={Date.parse(updatedAt)} nowMs={frame.nowMs} /> },
    ]}
  />
);

type OrganizationFactsProps = Pick<OrganizationPageProps, 'organization' | 'urls' | 'health'> & { readonly nowMs: number };

function OrganizationFacts({ organization, urls, health, nowMs }: OrganizationFactsProps) {
  const { id, slug, name, domains, allowedReturnUrls, contactEmail, cliTokenMaxDays, cliTokenSsoWithinDays, createdAt } = organization;
  const listed = (texts: readonly string[]) => (texts.length === 0 ? 'none' : texts.join(', '));
  return (
    <Facts
      facts={[
        ['Name', name],
        ['Sign-in', <SignInState organization={organization} health={health} nowMs={nowMs} />],
        ['Slug', slug],
        ['ID', <Copy value={id} what="organization ID" />],
        ['Sign-in URL', <Copy value={urls.loginUrl} what="sign-in URL" />],
        ['Entity ID and metadata', <Copy value={urls.entityId} what="entity ID" />],
        ['Email domains', listed(domains)],
        ['Return URLs', listed(allowedReturnUrls)],
        ['Contact', contactEmail],
        ['CLI token lifetime', cliTokenMaxDays === undefined ? 'no limit' : `at most ${counted(cliTokenMaxDays, 'day')}`],
        ['CLI tokens pause', cliTokenSsoWithinDays && `after ${counted(cliTokenSsoWithinDays, 'day')} without a sign-in`],
        ['Created', <Moment ms={Date.parse(createdAt)} />],
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
      title={`Delete ${organization.name}?`}
      action={`${frame.base}/delete`}
      yes={`Delete ${organization.slug}`}
      cancelHref={frame.base}
      typed={{ label: 'Type the organization’s slug to confirm', expected: organization.slug }}
      mistyped={mistyped}
    >
      <p>All its members, sessions, tokens and its audit trail are deleted immediately. This cannot be undone.</p>
    </ConfirmationPage>
  );
}
