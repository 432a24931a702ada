import { request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const MAX_FIRST_PAGE_OCTETS = 40_000;

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
beforeAll(async () => {
  gateway = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'off' } });
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
});
afterAll(() => gateway.stop());

interface Raw {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The octets as they were sent. */
  readonly body: Buffer;
}

/** Sends a request whose answer is not decoded. */
function raw(at: string, headers: Readonly<Record<string, string>> = {}, method = 'GET', body?: string): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = request(`${gateway.url}${at}`, { method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const decode = ({ headers, body }: Raw): string =>
  (headers['content-encoding'] === 'br'
    ? brotliDecompressSync(body)
    : headers['content-encoding'] === 'gzip'
      ? gunzipSync(body)
      : body
  ).toString();

const CHROMIUM = { 'accept-encoding': 'gzip, deflate, br, zstd', 'sec-fetch-site': 'same-origin' };
const asOlivia = () => ({ ...CHROMIUM, cookie: olivia.cookie });
const encodingOf = async (at: string, headers: Readonly<Record<string, string>>) => (await raw(at, headers)).headers['content-encoding'];

describe('compression of pages', () => {
  test.each(['br', 'gzip'])('uses %s for pages that the user or our own pages open', async (encoding) => {
    for (const site of ['same-origin', 'none']) {
      const answer = await raw('/console', { cookie: olivia.cookie, 'accept-encoding': encoding, 'sec-fetch-site': site });
      expect([answer.status, answer.headers['content-encoding']]).toEqual([200, encoding]);
      expect(answer.headers.vary).toBe('Accept-Encoding, Sec-Fetch-Site');
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
      expect(decode(answer)).toContain('</html>');
    }
  });

  test('compresses no page that another site makes the browser open (BREACH)', async () => {
    const guess = `/console/members?query=${'csrf'.repeat(20)}`;
    for (const site of ['cross-site', 'same-site', '']) {
      expect(await encodingOf(guess, { ...asOlivia(), 'sec-fetch-site': site })).toBeUndefined();
    }
    const { 'sec-fetch-site': _, ...withoutSite } = asOlivia();
    expect(await encodingOf(guess, withoutSite)).toBeUndefined();
    expect(await encodingOf(guess, asOlivia())).toBe('br');
  });

  test('gives pages of the same length to another site, whatever part of a secret it guesses', async () => {
    const { body } = await raw('/console/members', { ...asOlivia(), 'sec-fetch-site': 'cross-site' });
    const [, secret = ''] = /name="csrf" value="([^"]+)"/.exec(body.toString()) ?? [];
    expect(secret.length).toBeGreaterThan(20);
    const lengthWith = async (text: string) =>
      (await raw(`/console/members?query=${encodeURIComponent(text)}`, { ...asOlivia(), 'sec-fetch-site': 'cross-site' })).body.length;
    expect(await lengthWith(`value="${secret}`)).toBe(await lengthWith(`value="${secret.split('').reverse().join('')}`));
  });

  test('does not compress the page that shows a new token', async () => {
    const form = await raw('/console', asOlivia());
    const page = decode(form);
    const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec(page) ?? [];
    const [, action = ''] = /<form method="post" action="(\/console\/tokens[^"]*)"/.exec(page) ?? [];
    const [, key = ''] = new RegExp(`action="${action}".*?name="form_key" value="([^"]+)"`, 's').exec(page) ?? [];
    const fields = new URLSearchParams({ csrf, form_key: key, name: 'ci', expires_in_days: '30' }).toString();
    const made = await raw(action, { ...asOlivia(), 'content-type': 'application/x-www-form-urlencoded' }, 'POST', fields);
    expect(made.status).toBe(303);
    const cookies = [made.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split(';')[0]);
    const shown = await raw(new URL(String(made.headers.location), gateway.url).pathname, {
      ...asOlivia(),
      cookie: [olivia.cookie, ...cookies].join('; '),
    });
    expect([shown.status, shown.headers['content-encoding']]).toEqual([200, undefined]);
    expect(shown.body.toString()).toContain('samlgate_cli_');
  });

  test('sends pages unchanged to clients that accept no encoding', async () => {
    for (const accepted of ['identity', 'br;q=0, gzip;q=0', 'deflate', '']) {
      expect(await encodingOf('/console', { ...asOlivia(), 'accept-encoding': accepted })).toBeUndefined();
    }
  });
});

