import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixLinkOf } from '../../src/console/sign-in-log/fix-places.ts';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { readLinks, textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let globex: TestOrganization;
let olivia: HttpBrowser;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  globex = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  await acme.signIn(olivia);
});

afterAll(() => gateway.stop());

const at = (path: string): string => `${gateway.url}${path}`;

/** Starts a test with the button of this page and reads the request to the identity provider. */
async function startTest(browser: HttpBrowser, page: Page) {
  const form = page.forms.find(({ action }) => action.endsWith('/test'));
  const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
  const { location } = await browser.request(form?.action ?? '', { method: 'POST', body: new URLSearchParams({ csrf }) });
  const query = new URL(location ?? '').searchParams;
  const request = inflateRawSync(Buffer.from(query.get('SAMLRequest') ?? '', 'base64')).toString();
  return { relayState: query.get('RelayState') ?? '', inResponseTo: /\sID="([^"]+)"/.exec(request)?.[1] ?? '' };
}

/** Runs a test from its button to the page with its result. */
async function test(browser: HttpBrowser, start: string, options: Parameters<TestOrganization['respond']>[0] = {}): Promise<Page> {
  const { relayState, inResponseTo } = await startTest(browser, await browser.open(at(start)));
  const answer = await acme.post(browser, acme.respond({ inResponseTo, ...options }), relayState);
  expect(answer.status).toBe(303);
  return browser.open(answer.location ?? '');
}

