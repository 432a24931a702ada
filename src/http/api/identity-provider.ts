/** `…/identity-provider`: metadata as upload, paste, URL or typed values, and the settings. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import { GatewayError } from '../../errors.ts';
import {
  changeSettings,
  type MetadataSource,
  removeIdentityProvider,
  requireIdentityProvider,
  setIdentityProvider,
  type UnderstoodMetadata,
  understandMetadata,
  warningsOf,
  withMetadata,
} from '../../organizations/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from './callers.ts';
import { identityProviderJson } from './representations.ts';
import { checkShape, IDP_SETTINGS, METADATA_INPUT, METADATA_QUERY, toSettings } from './request-shapes.ts';

const XML_TYPES = ['application/samlmetadata+xml', 'application/xml', 'text/xml'];
/** 1 MiB of metadata, and what a form adds. */
const MAX_BODY = 1100 * 1024;

export function identityProviderRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const answer = async (response: Response, organization: Organization, understood?: UnderstoodMetadata) => {
    const identityProvider = requireIdentityProvider(organization);
    const warnings = await warningsOf(runtime, organization, understood);
    response.json(identityProviderJson(organization, identityProvider, warnings, runtime.config.baseUrl));
  };
  router.get('/', (_request, response) => answer(response, organizationOf(response)));
  router.put('/', readRawBody, async (request, response) => {
    const query = checkShape(METADATA_QUERY, request.query);
    const source = await metadataSource(request, query.entity_id);
    const understood = await understandMetadata(runtime, source);
    // What would be understood, saved by nobody: for a look before the change.
    if (query.dry_run === 'true') return answer(response, withMetadata(organizationOf(response), understood, runtime.now()), understood);
    const after = await setIdentityProvider(runtime, callerOf(request, response), organizationOf(response), understood);
    return answer(response, after, understood);
  });
  router.patch('/', async (request, response) => {
    const changes = toSettings(checkShape(IDP_SETTINGS, request.body));
    await answer(response, await changeSettings(runtime, callerOf(request, response), organizationOf(response), changes));
  });
  router.delete('/', async (request, response) => {
    await removeIdentityProvider(runtime, callerOf(request, response), organizationOf(response));
    response.status(204).end();
  });
  return router;
}

/** XML and forms come as octets: their own declaration, not a header, says how to read them. */
const readRawBody: RequestHandler = express.raw({ type: [...XML_TYPES, 'multipart/form-data'], limit: MAX_BODY, inflate: false });

/** @throws validation_failed, idp_metadata_invalid */
async function metadataSource(request: Request, entityId: string | undefined): Promise<MetadataSource> {
  if (request.is(XML_TYPES)) return { kind: 'document', content: octetsOf(request), entityId };
  if (request.is('multipart/form-data')) return { kind: 'document', content: await metadataField(request), entityId };
  if (!request.is('application/json')) {
    throw new GatewayError(
      'validation_failed',
      `Send metadata as ${XML_TYPES.join(', ')}, multipart/form-data with the field “metadata”, or application/json.`,
    );
  }
  const body = checkShape(METADATA_INPUT, request.body);
  if ('metadata_xml' in body) return { kind: 'document', content: body.metadata_xml, entityId: body.entity_id ?? entityId };
  if ('metadata_url' in body) return { kind: 'url', url: body.metadata_url, entityId: body.entity_id ?? entityId };
  return { kind: 'manual', values: body };
}

function octetsOf(request: Request): Buffer {
  if (!Buffer.isBuffer(request.body)) throw new GatewayError('idp_metadata_invalid', 'The metadata is empty.');
  return request.body;
}

/** The field `metadata` of a form, a file or a text. The platform's own parser reads the form. */
async function metadataField(request: Request): Promise<Uint8Array | string> {
  const body = octetsOf(request);
  const headers = { 'content-type': request.get('content-type') ?? '' };
  const form = await new globalThis.Response(new Uint8Array(body), { headers }).formData().catch((cause: unknown) => {
    throw new GatewayError('validation_failed', { detail: 'The form can’t be read.', cause });
  });
  const field = form.getAll('metadata');
  if (field.length !== 1 || field[0] === undefined) throw new GatewayError('validation_failed', 'The form must have one field “metadata”.');
  return typeof field[0] === 'string' ? field[0] : new Uint8Array(await field[0].arrayBuffer());
}
