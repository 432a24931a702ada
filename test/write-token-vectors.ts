/** `node test/write-token-vectors.ts` writes test/vectors/tokens.json with new keys. Run it after adding a case. */
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const ISSUER = 'http://sso.samlgate.example';
const AUDIENCE = 'https://reports.example';
const [PAST, FUTURE] = [978_307_200, 4_102_444_800];

const KEYS = {
  es: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  other: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed: generateKeyPairSync('ed25519'),
};
type KeyName = keyof typeof KEYS;

const ALGORITHMS: Readonly<Record<KeyName, string>> = { es: 'ES256', other: 'ES256', p384: 'ES384', rsa: 'RS256', ed: 'EdDSA' };
const SECRET = Buffer.alloc(32, 7);

const jwk = (name: KeyName, more: object = {}) => ({
  ...KEYS[name].publicKey.export({ format: 'jwk' }),
  kid: name,
  alg: ALGORITHMS[name],
  use: 'sig',
  ...more,
});
const jwks = {
  keys: [
    jwk('es'),
    jwk('rsa'),
    jwk('ed'),
    jwk('p384'),
    jwk('es', { kid: 'encryption', use: 'enc' }),
    jwk('p384', { kid: 'mislabelled', alg: 'ES256' }),
    { kty: 'oct', kid: 'oct', alg: 'HS256', use: 'sig', k: SECRET.toString('base64url') },
  ],
};

const part = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Signs with SHA-256, also on a curve that belongs to another hash, so that only its curve tells such a key apart. */
function signature(key: KeyObject, input: string, encoding: 'der' | 'ieee-p1363' = 'ieee-p1363'): string {
  const digest = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return sign(digest, Buffer.from(input), { key, dsaEncoding: encoding }).toString('base64url');
}

const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'usr_1',
  org: 'org_1',
  email: 'ada@acme.example',
  name: 'Ada Ä',
  role: 'collaborator',
  sid: 'ses_1',
  jti: 'j1',
  iat: PAST,
  exp: FUTURE,
};

/** Members that are undefined are left out. */
function make(claims: object | string = {}, header: object = {}, key: KeyName = 'es'): string {
  const payload = typeof claims === 'string' ? claims : { ...CLAIMS, ...claims };
  const input = `${part({ alg: ALGORITHMS[key], kid: key, typ: 'at+jwt', ...header })}.${part(payload)}`;
  return `${input}.${signature(KEYS[key].privateKey, input)}`;
}

