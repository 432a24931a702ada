/** The identity provider of an organization: the values to copy, the metadata with its preview, and the start of a test sign-in. */

import { deflateSync, inflateSync } from 'node:zlib';
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { Actor } from '../../audit.ts';
import { renderPage } from '../../console/layout.tsx';
import type { Frame, Notice } from '../../console/navigation.ts';
import { ConnectionsPanel } from '../../console/single-sign-on/connections-panel.tsx';
import { PendingMembersPanel } from '../../console/single-sign-on/pending-members-panel.tsx';
import { type ListedSetupLink, SetupLinksPanel } from '../../console/single-sign-on/setup-links-panel.tsx';
import { isGuide } from '../../console/single-sign-on/single-sign-on-guides.ts';
import {
  MetadataPreviewPage,
  NOTHING_TYPED,
  SingleSignOnPage,
  type TypedMetadata,
} from '../../console/single-sign-on/single-sign-on-page.tsx';
import { VersionsPanel } from '../../console/single-sign-on/single-sign-on-versions.tsx';
import { GatewayError } from '../../errors.ts';
import { type OrganizationConnection, requireConnection } from '../../organizations/connections/connections.ts';
import { previewMembers } from '../../organizations/connections/entity-id-change.ts';
import { limitFetches } from '../../organizations/connections/fetch-metadata.ts';
import {
  fetchMetadataDocument,
  findMetadataWarnings,
  type LoadedMetadata,
  loadMetadata,
  type MetadataChange,
  type MetadataSource,
  previewMetadata,
  serviceProviderUrls,
  setIdentityProvider,
} from '../../organizations/connections/identity-providers.ts';
import { listMetadataVersions } from '../../organizations/connections/metadata-versions.ts';
import { listPendingMembers } from '../../organizations/idp-change/pending-members.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { findProposal, saveOrPropose } from '../../organizations/setup/metadata-proposals.ts';
import { findLinkedConnection, listSetupLinks, setupLinkState } from '../../organizations/setup/setup-links.ts';
import { isLockedForSetup } from '../../organizations/setup/setup-rights.ts';
import type { Runtime } from '../../runtime.ts';
import { idpKindOf } from '../../saml/explain/idp-screens.ts';
import { organizationOf } from '../api/callers.ts';
import { checkShape, MEMBER_QUERY } from '../api/request-shapes.ts';
import { sendPage } from '../pages.ts';
import { comparisonOf, type PostedTable, readPostedTable } from './connections/identifier-table.ts';
import { DECISION_FIELDS, DRAFT_TEXT, decisionOf, isKeptByDraft, previewDecisions } from './connections/members-decision.ts';
import { findVisitedConnection } from './connections/visited-connection.ts';
import { identifierPages } from './identifier.tsx';
import { visitActorOf } from './setup-visit.ts';
import { beginTest } from './sign-in-log.tsx';
import { singleSignOnSettingsPages } from './single-sign-on-settings.tsx';
import { frameOf, isOperator, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf, visitOf } from './visit.ts';

export function singleSignOnPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showPage(runtime, request, response));
  router.post('/preview', (request, response) => preview(runtime, request, response));
  router.post('/compare', (request, response) => compare(runtime, request, response));
  router.post('/save', (request, response) => save(runtime, request, response));
  router.use('/settings', singleSignOnSettingsPages(runtime));
  router.use('/identifier', identifierPages(runtime));
  router.post('/test', beginTest(runtime));
  return router;
}

/** A form that is shown again with the entered values and the problem. */
interface RejectedForm {
  readonly typed: TypedMetadata;
  readonly notice: Notice;
  readonly status: number;
}

