/** The identity provider of an organization: values to copy, metadata with a preview, settings, and the test sign-in. */
import { deflateSync, inflateSync } from 'node:zlib';
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { renderPage } from '../../console/layout.tsx';
import type { Notice } from '../../console/navigation.ts';
import { type ListedSetupLink, SetupLinksPanel } from '../../console/single-sign-on/setup-links-panel.tsx';
import { isGuide } from '../../console/single-sign-on/single-sign-on-guides.ts';
import {
  MetadataPreviewPage,
  NOTHING_TYPED,
  SingleSignOnPage,
  type TypedMetadata,
} from '../../console/single-sign-on/single-sign-on-page.tsx';
import {
  SETTINGS_FIELDS,
  type SettingsField,
  type SettingsValues,
  SingleSignOnSettingsPage,
} from '../../console/single-sign-on/single-sign-on-settings-page.tsx';
import { VersionsPanel } from '../../console/single-sign-on/single-sign-on-versions.tsx';
import { GatewayError } from '../../errors.ts';
import {
  changeIdpSettings,
  fetchMetadataDocument,
  findMetadataWarnings,
  type LoadedMetadata,
  loadMetadata,
  type MetadataSource,
  requireIdentityProvider,
  restoreMetadataVersion,
  serviceProviderUrls,
  setIdentityProvider,
  withMetadata,
} from '../../organizations/identity-providers.ts';
import { listMetadataVersions } from '../../organizations/metadata-versions.ts';
import { listSetupLinks, setupLinkState } from '../../organizations/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { idpKindOf } from '../../saml/explain/idp-screens.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { checkShape, IDP_SETTINGS, toSettings } from '../api/request-shapes.ts';
import { sendPage } from '../pages.ts';
import { visitActorOf } from './setup-visit.ts';
import { beginTest } from './sign-in-log.tsx';
import { frameOf, parseForm, redirectWithNotice, sendConsolePage, visitOf } from './visit.ts';

const pathOf = (response: Response): string => `${visitOf(response).base}/single-sign-on`;

export function singleSignOnPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showPage(runtime, request, response));
  router.post('/preview', (request, response) => preview(runtime, request, response));
  router.post('/save', (request, response) => save(runtime, request, response));
  router.get('/settings', (request, response) => showSettings(runtime, request, response, valuesOf(response)));
  router.post('/settings', (request, response) => saveSettings(runtime, request, response));
  router.post('/test', beginTest(runtime));
  return router;
}

/** For owners and the operator. */
export function metadataVersionPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/:id/return', async (request, response) => {
    await restoreMetadataVersion(runtime, callerOf(request, response), {
      organization: organizationOf(response),
      versionId: request.params.id,
    });
    redirectWithNotice(runtime, response, pathOf(response), 'The earlier metadata counts again. Try it with a test sign-in.');
  });
  return router;
}

interface ShownAgain {
  readonly typed: TypedMetadata;
  readonly notice: Notice;
  readonly status: number;
}

async function showPage(runtime: Runtime, request: Request, response: Response, again?: ShownAgain): Promise<void> {
  const organization = organizationOf(response);
  const { identityProvider } = organization;
  const { acsUrl, entityId, loginUrl } = serviceProviderUrls(runtime.config.baseUrl, organization.slug);
  const { guide } = request.query;
  const sso = identityProvider?.metadata.singleSignOn;
  const present = identityProvider ? idpKindOf(identityProvider.metadata.entityId, sso?.redirect ?? sso?.post) : 'okta';
  const isSetup = visitOf(response).viewer.kind === 'setup';
  const links = isSetup ? undefined : await listedLinks(runtime, organization.id);
  const versions = isSetup ? [] : await listMetadataVersions(runtime.store, organization.id);
  const frame = frameOf(runtime, request, response, again?.notice);
  const page = (
    <SingleSignOnPage
      frame={frame}
      values={{ acs: acsUrl, entityId, login: loginUrl, metadata: entityId }}
      identityProvider={identityProvider}
      warnings={identityProvider ? await findMetadataWarnings(runtime, organization) : []}
      guide={isGuide(guide) ? guide : present}
      typed={again?.typed ?? NOTHING_TYPED}
    >
      {versions.length < 2 ? null : <VersionsPanel frame={frame} versions={versions} />}
      {links === undefined ? null : <SetupLinksPanel frame={frame} links={links} />}
    </SingleSignOnPage>
  );
  // The button for a test leads to the identity provider in the end.
  sendPage(response, again?.status ?? 200, renderPage(page), { formsMayLeave: true });
}

