/** Metadata in the body of a request, in each of the accepted forms, and the answer that describes its connection. */
import express, { type Request, type Response } from 'express';
import { z } from 'zod';
import type { Actor } from '../../audit.ts';
import type { Principal } from '../../auth/principal.ts';
import { GatewayError } from '../../errors.ts';
import { type ConnectionChanges, withChanges } from '../../organizations/connections/change-connection.ts';
import { type OrganizationConnection, requireConnection } from '../../organizations/connections/connections.ts';
import { type EntityIdDecision, previewMembers } from '../../organizations/connections/entity-id-change.ts';
import {
  findMetadataWarnings,
  type LoadedMetadata,
  loadMetadataFor,
  type MetadataSource,
  previewMetadata,
  setIdentityProvider,
} from '../../organizations/connections/identity-providers.ts';
import { previewIdentifier } from '../../organizations/identity/identifier-setting.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { readFormData } from '../limits/form-data.ts';
import { changePreviewJson, connectionJson } from './representations.ts';
import { jsonOf, parseJson, type RequestBody, runParser, withTooLargeText } from './request-body.ts';
import { checkShape, METADATA_INPUT, type METADATA_QUERY, NEW_CONNECTION } from './request-shapes.ts';

const XML_TYPES = ['application/samlmetadata+xml', 'application/xml', 'text/xml'] as const;
/** 1 MiB of metadata, and the parts that a form adds. */
const MAX_BODY = 1100 * 1024;

/** XML and forms are read as octets: the encoding that XML itself declares decides, not a header. */
const parseOctets = withTooLargeText(
  express.raw({ type: [...XML_TYPES, 'multipart/form-data'], limit: MAX_BODY, inflate: false }),
  'metadata_too_large',
);
const parseMetadataJson = withTooLargeText(parseJson, 'metadata_too_large');

/** Metadata, with the decision of a JSON body. Other bodies have it in the query only. */
export type PostedMetadata = MetadataSource & { readonly decision?: EntityIdDecision | undefined; readonly linkUntil?: string | undefined };

export const METADATA_BODY: RequestBody<PostedMetadata> = {
  content: {
    'application/json': METADATA_INPUT,
    'application/samlmetadata+xml': 'text',
    'application/xml': 'text',
    'text/xml': 'text',
    'multipart/form-data': z.object({ metadata: z.string().describe('File or text') }),
  },
  read: metadataSource,
};

/** Metadata with the name of a new connection. Only JSON has the name in the body. */
export const NEW_CONNECTION_BODY: RequestBody<{ readonly name?: string | undefined; readonly source: MetadataSource }> = {
  content: { ...METADATA_BODY.content, 'application/json': NEW_CONNECTION },
  read: async (request, response) => {
    if (!request.is('application/json')) return { source: await metadataSource(request, response) };
    const { name, ...metadata } = checkShape(NEW_CONNECTION, await jsonOf(request, response, parseMetadataJson));
    return { name, source: sourceOf(checkShape(METADATA_INPUT, metadata)) };
  },
};

/** Returns the source, with the entityID of the query if the body names none. */
export const withEntityId = <Source extends MetadataSource>(source: Source, entityId: string | undefined): Source =>
  source.kind === 'manual' ? source : { ...source, entityId: source.entityId ?? entityId };

/** Returns a connection as the API shows it, with its current warnings. */
export async function describeConnection(
  runtime: Runtime,
  principal: Principal,
  { organization, connection }: OrganizationConnection,
  loaded?: LoadedMetadata,
) {
  const warnings = await findMetadataWarnings(runtime, { organization, connection }, { isOperator: principal.kind === 'operator', loaded });
  return connectionJson({ organization, connection }, warnings, runtime.config.baseUrl);
}

export interface MetadataCall {
  readonly runtime: Runtime;
  readonly principal: Principal;
  readonly actor: Actor;
  readonly organization: Organization;
  /** The default connection if undefined. */
  readonly connectionId?: string | undefined;
  readonly query: z.infer<typeof METADATA_QUERY>;
  readonly body: PostedMetadata;
  authorizeAgain(): Promise<unknown>;
}