async function showPage(runtime: Runtime, request: Request, response: Response, rejected?: RejectedForm): Promise<void> {
  const organization = organizationOf(response);
  const connection = findVisitedConnection(response);
  const { acsUrl, entityId, loginUrl } = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
  const { guide } = request.query;
  const sso = connection?.metadata.singleSignOn;
  const currentGuide = connection ? idpKindOf(connection.metadata.entityId, sso?.redirect ?? sso?.post) : 'okta';
  const { viewer } = visitOf(response);
  const isSetup = viewer.kind === 'setup';
  const links = isSetup ? undefined : await listedLinks(runtime, organization);
  const versions = isSetup || !connection ? [] : await listMetadataVersions(runtime.store, organization.id, connection);
  const isLocked = isSetup && (await isLockedForSetup(runtime.store, { organization, connectionId: connection?.id }));
  const proposal = connection && (await findProposal(runtime, { organization, connection }));
  const frame = frameOf(runtime, request, response, rejected?.notice);
  const { cursor } = checkShape(PENDING_QUERY, request.query);
  const pending = isSetup || !connection ? null : await pendingPanel(runtime, frame, { organization, connection, cursor });
  const page = (
    <SingleSignOnPage
      frame={frame}
      values={{ acs: acsUrl, entityId, login: loginUrl, metadata: entityId }}
      connection={connection}
      warnings={connection ? await findMetadataWarnings(runtime, { organization, connection }, { isOperator: isOperator(response) }) : []}
      guide={isGuide(guide) ? guide : currentGuide}
      typed={rejected?.typed ?? NOTHING_TYPED}
      isLocked={isLocked}
      // A setup sees its own proposal only.
      proposal={viewer.kind === 'setup' && proposal?.linkId !== viewer.linkId ? undefined : proposal}
    >
      {pending}
      {isSetup || !connection ? null : <ConnectionsPanel frame={frame} connections={organization.connections} shown={connection} />}
      {versions.length < 2 ? null : <VersionsPanel frame={frame} versions={versions} />}
      {links === undefined ? null : <SetupLinksPanel frame={frame} links={links} />}
    </SingleSignOnPage>
  );
  // The button of the test sign-in redirects to the identity provider.
  sendPage(response, rejected?.status ?? 200, renderPage(page), { formsMayLeave: true });
}

const LISTED_MEMBERS = 50;
const PENDING_QUERY = z.object({ cursor: MEMBER_QUERY.shape.cursor });

interface ListedPending extends OrganizationConnection {
  readonly cursor: string | undefined;
}

async function pendingPanel({ store }: Runtime, frame: Frame, { organization, connection, cursor }: ListedPending) {
  const { change } = connection;
  if (!change) return null;
  const { items, nextCursor } = await listPendingMembers(store, { organization, connection }, { limit: LISTED_MEMBERS, cursor });
  // A page can be empty although others follow, because one call searches a limited number of members.
  if (items.length === 0 && nextCursor === null && cursor === undefined) return null;
  const members = items.map(({ value }) => value);
  return <PendingMembersPanel {...{ frame, connection, change, members, cursor, nextCursor }} />;
}

const LISTED_LINKS = 10;

async function listedLinks({ store, now }: Runtime, organization: Organization): Promise<ListedSetupLink[]> {
  const { items } = await listSetupLinks(store, organization.id, { limit: LISTED_LINKS });
  return items.map((item) => ({
    id: item.id,
    link: item.value,
    state: setupLinkState(item.value, now()),
    connectionName: findLinkedConnection(organization, item)?.name,
  }));
}

/** Metadata from the form: a file, pasted text, a URL, or single values. */
const METADATA_FORM = z.object({
  metadata_file: z.union([z.instanceof(Uint8Array), z.literal('')]).optional(),
  metadata_xml: z.string().optional(),
  metadata_url: z.string().trim().max(2048).optional(),
  entity_id: z.string().trim().max(1024).optional(),
  sso_url: z.string().trim().max(2048).optional(),
  certificates: z.string().max(100_000).optional(),
  wanted_link: z.string().trim().max(1024).optional(),
  wanted_file: z.string().trim().max(1024).optional(),
  wanted_text: z.string().trim().max(1024).optional(),
});

type MetadataForm = z.infer<typeof METADATA_FORM>;

