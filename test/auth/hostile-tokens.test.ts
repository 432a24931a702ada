import { createHmac, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt, exportJWK, exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import { keyIn, openSigningKey, readKeyRing } from '../../src/auth/keys/key-ring.ts';
import { TOKEN_TYPES } from '../../src/auth/tokens/verify-token.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let organization: OrganizationJson;
let olivia: SignedIn;
let cliToken: string;
let sessionToken: string;

beforeAll(async () => {
  gateway = await startGateway();
  organization = await gateway.makeOrganization();
  olivia = await signedIn(gateway, organization, 'olivia');
  cliToken = (await olivia.makeToken()).token;
  sessionToken = (await olivia.api<{ token: string }>('POST', '/me/session-token')).body.token;
});
afterAll(() => gateway.stop());

/** Returns the results of the three endpoints that check a token: API and forward authentication (200 or the error code), introspection (active). */
async function verdicts(token: string): Promise<unknown[]> {
  const ask = async (path: string): Promise<unknown> => {
    const response = await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return response.status === 200 ? 200 : ((await response.json()) as { code: string }).code;
  };
  const introspected = await fetch(`${gateway.url}/oauth/introspect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.operatorToken}` },
    body: new URLSearchParams({ token }),
  });
  return [await ask('/api/v1/me'), await ask('/auth/verify'), ((await introspected.json()) as { active?: boolean }).active];
}

const GOOD = [200, 200, true];
const BAD = ['unauthenticated', 'unauthenticated', false];

interface Forgery {
  readonly kind?: 'cli_token' | 'session_token';
  readonly claims?: JWTPayload;
  readonly header?: Record<string, unknown>;
}

