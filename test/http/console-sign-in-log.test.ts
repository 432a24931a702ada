import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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
    expect(text).toMatch(/refused just now .*saml_audience_mismatch/);
    expect(text).toMatch(/accepted just now – carl@okta\.acme\.example/);
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
    expect(text).toContain('<saml2p:Response');
    expect(page.text).not.toContain('nina@okta.acme.example');
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

describe('test sign-in', () => {
  it('runs from the button to a result with every check, and creates no session', async () => {
    const before = olivia.cookie('samlgate_session')?.value;
    const page = await test(olivia, '/console/sign-ins', { user: 'carl' });
    expect(page.url).toMatch(/\/console\/sign-ins\/att_\w+$/);
    const text = textOf(page.text);
    expect(text).toContain('The test sign-in succeeded');
    expect(text).toContain('Every check passed');
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

  it('works during a setup, which sees its own tests and nothing else of the log', async () => {
    const browser = await startSetup(acme);
    const page = await test(browser, '/setup/single-sign-on', { user: 'carl' });
    expect(page.url).toMatch(/\/setup\/sign-ins\/att_\w+$/);
    expect(textOf(page.text)).toContain('The test sign-in succeeded');
    expect(page.text).not.toContain('/members/');
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
