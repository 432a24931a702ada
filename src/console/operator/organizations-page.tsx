import type { ExpiringCertificate } from '../../organizations/connections/expiring-certificates.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Field } from '../parts/field.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';
import { AttentionPanel, type ListedOrganization } from './attention-panel.tsx';
import { SignInState } from './sign-in-state.tsx';

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
      title="Organizations"
      lead="Every user of this gateway belongs to an organization."
      actions={
        <a class="button" href="/console/operator/organizations/new">
          New organization
        </a>
      }
      scripts={['filter.js']}
    >
      <AttentionPanel listed={organizations} storeWarnings={storeWarnings} expiring={expiring} nowMs={frame.nowMs} />
      <section class="panel" aria-label="Organizations">
        {isEmpty ? (
          <EmptyState title="No organizations yet">
            <p>
              <a href="/console/operator/organizations/new">Create the first organization</a>, then connect its identity provider.
            </p>
          </EmptyState>
        ) : (
          <>
            <search>
              <form class="row" method="get" action="/console/operator/organizations">
                <label>
                  Open by slug
                  <input
                    name="slug"
                    type="search"
                    required
                    maxlength={63}
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck={false}
                    data-filter
                  />
                </label>
                <button type="submit" class="secondary">
                  Open
                </button>
              </form>
            </search>
            <DataTable
              label="Organizations"
              rows={organizations}
              filterText={({ organization: { slug, name, domains } }) => [slug, name, ...domains].join(' ')}
              columns={[
                {
                  label: 'Organization',
                  kind: 'heading',
                  cell: ({ organization }) => (
                    <>
                      <a href={hrefOf(organization)}>
                        <ForeignText text={organization.name} />
                      </a>
                      <div class="sub">{organization.slug}</div>
                      {organization.withoutOwnerSince === undefined ? null : <span class="badge warning">no owner</span>}
                    </>
                  ),
                },
                { label: 'Email domains', cell: ({ organization: { domains } }) => (domains.length === 0 ? 'none' : domains.join(', ')) },
                { label: 'Sign-in', cell: ({ organization, health }) => <SignInState {...{ organization, health }} nowMs={frame.nowMs} /> },
                { label: 'Created', cell: ({ organization: { createdAt } }) => <Near ms={Date.parse(createdAt)} nowMs={frame.nowMs} /> },
              ]}
            />
            <Paging path="/console/operator" query={{ limit: String(limit) }} cursor={cursor} nextCursor={nextCursor} />
          </>
        )}
      </section>
    </ConsolePage>
  );
}

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
}

/** The form that creates an organization or edits the settings that only the operator may change. */
export function OrganizationFormPage({ frame, values, exists }: OrganizationFormPageProps) {
  const cancelHref = exists ? frame.base : '/console/operator';
  return (
    <ConsolePage
      frame={frame}
      section={exists ? 'organization' : 'organizations'}
      title={exists ? 'Edit organization' : 'New organization'}
      scripts={exists ? [] : ['slug.js']}
      back={exists ? { href: cancelHref, label: 'Organization' } : { href: cancelHref, label: 'Organizations' }}
    >
      <div class="panel narrow">
        <PostForm action={exists ? `${frame.base}/change` : '/console/operator/organizations/new'} csrfToken={frame.csrfToken}>
          <Field name="name" label="Name" value={values.name} required maxlength={200} hint="The name that users see." />
          {exists ? null : (
            <Field
              name="slug"
              label="Slug"
              value={values.slug}
              maxlength={63}
              pattern="[a-z0-9][a-z0-9\-]{1,62}"
              hint="2 to 63 characters: a–z, 0–9 and -. If you leave it empty, it follows from the name. It is part of the URLs that the identity provider knows, so you cannot change it later."
            />
          )}
          <Field
            name="domains"
            label="Email domains"
            value={values.domains}
            lines={3}
            hint="One per line. Users who enter an email address of these domains on the sign-in page are sent to this organization."
          />
          <details {...(exists ? { open: true } : {})}>
            <summary>More settings</summary>
            <MoreFields values={values} />
          </details>
          <div class="buttons">
            <button type="submit">{exists ? 'Save' : 'Create organization'}</button>
            <a class="button secondary" href={cancelHref}>
              Cancel
            </a>
          </div>
        </PostForm>
      </div>
    </ConsolePage>
  );
}

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

function MoreFields({ values }: { readonly values: OrganizationValues }) {
  return (
    <>
      <Field
        name="allowed_return_urls"
        label="Return URLs"
        value={values.allowed_return_urls}
        lines={3}
        hint="One per line. URLs outside this gateway to which users may return after signing in."
      />
      <Field
        name="contact_email"
        label="Contact email"
        type="email"
        value={values.contact_email}
        hint="Shown in the service provider metadata."
      />
      <Field name="logo_url" label="Logo URL" type="url" value={values.logo_url} hint="Shown in the service provider metadata." />
      <Field
        name="cli_token_max_days"
        label="Maximum lifetime of CLI tokens in days"
        type="number"
        value={values.cli_token_max_days}
        hint="Leave empty for no limit."
      />
      <Field
        name="cli_token_sso_within_days"
        label="Pause CLI tokens after this many days without a sign-in"
        type="number"
        value={values.cli_token_sso_within_days}
        hint="Leave empty to let CLI tokens work without sign-ins."
      />
      <Field
        name="session_token_audiences"
        label="Audiences of session tokens"
        value={values.session_token_audiences}
        lines={3}
        hint="One per line. Services other than this gateway for which members may request session tokens."
      />
      <label>
        Email addresses of users who sign in
        <select name="email_policy">
          <option value="any" selected={values.email_policy !== 'verified_domains'}>
            in any domain
          </option>
          <option value="verified_domains" selected={values.email_policy === 'verified_domains'}>
            only in verified domains
          </option>
        </select>
      </label>
      <label>
        Users who may sign in
        <select name="provisioning">
          {PROVISIONING.map(([value, text]) => (
            <option value={value} selected={values.provisioning === value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Groups for role rules
        <select name="groups_from">
          {GROUPS_FROM.map(([value, text]) => (
            <option value={value} selected={values.groups_from === value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <Field
        name="scim_link_attribute"
        label="SAML attribute with the externalId of SCIM users"
        value={values.scim_link_attribute}
        maxlength={512}
        hint="Finds the SCIM user of a sign-in. Leave empty to compare only the NameID and the email address."
      />
    </>
  );
}
