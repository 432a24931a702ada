/** Example values of JSON schemas. */
import { alternativesOf, type JsonSchema, objectName } from './schema-rows.ts';

export type Schemas = Readonly<Record<string, JsonSchema>>;

const TIME = '2026-03-04T10:22:00Z';
const ACME = 'https://sso.example.com/saml/acme';

/** Example values by object and field, or by field. The value of the object wins. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  id: 'usr_7d3k9x2m4q8v1c6z0b5n',
  'Organization.id': 'org_8k2m4q7v1c9x3z6b0n5d',
  'organization.id': 'org_8k2m4q7v1c9x3z6b0n5d',
  'IdentityProvider.id': 'con_2m8q4v7c1x9z3b6n0d5k',
  'CliToken.id': 'tok_4q8v1c7x9z3b6n0d5k2m',
  'NewCliToken.id': 'tok_4q8v1c7x9z3b6n0d5k2m',
  'credential.id': 'tok_4q8v1c7x9z3b6n0d5k2m',
  'SetupLink.id': 'lnk_01kfz7q8v1c7x9z3b6n0d',
  'NewSetupLink.id': 'lnk_01kfz7q8v1c7x9z3b6n0d',
  'SignIn.id': 'att_01kfz7q8v1c7x9z3b6n0d',
  'SignInDetails.id': 'att_01kfz7q8v1c7x9z3b6n0d',
  'sign_in.id': 'att_01kfz7q8v1c7x9z3b6n0d',
  'AuditEntry.id': 'aud_01kfz7q8v1c7x9z3b6n0d',
  'MetadataProposal.id': 'prp_01kfz7q8v1c7x9z3b6n0d',
  'link_request.id': 'req_9z3b6n0d5k2m4q8v1c7x',
  'change.id': 'chg_6n0d5k2m4q8v1c7x9z3b',
  change: 'chg_6n0d5k2m4q8v1c7x9z3b',
  slug: 'acme',
  name: 'Ada Lovelace',
  'Organization.name': 'Acme Corp',
  'organization.name': 'Acme Corp',
  'IdentityProvider.name': 'Okta',
  'CliToken.name': 'ci',
  'NewCliToken.name': 'ci',
  'SignInCheck.name': 'audience',
  'record.name': '_samlgate.acme.example',
  'record.value': 'samlgate-verification=8f2k6q1x',
  email: 'ada@acme.example',
  username: 'ada@acme.example',
  contact_email: 'it@acme.example',
  domain: 'acme.example',
  domains: ['acme.example'],
  email_domains: ['acme.example'],
  allowed_return_urls: ['https://app.acme.example/signed-in'],
  session_token_audiences: ['https://app.acme.example'],
  logo_url: null,
  group: 'platform-admins',
  groups: ['platform-admins'],
  role_group: 'platform-admins',
  connection: 'con_2m8q4v7c1x9z3b6n0d5k',
  url: 'https://sso.example.com/setup/TOKEN',
  next_cursor: null,
  csrf_token: null,
  token: 'samlgate_cli_eyJhbGciOi…',
  'SessionToken.token': 'eyJhbGciOi…',
  access_token: 'eyJhbGciOi…',
  device_code: 'GmRhm…',
  user_code: 'WDJB-MJHT',
  verification_uri: 'https://sso.example.com/device',
  verification_uri_complete: 'https://sso.example.com/device?user_code=WDJB-MJHT',
  issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  expires_in: 600,
  interval: 5,
  kid: 'k_7d3k9x2m',
  alg: 'ES256',
  kty: 'EC',
  iss: 'https://sso.example.com',
  issuer: 'https://sso.example.com',
  sub: 'usr_7d3k9x2m4q8v1c6z0b5n',
  org: 'org_8k2m4q7v1c9x3z6b0n5d',
  iat: 1_772_619_720,
  entity_id: 'https://idp.acme.example/saml/metadata',
  former_entity_id: 'https://old-idp.acme.example/saml/metadata',
  'service_provider.entity_id': `${ACME}/metadata`,
  acs_url: `${ACME}/acs`,
  slo_url: `${ACME}/slo`,
  login_url: `${ACME}/login`,
  metadata_url: 'https://idp.acme.example/saml/metadata',
  'service_provider.metadata_url': `${ACME}/metadata`,
  redirect: 'https://idp.acme.example/saml/sso',
  post: 'https://idp.acme.example/saml/sso',
  location: 'https://idp.acme.example/saml/slo',
  name_id_formats: ['urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
  name_id_format: null,
  identifier: { name_id: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
  authn_context: [],
  fingerprint_sha256: '3f:1a:9c:…',
  subject: 'CN=idp.acme.example',
  key_type: 'rsa',
  key_bits: 2048,
  clock_skew_seconds: 180,
  metadata_refresh_hours: 24,
  pem: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n',
  request_id: '6c0a5a0e-6f0e-4b0e-9d52-2f4a5a1d8f43',
  user_agent: 'Mozilla/5.0 …',
  address: '203.0.113.7',
  last_used_address: '203.0.113.7',
  last_used_client: 'samlgate/1.0',
  gateway_version: '1.0.0',
  openapi: '3.1.1',
  type: 'urn:samlgate:error:validation_failed',
  title: 'The request is invalid',
  status: 400,
  code: null,
  'Problem.code': 'validation_failed',
  'OauthProblem.code': 'validation_failed',
  replaces: null,
  replacement: null,
  warnings: [],
  quota_warnings: [],
  without_owner_since: null,
};

/** Fields of answers that the examples omit, because the answer has them only in special cases. */
const RARE: ReadonlySet<string> = new Set([
  'csrf_token',
  'affected_members',
  'response_location',
  'structure',
  'decrypted_structure',
  'quotas',
  'quota_use',
]);