const LISTED_LINKS = 10;

async function listedLinks({ store, now }: Runtime, organizationId: string): Promise<ListedSetupLink[]> {
  const { items } = await listSetupLinks(store, organizationId, { limit: LISTED_LINKS });
  return items.map(({ id, value: link }) => ({ id, link, state: setupLinkState(link, now()) }));
}

/** Metadata in a form: a file, a text, a link, or values. */
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

/** What a preview sends back: the document itself, packed, so that what is saved is what was seen. */
interface Given {
  readonly source: MetadataSource;
  readonly metadataUrl?: string;
  readonly carried: Readonly<Record<string, string>>;
}

const wantedIn = (form: MetadataForm): string => form.wanted_link || form.wanted_file || form.wanted_text || '';

async function givenIn(runtime: Runtime, form: MetadataForm): Promise<Given> {
  if (form.metadata_url) {
    const { source, carried } = documentOf(await fetchMetadataDocument(runtime, form.metadata_url), wantedIn(form));
    return { source, metadataUrl: form.metadata_url, carried: { ...carried, metadata_url: form.metadata_url } };
  }
  if (form.metadata_file instanceof Uint8Array && form.metadata_file.length > 0) return documentOf(form.metadata_file, wantedIn(form));
  if (form.metadata_xml) return documentOf(Buffer.from(form.metadata_xml), wantedIn(form));
  if (form.entity_id !== undefined && form.sso_url !== undefined && form.certificates !== undefined) return typedIn(form as TypedMetadata);
  throw new GatewayError('validation_failed', 'Give the metadata as a link, a file or text, or type in all values.');
}

const documentOf = (content: Uint8Array, wanted: string): Given => ({
  source: { kind: 'document', content, entityId: wanted || undefined },
  carried: { metadata_packed: packed(content), ...(wanted === '' ? {} : { wanted }) },
});

function typedIn({ entity_id, sso_url, certificates }: Pick<TypedMetadata, 'entity_id' | 'sso_url' | 'certificates'>): Given {
  const values = { entity_id, sso_url, certificates: certificatesIn(certificates) };
  return { source: { kind: 'manual', values }, carried: { entity_id, sso_url, certificates } };
}

/** Several in PEM below each other, or one in bare base64. */
function certificatesIn(text: string): string[] {
  const blocks = text.match(/-----BEGIN [^-]+-----[\s\S]*?-----END [^-]+-----/g);
  return blocks ?? [text.trim()];
}

const MAX_DOCUMENT = 1024 * 1024;
const packed = (content: Uint8Array | string): string => deflateSync(content).toString('base64url');

function unpacked(text: string): Uint8Array {
  try {
    return inflateSync(Buffer.from(text, 'base64url'), { maxOutputLength: MAX_DOCUMENT + 1 });
  } catch (cause) {
    throw new GatewayError('validation_failed', { detail: 'The document of the preview can’t be read.', cause });
  }
}

async function preview(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = parseForm(METADATA_FORM, request);
  try {
    const { source, metadataUrl, carried } = await givenIn(runtime, form);
    const loaded = await loadMetadata(runtime, source);
    const organization = organizationOf(response);
    const page = (
      <MetadataPreviewPage
        frame={frameOf(runtime, request, response)}
        metadata={loaded.metadata}
        metadataUrl={metadataUrl}
        warnings={await findMetadataWarnings(runtime, withMetadata(organization, loaded, runtime.now()), loaded)}
        presentEntityId={organization.identityProvider?.metadata.entityId}
        carried={carried}
      />
    );
    sendConsolePage(response, page);
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status >= 500) throw error;
    await showPage(runtime, request, response, {
      typed: typedOf(form),
      notice: { kind: 'problem', text: error.facts.detail ?? 'This metadata can’t be used.' },
      status: error.status,
    });
  }
}

const typedOf = (form: MetadataForm): TypedMetadata => ({
  metadata_xml: form.metadata_xml ?? '',
  metadata_url: form.metadata_url ?? '',
  entity_id: form.entity_id ?? '',
  sso_url: form.sso_url ?? '',
  certificates: form.certificates ?? '',
  wanted: wantedIn(form),
});

const SAVE_FORM = z.union([
  z.object({
    metadata_packed: z.string().min(1),
    metadata_url: z.string().min(1).max(2048).optional(),
    wanted: z.string().min(1).max(1024).optional(),
  }),
  z.object({ entity_id: z.string().min(1).max(1024), sso_url: z.string().min(1).max(2048), certificates: z.string().min(1).max(100_000) }),
]);

