/** Metadata from the setup: recognizing what was entered, the preview, and saving exactly what was previewed. */

import { deflateSync, inflateSync } from 'node:zlib';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Actor } from '../../../audit.ts';
import { isIdpProduct } from '../../../console/setup-steps/idp-products.ts';
import type { MetadataProblem, TypedMetadata } from '../../../console/setup-steps/metadata-step.tsx';
import { MetadataPreviewPage } from '../../../console/single-sign-on/metadata-preview-page.tsx';
import { GatewayError } from '../../../errors.ts';
import { requireConnection } from '../../../organizations/connections/connections.ts';
import { previewMembers } from '../../../organizations/connections/entity-id-change.ts';
import { limitFetches } from '../../../organizations/connections/fetch-metadata.ts';
import {
  fetchMetadataDocument,
  findMetadataWarnings,
  type LoadedMetadata,
  loadMetadata,
  type MetadataChange,
  type MetadataSource,
  previewMetadata,
  setIdentityProvider,
} from '../../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../../organizations/organizations.ts';
import { saveOrPropose } from '../../../organizations/setup/metadata-proposals.ts';
import type { Runtime } from '../../../runtime.ts';
import { organizationOf } from '../../api/callers.ts';
import { runComparison } from '../../limits/request-slots.ts';
import { comparisonOf, type PostedTable, readPostedTable } from '../connections/identifier-table.ts';
import { DECISION_FIELDS, DRAFT_TEXT, decisionOf, isKeptByDraft, previewDecisions } from '../connections/members-decision.ts';
import { findVisitedConnection } from '../connections/visited-connection.ts';
import { visitActorOf } from '../setup-visit.ts';
import { frameOf, isOperator, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf, visitOf } from '../visit.ts';

const TEXTS = {
  choseFile: (bytes: number) => `You chose a file of ${bytes.toLocaleString('en')} bytes.`,
  enteredAddress: (url: string) => `You entered the address ${url}.`,
  pastedXml: (characters: number) => `You pasted XML of ${characters.toLocaleString('en')} characters.`,
  enteredValues: 'You entered the values manually.',
  enteredNothing: 'You entered nothing.',
  isUnknown: 'This is neither an address nor XML.',
  isCertificate:
    'This is a certificate, not metadata. Enter it below under “Enter the values manually”, or use the metadata, which contains it.',
  whatToEnter: 'Enter an address that starts with https://, paste XML that starts with “<”, or choose a file.',
  previewUnreadable: 'The previewed document could not be read. Enter the metadata again.',
  isUnusable: 'This metadata cannot be used.',
  invalidUrl: 'metadata_url: must be a URL.',
  saved: 'The identity provider is saved. Check it with a test sign-in.',
  proposed: 'Your metadata is kept as a proposal. It takes effect when an owner of the organization accepts it.',
  unchanged: 'The connection already has this metadata.',
} as const;

/** Unknown products are ignored, because they only select a guide. */
const PRODUCT = z
  .unknown()
  .optional()
  .transform((text) => (isIdpProduct(text) ? text : undefined));

/** Metadata from the form: a file, a URL or XML in one field, or single values. */
const METADATA_FORM = z.object({
  product: PRODUCT,
  metadata_file: z.union([z.instanceof(Uint8Array), z.literal('')]).optional(),
  metadata: z.string().optional(),
  entity_id: z.string().trim().max(1024).optional(),
  sso_url: z.string().trim().max(2048).optional(),
  certificates: z.string().max(100_000).optional(),
  wanted: z.string().trim().max(1024).optional(),
});

type MetadataForm = z.infer<typeof METADATA_FORM>;

interface EnteredMetadata {
  readonly source: MetadataSource;
  readonly metadataUrl?: string;
  /** Hidden fields of the preview. They contain the document itself, compressed, so that exactly the previewed document is saved. */
  readonly carried: Readonly<Record<string, string>>;
}