export interface SampleOptions {
  readonly schemas: Schemas;
  /** The object or the field that contains the value. */
  readonly parent?: string;
  readonly name?: string;
}

/** Returns an example value of a schema. */
export function sampleOf(schema: JsonSchema, { schemas, parent = '', name = '' }: SampleOptions): unknown {
  for (const key of [`${parent}.${name}`, name]) if (fits(SAMPLES[key], schema)) return SAMPLES[key];
  if (schema.$ref !== undefined) {
    const object = objectName(schema.$ref);
    return sampleOf(schemas[object] ?? {}, { schemas, parent: object });
  }
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const alternatives = alternativesOf(schema);
  if (alternatives) return sampleOf(alternatives.findLast(({ type }) => type !== 'null') ?? {}, { schemas, parent, name });
  if (schema.properties) return sampleObject(schema, { schemas, parent: name || parent });
  return sampleOfType([schema.type].flat()[0], schema, { schemas, parent, name });
}

function sampleObject({ properties = {}, required = [] }: JsonSchema, options: SampleOptions): unknown {
  const shown = Object.entries(properties).filter(([name]) => !RARE.has(name) || required.includes(name));
  return Object.fromEntries(shown.map(([name, schema]) => [name, sampleOf(schema, { ...options, name })]));
}

function sampleOfType(type: string | undefined, { items = {}, format, minimum = 0 }: JsonSchema, options: SampleOptions): unknown {
  if (type === 'array') return [sampleOf(items, options)];
  if (type === 'integer' || type === 'number') return minimum;
  if (type === 'boolean') return false;
  if (type === 'object') return {};
  return format === 'date-time' ? TIME : 'string';
}

/** Returns whether a value has a type that the schema allows. */
function fits(value: unknown, schema: JsonSchema): boolean {
  if (value === undefined) return false;
  if (schema.enum) return schema.enum.includes(value);
  if (schema.const !== undefined) return schema.const === value;
  const alternatives = alternativesOf(schema);
  if (alternatives) return alternatives.some((each) => fits(value, each));
  const types = [schema.type].flat();
  if (value === null) return types.includes('null');
  if (Array.isArray(value)) return types.includes('array');
  if (typeof value === 'object') {
    return types.includes('object') && Object.keys(value).every((key) => schema.properties?.[key]);
  }
  return types.includes(typeof value) || (typeof value === 'number' && types.includes('integer'));
}
