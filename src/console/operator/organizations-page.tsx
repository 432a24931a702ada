import type { ComponentChildren } from 'preact';
import type { ExpiringCertificate } from '../../organizations/connections/expiring-certificates.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { Paging } from '../parts/paging.tsx';
import { AttentionPanel, type ListedOrganization } from './attention-panel.tsx';
import { SignInState } from './sign-in-state.tsx';

const TEXTS = {
  organizations: 'Organizations',
  usersBelongToOrganizations: 'Every user of this gateway belongs to an organization.',
  newOrganization: 'New organization',
  noOrganizationsYet: 'No organizations yet',
  createFirstOrganization: 'Create the first organization',
  createThenConnect: (createFirstOrganization: ComponentChildren) => <>{createFirstOrganization}, then connect its identity provider.</>,
  openBySlug: 'Open by slug',
  open: 'Open',
  organization: 'Organization',
  noOwner: 'no owner',
  emailDomains: 'Email domains',
  noDomains: 'none',
  signIn: 'Sign-in',
  created: 'Created',
  editOrganization: 'Edit organization',
  name: 'Name',
  nameHint: 'The name that users see.',
  slug: 'Slug',
  slugHint:
    '2 to 63 characters: a–z, 0–9 and -. If you leave it empty, it follows from the name. It is part of the URLs that the identity provider knows, so you cannot change it later.',
  domainsHint: 'One per line. Users who enter an email address of these domains on the sign-in page are sent to this organization.',
  moreSettings: 'More settings',
  save: 'Save',
  createOrganization: 'Create organization',
  cancel: 'Cancel',
  returnUrls: 'Return URLs',
  returnUrlsHint: 'One per line. URLs outside this gateway to which users may return after signing in.',
  contactEmail: 'Contact email',
  metadataHint: 'Shown in the service provider metadata.',
  logoUrl: 'Logo URL',
  cliTokenMaxDays: 'Maximum lifetime of CLI tokens in days',
  cliTokenMaxDaysHint: 'Leave empty for no limit.',
  cliTokenPause: 'Pause CLI tokens after this many days without a sign-in',
  cliTokenPauseHint: 'Leave empty to let CLI tokens work without sign-ins.',
  audiences: 'Audiences of session tokens',
  audiencesHint: 'One per line. Services other than this gateway for which members may request session tokens.',
  emailPolicy: 'Email addresses of users who sign in',
  anyDomain: 'in any domain',
  verifiedDomains: 'only in verified domains',
  provisioning: 'Users who may sign in',
  cannotSignIn: (count: number) =>
    `If only users provisioned with SCIM may sign in, ${counted(count, 'member')} without a SCIM user will no longer be able to sign in. Their sessions and tokens stay.`,
  showUnprovisioned: 'Show these members',
  groupsForRules: 'Groups for role rules',
  groupsForRulesHint: 'Push groups before you switch to SCIM. Owners in no group with the owner role lose it at their next sign-in.',
  allowNoOwner: 'Save groups for role rules that leave the organization without an owner',
  linkAttribute: 'SAML attribute with the externalId of SCIM users',
  linkAttributeHint: 'Finds the SCIM user of a sign-in. Leave empty to compare only the NameID and the email address.',
} as const;

const PROVISIONING = [
  ['jit', 'all users of the identity providers'],
  ['scim', 'existing members and users provisioned with SCIM'],
  ['scim_required', 'only users provisioned with SCIM'],
] as const;

const GROUPS_FROM = [
  ['saml', 'from SAML responses'],
  ['scim', 'from SCIM'],
  ['both', 'from SAML responses and SCIM'],
] as const;

export interface OrganizationsPageProps {
  readonly frame: Frame;
  readonly organizations: readonly ListedOrganization[];
  /** Recommended changes to the store. */
  readonly storeWarnings: readonly string[];
  /** Certificates of active connections that expire soon, without a replacement. */
  readonly expiring: readonly ExpiringCertificate[];
  /** Page size. */
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly nextCursor: string | null;
}

const hrefOf = ({ slug }: Organization): string => `/console/operator/organizations/${slug}`;

