/** Verifies session tokens against the JWKS with PyJWT, a library that the gateway does not use. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

/** Python program that prints the claims, or the name of the error. */
const VERIFY = `
import json, sys, jwt
issuer, audience, token = sys.argv[1:]
try:
    key = jwt.PyJWKClient(issuer + '/.well-known/jwks.json').get_signing_key_from_jwt(token).key
    options = {'require': ['exp', 'iat', 'iss', 'aud', 'sub', 'jti']}
    claims = jwt.decode(token, key, algorithms=['ES256', 'RS256', 'EdDSA'], issuer=issuer, audience=audience, options=options)
    print(json.dumps(claims))
except Exception as error:
    print(json.dumps(type(error).__name__))
`;

let gateway: TestGateway;
afterEach(() => gateway.stop());

async function start(algorithm: string): Promise<SignedIn> {
  gateway = await startGateway({ environment: { SAMLGATE_TOKEN_ALGORITHM: algorithm } });
  return signedIn(gateway, await gateway.makeOrganization(), 'carl');
}

async function verify(token: string, audience = gateway.url): Promise<unknown> {
  const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', VERIFY, gateway.url, audience, token]);
  return JSON.parse(stdout);
}

const mint = async (person: SignedIn): Promise<string> => (await person.api<{ token: string }>('POST', '/me/session-token')).body.token;

describe('session tokens verified by PyJWT against the JWKS', () => {
  test.each(['ES256', 'RS256', 'EdDSA'])('are accepted if signed with %s, before and after a key rotation', async (algorithm) => {
    const person = await start(algorithm);
    const before = await mint(person);
    expect(await verify(before)).toMatchObject({
      iss: gateway.url,
      sub: person.id,
      aud: gateway.url,
      role: 'collaborator',
      name: 'Carl Čapek',
    });
    expect((await gateway.api('POST', '/keys/rotate')).status).toBe(200);
    expect(await verify(before)).toMatchObject({ sub: person.id });
    expect(await verify(await mint(person))).toMatchObject({ sub: person.id });
    expect(await verify(before, 'https://other.example.com')).toBe('InvalidAudienceError');
  });

  test('are rejected if a revoked key signed them', async () => {
    const person = await start('ES256');
    const token = await mint(person);
    const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string };
    expect((await gateway.api('POST', `/keys/${kid}/revoke`)).status).toBe(200);
    expect(await verify(token)).toBe('PyJWKClientError');
    expect(await verify(await mint(person))).toMatchObject({ sub: person.id });
  });
});