interface EnteredMetadata {
  readonly source: MetadataSource;
  readonly metadataUrl?: string;
  /** Hidden fields of the preview. They contain the document itself, compressed, so that exactly the previewed document is saved. */
  readonly carried: Readonly<Record<string, string>>;
}

/** Returns the entity ID to choose from metadata that contains several. */
const chosenEntityId = (form: MetadataForm): string => form.wanted_link || form.wanted_file || form.wanted_text || '';

async function readMetadata(runtime: Runtime, { id }: Organization, form: MetadataForm): Promise<EnteredMetadata> {
  const entityId = chosenEntityId(form);
  if (form.metadata_url) {
    const { metadata_url: url } = form;
    const content = await limitFetches(runtime, id, () => fetchMetadataDocument(runtime, url));
    const { source, carried } = documentOf(content, entityId);
    return { source, metadataUrl: url, carried: { ...carried, metadata_url: url } };
  }
  if (form.metadata_file instanceof Uint8Array) return documentOf(form.metadata_file, entityId);
  // The browser sends pasted text as UTF-8, whatever encoding its XML declaration names. The byte order mark takes precedence.
  if (form.metadata_xml) return documentOf(Buffer.from(`\ufeff${form.metadata_xml}`), entityId);
  const { entity_id, sso_url, certificates } = form;
  if (entity_id !== undefined && sso_url !== undefined && certificates !== undefined) {
    return manualMetadata({ entity_id, sso_url, certificates });
  }
  throw new GatewayError('validation_failed', 'Enter a metadata URL, upload a file, paste the XML, or enter all values manually.');
}

const documentOf = (content: Uint8Array, entityId: string): EnteredMetadata => ({
  source: { kind: 'document', content, entityId: entityId || undefined },
  carried: { metadata_packed: pack(content), ...(entityId === '' ? {} : { wanted: entityId }) },
});

type ManualValues = Pick<TypedMetadata, 'entity_id' | 'sso_url' | 'certificates'>;

function manualMetadata({ entity_id, sso_url, certificates }: ManualValues): EnteredMetadata {
  const values = { entity_id, sso_url, certificates: [certificates] };
  return { source: { kind: 'manual', values }, carried: { entity_id, sso_url, certificates } };
}

const MAX_DOCUMENT = 1024 * 1024;
const pack = (content: Uint8Array | string): string => deflateSync(content).toString('base64url');

function unpack(text: string): Uint8Array {
  try {
    return inflateSync(Buffer.from(text, 'base64url'), { maxOutputLength: MAX_DOCUMENT + 1 });
  } catch (cause) {
    throw new GatewayError('validation_failed', { detail: 'The previewed document could not be read. Enter the metadata again.', cause });
  }
}

async function preview(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = parseForm(METADATA_FORM, request);
  try {
    const { source, metadataUrl, carried } = await readMetadata(runtime, organizationOf(response), form);
    await showPreview(runtime, request, response, { loaded: await loadMetadata(runtime, source), metadataUrl, carried });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    await showPage(runtime, request, response, {
      typed: typedOf(form),
      notice: { kind: 'problem', text: error.facts.detail ?? 'This metadata cannot be used.' },
      status: error.status,
    });
  }
}

interface PreviewedMetadata extends Pick<EnteredMetadata, 'carried'> {
  readonly loaded: LoadedMetadata;
  readonly metadataUrl: string | undefined;
  /** The table of identifiers that the user compares with the members. */
  readonly posted?: PostedTable;
}

