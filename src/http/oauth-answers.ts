/** Schemas of the answers of the OAuth endpoints. They are apart from those of the API, which the gateway loads on its first request only. */
import { z } from 'zod';

export const JWKS = z.looseObject({ keys: z.array(z.looseObject({ kid: z.string(), alg: z.string(), kty: z.string() })) });
export const AUTHORIZATION_SERVER = z.strictObject({
  issuer: z.string(),
  token_endpoint: z.string(),
  device_authorization_endpoint: z.string(),
  introspection_endpoint: z.string(),
  revocation_endpoint: z.string(),
  jwks_uri: z.string(),
  grant_types_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
});
export const DEVICE_CODE = z.strictObject({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.int(),
  interval: z.int(),
});
export const ACCESS_TOKEN = z.strictObject({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  issued_token_type: z.string().optional(),
  expires_in: z.int().optional(),
});
export const INTROSPECTION = z.union([
  z.strictObject({ active: z.literal(false) }),
  z.strictObject({
    active: z.literal(true),
    token_type: z.literal('Bearer'),
    kind: z.enum(['cli_token', 'session_token']),
    iss: z.string(),
    sub: z.string(),
    org: z.string(),
    username: z.string(),
    email: z.string(),
    name: z.string(),
    role: z.enum(['owner', 'collaborator']),
    jti: z.string(),
    iat: z.int(),
    exp: z.int().optional(),
    aud: z.string().optional(),
    sid: z.string().optional(),
  }),
]);
