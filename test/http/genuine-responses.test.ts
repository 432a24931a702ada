/** Responses with a valid signature: how often copies are examined, and that no number of them keeps other users from signing in. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';

const COPIES = LIMITS.copies_of_response.points;
const BY_ADDRESS = LIMITS.refusals_by_address.points;
const ASSERTION_ONLY = { signing: { response: false, assertion: true } } as const;

describe.each(['sqlite', 'redis'] as const)('responses with a valid signature, with %s', (store) => {
  // With Redis, only the counters differ.
  const withSqlite: (title: string, run: () => Promise<void>) => void = store === 'sqlite' ? it : () => {};
  let gateway: TestGateway;
  let acme: TestOrganization;
  let address = 0;
  beforeAll(async () => {
    gateway = await startGateway({ store, environment: { SAMLGATE_RATE_LIMITS: 'on', SAMLGATE_TRUST_PROXY: 'loopback' } });
    acme = await makeTestOrganization(gateway);
  });
  afterAll(() => gateway.stop());

  const newAddress = () => `198.51.100.${++address}`;
  const from = (ip: string) => ({ 'x-forwarded-for': ip });
  const post = (ip: string, xml: string, { browser = new HttpBrowser(), organization = acme, relayState = '' } = {}) => {
    const body = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: relayState });
    return browser.request(organization.acsUrl, { method: 'POST', body, headers: from(ip) });
  };
  const codesOf = async (times: number, send: (i: number) => Promise<{ readonly code: string | undefined }>) => {
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < times; i++) codes.push((await send(i)).code);
    return codes;
  };
  it('are examined ten times if they are sent again unchanged, and then refused for their sender only', async () => {
    const ip = newAddress();
    const xml = acme.respond();
    expect((await post(ip, xml)).status).toBe(303);
    // Another RelayState, address or browser makes no difference.
    const codes = await codesOf(COPIES + 20, (i) => post(i % 2 === 0 ? ip : newAddress(), xml, { relayState: `/console?${i}` }));
    expect(codes).toEqual([...Array(COPIES).fill('saml_replayed'), ...Array(20).fill('rate_limited')]);
    await Promise.all(Array.from({ length: BY_ADDRESS + 10 }, () => post(ip, xml)));
    // Nobody else at the address is refused, also with an unsolicited response.
    expect((await post(ip, acme.respond({ user: 'carl' }))).status).toBe(303);
  });

  withSqlite('count like unsigned ones if their unsigned parts are changed for each copy', async () => {
    const [ip, organization] = [newAddress(), await makeTestOrganization(gateway)];
    const xml = organization.respond(ASSERTION_ONLY);
    const changed = (i: number) => post(ip, xml.replace(/\sID="[^"]+"/, ` ID="_copy${i}"`), { organization });
    expect((await changed(0)).status).toBe(303);
    const codes = await codesOf(COPIES + BY_ADDRESS + 5, (i) => changed(i + 1));
    expect(codes).toEqual([...Array(COPIES + BY_ADDRESS).fill('saml_replayed'), ...Array(5).fill('rate_limited')]);
    // Sign-ins that were started here still work, and so does every other address.
    const browser = new HttpBrowser();
    const { requestId } = await organization.start(browser);
    expect((await post(ip, organization.respond({ inResponseTo: requestId }), { browser, organization })).status).toBe(303);
    expect((await post(newAddress(), organization.respond(), { organization })).status).toBe(303);
  });

  it('are bounded, too, if they start a new sign-in or repeat one in the same browser', async () => {
    const [ip, organization, browser] = [newAddress(), await makeTestOrganization(gateway), new HttpBrowser()];
    const xml = organization.respond();
    const repeat = () => post(ip, xml, { browser, organization });
    const statuses = async (times: number) => (await Promise.all(Array.from({ length: times }, repeat))).map(({ status }) => status);
    expect(await statuses(1)).toEqual([303]);
    for (let i = 0; i < COPIES; i++) expect(await statuses(1)).toEqual([303]);
    expect(await statuses(3)).toEqual([429, 429, 429]);
    await gateway.api('PATCH', `/organizations/${organization.slug}/identity-provider`, { idp_initiated: 'bounce' });
    const bounced = organization.respond();
    const bounce = () => post(ip, bounced, { organization });
    const results: number[] = [];
    for (let i = 0; i < COPIES + 2; i++) results.push((await bounce()).status);
    expect(results).toEqual([...Array(COPIES).fill(303), 429, 429]);
  });

  withSqlite('are not limited if each is new, so that a misconfigured role rule refuses nobody else', async () => {
    const [ip, organization] = [newAddress(), await makeTestOrganization(gateway)];
    const rules = [{ group: 'platform-admins', role: 'owner' }];
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, { rules, default_role: 'none' });
    const codes = await codesOf(BY_ADDRESS + 10, () => post(ip, organization.respond({ user: 'carl' }), { organization }));
    expect(new Set(codes)).toEqual(new Set(['saml_role_denied']));
    expect((await post(ip, organization.respond(), { organization })).status).toBe(303);
  });

  it('return the points of the sign-in page, so that a large organization behind one address can sign in', async () => {
    const ip = newAddress();
    const visit = (browser: HttpBrowser, path: string, body?: URLSearchParams) => {
      const headers = { ...from(ip), origin: gateway.url, 'sec-fetch-site': 'same-origin' };
      return browser.request(gateway.url + path, body ? { method: 'POST', body, headers } : { headers });
    };
    const start = (browser = new HttpBrowser()) => visit(browser, `/saml/${acme.slug}/login`);
    const lookUp = () => visit(new HttpBrowser(), '/login', new URLSearchParams({ who: acme.slug }));
    const { login_start, login_form } = LIMITS;
    // Close to the limits, which the sign-ins below would exceed.
    await Promise.all(Array.from({ length: login_start.points - 5 }, () => start()));
    await Promise.all(Array.from({ length: login_form.points - 5 }, lookUp));
    const statuses: number[][] = [];
    for (let i = 0; i < 20; i++) {
      const browser = new HttpBrowser();
      const started = await start(browser);
      const { requestId } = startedBy(started);
      const signedIn = await post(ip, acme.respond({ inResponseTo: requestId }), { browser });
      statuses.push([started.status, signedIn.status]);
    }
    expect(statuses).toEqual(Array(20).fill([302, 303]));
    // The sign-ins of an organization return no points for looking up others.
    const found = await Promise.all(Array.from({ length: 10 }, lookUp));
    expect(found.filter(({ status }) => status === 429).length).toBe(5);
    // Requests that lead to no sign-in still count, and sign-ins that no request started return nothing.
    for (let i = 0; i < 15; i++) expect((await post(ip, acme.respond())).status).toBe(303);
    const more = await Promise.all(Array.from({ length: 10 }, () => start()));
    expect(more.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(4);
  });

  withSqlite('of one organization do not delay those of another', async () => {
    const [hostile, other] = [await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    let answered = 0;
    const flood = Array.from({ length: 100 }, async () => {
      await post(newAddress(), hostile.respond(), { organization: hostile });
      answered++;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect((await post(newAddress(), other.respond(), { organization: other })).status).toBe(303);
    expect(answered).toBeLessThan(60);
    await Promise.all(flood);
  });
});