async function startSetup(organization: TestOrganization): Promise<HttpBrowser> {
  const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${organization.slug}/setup-links`, {});
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(body.url));
  return browser;
}

describe('sign-in log: the list', () => {
  it('shows accepted and refused sign-ins with their codes, and filters them', async () => {
    await acme.signIn(new HttpBrowser(), 'carl');
    await acme.signIn(new HttpBrowser(), 'carl', { spEntityId: 'https://elsewhere.example' });
    const page = await olivia.open(at('/console/sign-ins'));
    const text = textOf(page.text);
    expect(text).toMatch(/refused just now .*saml_audience_mismatch ?What to change/);
    expect(text).toMatch(/accepted just now \d+ \w+ \d{4}, \d\d:\d\d UTC – carl@okta\.acme\.example/);
    const refused = textOf((await olivia.open(at('/console/sign-ins?outcome=refused&code='))).text);
    expect(refused).toContain('saml_audience_mismatch');
    expect(refused).not.toContain('accepted just now');
    const other = await olivia.open(at('/console/sign-ins?code=saml_replayed'));
    expect(textOf(other.text)).toContain('No matching sign-ins');
  });

  it('pages through all entries', async () => {
    for (let i = 0; i < 55; i++) await acme.signIn(new HttpBrowser(), 'carl');
    const first = await olivia.open(at('/console/sign-ins?outcome=accepted'));
    const ids = (page: Page) => readLinks(page.text, page.url).flatMap(({ href }) => /\/sign-ins\/(att_\w+)$/.exec(href)?.[1] ?? []);
    const second = await olivia.follow(first, 'Next page →');
    expect(ids(first)).toHaveLength(50);
    expect(ids(second).length).toBeGreaterThan(5);
    expect(new Set([...ids(first), ...ids(second)]).size).toBe(ids(first).length + ids(second).length);
  });
});

describe('sign-in log: one sign-in', () => {
  const open = async (link: RegExp): Promise<Page> => {
    const list = await olivia.open(at('/console/sign-ins'));
    const found = readLinks(list.text, list.url).find(({ text }) => link.test(text));
    return olivia.open(found?.href ?? '');
  };

  it('shows every check with the expected and received values, the setting to change, and the response without personal data', async () => {
    await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
    const page = await open(/^refused/);
    const text = textOf(page.text);
    expect(text).toContain(`Expected ${gateway.url}/saml/${acme.slug}/metadata Received https://elsewhere.example`);
    expect(text).toContain('What to change: Okta: Applications > (the app) > General > SAML Settings');
    expect(text).toContain('Audience URI (SP Entity ID)');
    expect(text.match(/ passed /g)?.length).toBeGreaterThan(15);
    expect(text).toContain('Failed check The audience of the assertion is the service provider of this organization');
    expect(page.text).toMatch(/<a href="\/console\/single-sign-on\/con_\w+#values">/);
    for (const open of page.text.match(/<details[^>]*>/g) ?? []) expect(open).not.toContain('open');
    expect(text).toContain('<saml2p:Response');
    // The person is named once, in the details, and nowhere in the response.
    expect(page.text.match(/nina@/g)).toHaveLength(1);
  });

  it('names the user of a refused sign-in only if the assertion is verified', async () => {
    await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
    const forged = acme.respond({ user: 'nina' }).replaceAll('nina@okta.acme.example', 'victim@okta.acme.example');
    await acme.post(new HttpBrowser(), forged);
    const list = await olivia.open(at('/console/sign-ins?outcome=refused'));
    expect(textOf(list.text)).toContain('nina@okta.acme.example');
    expect(textOf(list.text)).toContain('unknown (no valid signature)');
    expect(list.text).not.toContain('victim@');
    const { body } = await gateway.api<{ items: { id: string }[] }>(
      'GET',
      `/organizations/${acme.slug}/sign-ins?code=saml_signature_invalid`,
    );
    expect(JSON.stringify(body)).not.toContain('victim@');
    expect((await olivia.open(at(`/console/sign-ins/${body.items[0]?.id}`))).text).not.toContain('victim@');
  });

  it('filters by part of an email address, by member ID and by request ID, and keeps the filter in the form and in the paging', async () => {
    await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
    const find = async (person: string) => textOf((await olivia.open(at(`/console/sign-ins?person=${encodeURIComponent(person)}`))).text);
    expect(await find('NINA@')).toContain('nina@okta.acme.example');
    expect(await find('nina@')).not.toContain('carl@');
    expect(await find('"><script>alert(1)</script>')).toContain('No matching sign-ins');
    const { body } = await gateway.api<{ items: { request_id: string; member_id: string | null }[] }>(
      'GET',
      `/organizations/${acme.slug}/sign-ins?person=carl%40&limit=1`,
    );
    const [carl] = body.items;
    expect(await find(carl?.request_id ?? '')).toContain('carl@okta.acme.example');
    expect(await find(carl?.member_id ?? '')).toContain('carl@okta.acme.example');
    const refused = await olivia.request(at(`/console/sign-ins?person=${'x'.repeat(255)}`));
    expect([refused.status, refused.code]).toEqual([400, 'validation_failed']);
    const repeated = await olivia.request(at('/console/sign-ins?person=a&person=b'));
    expect([repeated.status, repeated.code]).toEqual([400, 'validation_failed']);
  });

  it('downloads a bundle without personal data', async () => {
    await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
    const page = await open(/^refused/);
    const bundle = await olivia.request(`${page.url}/bundle`);
    expect(bundle.headers.get('content-disposition')).toMatch(/^attachment; filename="samlgate-att_\w+\.json"$/);
    expect(JSON.parse(bundle.text)).toMatchObject({ format: 'samlgate-sign-in-1', sign_in: { code: 'saml_audience_mismatch' } });
    expect(bundle.text).not.toMatch(/nina/i);
  });

  it('answers 404 in the console of another organization and for an ID that does not exist', async () => {
    const page = await open(/^refused/);
    const otherOwner = new HttpBrowser();
    await globex.signIn(otherOwner);
    for (const url of [page.url, `${page.url}/bundle`, at('/console/sign-ins/att_0')]) {
      const answer = await otherOwner.request(url);
      expect([answer.status, answer.code]).toEqual([404, 'not_found']);
    }
  });

  it('is refused to collaborators, and a test without the CSRF token to everyone', async () => {
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl');
    for (const path of ['/console/sign-ins', '/console/sign-ins/att_0', '/console/sign-ins/att_0/bundle']) {
      const answer = await carl.request(at(path));
      expect([answer.status, answer.code]).toEqual([403, 'forbidden']);
    }
    for (const browser of [carl, olivia]) {
      const answer = await browser.request(at('/console/sign-ins/test'), { method: 'POST', body: new URLSearchParams({ csrf: 'x' }) });
      expect([answer.status, answer.code]).toEqual([403, 'forbidden']);
    }
  });

  it('escapes markup from the response', async () => {
    await acme.signIn(new HttpBrowser(), 'carl', { spEntityId: 'https://x.example/<b>bold</b>' });
    const page = await open(/^refused/);
    expect(page.text).toContain('https://x.example/&lt;b>bold&lt;/b>');
    expect(page.text).not.toContain('<b>bold');
  });
});

describe('error page of a refused sign-in', () => {
  it('speaks to the user, and folds the values for the administrator', async () => {
    const page = await acme.signIn(new HttpBrowser(), 'carl', { spEntityId: 'https://elsewhere.example' });
    const [visible = '', folded = ''] = page.text.split('<details>');
    expect(page.code).toBe('saml_audience_mismatch');
    expect(textOf(visible)).toContain('Contact your IT administrator.');
    expect(visible).not.toContain('https://elsewhere.example');
    expect(folded).toContain('Details for your IT administrator');
    expect(folded).toContain('https://elsewhere.example');
    expect(page.text).not.toContain('Okta');
  });
});

describe('links to the fix', () => {
  it('lead to an existing field or section of a page that the viewer may open', async () => {
    const base = `${gateway.url}/console`;
    const list = await olivia.open(at('/console/single-sign-on'));
    const id = /single-sign-on\/(con_\w+)/.exec(list.text)?.[1] ?? '';
    const frame = { base: '/console', singleSignOnPath: `/console/single-sign-on/${id}`, viewer: { kind: 'operator' } } as const;
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const link = fixLinkOf(frame, { code });
      if (!link) continue;
      const page = await olivia.request(new URL(link.href, base).href);
      expect([code, page.status]).toEqual([code, 200]);
      const fragment = link.href.split('#')[1];
      if (fragment !== undefined) expect([code, page.text.includes(`id="${fragment}"`)]).toEqual([code, true]);
      expect(fixLinkOf({ ...frame, viewer: { kind: 'setup', linkId: 'x' } }, { code })?.href ?? '/console/single-sign-on/').toContain(
        '/single-sign-on/',
      );
    }
  });
});