/** Saves metadata and describes its connection. In a dry run, saves nothing and counts the members whom another entityID affects. */
export async function putMetadata(call: MetadataCall) {
  const { runtime, principal, actor, organization, connectionId, query, body } = call;
  const loaded = await loadMetadataFor(runtime, organization, withEntityId(body, query.entity_id));
  // The server that the caller names decides how long the fetch takes.
  if (body.kind === 'url') await call.authorizeAgain();
  const linkUntil = query.link_until ?? body.linkUntil;
  const change = {
    organization,
    connectionId,
    loaded,
    decision: query.on_new_entity_id ?? body.decision,
    linkUntilMs: linkUntil === undefined ? undefined : Date.parse(linkUntil),
  };
  const describe = (after: Organization) =>
    describeConnection(runtime, principal, { organization: after, connection: requireConnection(after, connectionId) }, loaded);
  if (query.dry_run !== 'true') return describe(await setIdentityProvider(runtime, actor, change));
  const members = await previewMembers(runtime, { ...change, entityId: loaded.metadata.entityId });
  return { ...(await describe(previewMetadata(change, runtime.now()))), ...(members ? { members: changePreviewJson(members) } : {}) };
}

/** Reads metadata in each of the accepted forms. @throws validation_failed, idp_metadata_invalid, payload_too_large */
async function metadataSource(request: Request, response: Response): Promise<PostedMetadata> {
  await runParser(parseOctets, request, response);
  if (request.is([...XML_TYPES])) return { kind: 'document', content: octetsOf(request) };
  if (request.is('multipart/form-data')) return { kind: 'document', content: await metadataField(request) };
  if (!request.is('application/json')) {
    throw new GatewayError(
      'validation_failed',
      `Send metadata as ${XML_TYPES.join(', ')}, multipart/form-data with the field “metadata”, or application/json.`,
    );
  }
  return sourceOf(checkShape(METADATA_INPUT, await jsonOf(request, response, parseMetadataJson)));
}

function sourceOf({ on_new_entity_id: decision, link_until: linkUntil, ...body }: z.infer<typeof METADATA_INPUT>): PostedMetadata {
  if ('metadata_xml' in body) return { kind: 'document', content: body.metadata_xml, entityId: body.entity_id, decision, linkUntil };
  if ('metadata_url' in body) return { kind: 'url', url: body.metadata_url, entityId: body.entity_id, decision, linkUntil };
  return { kind: 'manual', values: body, decision, linkUntil };
}

function octetsOf(request: Request): Buffer {
  if (!Buffer.isBuffer(request.body)) throw new GatewayError('idp_metadata_invalid', 'The metadata is empty.');
  return request.body;
}

/** Returns the field `metadata` of a form, which is a file or text. */
async function metadataField(request: Request): Promise<Uint8Array | string> {
  const form = await readFormData(request, octetsOf(request));
  const [field, ...others] = form.get('metadata') ?? [];
  if (field === undefined || others.length > 0) {
    throw new GatewayError('validation_failed', 'Send a form with exactly one field “metadata”.');
  }
  return typeof field === 'string' ? field : new Uint8Array(await field.arrayBuffer());
}

/** Returns a connection as changes would make it, and how many members the change of its identifier affects. Saves nothing. */
export async function previewChanges(
  runtime: Runtime,
  principal: Principal,
  change: {
    readonly organization: Organization;
    readonly connectionId: string;
    readonly changes: ConnectionChanges;
    readonly signal: AbortSignal;
  },
) {
  const { signal } = change;
  const organization = withChanges(change.organization, change.connectionId, change.changes);
  const connection = requireConnection(organization, change.connectionId);
  const setting = connection.settings.identifier ?? 'auto';
  const { isPartial, ...counts } = await previewIdentifier(runtime.store, organization.id, { connection, setting, signal });
  return {
    ...(await describeConnection(runtime, principal, { organization, connection })),
    affected_members: { ...counts, is_partial: isPartial },
  };
}