describe('answers that are never compressed', () => {
  test.each([
    '/auth/verify',
    '/api/v1/me',
    '/api/v1/openapi.json',
    '/.well-known/jwks.json',
    '/healthz',
    '/readyz',
    '/metrics',
    '/saml/acme/metadata',
  ])('%s', async (at) => expect(await encodingOf(at.replace('acme', acme.slug), asOlivia())).toBeUndefined());

  test('session tokens, OAuth answers and answers to SAML responses', async () => {
    const post = async (at: string, type: string, body: string) =>
      (
        await raw(
          at,
          { ...asOlivia(), 'x-samlgate-csrf': olivia.csrfToken, 'content-type': type, 'sec-fetch-site': 'cross-site' },
          'POST',
          body,
        )
      ).headers;
    const form = 'application/x-www-form-urlencoded';
    for (const headers of [
      await post('/api/v1/me/session-token', 'application/json', '{}'),
      await post('/oauth/token', form, 'grant_type=x'),
      await post(`/saml/${acme.slug}/acs`, form, 'SAMLResponse=x'),
    ]) {
      expect(headers['content-encoding']).toBeUndefined();
    }
  });
});

describe('static files', () => {
  const assetsIn = (html: string): string[] => [
    ...new Set([...html.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, at = '']) => at)),
  ];

  test('have hashed names that browsers keep forever', async () => {
    const assets = assetsIn(decode(await raw('/console', asOlivia())));
    expect(assets.length).toBeGreaterThan(2);
    for (const at of assets) {
      expect(at).toMatch(/^\/assets\/[\w-]+\.[\w-]{10}\.\w+$/);
      const { status, headers } = await raw(at, CHROMIUM);
      expect([at, status, headers['cache-control']]).toEqual([at, 200, 'public, max-age=31536000, immutable']);
    }
  });

  test('have hashed names in the style sheet too', async () => {
    const [sheet = ''] = assetsIn(decode(await raw('/login', CHROMIUM))).filter((at) => at.endsWith('.css'));
    const images = [...decode(await raw(sheet, CHROMIUM)).matchAll(/url\("(\/[^"]+)"\)/g)].map(([, at = '']) => at);
    expect(images.length).toBeGreaterThan(3);
    for (const at of new Set(images))
      expect([at, (await raw(at)).headers['cache-control']]).toEqual([at, expect.stringContaining('immutable')]);
  });

  test('are found by the name of another version during an upgrade, but not kept', async () => {
    for (const at of ['/assets/style.AAAAAAAAAA.css', '/assets/style.css']) {
      const { status, headers } = await raw(at, CHROMIUM);
      expect([status, headers['cache-control']]).toEqual([200, 'no-cache']);
    }
  });

  test('answer 304 to a browser that has the file', async () => {
    const { headers } = await raw('/assets/style.css', CHROMIUM);
    expect((await raw('/assets/style.css', { ...CHROMIUM, 'if-none-match': String(headers.etag) })).status).toBe(304);
  });

  test.each([
    '/assets/unknown.css',
    '/assets/../main.js',
    '/assets/..%2f..%2fmain.ts',
    '/assets/',
    '/assets/__proto__',
    '/assets/style..css',
  ])('%s is not found', async (at) => expect((await raw(at)).status).toBe(404));

  test('include an icon at /favicon.ico', async () => {
    const { status, headers, body } = await raw('/favicon.ico');
    expect([status, headers['content-type'], body.readUInt16LE(2)]).toEqual([200, 'image/vnd.microsoft.icon', 1]);
  });

  test.each(['br', 'gzip'])('and the documentation are compressed with %s for everyone', async (encoding) => {
    for (const at of ['/assets/style.css', '/docs', '/api/docs']) {
      const answer = await raw(at, { 'accept-encoding': encoding, 'sec-fetch-site': 'cross-site' });
      expect([at, answer.headers['content-encoding'], answer.headers.vary]).toEqual([at, encoding, 'Accept-Encoding']);
      expect(decode(answer).length).toBeGreaterThan(2.5 * answer.body.length);
    }
  });

  test.each(['br', 'gzip'])('and the first page of the console have at most 40 kB together with %s', async (encoding) => {
    const page = await raw('/console', { ...asOlivia(), 'accept-encoding': encoding });
    const files = await Promise.all(assetsIn(decode(page)).map((at) => raw(at, { 'accept-encoding': encoding })));
    expect(files.reduce((sum, { body }) => sum + body.length, page.body.length)).toBeLessThan(MAX_FIRST_PAGE_OCTETS);
  });
});