describe('test sign-in', () => {
  it('runs from the button to a result with every check, and creates no session', async () => {
    const before = olivia.cookie('samlgate_session')?.value;
    const page = await test(olivia, '/console/sign-ins', { user: 'carl' });
    expect(page.url).toMatch(/\/console\/sign-ins\/att_\w+$/);
    const text = textOf(page.text);
    expect(text).toContain('The test sign-in succeeded');
    expect(text).toContain('Works Every check passed');
    expect(text).toContain('User carl@okta.acme.example');
    expect(text).toContain('Role collaborator, by default');
    expect(text).not.toContain(' failed ');
    expect(olivia.cookie('samlgate_session')?.value).toBe(before);
  });

  it('explains a refusal', async () => {
    const page = await test(olivia, '/console/single-sign-on', { nowMs: Date.now() - 3_600_000 });
    const text = textOf(page.text);
    expect(text).toContain('The test sign-in was refused');
    expect(text).toMatch(/the response was created 3,60\d seconds before it arrived/);
    expect(page.text).toContain('<span class="badge bad">failed</span>');
  });

  it('masks the user for a setup on every page and in the bundle, also in the reason of the identity provider', async () => {
    const message = 'AADSTS50105: The signed in user "Carl Weber" (carl@okta.acme.example) is not assigned to a role.';
    const status = { code: 'urn:oasis:names:tc:SAML:2.0:status:Responder', message };
    const audiences = [['https://acme.example/carl@okta.acme.example']];
    const browser = await startSetup(acme);
    for (const values of [{ status }, { audiences }]) {
      const page = await test(browser, '/setup/single-sign-on', { user: 'carl', values });
      const id = page.url.split('/').at(-1);
      const pages = [
        page,
        ...(await Promise.all(['users', 'test'].map((step) => browser.open(at(`/setup/single-sign-on/steps/${step}`))))),
      ];
      const bundle = await browser.request(`${page.url}/bundle`);
      for (const { text, url } of [...pages, bundle]) {
        expect([url, text.match(/carl|weber|olivia|127\.0\.0\.1|usr_\w+/i)]).toEqual([url, null]);
      }
      expect(textOf(page.text)).toContain('c…@okta.acme.example');
      if (!('status' in values)) continue;
      const { body } = await gateway.api<{ detail: string }>('GET', `/organizations/${acme.slug}/sign-ins/${id}`);
      const found = `${body.detail.length} characters, several words, with AADSTS50105`;
      const masked = `The identity provider’s reason is masked because it can name the user (${found})`;
      for (const { text } of pages) expect(textOf(text)).toContain(masked);
      expect(bundle.text).toContain(masked);
      expect(page.text).toMatch(/StatusMessage.*with AADSTS50105/);
      expect(body).toMatchObject({ subject: 'carl@okta.acme.example', detail: expect.stringContaining(message) });
    }
    const own = await test(olivia, '/console/sign-ins', { user: 'carl', values: { status } });
    expect(textOf(own.text)).toContain(message);
    // The gateway's own sentence names no user.
    const silent = await test(browser, '/setup/single-sign-on', { values: { status: { code: status.code } } });
    expect(textOf(silent.text)).toContain('The identity provider gave no reason.');
  });

  it('works during a setup, which sees its own tests and nothing else of the log', async () => {
    const browser = await startSetup(acme);
    const page = await test(browser, '/setup/single-sign-on', { user: 'carl' });
    expect(page.url).toMatch(/\/setup\/sign-ins\/att_\w+$/);
    expect(textOf(page.text)).toContain('The test sign-in succeeded');
    expect(page.text).not.toContain('/members/');
    expect(textOf(page.text)).toContain('User c…@okta.acme.example');
    expect(page.text).not.toContain('carl@');
    expect((await browser.request(`${page.url}/bundle`)).status).toBe(200);
    const own = page.url.split('/').at(-1);
    const ofOwner = (await test(olivia, '/console/sign-ins')).url.split('/').at(-1);
    const [other, foreign] = await Promise.all([startSetup(acme), startSetup(globex)]);
    for (const [visitor, id] of [
      [browser, ofOwner],
      [other, own],
      [foreign, own],
    ] as const) {
      for (const path of [`/setup/sign-ins/${id}`, `/setup/sign-ins/${id}/bundle`, '/setup/sign-ins']) {
        const answer = await visitor.request(at(path));
        expect([answer.status, answer.code]).toEqual([404, 'not_found']);
      }
    }
  });
});
