/** The operator's pages about organizations: list, create, show, edit and delete. */

import { type Request, type Response, Router } from 'express';
import type { z } from 'zod';
import type { Actor } from '../../audit.ts';
import { readSignInHealth } from '../../auth/sign-in-log/sign-in-health.ts';
import { findEndingTokens } from '../../auth/tokens/scim-tokens.ts';
import { DeleteOrganizationPage, OrganizationPage } from '../../console/operator/organization-page.tsx';
import {
  ORGANIZATION_FIELDS,
  type OrganizationField,
  OrganizationFormPage,
  OrganizationsPage,
  type OrganizationValues,
} from '../../console/operator/organizations-page.tsx';
import { shownField } from '../../console/operator/quotas-panel.tsx';
import { setupProgress } from '../../console/setup-steps/steps.ts';
import { GatewayError } from '../../errors.ts';
import { activeConnections, findDefaultConnection } from '../../organizations/connections/connections.ts';
import { findExpiringCertificates } from '../../organizations/connections/expiring-certificates.ts';
import { findMetadataWarnings, serviceProviderUrls } from '../../organizations/connections/identity-providers.ts';
import { deleteOrganization } from '../../organizations/deletion.ts';
import { listOrganizations } from '../../organizations/directory.ts';
import { changeOrganization, createOrganization } from '../../organizations/organization-lifecycle.ts';
import type { NewOrganization, Organization } from '../../organizations/organizations.ts';
import { hasOwner } from '../../organizations/owners/owner-loss.ts';
import { countUnprovisioned } from '../../organizations/provisioning/unprovisioned-members.ts';
import { nearQuotas, readQuotaUse } from '../../organizations/quotas/quota-use.ts';
import { QUOTA_NAMES, QUOTAS, type QuotaName, quotaOf } from '../../organizations/quotas/quotas.ts';
import { listSetupLinks, setupLinkState } from '../../organizations/setup/setup-links.ts';
import { proposeSlug, slugCandidates } from '../../organizations/slug-proposal.ts';
import type { Runtime } from '../../runtime.ts';
import { DAY_MS } from '../../time.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { SLUG } from '../api/field-shapes.ts';
import { checkShape, NEW_ORGANIZATION, ORGANIZATION_CHANGES, PAGE_QUERY, toOrganizationChanges } from '../api/request-shapes.ts';
import { runOnce } from '../run-once.ts';
import { OPERATOR_HOME, organizationBase } from './operator-visit.ts';
import { confirmationOf, frameOf, isOperator, redirectWithNotice, sendConsolePage, visitOf } from './visit.ts';

const TEXTS = {
  created: (slug: string) => `Created the organization ${slug}. Connect its identity provider next.`,
  saved: 'Your changes are saved.',
  quotasSaved: 'The quotas are saved.',
  quotasUnchanged: 'The organization already has these quotas.',
  deleted: (slug: string) => `Deleted the organization ${slug}. Its data is being deleted.`,
  slugMissing: 'slug: enter one, because the name has no Latin letters or digits.',
} as const;

/** Routes below the operator's home. */
export function organizationsPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', async (request, response) => {
    const query = checkShape(PAGE_QUERY, request.query);
    await showOrganizations(runtime, request, response, query);
  });
  router.get('/organizations', (request, response) => {
    const slug = SLUG.safeParse(
      String(request.query.slug ?? '')
        .trim()
        .toLowerCase(),
    );
    response.redirect(303, slug.success ? organizationBase({ slug: slug.data }) : OPERATOR_HOME);
  });
  router.get('/organizations/new', (request, response) => {
    sendConsolePage(response, <OrganizationFormPage frame={frameOf(runtime, request, response)} values={valuesOf()} exists={false} />);
  });
  router.post('/organizations/new', (request, response) =>
    runOrShowFormAgain(runtime, request, response, {
      exists: false,
      run: async (values) => {
        const candidates = slugsOf(values);
        const { slug: _, name, ...rest } = checkShape(NEW_ORGANIZATION, { ...values, slug: candidates[0] });
        const input = { name, domains: [], allowedReturnUrls: [], ...toOrganizationChanges(rest) };
        await runOnce(runtime, request, response, async () => {
          const organization = await createWithFreeSlug(runtime, callerOf(request, response), input, candidates);
          const notice = TEXTS.created(organization.slug);
          return { href: organizationBase(organization), notice };
        });
      },
    }),
  );
  return router;
}

