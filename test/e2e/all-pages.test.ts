/**
 * Opens every page of the product that a link leads to, once for each kind of user: on a desktop and on a phone, in light and dark,
 * and again without JavaScript. A new page is found by its link. Pages that only a form shows are inspected where other tests send it.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { SETUP_STEPS } from '../../src/console/setup-steps/steps.ts';
import { type MockIdp, startMockIdp } from '../../src/mock-idp/server.ts';
import { setLogo } from '../../src/organizations/logo/logo.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { PNG } from '../support/images.ts';
import { startSetup } from '../support/setup.ts';
import { signedIn } from '../support/signed-in.ts';
import { addConnection } from '../support/test-connection.ts';
import { launchChromium, watchComplaints } from './support/chromium.ts';
import { inspectLayout, inspectLooks } from './support/looks.ts';

let gateway: TestGateway;
let empty: TestGateway;
let browser: Browser;
/** An organization with everything that pages show: members, tokens, refused sign-ins, a draft, domains, setup links. */
let acme: TestOrganization;
let demo: MockIdp;

beforeAll(async () => {
  [gateway, empty, browser] = await Promise.all([startGateway(), startGateway(), launchChromium()]);
  const organizations = [
    { slug: 'globex', name: 'Globex', habit: 'okta', outcomes: { olivia: 'owner', nina: 'too many groups' } },
  ] as const;
  const scimTokens = new Map(organizations.map(({ slug }) => [slug, 'none']));
  demo = await startMockIdp({ gatewayBaseUrl: gateway.url, port: 0, organizations, scimTokens });
  await gateway.makeOrganization('globex');
  await gateway.api('PATCH', '/organizations/globex', { name: 'Globex & Söhne', domains: ['globex.example'] });
  await gateway.api('POST', '/organizations', { slug: 'initech', name: 'Initech' });
  acme = await makeTestOrganization(gateway, Date.now, 'acme');
  const path = '/organizations/acme';
  await addConnection(gateway, acme);
  await addConnection(gateway, acme, { state: 'draft' });
  await gateway.api('POST', `${path}/domains`, { domain: 'acme.example' });
  await gateway.api('POST', `${path}/setup-links`, {});
  await setLogo(gateway.runtime, { kind: 'operator' }, { organizationId: acme.id, octets: PNG });
  await acme.signIn(new HttpBrowser(), 'carl');
  await acme.signIn(new HttpBrowser(), 'nina', { spEntityId: 'https://elsewhere.example' });
}, 120_000);

afterAll(async () => {
  await browser.close();
  await demo.close();
  await gateway.stop();
  await empty.stop();
});

/** What differs between two pages of the same kind. */
const kindOf = (url: string): string =>
  new URL(url).pathname
    .replace(/\/[a-z]{3}_[\w-]+/g, '/:id')
    .replace(/(\/keys|\/domains)\/[^/]{5,}(?=\/)/, '$1/:id')
    .replace(/(?<=\/operator\/organizations\/)(?!new)[^/]+/, ':org');

interface Crawl {
  readonly context: BrowserContext;
  readonly starts: readonly string[];
  /** Whether the crawl follows a link. */
  readonly follows: (path: string) => boolean;
  readonly inspect: (page: Page, name: string) => Promise<string[]>;
}

/** Opens one page of each kind that links lead to. @returns their kinds, and the problems of all pages */
async function crawl({ context, starts, follows, inspect }: Crawl): Promise<{ kinds: string[]; problems: string[] }> {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const hosts = [gateway.url, empty.url, demo.url].map((url) => new URL(url).host);
  const problems = watchComplaints(page, hosts);
  const queue = [...starts];
  const opened = new Set<string>();
  const kinds = new Set(queue.map(kindOf));
  for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
    const answer = await page.goto(url);
    const arrived = new URL(page.url());
    if (opened.has(arrived.pathname + arrived.search)) continue;
    opened.add(arrived.pathname + arrived.search);
    if (answer === null || (answer.status() >= 400 && !starts.includes(url))) problems.push(`${url} answers ${answer?.status()}`);
    problems.push(...(await inspect(page, (arrived.pathname + arrived.search).replace(/\W+/g, '-').replace(/^-/, ''))));
    const links = await page.$$eval('a[href]:not([download])', (found) => found.map((link) => (link as HTMLAnchorElement).href));
    for (const link of links) {
      const { origin, pathname } = new URL(link);
      const kind = kindOf(link);
      if (origin !== arrived.origin || kinds.has(kind) || !follows(pathname)) continue;
      kinds.add(kind);
      queue.push(link);
    }
  }
  await page.close();
  return { kinds: [...kinds].sort(), problems };
}

/** Without scripts, each visible button must send a form or open a part of the page. */
async function inspectWithoutScripts(page: Page, name: string): Promise<string[]> {
  const dead = await page.$$eval('button', (buttons) =>
    buttons
      .filter((button) => button.checkVisibility() && (button.form === null || button.type !== 'submit'))
      .map((button) => button.outerHTML.slice(0, 200)),
  );
  const problems = [...dead.map((html) => `a button that does nothing: ${html}`), ...(await inspectLayout(page))];
  return problems.map((problem) => `${name} without scripts: ${problem}`);
}