/** Lists all organizations of the gateway by slug. */
export function OrganizationsPage(props: OrganizationsPageProps) {
  const { frame, organizations, storeWarnings, expiring, limit, cursor, nextCursor } = props;
  const isEmpty = organizations.length === 0 && cursor === undefined;
  return (
    <ConsolePage
      frame={frame}
      section="organizations"
      title={TEXTS.organizations}
      lead={TEXTS.usersBelongToOrganizations}
      actions={
        <a class="button" href="/console/operator/organizations/new">
          {TEXTS.newOrganization}
        </a>
      }
      scripts={['filter.js']}
    >
      <AttentionPanel listed={organizations} storeWarnings={storeWarnings} expiring={expiring} nowMs={frame.nowMs} />
      <section class="panel" aria-label={TEXTS.organizations}>
        {isEmpty ? (
          <EmptyState title={TEXTS.noOrganizationsYet}>
            <p>{TEXTS.createThenConnect(<a href="/console/operator/organizations/new">{TEXTS.createFirstOrganization}</a>)}</p>
          </EmptyState>
        ) : (
          <>
            <SlugSearch />
            <OrganizationTable frame={frame} organizations={organizations} />
            <Paging path="/console/operator" query={{ limit: String(limit) }} cursor={cursor} nextCursor={nextCursor} />
          </>
        )}
      </section>
    </ConsolePage>
  );
}

const SlugSearch = () => (
  <search>
    <form class="row" method="get" action="/console/operator/organizations">
      <label>
        {TEXTS.openBySlug}
        <input name="slug" type="search" required maxlength={63} autocomplete="off" autocapitalize="none" spellcheck={false} data-filter />
      </label>
      <button type="submit" class="secondary">
        {TEXTS.open}
      </button>
    </form>
  </search>
);

const OrganizationTable = ({ frame, organizations }: Pick<OrganizationsPageProps, 'frame' | 'organizations'>) => (
  <DataTable
    label={TEXTS.organizations}
    rows={organizations}
    filterText={({ organization: { slug, name, domains } }) => [slug, name, ...domains].join(' ')}
    columns={[
      {
        label: TEXTS.organization,
        kind: 'heading',
        cell: ({ organization }) => (
          <>
            <a href={hrefOf(organization)}>
              <ForeignText text={organization.name} />
            </a>
            <div class="sub">{organization.slug}</div>
            {organization.withoutOwnerSince === undefined ? null : <span class="badge warning">{TEXTS.noOwner}</span>}
          </>
        ),
      },
      {
        label: TEXTS.emailDomains,
        cell: ({ organization: { domains } }) => (domains.length === 0 ? TEXTS.noDomains : domains.join(', ')),
      },
      {
        label: TEXTS.signIn,
        cell: ({ organization, health }) => <SignInState {...{ organization, health }} nowMs={frame.nowMs} />,
      },
      {
        label: TEXTS.created,
        cell: ({ organization: { createdAt } }) => <Near ms={Date.parse(createdAt)} nowMs={frame.nowMs} />,
      },
    ]}
  />
);

/** The form's values, as the operator entered them. */
export type OrganizationValues = Readonly<Record<OrganizationField, string>>;

export const ORGANIZATION_FIELDS = [
  'slug',
  'name',
  'domains',
  'allowed_return_urls',
  'contact_email',
  'logo_url',
  'cli_token_max_days',
  'cli_token_sso_within_days',
  'session_token_audiences',
  'email_policy',
  'provisioning',
  'groups_from',
  'scim_link_attribute',
] as const;
export type OrganizationField = (typeof ORGANIZATION_FIELDS)[number];

export interface OrganizationFormPageProps {
  readonly frame: Frame;
  readonly values: OrganizationValues;
  /** False for a new organization. */
  readonly exists: boolean;
  /** Members without a SCIM user. */
  readonly unprovisioned?: number;
  /** Whether the operator may have to confirm groups that leave no owner. */
  readonly asksNoOwner?: boolean;
}