function hmac(header: object, secret: string | Buffer): string {
  const input = `${part({ alg: 'HS256', kid: 'es', typ: 'at+jwt', ...header })}.${part(CLAIMS)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const pem = (name: KeyName) => KEYS[name].publicKey.export({ format: 'pem', type: 'spki' });
const [validHeader = '', validPayload = '', validSignature = ''] = make().split('.');

const accepted: Readonly<Record<string, string>> = {
  'signed with ES256': make(),
  'signed with RS256': make({}, {}, 'rsa'),
  'signed with EdDSA': make({}, {}, 'ed'),
  'for several audiences': make({ aud: ['https://other.example', AUDIENCE] }),
  'with the full media type': make({}, { typ: 'application/at+jwt' }),
  'with a type in capitals': make({}, { typ: 'AT+JWT' }),
  'valid since the past': make({ nbf: PAST }),
  'with unknown claims': make({ scope: 'admin', groups: ['a'] }),
};

const refused: Readonly<Record<string, string>> = {
  'that has expired': make({ exp: PAST }),
  'without an expiry': make({ exp: undefined }),
  'whose expiry is null': make({ exp: null }),
  'whose expiry is text': make({ exp: String(FUTURE) }),
  'whose expiry is a list': make({ exp: [FUTURE] }),
  'whose expiry is true': make({ exp: true }),
  'that is not valid yet': make({ nbf: FUTURE }),
  'whose start is text': make({ nbf: String(PAST) }),
  'whose time of issue is text': make({ iat: String(PAST) }),
  'of another issuer': make({ iss: 'https://other.example' }),
  'whose issuer has a slash': make({ iss: `${ISSUER}/` }),
  'without an issuer': make({ iss: undefined }),
  'whose issuer is a list': make({ iss: [ISSUER] }),
  'for another audience': make({ aud: 'https://other.example' }),
  'for the gateway': make({ aud: ISSUER }),
  'for an audience that starts the same': make({ aud: `${AUDIENCE}.evil` }),
  'without an audience': make({ aud: undefined }),
  'with an empty list of audiences': make({ aud: [] }),
  'without a type': make({}, { typ: undefined }),
  'of the type JWT': make({}, { typ: 'JWT' }),
  'of the type of CLI tokens': make({}, { typ: 'samlgate-cli+jwt' }),
  'whose type is a list': make({}, { typ: ['at+jwt'] }),
  'without a subject': make({ sub: undefined }),
  'with an empty subject': make({ sub: '' }),
  'whose subject is a number': make({ sub: 1 }),
  'without an organization': make({ org: undefined }),
  'whose organization is a list': make({ org: ['org_1'] }),
  'without a role': make({ role: undefined }),
  'with an unknown role': make({ role: 'admin' }),
  'whose role is a list': make({ role: ['owner'] }),
  'with the algorithm none': `${part({ alg: 'none', kid: 'es', typ: 'at+jwt' })}.${part(CLAIMS)}.`,
  'with the algorithm none and a signature': `${part({ alg: 'none', kid: 'es', typ: 'at+jwt' })}.${validPayload}.${validSignature}`,
  'with the algorithm None': `${part({ alg: 'None', kid: 'es', typ: 'at+jwt' })}.${part(CLAIMS)}.`,
  'without an algorithm': make({}, { alg: undefined }),
  'whose algorithm is a list': make({}, { alg: ['ES256'] }),
  'with an HMAC keyed with the public key': hmac({}, pem('es')),
  'with an HMAC keyed with the RSA key': hmac({ kid: 'rsa' }, pem('rsa')),
  'with an HMAC keyed with a published secret': hmac({ kid: 'oct' }, SECRET),
  'with an empty HMAC key': hmac({}, ''),
  'with the algorithm of another key': make({}, { alg: 'RS256' }),
  'with another RSA algorithm': make({}, { alg: 'RS512' }, 'rsa'),
  'with PSS': make({}, { alg: 'PS256' }, 'rsa'),
  'signed with ES384': make({}, {}, 'p384'),
  'of a key on another curve than its label': make({}, { kid: 'mislabelled', alg: 'ES256' }, 'p384'),
  'of a key for encryption': make({}, { kid: 'encryption' }),
  'of a key that is not published': make({}, {}, 'other'),
  'of another key with a known kid': make({}, { kid: 'es' }, 'other'),
  'with the kid of another published key': make({}, { kid: 'ed' }),
  'whose kid is a path': make({}, { kid: '../../../../dev/null' }),
  'whose kid is a number': make({}, { kid: 0 }),
  'whose kid is a list': make({}, { kid: ['es'] }),
  'whose kid is a name of the language': make({}, { kid: '__proto__' }),
  'with its own key': make({}, { kid: 'own', jwk: KEYS.other.publicKey.export({ format: 'jwk' }) }, 'other'),
  'with the address of its own keys': make({}, { kid: 'own', jku: 'http://evil.example/jwks' }, 'other'),
  'with critical extensions': make({}, { crit: ['x'], x: 1 }),
  'with an unencoded payload': make({}, { crit: ['b64'], b64: false }),
  'with a changed payload': `${validHeader}.${part({ ...CLAIMS, role: 'owner' })}.${validSignature}`,
  'with a changed header': `${part({ alg: 'ES256', kid: 'es', typ: 'at+jwt', x: 1 })}.${validPayload}.${validSignature}`,
  'with a DER signature': `${validHeader}.${validPayload}.${signature(KEYS.es.privateKey, `${validHeader}.${validPayload}`, 'der')}`,
  'whose signature is zero': `${validHeader}.${validPayload}.${Buffer.alloc(64).toString('base64url')}`,
  'whose signature is cut off': `${validHeader}.${validPayload}.${validSignature.slice(0, -4)}`,
  'with an empty signature': `${validHeader}.${validPayload}.`,
  'with two parts': `${validHeader}.${validPayload}`,
  'with four parts': `${validHeader}.${validPayload}.${validSignature}.x`,
  'with five parts': `${validHeader}..${validPayload}.${validSignature}.x`,
  'with padding': `${validHeader}.${validPayload}.${validSignature}=`,
  'whose payload is text': make('hello'),
  'whose payload is a list': make('[]'),
  'whose payload is null': make('null'),
  'whose header is a list': `${part('[]')}.${validPayload}.${validSignature}`,
  'whose header is nested deeply': `${part('['.repeat(4000))}.${validPayload}.${validSignature}`,
  'that is too long': make({ name: 'A'.repeat(8192) }),
  'that is no token': 'not.a.token',
};

const auth = {
  userId: 'usr_1',
  organizationId: 'org_1',
  email: 'ada@acme.example',
  name: 'Ada Ä',
  role: 'collaborator',
  sessionId: 'ses_1',
  tokenId: 'j1',
  expiresAtMs: FUTURE * 1000,
};
const owner = make({ role: 'owner' });
const collaborator = make();
/** Options, tokens and the status of the answer. `answer` names its text. */
const access = [
  { token: collaborator, status: 200 },
  { token: collaborator, role: 'collaborator', status: 200 },
  { token: owner, role: 'collaborator', status: 200 },
  { token: owner, role: 'owner', status: 200 },
  { token: collaborator, role: 'owner', status: 403, answer: 'forbidden' },
  { token: collaborator, organization: 'org_1', status: 200 },
  { token: owner, organization: 'org_2', status: 403, answer: 'other_organization' },
  { token: make({ org: 'org_2' }), organization: 'org_1', status: 403, answer: 'other_organization' },
  { token: make({ org: 'ORG_1' }), organization: 'org_1', status: 403, answer: 'other_organization' },
  { token: 'x', status: 401, answer: 'invalid_token' },
  { status: 401, answer: 'unauthenticated' },
];

const headers = {
  accepted: ['Bearer ', 'bearer ', 'BEARER   '],
  refused: ['', 'Bearer', 'Basic ', 'Bearer\t', 'Bearer "', 'Token ', ' Bearer  x ', 'Bearer a,Bearer ', 'Bearer a '],
};

const REALM = 'Bearer realm="samlgate"';
const notSignedIn = { type: 'urn:samlgate:error:unauthenticated', status: 401, code: 'unauthenticated', title: 'You are not signed in' };
const notAllowed = { type: 'urn:samlgate:error:forbidden', status: 403, code: 'forbidden', title: 'You are not allowed to do this' };
const answers = {
  unauthenticated: {
    challenge: REALM,
    body: { ...notSignedIn, detail: 'Send a token of the gateway in the header “Authorization: Bearer …”.' },
  },
  invalid_token: {
    challenge: `${REALM}, error="invalid_token"`,
    body: { ...notSignedIn, detail: 'The token is invalid, expired or revoked. Sign in again.' },
  },
  forbidden: {
    challenge: `${REALM}, error="insufficient_scope"`,
    body: { ...notAllowed, detail: 'Ask an owner of your organization to do it, or to make you an owner.' },
  },
  other_organization: {
    challenge: `${REALM}, error="insufficient_scope"`,
    body: { ...notAllowed, detail: 'Access is limited to members of another organization.' },
  },
};
const organizations = { refused: ['acme', '', 'org_', 'ORG_1', 'org_1 ', ' org_1', 'org_1/x', 'org_1\n'] };
const roles = { refused: ['admin', '', 'Owner', 'owner ', ['owner'], true, 1] };
const audiences = { refused: ['', 5, [], [AUDIENCE]] };
const clockTolerances = { refused: [-1, 301, 1e9, '5', true, null] };

const vectors = {
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks,
  auth,
  accepted,
  refused,
  access,
  headers,
  answers,
  organizations,
  roles,
  audiences,
  clockTolerances,
};
writeFileSync(path.join(import.meta.dirname, 'vectors/tokens.json'), `${JSON.stringify(vectors, null, 2)}\n`);