/** Crawls with and without JavaScript, which must lead to the same pages. @returns the kinds of pages */
async function expectPages({ cookies = [], ...rest }: Pick<Crawl, 'starts' | 'follows'> & { readonly cookies?: HttpBrowser['cookies'] }) {
  const found: string[][] = [];
  for (const javaScriptEnabled of [true, false]) {
    const context = await browser.newContext({ javaScriptEnabled });
    await context.addCookies(cookies.map(({ name, value }) => ({ name, value, url: gateway.url })));
    const { kinds, problems } = await crawl({ ...rest, context, inspect: javaScriptEnabled ? inspectLooks : inspectWithoutScripts });
    expect(problems).toEqual([]);
    found.push(kinds);
    await context.close();
  }
  expect(found[1]).toEqual(found[0]);
  return found[0] ?? [];
}

const at = (...paths: readonly string[]): string[] => paths.map((path) => gateway.url + path);
/** The steps of the setup are the same pages for owners, the operator and setup links. */
const isConsole = (path: string): boolean => path.startsWith('/console') && !/\/(?:download|bundle|steps(?:\/\w+)?)$/.test(path);

describe('the pages in Chromium', () => {
  it('work for a stranger', async () => {
    const pages = at('/login', '/logout', '/saml/acme/login', '/console/operator/sign-in', '/setup/done');
    const errors = at('/saml/no-such/login', '/nothing/here', '/saml/acme/acs', `/setup/${'x'.repeat(43)}`);
    await expectPages({ starts: [...pages, ...errors, empty.url], follows: () => false });
  }, 300_000);

  it('work in the demo', async () => {
    await expectPages({ starts: [demo.url, `${demo.url}/okta/start?organization=globex`, `${demo.url}/nothing`], follows: () => false });
  }, 300_000);

  it('work in the documentation', async () => {
    const starts = at('/docs', '/api/docs');
    const kinds = await expectPages({ starts, follows: (path) => path.startsWith('/docs') });
    for (const page of ['identity-providers', 'configuration', 'errors', 'examples/okta']) expect(kinds).toContain(`/docs/${page}`);
  }, 300_000);

  it('work for a collaborator', async () => {
    const { browser: carl } = await signedIn(gateway, { slug: 'globex' }, 'carl');
    const client = new URLSearchParams({ client_id: 'samlgate-cli' });
    const started = await fetch(`${gateway.url}/oauth/device_authorization`, { method: 'POST', body: client });
    const { user_code: code } = (await started.json()) as { user_code: string };
    const starts = at('/console', '/console/members', '/device', `/device?user_code=${code}`, '/device?user_code=BBBB-BBBB');
    const kinds = await expectPages({ starts, follows: isConsole, cookies: carl.cookies });
    expect(kinds).toEqual(['/console', '/console/members', '/console/revoke-all', '/console/tokens/new', '/device']);
  }, 300_000);

  it('work for a user who signs in to a second organization', async () => {
    const { browser: olivia } = await signedIn(gateway, { slug: 'globex' }, 'olivia');
    await acme.signIn(olivia, 'carl');
    await expectPages({ starts: at('/saml/acme/continue'), follows: () => false, cookies: olivia.cookies });
  }, 300_000);

  it('work for an IT administrator with a setup link', async () => {
    const { browser: administrator } = await startSetup(gateway, 'globex');
    const steps = SETUP_STEPS.map(({ id }) => `/setup/single-sign-on/steps/${id}`);
    const starts = at(
      '/setup/single-sign-on',
      ...steps,
      '/setup/single-sign-on/steps/application?idp=okta',
      '/setup/single-sign-on/steps/done',
    );
    await expectPages({ starts, follows: (path) => path.startsWith('/setup/'), cookies: administrator.cookies });
  }, 300_000);

  it('work for an owner', async () => {
    const olivia = new HttpBrowser();
    expect((await acme.signIn(olivia)).code).toBeUndefined();
    const kinds = await expectPages({ starts: at('/console'), follows: isConsole, cookies: olivia.cookies });
    const pages = [
      'members',
      'members/:id',
      'members/:id/remove',
      'single-sign-on',
      'domains',
      'branding',
      'roles',
      'sign-ins',
      'sign-ins/:id',
      'audit',
    ];
    for (const page of pages) expect(kinds).toContain(`/console/${page}`);
  }, 300_000);

  it('work for the operator', async () => {
    const operator = new HttpBrowser();
    await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    const starts = at('/console/operator', '/console/operator/organizations/initech');
    const kinds = await expectPages({ starts, follows: isConsole, cookies: operator.cookies });
    for (const page of ['keys', 'keys/:id/revoke', 'health', 'audit', 'organizations/new', 'organizations/:org/delete'])
      expect(kinds).toContain(`/console/operator/${page}`);
  }, 300_000);
});
