/** `/organizations/{org}/identity-provider`: the metadata of the identity provider and the settings. */

import express, { type Request, type Response } from 'express';
import { z } from 'zod';
import type { Principal } from '../../auth/principal.ts';
import { GatewayError } from '../../errors.ts';
import { requireDefaultConnection } from '../../organizations/connections/connections.ts';
import {
  changeIdpSettings,
  findMetadataWarnings,
  type LoadedMetadata,
  loadMetadata,
  type MetadataSource,
  removeIdentityProvider,
  setIdentityProvider,
  withMetadata,
} from '../../organizations/connections/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { identityProviderJson } from './representations.ts';
import { json, jsonOf, type RequestBody, runParser } from './request-body.ts';
import { checkShape, IDP_SETTINGS, METADATA_INPUT, METADATA_QUERY, toSettings } from './request-shapes.ts';

const XML_TYPES = ['application/samlmetadata+xml', 'application/xml', 'text/xml'] as const;
/** 1 MiB of metadata, and the parts that a form adds. */
const MAX_BODY = 1100 * 1024;

/** XML and forms are read as octets: the encoding that XML itself declares decides, not a header. */
const parseOctets = express.raw({ type: [...XML_TYPES, 'multipart/form-data'], limit: MAX_BODY, inflate: false });

const METADATA_BODY: RequestBody<MetadataSource> = {
  content: {
    'application/json': METADATA_INPUT,
    'application/samlmetadata+xml': 'text',
    'application/xml': 'text',
    'text/xml': 'text',
    'multipart/form-data': z.object({ metadata: z.string().describe('File or text') }),
  },
  read: metadataSource,
};

export const IDENTITY_PROVIDERS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'getIdentityProvider',
    summary: 'Retrieve the identity provider',
    description: 'Returns the metadata, the settings, and the values that the identity provider’s administrator needs.',
    who: 'owner',
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured'],
    handle: ({ runtime, principal, organization }) => describe(runtime, principal, organization),
  }),
  operation({
    method: 'put',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'setIdentityProvider',
    summary: 'Set the metadata of the identity provider',
    description:
      'Accepts a metadata document, a form with the field `metadata`, or JSON with the document, its URL or its values. The settings remain. With `dry_run=true` nothing is saved.',
    who: 'owner',
    query: METADATA_QUERY,
    body: METADATA_BODY,
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_metadata_invalid', 'payload_too_large'],
    handle: async ({ runtime, principal, actor, organization, query, body }) => {
      const source = body.kind === 'manual' ? body : { ...body, entityId: body.entityId ?? query.entity_id };
      const loaded = await loadMetadata(runtime, source);
      if (query.dry_run === 'true') return describe(runtime, principal, withMetadata({ organization, loaded }, runtime.now()), loaded);
      return describe(runtime, principal, await setIdentityProvider(runtime, actor, { organization, loaded }), loaded);
    },
  }),
  operation({
    method: 'patch',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'changeIdentityProviderSettings',
    summary: 'Update the settings of the identity provider',
    description: 'Changes the settings that are present. `null` restores the default of a setting.',
    who: 'owner',
    body: json(IDP_SETTINGS),
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['idp_not_configured'],
    handle: async ({ runtime, principal, actor, organization, body }) =>
      describe(runtime, principal, await changeIdpSettings(runtime, actor, { organization, changes: toSettings(body) })),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/identity-provider',
    id: 'removeIdentityProvider',
    summary: 'Remove the identity provider',
    description: 'Members can no longer sign in. Their sessions remain valid.',
    who: 'owner',
    status: 204,
    handle: async ({ runtime, actor, organization }) => {
      await removeIdentityProvider(runtime, actor, organization);
    },
  }),
];

async function describe(runtime: Runtime, principal: Principal, organization: Organization, loaded?: LoadedMetadata) {
  const connection = requireDefaultConnection(organization);
  const warnings = await findMetadataWarnings(runtime, { organization, connection }, { isOperator: principal.kind === 'operator', loaded });
  return identityProviderJson({ organization, connection }, warnings, runtime.config.baseUrl);
}

/** Reads metadata in each of the accepted forms. @throws validation_failed, idp_metadata_invalid, payload_too_large */
async function metadataSource(request: Request, response: Response): Promise<MetadataSource> {
  await runParser(parseOctets, request, response);
  if (request.is([...XML_TYPES])) return { kind: 'document', content: octetsOf(request) };
  if (request.is('multipart/form-data')) return { kind: 'document', content: await metadataField(request) };
  if (!request.is('application/json')) {
    throw new GatewayError(
      'validation_failed',
      `Send metadata as ${XML_TYPES.join(', ')}, multipart/form-data with the field “metadata”, or application/json.`,
    );
  }
  const body = checkShape(METADATA_INPUT, await jsonOf(request, response));
  if ('metadata_xml' in body) return { kind: 'document', content: body.metadata_xml, entityId: body.entity_id };
  if ('metadata_url' in body) return { kind: 'url', url: body.metadata_url, entityId: body.entity_id };
  return { kind: 'manual', values: body };
}

function octetsOf(request: Request): Buffer {
  if (!Buffer.isBuffer(request.body)) throw new GatewayError('idp_metadata_invalid', 'The metadata is empty.');
  return request.body;
}

/** Returns the field `metadata` of a form, which is a file or text. The parser of the platform reads the form. */
async function metadataField(request: Request): Promise<Uint8Array | string> {
  const body = octetsOf(request);
  const headers = { 'content-type': request.get('content-type') ?? '' };
  const form = await new globalThis.Response(new Uint8Array(body), { headers }).formData().catch((cause: unknown) => {
    throw new GatewayError('validation_failed', { detail: 'The form is malformed.', cause });
  });
  const [field, ...others] = form.getAll('metadata');
  if (field === undefined || others.length > 0) {
    throw new GatewayError('validation_failed', 'Send a form with exactly one field “metadata”.');
  }
  return typeof field === 'string' ? field : new Uint8Array(await field.arrayBuffer());
}