/** The form that creates an organization or edits the settings that only the operator may change. */
export function OrganizationFormPage({ frame, values, exists, unprovisioned = 0, asksNoOwner = false }: OrganizationFormPageProps) {
  const cancelHref = exists ? frame.base : '/console/operator';
  return (
    <ConsolePage
      frame={frame}
      section={exists ? 'organization' : 'organizations'}
      title={exists ? TEXTS.editOrganization : TEXTS.newOrganization}
      scripts={exists ? [] : ['slug.js']}
      back={exists ? { href: cancelHref, label: TEXTS.organization } : { href: cancelHref, label: TEXTS.organizations }}
    >
      <div class="panel narrow">
        <PostForm action={exists ? `${frame.base}/change` : '/console/operator/organizations/new'} csrfToken={frame.csrfToken}>
          <Field name="name" label={TEXTS.name} value={values.name} required maxlength={200} hint={TEXTS.nameHint} />
          {exists ? null : (
            <Field
              name="slug"
              label={TEXTS.slug}
              value={values.slug}
              maxlength={63}
              pattern="[a-z0-9][a-z0-9\-]{1,62}"
              hint={TEXTS.slugHint}
            />
          )}
          <Field name="domains" label={TEXTS.emailDomains} value={values.domains} lines={3} hint={TEXTS.domainsHint} />
          <details {...(exists ? { open: true } : {})}>
            <summary>{TEXTS.moreSettings}</summary>
            <MoreFields values={values} />
            <Unprovisioned frame={frame} count={unprovisioned} />
            {asksNoOwner ? (
              <label>
                <input type="checkbox" name="allow_no_owner" value="yes" /> {TEXTS.allowNoOwner}
              </label>
            ) : null}
          </details>
          <div class="buttons">
            <button type="submit">{exists ? TEXTS.save : TEXTS.createOrganization}</button>
            <a class="button secondary" href={cancelHref}>
              {TEXTS.cancel}
            </a>
          </div>
        </PostForm>
      </div>
    </ConsolePage>
  );
}

/** Names the members who would lose access, before the operator requires provisioning. */
const Unprovisioned = ({ frame, count }: { readonly frame: Frame; readonly count: number }) =>
  count === 0 ? null : (
    <Callout kind="note">
      <p>
        {TEXTS.cannotSignIn(count)} <a href={`${frame.base}/members?provisioned=no`}>{TEXTS.showUnprovisioned}</a>
      </p>
    </Callout>
  );

function MoreFields({ values }: { readonly values: OrganizationValues }) {
  return (
    <>
      <Field name="allowed_return_urls" label={TEXTS.returnUrls} value={values.allowed_return_urls} lines={3} hint={TEXTS.returnUrlsHint} />
      <Field name="contact_email" label={TEXTS.contactEmail} type="email" value={values.contact_email} hint={TEXTS.metadataHint} />
      <Field name="logo_url" label={TEXTS.logoUrl} type="url" value={values.logo_url} hint={TEXTS.metadataHint} />
      <Field
        name="cli_token_max_days"
        label={TEXTS.cliTokenMaxDays}
        type="number"
        value={values.cli_token_max_days}
        hint={TEXTS.cliTokenMaxDaysHint}
      />
      <Field
        name="cli_token_sso_within_days"
        label={TEXTS.cliTokenPause}
        type="number"
        value={values.cli_token_sso_within_days}
        hint={TEXTS.cliTokenPauseHint}
      />
      <Field
        name="session_token_audiences"
        label={TEXTS.audiences}
        value={values.session_token_audiences}
        lines={3}
        hint={TEXTS.audiencesHint}
      />
      <SignInFields values={values} />
    </>
  );
}

function SignInFields({ values }: { readonly values: OrganizationValues }) {
  return (
    <>
      <label>
        {TEXTS.emailPolicy}
        <select name="email_policy">
          <option value="any" selected={values.email_policy !== 'verified_domains'}>
            {TEXTS.anyDomain}
          </option>
          <option value="verified_domains" selected={values.email_policy === 'verified_domains'}>
            {TEXTS.verifiedDomains}
          </option>
        </select>
      </label>
      <label>
        {TEXTS.provisioning}
        <select name="provisioning">
          {PROVISIONING.map(([value, text]) => (
            <option value={value} selected={values.provisioning === value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        {TEXTS.groupsForRules}
        <select name="groups_from">
          {GROUPS_FROM.map(([value, text]) => (
            <option value={value} selected={values.groups_from === value}>
              {text}
            </option>
          ))}
        </select>
        <small class="hint">{TEXTS.groupsForRulesHint}</small>
      </label>
      <Field
        name="scim_link_attribute"
        label={TEXTS.linkAttribute}
        value={values.scim_link_attribute}
        maxlength={512}
        hint={TEXTS.linkAttributeHint}
      />
    </>
  );
}
