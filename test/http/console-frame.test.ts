import { once } from 'node:events';
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
});

afterAll(() => gateway.stop());

describe('console: pages', () => {
  it('redirects users without a session to the sign-in, with the requested page as return URL', async () => {
    const answer = await new HttpBrowser().request(`${gateway.url}/console?a=b`);
    expect([answer.status, answer.location]).toEqual([303, `${gateway.url}/login?return_to=%2Fconsole%3Fa%3Db`]);
  });

  it('sends a Content-Security-Policy without inline sources and forbids caching', async () => {
    const { status, headers } = await olivia.browser.request(`${gateway.url}/console`);
    expect(status).toBe(200);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('answers an unknown path with an error page that links back', async () => {
    const page = await olivia.browser.request(`${gateway.url}/console/nothing`);
    expect([page.status, page.code]).toEqual([404, 'not_found']);
    expect(page.text).toContain('<a class="button" href="/console">Back to the console</a>');
  });

  it('serves the style sheets and scripts that its pages load', async () => {
    const page = await olivia.browser.request(`${gateway.url}/console`);
    const assets = [...page.text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, href = '']) => href);
    for (const name of [/^\/assets\/style\..+\.css$/, /^\/assets\/copy\..+\.js$/, /^\/assets\/icon\..+\.svg$/]) {
      expect(assets).toEqual(expect.arrayContaining([expect.stringMatching(name)]));
    }
    for (const href of assets) {
      const asset = await olivia.browser.request(`${gateway.url}${href}`);
      expect([href, asset.status]).toEqual([href, 200]);
    }
  });

  // If Pico's sheet could apply without ours, a browser would request its data: images, which the policy forbids.
  it('serves one style sheet, Pico’s followed by ours', async () => {
    const page = await olivia.browser.request(`${gateway.url}/console`);
    expect(page.text.match(/rel="stylesheet"/g)).toHaveLength(1);
    const sheet = await fetch(`${gateway.url}/assets/style.css`);
    const text = await sheet.text();
    expect(sheet.headers.get('content-type')).toBe('text/css; charset=utf-8');
    expect(text.startsWith('@charset "UTF-8";')).toBe(true);
    expect(text.lastIndexOf('--pico-icon-chevron: url("/assets/chevron.')).toBeGreaterThan(text.lastIndexOf('url("data:'));
    const [again] = await once(get(sheet.url, { headers: { 'if-none-match': sheet.headers.get('etag') ?? '' } }), 'response');
    again.resume();
    expect(again.statusCode).toBe(304);
  });
});

describe('console: forms (CSRF)', () => {
  const post = (fields: Record<string, string>) =>
    olivia.browser.request(`${gateway.url}/console`, { method: 'POST', body: new URLSearchParams(fields) });

  it.each([
    ['no token', {}],
    ['an empty token', { csrf: '' }],
    ['another token', { csrf: 'A'.repeat(43) }],
  ])('refuses a form with %s before any handler runs', async (_what, fields) => {
    const answer = await post(fields);
    expect([answer.status, answer.code]).toEqual([403, 'forbidden']);
  });

  it('refuses the CSRF token of another session of the same member', async () => {
    const other = await signedIn(gateway, acme, 'olivia');
    const answer = await post({ csrf: other.csrfToken });
    expect([answer.status, answer.code]).toEqual([403, 'forbidden']);
    expect((await post({ csrf: olivia.csrfToken })).code).toBe('not_found');
  });

  it('refuses an upload without the CSRF token and reads one with it', async () => {
    const upload = (fields: Record<string, string>) => {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.append(name, value);
      body.append('file', new File(['x'], 'x.txt'));
      return olivia.browser.request(`${gateway.url}/console`, { method: 'POST', body });
    };
    expect((await upload({})).code).toBe('forbidden');
    expect((await upload({ csrf: olivia.csrfToken })).code).toBe('not_found');
  });
});
