/** `/.well-known`: the addresses of the OAuth endpoints, and the public keys that verify tokens. */
import type { z } from 'zod';
import { publicKeySet } from '../auth/keys/key-lease.ts';
import { JWKS_MAX_AGE_SECONDS } from '../auth/keys/signing-keys.ts';
import { sha256 } from '../ids.ts';
import { operation } from './api/operation.ts';
import * as answers from './oauth-answers.ts';

/** The grant types of `POST /oauth/token`: RFC 8628 §3.4 and RFC 8693 §2.1. */
export const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';

export const DISCOVERY = [
  operation({
    method: 'get',
    path: '/.well-known/jwks.json',
    id: 'getJwks',
    summary: 'Retrieve the public keys',
    description: 'Returns the keys that verify tokens of this gateway (RFC 7517).',
    who: 'public',
    status: 200,
    answer: answers.JWKS,
    handle: async ({ runtime, response }) => {
      const keys = await publicKeySet(runtime);
      // Express answers 304 if the client already has this version.
      response.setHeader('ETag', `"${sha256(JSON.stringify(keys))}"`);
      response.setHeader('Cache-Control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
      response.type('application/jwk-set+json');
      return keys as z.infer<typeof answers.JWKS>;
    },
  }),
  operation({
    method: 'get',
    path: '/.well-known/oauth-authorization-server',
    id: 'getAuthorizationServer',
    summary: 'Retrieve the authorization server metadata',
    description: 'Returns the addresses of the OAuth endpoints (RFC 8414).',
    who: 'public',
    status: 200,
    answer: answers.AUTHORIZATION_SERVER,
    handle: ({ runtime, response }) => {
      response.setHeader('Cache-Control', `public, max-age=${JWKS_MAX_AGE_SECONDS}`);
      return serverMetadata(runtime.config.baseUrl);
    },
  }),
];

/** Returns the metadata of RFC 8414 §2. There are no response types, because there is no authorization endpoint. */
const serverMetadata = (baseUrl: string) => ({
  issuer: baseUrl,
  token_endpoint: `${baseUrl}/oauth/token`,
  device_authorization_endpoint: `${baseUrl}/oauth/device_authorization`,
  introspection_endpoint: `${baseUrl}/oauth/introspect`,
  revocation_endpoint: `${baseUrl}/oauth/revoke`,
  jwks_uri: `${baseUrl}/.well-known/jwks.json`,
  grant_types_supported: [DEVICE_CODE_GRANT, TOKEN_EXCHANGE_GRANT],
  response_types_supported: [],
  token_endpoint_auth_methods_supported: ['none'],
  revocation_endpoint_auth_methods_supported: ['none'],
  introspection_endpoint_auth_methods_supported: ['Bearer'],
});
