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

/** Submits self-submitting forms until none is left. */
async function throughForms(browser: HttpBrowser, start: Page): Promise<Page> {
  let page = start;
  for (let i = 0; i < 10 && (hasField(page, 'SAMLRequest') || hasField(page, 'SAMLResponse')); i++) page = await browser.submit(page);
  return page;
}

describe.each([
  ['Redirect', 'sqlite'],
  ['POST', 'redis'],
] as const)('single logout with SimpleSAMLphp by HTTP-%s (store: %s)', (binding, store) => {
  let gateway: GatewayProcess;
  const addGateway = (settings: readonly string[] = []) => {
    const service = { Binding: `urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${binding}`, Location: `${gateway.url}/saml/acme/slo` };
    return idp.addServiceProvider(`${gateway.url}/saml/acme/metadata`, [`SingleLogoutService=${JSON.stringify([service])}`, ...settings]);
  };
  const loginUrl = () => `${gateway.url}/saml/acme/login`;

  beforeAll(async () => {
    gateway = await startGatewayProcess(store === 'redis' ? { SAMLGATE_STORE: redis.url } : {});
    await idp.restart([]);
    // SimpleSAMLphp offers both bindings. Each side lists only one, so that no other can be used.
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
  /** Returns whether the identity provider still has a session of this browser, and thus asks for no password. */
  const asksForPassword = async (browser: HttpBrowser) => hasField(await browser.open(loginUrl()), 'password');
  const sloRequests = (browser: HttpBrowser) =>
    browser.history.filter(({ url }) => url.startsWith(`${gateway.url}/saml/acme/slo`)).map(({ method }) => method);
  const METHOD = binding === 'Redirect' ? 'GET' : 'POST';

  it('ends both sessions when started at the gateway, and says that the identity provider confirmed', async () => {
    const browser = await signedIn();
    expect(await asksForPassword(browser)).toBe(false);
    const page = await signOut(browser);
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/logout`]);
    expect(page.text).toContain('Your identity provider confirmed that you are signed out there as well.');
    expect(sloRequests(browser)).toEqual([METHOD]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    expect(await asksForPassword(browser)).toBe(true);
  });

  it('ends the session of this browser only when started at the identity provider', async () => {
    const browser = await signedIn();
    const other = await signedIn();
    const carl = await signedIn('carl');
    const start = await browser.open(`${idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${gateway.url}/login`)}`);
    const page = await throughForms(browser, start);
    // It accepts our signed answer and sends the user back to where the logout started.
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/login`]);
    expect(sloRequests(browser)).toEqual([METHOD]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    expect((await whoAmI(other, gateway.url)).status).toBe(200);
    expect((await whoAmI(carl, gateway.url)).status).toBe(200);
  });

  it('ends the session when started at the identity provider without our cookie, as in a cross-site POST', async () => {
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

  it('works with encrypted NameIDs', async () => {
    await addGateway(['nameid.encryption=true']);
    const browser = await signedIn();
    const start = await browser.open(`${idp.url}/saml2/idp/SingleLogoutService.php?ReturnTo=${encodeURIComponent(`${gateway.url}/login`)}`);
    const page = await throughForms(browser, start);
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/login`]);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    await addGateway();
  });

  it('ends the session at the gateway even if the identity provider is down', async () => {
    const browser = await signedIn();
    const session = browser.cookie('samlgate_session')?.value ?? '';
    const console = await browser.open(`${gateway.url}/console`);
    const form = console.forms.find(({ action }) => action.endsWith('/logout'));
    const body = new URLSearchParams(form?.fields.map(({ name, value }): [string, string] => [name, value]));
    // The request never reaches the identity provider.
    const page = await browser.request(`${gateway.url}/logout`, { method: 'POST', body, from: console });
    expect(binding === 'Redirect' ? page.location : page.forms[0]?.action).toContain(`${idp.url}/saml2/idp/SingleLogoutService.php`);
    browser.setCookie(gateway.url, 'samlgate_session', session);
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
  });
});