/** What the user has entered, before anything is fetched or read. */
type Recognized =
  | { readonly kind: 'file'; readonly content: Uint8Array }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'xml'; readonly text: string }
  | { readonly kind: 'manual' }
  | { readonly kind: 'unknown'; readonly text: string };

const MAX_URL = 2048;

function recognize({ metadata, metadata_file: file, entity_id }: MetadataForm): Recognized {
  const text = (metadata ?? '').replace(/^\ufeff/, '').trim();
  if (file instanceof Uint8Array && (file.length > 0 || text === '') && entity_id === undefined) return { kind: 'file', content: file };
  if (entity_id !== undefined) return { kind: 'manual' };
  if (/^https?:\/\/\S+$/i.test(text) && text.length <= MAX_URL) return { kind: 'url', url: text };
  return text.startsWith('<') ? { kind: 'xml', text: metadata ?? '' } : { kind: 'unknown', text };
}

/** Says what the gateway took the entered metadata for. */
function understoodAs(entered: Recognized): string {
  switch (entered.kind) {
    case 'file':
      return TEXTS.choseFile(entered.content.length);
    case 'url':
      return TEXTS.enteredAddress(entered.url);
    case 'xml':
      return TEXTS.pastedXml(entered.text.length);
    case 'manual':
      return TEXTS.enteredValues;
    default:
      return entered.text === '' ? TEXTS.enteredNothing : TEXTS.isUnknown;
  }
}

async function readMetadata(runtime: Runtime, { id }: Organization, form: MetadataForm): Promise<EnteredMetadata> {
  const entered = recognize(form);
  const entityId = form.wanted ?? '';
  switch (entered.kind) {
    case 'url': {
      const content = await limitFetches(runtime, id, () => fetchMetadataDocument(runtime, entered.url));
      const { source, carried } = documentOf(content, entityId);
      return { source, metadataUrl: entered.url, carried: { ...carried, metadata_url: entered.url } };
    }
    case 'file':
      return documentOf(entered.content, entityId);
    case 'xml':
      // The browser sends pasted text as UTF-8, whatever encoding its XML declaration names. The byte order mark takes precedence.
      return documentOf(Buffer.from(`\ufeff${entered.text}`), entityId);
    case 'manual':
      return manualMetadata({ entity_id: form.entity_id ?? '', sso_url: form.sso_url ?? '', certificates: form.certificates ?? '' });
    default:
      throw new GatewayError('validation_failed', adviceFor(entered.text));
  }
}

/** Advises on text that is no metadata. */
const adviceFor = (text: string): string => (text.includes('BEGIN CERTIFICATE') ? TEXTS.isCertificate : TEXTS.whatToEnter);

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
    throw new GatewayError('validation_failed', { detail: TEXTS.previewUnreadable, cause });
  }
}

/** A form that is shown again with the entered values and the problem. */
export interface RejectedMetadata {
  readonly typed: TypedMetadata;
  readonly problem: MetadataProblem;
  readonly product: string | undefined;
  readonly status: number;
}

/** Shows what the gateway read from the metadata. @returns what to show again if the metadata cannot be used */
export async function previewEntered(runtime: Runtime, request: Request, response: Response): Promise<RejectedMetadata | undefined> {
  const form = parseForm(METADATA_FORM, request);
  try {
    const { source, metadataUrl, carried } = await readMetadata(runtime, organizationOf(response), form);
    await showPreview(runtime, request, response, {
      loaded: await loadMetadata(runtime, source),
      metadataUrl,
      carried: withProduct(carried, form.product),
    });
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    const reason = error.facts.detail ?? TEXTS.isUnusable;
    return {
      typed: typedOf(form),
      product: form.product,
      status: error.status,
      problem: { understood: understoodAs(recognize(form)), reason },
    };
  }
}