/** Reads what was previewed once more: nothing that a form brings is trusted for having been shown before. */
async function save(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = parseForm(SAVE_FORM, request);
  const source: MetadataSource =
    'metadata_packed' in form ? { kind: 'document', content: unpacked(form.metadata_packed), entityId: form.wanted } : typedIn(form).source;
  const read = await loadMetadata(runtime, source);
  const metadataUrl = 'metadata_packed' in form ? form.metadata_url : undefined;
  if (metadataUrl !== undefined && !URL.canParse(metadataUrl)) throw new GatewayError('validation_failed', 'metadata_url: is no URL.');
  const loaded: LoadedMetadata = metadataUrl === undefined ? read : { ...read, metadataUrl };
  await setIdentityProvider(runtime, visitActorOf(request, response), { organization: organizationOf(response), loaded });
  redirectWithNotice(runtime, response, pathOf(response), 'The identity provider is saved. Now try it with a test sign-in.');
}

async function showSettings(
  runtime: Runtime,
  request: Request,
  response: Response,
  values: SettingsValues,
  again?: { readonly notice: Notice; readonly status: number },
): Promise<void> {
  const { metadataUrl } = requireIdentityProvider(organizationOf(response));
  const frame = frameOf(runtime, request, response, again?.notice);
  const page = <SingleSignOnSettingsPage frame={frame} values={values} hasUrl={metadataUrl !== undefined} />;
  sendConsolePage(response, page, again?.status);
}

function valuesOf(response: Response): SettingsValues {
  const { settings } = requireIdentityProvider(organizationOf(response));
  const lines = (texts: readonly string[] = []) => texts.join('\n');
  const box = (isTicked: boolean) => (isTicked ? 'yes' : '');
  return {
    idp_initiated: settings.idpInitiated,
    clock_skew_seconds: String(settings.clockSkewSeconds),
    require_signed_assertion: box(settings.requireSignedAssertion),
    require_signed_response: box(settings.requireSignedResponse),
    require_encrypted_assertion: box(settings.requireEncryptedAssertion),
    sign_requests: settings.signRequests === undefined ? '' : settings.signRequests ? 'yes' : 'no',
    name_id_format: settings.nameIdFormat ?? '',
    force_authn: box(settings.forceAuthn),
    authn_context: lines(settings.authnContext),
    metadata_refresh_hours: String(settings.metadataRefreshHours ?? ''),
    attributes_email: lines(settings.attributeMapping.email),
    attributes_name: lines(settings.attributeMapping.name),
    attributes_groups: lines(settings.attributeMapping.groups),
  };
}

async function saveSettings(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const body = (request.body ?? {}) as Readonly<Record<string, unknown>>;
  const text = (field: SettingsField): string => (typeof body[field] === 'string' ? body[field] : '');
  const values = Object.fromEntries(SETTINGS_FIELDS.map((field) => [field, text(field)])) as SettingsValues;
  try {
    const changes = toSettings(checkShape(IDP_SETTINGS, inWordsOfTheApi(values)));
    await changeIdpSettings(runtime, visitActorOf(request, response), { organization: organizationOf(response), changes });
    redirectWithNotice(runtime, response, pathOf(response), 'The settings are saved. They count from the next sign-in on.');
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'validation_failed') throw error;
    const notice: Notice = { kind: 'problem', text: error.facts.detail ?? error.code };
    await showSettings(runtime, request, response, values, { notice, status: error.status });
  }
}

function inWordsOfTheApi(values: SettingsValues): Record<string, unknown> {
  const lines = (field: SettingsField) =>
    values[field]
      .split(/[\r\n]+/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const number = (field: SettingsField) => (values[field].trim() === '' ? null : Number(values[field]));
  const isTicked = (field: SettingsField) => values[field] === 'yes';
  const mapping = (['email', 'name', 'groups'] as const).map((what) => [what, lines(`attributes_${what}`)] as const);
  return {
    idp_initiated: values.idp_initiated,
    clock_skew_seconds: number('clock_skew_seconds'),
    require_signed_assertion: isTicked('require_signed_assertion'),
    require_signed_response: isTicked('require_signed_response'),
    require_encrypted_assertion: isTicked('require_encrypted_assertion'),
    sign_requests: values.sign_requests === '' ? null : isTicked('sign_requests'),
    name_id_format: values.name_id_format.trim() || null,
    force_authn: isTicked('force_authn'),
    authn_context: lines('authn_context'),
    metadata_refresh_hours: number('metadata_refresh_hours'),
    attribute_mapping: Object.fromEntries(mapping.filter(([, names]) => names.length > 0)),
  };
}