/** Routes below one organization. */
export function organizationPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', async (request, response) => {
    const organization = organizationOf(response);
    const warnings = await Promise.all(
      organization.connections.map(async (connection) => ({
        connection,
        warnings: await findMetadataWarnings(runtime, { organization, connection }, { isOperator: isOperator(response) }),
      })),
    );
    const urls = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
    const frame = frameOf(runtime, request, response);
    const quotaUse = await readQuotaUse(runtime.store, organization);
    const page = (
      <OrganizationPage
        frame={frame}
        organization={organization}
        warnings={warnings}
        urls={urls}
        quotaUse={quotaUse}
        health={await readSignInHealth(runtime, organization.id)}
        endingScimTokens={await findEndingTokens(runtime, organization)}
        progress={setupProgress(organization, findDefaultConnection(organization))}
        link={await findNewestLink(runtime, organization.id)}
        hasOwner={await hasOwner(runtime.store, organization.id)}
      />
    );
    sendConsolePage(response, page);
  });
  router.get('/change', async (request, response) => {
    const values = valuesOf(organizationOf(response));
    const unprovisioned = await countUnprovisioned(runtime.store, organizationOf(response));
    const frame = frameOf(runtime, request, response);
    sendConsolePage(response, <OrganizationFormPage frame={frame} values={values} exists unprovisioned={unprovisioned} />);
  });
  router.post('/change', (request, response) =>
    runOrShowFormAgain(runtime, request, response, {
      exists: true,
      run: async ({ slug: _, ...values }) => {
        const changes = toOrganizationChanges(checkShape(ORGANIZATION_CHANGES, values));
        const organizationId = organizationOf(response).id;
        await changeOrganization(runtime, callerOf(request, response), { organizationId, changes, allowNoOwner: confirmsNoOwner(request) });
        redirectWithNotice(runtime, response, visitOf(response).base, TEXTS.saved);
      },
    }),
  );
  router.post('/quotas', (request, response) => saveQuotas(runtime, request, response));
  router.get('/delete', (request, response) => showDelete(runtime, request, response, false));
  router.post('/delete', async (request, response) => {
    const { id, slug } = organizationOf(response);
    if (confirmationOf(request) !== slug) return showDelete(runtime, request, response, true);
    await deleteOrganization(runtime, callerOf(request, response), id);
    redirectWithNotice(runtime, response, OPERATOR_HOME, TEXTS.deleted(slug));
  });
  return router;
}

/**
 * Changes the quotas that the operator has edited since the form was shown, so that an old form restores no value that another operator
 * has changed. The default is not stored, so that it follows later versions.
 */
async function saveQuotas(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
  const changed = QUOTA_NAMES.flatMap((name) => {
    const present = quotaOf(organization, name);
    const { [name]: field, [shownField(name)]: shown = String(present) } = body;
    const typed = typeof field === 'string' ? field.trim() : shown;
    if (typed === shown) return [];
    const limit = limitOf(String(typed), name);
    return limit === present ? [] : [[name, limit === QUOTAS[name].standard ? null : limit]];
  });
  const { base } = visitOf(response);
  try {
    const changes = toOrganizationChanges(checkShape(ORGANIZATION_CHANGES, { quotas: Object.fromEntries(changed) }));
    if (changed.length > 0) await changeOrganization(runtime, callerOf(request, response), { organizationId: organization.id, changes });
    redirectWithNotice(runtime, response, base, changed.length > 0 ? TEXTS.quotasSaved : TEXTS.quotasUnchanged);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'validation_failed') throw error;
    redirectWithNotice(runtime, response, base, { kind: 'problem', text: error.facts.detail ?? error.textFor('user').title });
  }
}

/** Returns other texts than digits as they are, so that the check of the shape refuses them. */
function limitOf(typed: string, name: QuotaName): number | string {
  if (typed === '') return QUOTAS[name].standard;
  return /^\d{1,12}$/.test(typed) ? Number(typed) : typed;
}

/** How far ahead the home page looks for certificates that expire. */
const EXPIRING_DAYS = 30;

type PageRange = z.infer<typeof PAGE_QUERY>;

/** Reads a bounded number of records for each organization of the page. */
async function showOrganizations(runtime: Runtime, request: Request, response: Response, query: PageRange): Promise<void> {
  const { store, now } = runtime;
  const { items, nextCursor } = await listOrganizations(store, query);
  const organizations = await Promise.all(
    items.map(async (organization) => ({
      organization,
      health: activeConnections(organization).length === 0 ? undefined : await readSignInHealth(runtime, organization.id),
      nearQuotas: nearQuotas(organization, await readQuotaUse(store, organization)),
      endingScimTokens: await findEndingTokens(runtime, organization),
    })),
  );
  const [storeWarnings, expiring] = await Promise.all([store.warnings(), findExpiringCertificates(store, now() + EXPIRING_DAYS * DAY_MS)]);
  const unreplaced = expiring.filter(({ connection, successors }) => connection.state === 'active' && successors === 0);
  const frame = frameOf(runtime, request, response);
  const lists = { organizations, storeWarnings, expiring: unreplaced };
  sendConsolePage(response, <OrganizationsPage frame={frame} {...lists} {...query} nextCursor={nextCursor} />);
}