const withProduct = (carried: EnteredMetadata['carried'], product: string | undefined) =>
  product === undefined ? carried : { ...carried, product };

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
      present={findVisitedConnection(response)}
      previews={await previewDecisions(response, (decision) => previewMembers(runtime, { ...change, decision }))}
      comparison={comparisonOf(posted)}
      carried={carried}
    />
  );
  sendConsolePage(response, page, posted?.status);
}

/** Shows the preview again, with what the lines of a table of identifiers mean for the members. */
export async function compareIdentifiers(runtime: Runtime, request: Request, response: Response): Promise<void> {
  await runComparison(runtime, organizationOf(response).id, response, async () => {
    const posted = await readPostedTable(runtime, request, response);
    const { source, metadataUrl, carried } = previewedMetadata(parseForm(SAVE_FORM, request));
    await showPreview(runtime, request, response, { loaded: await loadMetadata(runtime, source), metadataUrl, carried, posted });
  });
}

const typedOf = (form: MetadataForm): TypedMetadata => ({
  metadata: form.metadata ?? '',
  entity_id: form.entity_id ?? '',
  sso_url: form.sso_url ?? '',
  certificates: form.certificates ?? '',
  wanted: form.wanted ?? '',
});

const SAVE_FORM = z.union([
  z.object({
    ...DECISION_FIELDS,
    product: PRODUCT,
    metadata_packed: z.string().min(1),
    metadata_url: z.string().min(1).max(MAX_URL).optional(),
    wanted: z.string().min(1).max(1024).optional(),
  }),
  z.object({
    ...DECISION_FIELDS,
    product: PRODUCT,
    entity_id: z.string().min(1).max(1024),
    sso_url: z.string().min(1).max(MAX_URL),
    certificates: z.string().min(1).max(100_000),
  }),
]);

/** Returns the metadata that a preview carries. */
function previewedMetadata(form: z.infer<typeof SAVE_FORM>): EnteredMetadata {
  if (!('metadata_packed' in form)) {
    const { source, carried } = manualMetadata(form);
    return { source, carried: withProduct(carried, form.product) };
  }
  const { metadata_url: metadataUrl, metadata_packed, wanted = '' } = form;
  if (metadataUrl !== undefined && !URL.canParse(metadataUrl)) throw new GatewayError('validation_failed', TEXTS.invalidUrl);
  const { source, carried: document } = documentOf(unpack(metadata_packed), wanted);
  const carried = withProduct(document, form.product);
  return metadataUrl === undefined ? { source, carried } : { source, metadataUrl, carried: { ...carried, metadata_url: metadataUrl } };
}

/** Saves the previewed metadata after parsing it again, because the fields of a form can be changed. */
export async function saveMetadata(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = parseForm(SAVE_FORM, request);
  const { source, metadataUrl } = previewedMetadata(form);
  const parsed = await loadMetadata(runtime, source);
  const loaded: LoadedMetadata = metadataUrl === undefined ? parsed : { ...parsed, metadataUrl };
  const change = {
    organization: organizationOf(response),
    connectionId: findVisitedConnection(response)?.id,
    loaded,
    product: form.product,
    startsAsDraft: true,
    ...decisionOf(form),
  } as const;
  const actor = visitActorOf(request, response);
  const isSetup = visitOf(response).viewer.kind === 'setup';
  const outcome = isSetup ? await saveOrPropose(runtime, actor, change) : await saveAsManager(runtime, actor, change);
  const path = singleSignOnPathOf(response);
  const isInSetup = outcome === 'saved' && (findVisitedConnection(response)?.state ?? 'draft') === 'draft';
  redirectWithNotice(runtime, response, isInSetup ? `${path}/steps/users` : path, outcome === 'draft' ? DRAFT_TEXT : TEXTS[outcome]);
}

async function saveAsManager(runtime: Runtime, actor: Actor, change: MetadataChange): Promise<'saved' | 'draft'> {
  const organization = await setIdentityProvider(runtime, actor, change);
  return isKeptByDraft(organization, change) ? 'draft' : 'saved';
}