async function showPreview(
  runtime: Runtime,
  request: Request,
  response: Response,
  { loaded, metadataUrl, carried, posted }: PreviewedMetadata,
): Promise<void> {
  const organization = organizationOf(response);
  const connectionId = findVisitedConnection(response)?.id;
  const { viewer } = visitOf(response);
  const setupLinkId = viewer.kind === 'setup' ? viewer.linkId : undefined;
  const connection = requireConnection(previewMetadata({ organization, connectionId, loaded, setupLinkId }, runtime.now()), connectionId);
  const change = { organization, connectionId, entityId: loaded.metadata.entityId, table: posted?.table };
  const page = (
    <MetadataPreviewPage
      frame={frameOf(runtime, request, response, posted?.notice)}
      metadata={loaded.metadata}
      metadataUrl={metadataUrl}
      warnings={await findMetadataWarnings(runtime, { organization, connection }, { isOperator: isOperator(response), loaded })}
      presentEntityId={findVisitedConnection(response)?.metadata.entityId}
      previews={await previewDecisions(response, (decision) => previewMembers(runtime, { ...change, decision }))}
      comparison={comparisonOf(posted)}
      carried={carried}
    />
  );
  sendConsolePage(response, page, posted?.status);
}

/** Shows the preview again, with what the lines of a table of identifiers mean for the members. */
async function compare(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const posted = readPostedTable(runtime, request, response);
  const { source, metadataUrl, carried } = previewedMetadata(parseForm(SAVE_FORM, request));
  await showPreview(runtime, request, response, { loaded: await loadMetadata(runtime, source), metadataUrl, carried, posted });
}

const typedOf = (form: MetadataForm): TypedMetadata => ({
  metadata_xml: form.metadata_xml ?? '',
  metadata_url: form.metadata_url ?? '',
  entity_id: form.entity_id ?? '',
  sso_url: form.sso_url ?? '',
  certificates: form.certificates ?? '',
  wanted: chosenEntityId(form),
});

const SAVE_FORM = z.union([
  z.object({
    ...DECISION_FIELDS,
    metadata_packed: z.string().min(1),
    metadata_url: z.string().min(1).max(2048).optional(),
    wanted: z.string().min(1).max(1024).optional(),
  }),
  z.object({
    ...DECISION_FIELDS,
    entity_id: z.string().min(1).max(1024),
    sso_url: z.string().min(1).max(2048),
    certificates: z.string().min(1).max(100_000),
  }),
]);

/** Returns the metadata that a preview carries. */
function previewedMetadata(form: z.infer<typeof SAVE_FORM>): EnteredMetadata {
  if (!('metadata_packed' in form)) return manualMetadata(form);
  const { metadata_url: metadataUrl, metadata_packed, wanted = '' } = form;
  if (metadataUrl !== undefined && !URL.canParse(metadataUrl)) throw new GatewayError('validation_failed', 'metadata_url: must be a URL.');
  const { source, carried } = documentOf(unpack(metadata_packed), wanted);
  return metadataUrl === undefined ? { source, carried } : { source, metadataUrl, carried: { ...carried, metadata_url: metadataUrl } };
}

/** Saves the previewed metadata after parsing it again, because the fields of a form can be changed. */
async function save(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = parseForm(SAVE_FORM, request);
  const { source, metadataUrl } = previewedMetadata(form);
  const parsed = await loadMetadata(runtime, source);
  const loaded: LoadedMetadata = metadataUrl === undefined ? parsed : { ...parsed, metadataUrl };
  const change = {
    organization: organizationOf(response),
    connectionId: findVisitedConnection(response)?.id,
    loaded,
    ...decisionOf(form),
  };
  const actor = visitActorOf(request, response);
  const isSetup = visitOf(response).viewer.kind === 'setup';
  const outcome = isSetup ? await saveOrPropose(runtime, actor, change) : await saveAsManager(runtime, actor, change);
  redirectWithNotice(runtime, response, singleSignOnPathOf(response), SAVED_TEXTS[outcome]);
}

async function saveAsManager(runtime: Runtime, actor: Actor, change: MetadataChange): Promise<'saved' | 'draft'> {
  const organization = await setIdentityProvider(runtime, actor, change);
  return isKeptByDraft(organization, change) ? 'draft' : 'saved';
}

const SAVED_TEXTS = {
  saved: 'The identity provider is saved. Check it with a test sign-in.',
  draft: DRAFT_TEXT,
  proposed: 'Your metadata is kept as a proposal. It takes effect when an owner of the organization accepts it.',
  unchanged: 'The connection has this metadata already.',
} as const;