/** Signs a token with the gateway's own key, with some claims or header fields changed. */
async function forge({ kind = 'session_token', claims = {}, header = {} }: Forgery): Promise<string> {
  const ring = await readKeyRing(gateway.runtime);
  const active = ring && keyIn(ring, 'active');
  if (!active) throw new Error('no key is active');
  const payload = { ...decodeJwt(kind === 'cli_token' ? cliToken.slice('samlgate_cli_'.length) : sessionToken), ...claims };
  const given = { alg: active.algorithm, kid: active.kid, typ: TOKEN_TYPES[kind], ...header };
  const jwt = await new SignJWT(JSON.parse(JSON.stringify(payload)) as JWTPayload)
    .setProtectedHeader(given)
    .sign(await openSigningKey(gateway.runtime, active));
  return kind === 'cli_token' ? `samlgate_cli_${jwt}` : jwt;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Builds a token with any header and a signature of the test. */
function handMade(
  header: Record<string, unknown>,
  sign: (input: string) => string,
  kind: 'cli_token' | 'session_token' = 'session_token',
): string {
  const payload = decodeJwt(kind === 'cli_token' ? cliToken.slice('samlgate_cli_'.length) : sessionToken);
  const input = `${encode(header)}.${encode(payload)}`;
  return `${kind === 'cli_token' ? 'samlgate_cli_' : ''}${input}.${sign(input)}`;
}

async function activeKey() {
  const ring = await readKeyRing(gateway.runtime);
  const active = ring && keyIn(ring, 'active');
  if (!active) throw new Error('no key is active');
  return active;
}

describe('token verification (RFC 8725, RFC 7519 §7.2)', () => {
  test('accepts a token of the gateway, and one that the test signs without a change', async () => {
    expect(await verdicts(cliToken)).toEqual(GOOD);
    expect(await verdicts(sessionToken)).toEqual(GOOD);
    expect(await verdicts(await forge({ kind: 'cli_token' }))).toEqual(GOOD);
    expect(await verdicts(await forge({}))).toEqual(GOOD);
  });

  test('refuses alg none, with and without a signature (§3.1)', async () => {
    const { kid } = await activeKey();
    for (const kind of ['cli_token', 'session_token'] as const) {
      for (const alg of ['none', 'None', 'NONE', '']) {
        expect(await verdicts(handMade({ alg, kid, typ: TOKEN_TYPES[kind] }, () => '', kind))).toEqual(BAD);
        expect(await verdicts(handMade({ alg, kid, typ: TOKEN_TYPES[kind] }, () => 'AAAA', kind))).toEqual(BAD);
      }
    }
  });

  test('refuses HMAC with the public key as the secret (§2.1)', async () => {
    const { kid, publicJwk, algorithm } = await activeKey();
    const publicKey = await importJWK(publicJwk, algorithm);
    const secrets = [
      await exportSPKI(publicKey as CryptoKey),
      createPublicKey({ key: { ...publicJwk }, format: 'jwk' }).export({ type: 'spki', format: 'der' }),
      JSON.stringify(publicJwk),
      JSON.stringify({ ...publicJwk, kid, alg: algorithm, use: 'sig' }),
      String(publicJwk.x),
    ];
    for (const secret of secrets) {
      for (const [alg, hash] of [
        ['HS256', 'sha256'],
        ['HS512', 'sha512'],
      ] as const) {
        const sign = (input: string) => createHmac(hash, secret).update(input).digest('base64url');
        expect(await verdicts(handMade({ alg, kid, typ: 'at+jwt' }, sign))).toEqual(BAD);
      }
    }
  });

  test('refuses an algorithm that does not belong to the key', async () => {
    const { kid } = await activeKey();
    for (const algorithm of ['RS256', 'EdDSA', 'ES384', 'PS256']) {
      const { privateKey } = await generateKeyPair(algorithm);
      const token = await new SignJWT(decodeJwt(sessionToken)).setProtectedHeader({ alg: algorithm, kid, typ: 'at+jwt' }).sign(privateKey);
      expect(await verdicts(token)).toEqual(BAD);
    }
  });

  test('refuses a foreign key under a kid of the gateway, and a key that the token contains', async () => {
    const { kid, algorithm } = await activeKey();
    const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
    const jwk = await exportJWK(publicKey);
    const headers = [
      { kid },
      { kid, jwk },
      { jwk },
      { kid: 'unknown' },
      { kid: 'unknown', jwk },
      { jku: `${gateway.url}/evil.json`, kid: 'unknown' },
      {},
    ];
    for (const header of headers) {
      const token = await new SignJWT(decodeJwt(sessionToken))
        .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', ...header })
        .sign(privateKey);
      expect(await verdicts(token)).toEqual(BAD);
    }
  });

  test.each([undefined, 7, null, '', ['a'], '__proto__', 'constructor', '../tokens'])('refuses the kid %j', async (kid) => {
    expect(await verdicts(handMade({ alg: 'ES256', typ: 'at+jwt', kid }, () => 'A'.repeat(86)))).toEqual(BAD);
  });

  test('refuses an unknown crit header (RFC 7515 §4.1.11)', async () => {
    const { kid } = await activeKey();
    expect(await verdicts(handMade({ alg: 'ES256', kid, typ: 'at+jwt', crit: ['exp'], exp: 1 }, () => 'A'.repeat(86)))).toEqual(BAD);
  });

  test('never accepts a CLI token as a session token or the other way round (§3.11)', async () => {
    expect(await verdicts(cliToken.slice('samlgate_cli_'.length))).toEqual(BAD);
    expect(await verdicts(`samlgate_cli_${sessionToken}`)).toEqual(BAD);
    expect(await verdicts(await forge({ kind: 'cli_token', header: { typ: 'at+jwt' } }))).toEqual(BAD);
    expect(await verdicts(await forge({ kind: 'session_token', header: { typ: 'samlgate-cli+jwt' } }))).toEqual(BAD);
  });

  test.each(['JWT', 'jwt', undefined, '', 'logout+jwt', 'secevent+jwt', 'at+jwt2'])('refuses the typ %j', async (typ) => {
    expect(await verdicts(await forge({ header: { typ } }))).toEqual(BAD);
    expect(await verdicts(await forge({ kind: 'cli_token', header: { typ } }))).toEqual(BAD);
  });

  test('refuses another issuer', async () => {
    for (const iss of [`${gateway.url}/`, 'https://sso.example.com', '', undefined, gateway.url.toUpperCase()]) {
      expect(await verdicts(await forge({ claims: { iss: iss as string } }))).toEqual(BAD);
      expect(await verdicts(await forge({ kind: 'cli_token', claims: { iss: iss as string } }))).toEqual(BAD);
    }
  });

  test('accepts a session token for another audience only at introspection', async () => {
    expect(await verdicts(await forge({ claims: { aud: 'https://orders.example.com' } }))).toEqual([
      'unauthenticated',
      'unauthenticated',
      true,
    ]);
    expect(await verdicts(await forge({ claims: { aud: [gateway.url, 'https://orders.example.com'] } }))).toEqual(BAD);
    expect(await verdicts(await forge({ claims: { aud: undefined as unknown as string } }))).toEqual(BAD);
  });

  test('refuses an expired token and one that is not valid yet', async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const claims of [{ exp: now }, { exp: now - 1 }, { exp: 0 }, { nbf: now + 60 }, { exp: 'tomorrow' as unknown as number }]) {
      expect(await verdicts(await forge({ claims }))).toEqual(BAD);
      expect(await verdicts(await forge({ kind: 'cli_token', claims }))).toEqual(BAD);
    }
    expect(await verdicts(await forge({ claims: { exp: undefined as unknown as number } }))).toEqual(BAD);
  });

  test.each(['sub', 'org', 'jti', 'sid', 'iat'])('refuses a session token whose %s is missing or has another type', async (name) => {
    for (const value of [undefined, 7, null, ['a'], { a: 1 }]) {
      if (name === 'iat' && value === 7) continue; // a valid time
      expect(await verdicts(await forge({ claims: { [name]: value } }))).toEqual(BAD);
    }
  });

  test('refuses another member, organization or session under a valid signature', async () => {
    const other = await gateway.makeOrganization();
    for (const claims of [{ sub: 'usr_00000000000000000000' }, { org: other.id }, { org: 'global' }, { sid: 'ses_00000000000000000000' }]) {
      expect(await verdicts(await forge({ claims }))).toEqual(BAD);
    }
    expect(await verdicts(await forge({ kind: 'cli_token', claims: { jti: 'tok_00000000000000000000' } }))).toEqual(BAD);
  });

  test('refuses every change of a single character of the signature or the claims', async () => {
    const [header = '', payload = '', signature = ''] = sessionToken.split('.');
    const changed = (text: string, at: number) => `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
    for (let at = 0; at < payload.length; at += 17) expect(await verdicts(`${header}.${changed(payload, at)}.${signature}`)).toEqual(BAD);
    for (let at = 0; at < signature.length - 1; at += 9)
      expect(await verdicts(`${header}.${payload}.${changed(signature, at)}`)).toEqual(BAD);
  });

  test('refuses text that is not a token', async () => {
    const texts = [
      'x',
      '.',
      '..',
      '...',
      'a.b.c',
      'eyJ',
      'samlgate_cli_',
      'samlgate_cli_..',
      'e30.e30.e30',
      `${sessionToken}.`,
      `.${sessionToken}`,
    ];
    const encrypted = `${sessionToken}.${sessionToken.split('.').slice(0, 2).join('.')}`;
    for (const text of [...texts, encrypted, `samlgate_cli_${cliToken}`, `${sessionToken}=`, `${sessionToken}AAAA`]) {
      expect(await verdicts(text)).toEqual(BAD);
    }
  });

  test('accepts a token only in its one encoding: no white space, other alphabet, padding or unused bits', async () => {
    expect(await verdicts(sessionToken)).toEqual(GOOD);
    const [header = '', payload = '', signature = ''] = sessionToken.split('.');
    const inside = (space: string) => `${header}.${payload.slice(0, 9)}${space}${payload.slice(9)}.${signature}`;
    const texts = [inside(' '), inside('\t'), `${header}.${payload}. ${signature}`, `${header}.${payload}=.${signature}`];
    for (const text of [...texts, sessionToken.replaceAll('-', '+').replaceAll('_', '/')]) {
      if (text !== sessionToken) expect(await verdicts(text)).toEqual(BAD);
    }
    const last = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].map((end) => sessionToken.slice(0, -1) + end);
    for (const text of last) expect(await verdicts(text)).toEqual(text === sessionToken ? GOOD : BAD);
  });

  test('refuses text longer than any of its tokens without parsing it', async () => {
    const long = await forge({ claims: { name: 'x'.repeat(4000) } });
    expect(long.length).toBeGreaterThan(4096);
    expect(await verdicts(long)).toEqual(BAD);
  });

  test('accepts no token from the query, a form or another scheme', async () => {
    const me = `${gateway.url}/api/v1/me`;
    expect((await fetch(`${me}?access_token=${sessionToken}`)).status).toBe(401);
    for (const authorization of [
      sessionToken,
      `Token ${sessionToken}`,
      `Bearer  `,
      `Bearer ${sessionToken} x`,
      `Bearer ${sessionToken}, Bearer ${cliToken}`,
    ]) {
      expect((await fetch(me, { headers: { authorization } })).status).toBe(401);
    }
  });
});