/** Returns the slug of the form, or the slugs to try for the name if the field is empty. @throws validation_failed */
function slugsOf({ slug, name }: Readonly<Record<string, unknown>>): readonly string[] {
  if (typeof slug === 'string' && slug !== '') return [slug];
  const proposal = proposeSlug(String(name));
  if (proposal === undefined) throw new GatewayError('validation_failed', TEXTS.slugMissing);
  return slugCandidates(proposal);
}

/** Creates an organization with the first slug that is free. @throws the errors of createOrganization() for the last one */
async function createWithFreeSlug(
  runtime: Runtime,
  actor: Actor,
  input: Omit<NewOrganization, 'slug'>,
  [slug = '', ...others]: readonly string[],
): Promise<Organization> {
  try {
    return await createOrganization(runtime, actor, { ...input, slug });
  } catch (error) {
    const isTaken = error instanceof GatewayError && (error.code === 'conflict' || error.code === 'validation_failed');
    if (!isTaken || others.length === 0) throw error;
    return createWithFreeSlug(runtime, actor, input, others);
  }
}

async function findNewestLink({ store, now }: Runtime, organizationId: string) {
  const [link] = (await listSetupLinks(store, organizationId, { limit: 1 })).items;
  return link && { value: link.value, state: setupLinkState(link.value, now()) };
}

function showDelete(runtime: Runtime, request: Request, response: Response, mistyped: boolean): void {
  const frame = frameOf(runtime, request, response);
  const page = <DeleteOrganizationPage frame={frame} organization={organizationOf(response)} mistyped={mistyped} />;
  sendConsolePage(response, page, mistyped ? 400 : 200);
}

const LISTS: ReadonlySet<OrganizationField> = new Set(['domains', 'allowed_return_urls', 'session_token_audiences']);
const NUMBERS: ReadonlySet<OrganizationField> = new Set(['cli_token_max_days', 'cli_token_sso_within_days']);

interface OrganizationForm {
  /** Whether the form edits an organization or creates one. */
  readonly exists: boolean;
  readonly run: (values: Readonly<Record<string, unknown>>) => Promise<void>;
}

/** Runs the action of a form. If a value is invalid or already taken, shows the form again as it was filled in. */
async function runOrShowFormAgain(
  runtime: Runtime,
  request: Request,
  response: Response,
  { exists, run }: OrganizationForm,
): Promise<void> {
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
  const values = Object.fromEntries(
    ORGANIZATION_FIELDS.map((field) => [field, typeof body[field] === 'string' ? body[field] : '']),
  ) as OrganizationValues;
  try {
    await run(Object.fromEntries(ORGANIZATION_FIELDS.map((field) => [field, toApiValue(field, values[field])])));
  } catch (error) {
    if (!(error instanceof GatewayError) || (error.code !== 'validation_failed' && error.code !== 'conflict')) throw error;
    const frame = frameOf(runtime, request, response, { kind: 'problem', text: error.facts.detail ?? error.textFor('user').title });
    const asksNoOwner = exists && error.code === 'conflict' && values.groups_from !== (organizationOf(response).groupsFrom ?? 'saml');
    const page = <OrganizationFormPage frame={frame} values={values} exists={exists} asksNoOwner={asksNoOwner} />;
    sendConsolePage(response, page, error.status);
  }
}

const confirmsNoOwner = (request: Request): boolean =>
  (request.body as Readonly<Record<string, unknown>> | undefined)?.allow_no_owner === 'yes';

/** Converts a field to the value that the API takes. An empty field clears the value, as null does in the API. */
function toApiValue(field: OrganizationField, value: string): unknown {
  const text = value.trim();
  if (LISTS.has(field)) return text.split(/[\s,]+/).filter((line) => line !== '');
  if (field === 'slug' || field === 'name') return text;
  if (field === 'email_policy' || field === 'provisioning' || field === 'groups_from') return text === '' ? undefined : text;
  if (text === '') return null;
  return NUMBERS.has(field) ? Number(text) : text;
}

function valuesOf(organization?: Organization): OrganizationValues {
  const lines = (texts: readonly string[] = []) => texts.join('\n');
  return {
    slug: organization?.slug ?? '',
    name: organization?.name ?? '',
    domains: lines(organization?.domains),
    allowed_return_urls: lines(organization?.allowedReturnUrls),
    contact_email: organization?.contactEmail ?? '',
    logo_url: organization?.logoUrl ?? '',
    cli_token_max_days: String(organization?.cliTokenMaxDays ?? ''),
    cli_token_sso_within_days: String(organization?.cliTokenSsoWithinDays ?? ''),
    session_token_audiences: lines(organization?.sessionTokenAudiences),
    email_policy: organization?.emailPolicy ?? 'any',
    provisioning: organization?.provisioning ?? 'jit',
    groups_from: organization?.groupsFrom ?? 'saml',
    scim_link_attribute: organization?.scimLinkAttribute ?? '',
  };
}
