import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type GatewayProcess, makeOrganization, startGatewayProcess } from './support/gateway-process.ts';
import { signInAt, whoAmI } from './support/sign-in.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let redis: RedisServer;
let idp: SimpleSamlPhp;

beforeAll(async () => {
  [redis, idp] = await Promise.all([startRedis(['--appendonly', 'yes']), startSimpleSamlPhp()]);
}, 60_000);

afterAll(async () => {
  await idp.stop();
  await redis.stop();
}, 30_000);

const SERVICE = /<md:SingleLogoutService [^>]*HTTP-(Redirect|POST)[^>]*\/>/g;
const hasField = (page: Page, name: string): boolean => page.forms.some(({ fields }) => fields.some((field) => field.name === name));

/** Submits every page whose form a script would submit, to where no such form is left. */
async function throughForms(browser: HttpBrowser, start: Page): Promise<Page> {
  let page = start;
  for (let i = 0; i < 10 && (hasField(page, 'SAMLRequest') || hasField(page, 'SAMLResponse')); i++) page = await browser.submit(page);
  return page;
}

describe.each([
  ['Redirect', 'sqlite'],
  ['POST', 'redis'],
] as const)('single logout with SimpleSAMLphp by HTTP-%s, store %s', (binding, store) => {
  let gateway: GatewayProcess;
  const addGateway = (settings: readonly string[] = []) => {
    const service = { Binding: `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${binding}`, Location: `${gateway.url}/saml/acme/slo` };
    return idp.addServiceProvider(`${gateway.url}/saml/acme/metadata`, [`SingleLogoutService=${JSON.stringify([service])}`, ...settings]);
  };
  const loginUrl = () => `${gateway.url}/saml/acme/login`;

  beforeAll(async () => {
    gateway = await startGatewayProcess(store === 'redis' ? { SAMLGATE_STORE: redis.url } : {});
    await idp.restart([]);
    // SimpleSAMLphp offers both. Of the two that each side lists only one is left, so that nothing else can be used.
    const only = (metadata: string) => metadata.replace(SERVICE, (element, name: string) => (name === binding ? element : ''));
    await makeOrganization(gateway, 'acme', only(idp.metadata()));
    await addGateway();
  }, 30_000);

  afterAll(async () => {
    expect(await gateway.stop()).toBe(0);
  });

  const signedIn = async (user = 'olivia') => {
    const browser = new HttpBrowser();
    await signInAt(browser, loginUrl(), user);
    expect((await whoAmI(browser, gateway.url)).status).toBe(200);
    return browser;
  };
  const signOut = async (browser: HttpBrowser) =>
    throughForms(browser, await browser.submit(await browser.open(`${gateway.url}/console`), {}, '/logout'));
  /** Whether the identity provider still knows this browser: then it asks for no password. */
  const asksForPassword = async (browser: HttpBrowser) => hasField(await browser.open(loginUrl()), 'password');
  const sloRequests = (browser: HttpBrowser) =>
    browser.history.filter(({ url }) => url.startsWith(`${gateway.url}/saml/acme/slo`)).map(({ method }) => method);
  const METHOD = binding === 'Redirect' ? 'GET' : 'POST';

  it('started at the gateway: both have forgotten the person, and the page says that the identity provider confirmed', async () => {
    const browser = await signedIn();
    expect(await asksForPassword(browser)).toBe(false);
    const page = await signOut(browser);
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/logout`]);
    expect(page.text).toContain('Your identity provider confirmed that you are signed out there too.');
    expect(sloRequests(browser)).toEqual([METHOD]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    expect(await asksForPassword(browser)).toBe(true);
  });

  it('started at the identity provider: the session at the gateway has ended, the one of another browser has not', async () => {
    const browser = await signedIn();
    const other = await signedIn();
    const carl = await signedIn('carl');
    const start = await browser.open(`${idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${gateway.url}/login`)}`);
    const page = await throughForms(browser, start);
    // It takes our signed answer, and sends the person to where the logout began.
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/login`]);
    expect(sloRequests(browser)).toEqual([METHOD]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    expect((await whoAmI(other, gateway.url)).status).toBe(200);
    expect((await whoAmI(carl, gateway.url)).status).toBe(200);
  });

  it('started at the identity provider without our cookie: what its cross-site POST brings', async () => {
    const browser = await signedIn();
    const session = browser.cookie('samlgate_session')?.value ?? '';
    browser.setCookie(gateway.url, 'samlgate_session', 'none');
    await throughForms(
      browser,
      await browser.open(`${idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${gateway.url}/login`)}`),
    );
    browser.setCookie(gateway.url, 'samlgate_session', session);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
  });

  it('with NameIDs that it encrypts', async () => {
    await addGateway(['nameid.encryption=true']);
    const browser = await signedIn();
    const start = await browser.open(`${idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${gateway.url}/login`)}`);
    const page = await throughForms(browser, start);
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/login`]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    await addGateway();
  });

  it('an identity provider that is away: the session at the gateway has ended all the same', async () => {
    const browser = await signedIn();
    const session = browser.cookie('samlgate_session')?.value ?? '';
    const console = await browser.open(`${gateway.url}/console`);
    const form = console.forms.find(({ action }) => action.endsWith('/logout'));
    const body = new URLSearchParams(form?.fields.map(({ name, value }): [string, string] => [name, value]));
    // The request to the identity provider is never made.
    const page = await browser.request(`${gateway.url}/logout`, { method: 'POST', body, from: console });
    expect(binding === 'Redirect' ? page.location : page.forms[0]?.action).toContain(`${idp.url}/saml2/idp/SingleLogoutService.php`);
    browser.setCookie(gateway.url, 'samlgate_session', session);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
  });
});
