import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { addressGroup, LIMITS, PlacesOverLimit } from '../../src/http/rate-limits.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

describe.each(['sqlite', 'redis'] as const)('rate limits with %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  let address = 0;
  const BY_ADDRESS = LIMITS.refusals_by_address.points;

  beforeAll(async () => {
    gateway = await startGateway({ store, environment: { SAMLGATE_RATE_LIMITS: 'on', SAMLGATE_TRUST_PROXY: 'loopback' } });
    acme = await makeTestOrganization(gateway);
  });
  afterAll(() => gateway.stop());

  /** Returns an address that no test has used yet. */
  const newAddress = () => `192.0.2.${++address}`;
  const from = (ip: string) => ({ 'x-forwarded-for': ip });
  const post = (ip: string, xml: string, relayState?: string, browser = new HttpBrowser(), organization = acme) => {
    const fields = { SAMLResponse: Buffer.from(xml).toString('base64'), ...(relayState === undefined ? {} : { RelayState: relayState }) };
    return browser.request(organization.acsUrl, { method: 'POST', body: new URLSearchParams(fields), headers: from(ip) });
  };
  const flood = async (ip: string, times: number, organization = acme) => {
    await Promise.all(Array.from({ length: times }, () => post(ip, '<a/>', undefined, undefined, organization)));
  };
  /** Returns the number of refusals in the audit trail, and the counted ones by code. */
  const refusals = async ({ slug } = acme) => {
    const { body } = await gateway.api<{ items: unknown[]; unsigned_refusals: { code: string; last_hour: number }[] }>(
      'GET',
      `/organizations/${slug}/audit?event=login.refused&limit=200`,
    );
    const counted = Object.fromEntries(body.unsigned_refusals.map(({ code, last_hour }) => [code, last_hour]));
    return { audited: body.items.length, counted };
  };

  it('stops examining responses from an address after too many without a valid signature', async () => {
    const ip = newAddress();
    await flood(ip, BY_ADDRESS);
    // The first one over the limit is still examined.
    expect((await post(ip, '<a/>')).code).toBe('saml_malformed');
    const page = await post(ip, '<a/>');
    expect([page.status, page.code]).toEqual([429, 'rate_limited']);
    expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    await flood(ip, 10);
    expect(await refusals()).toEqual({ audited: 0, counted: { saml_malformed: BY_ADDRESS + 1, rate_limited: 11 } });
    // A genuine unsolicited response is not examined either. From another address it is accepted.
    const xml = acme.respond();
    expect((await post(ip, xml)).code).toBe('rate_limited');
    expect((await post(newAddress(), xml)).status).toBe(303);
  });

  it('accepts a sign-in that was started at the gateway from the same address', async () => {
    const ip = newAddress();
    await flood(ip, BY_ADDRESS + 1);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    expect((await post(ip, acme.respond({ inResponseTo: requestId }), relayState, browser)).status).toBe(303);
  });

  it('counts a response once, however often it is judged again because the organization changes', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    await flood(ip, BY_ADDRESS + 1, organization);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await organization.start(browser);
    let name = 0;
    const change = () => gateway.api('PATCH', `/organizations/${organization.slug}`, { name: `Name ${++name}` });
    beforeSignInIsWritten(gateway, change, LIMITS.tries_of_request.points + 1);
    expect((await post(ip, organization.respond({ inResponseTo: requestId }), relayState, browser, organization)).status).toBe(303);
    expect(name).toBe(LIMITS.tries_of_request.points + 1);
  });

  it('examines at most five responses to one request, and none in another browser', async () => {
    const ip = newAddress();
    await flood(ip, BY_ADDRESS + 1);
    const browser = new HttpBrowser();
    const { requestId } = await acme.start(browser);
    const claiming = (id: string) => `<a InResponseTo="${id}"/>`;
    const codes: (string | undefined)[] = [];
    // Another RelayState gives no further tries.
    for (let i = 0; i < 7; i++) codes.push((await post(ip, claiming(requestId), `state ${i}`, browser)).code);
    expect(codes).toEqual([...Array(5).fill('saml_malformed'), 'rate_limited', 'rate_limited']);
    const other = await acme.start(new HttpBrowser());
    for (const id of [other.requestId, '_invented', `${requestId}x`, other.relayState])
      expect((await post(ip, claiming(id), other.relayState, browser)).code).toBe('rate_limited');
  });

  it('never counts accepted sign-ins', async () => {
    const ip = newAddress();
    for (let i = 0; i < 40; i++) expect((await post(ip, acme.respond())).status).toBe(303);
  });

  it('refuses any number of copies of a genuine response, and audits the first one', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    const xml = organization.respond();
    const codes = await Promise.all(
      Array.from({ length: BY_ADDRESS + 20 }, async () => (await post(ip, xml, undefined, undefined, organization)).code),
    );
    expect(codes.filter((code) => code === undefined)).toHaveLength(1);
    expect(codes.filter((code) => code === 'saml_replayed')).toHaveLength(BY_ADDRESS + 19);
    expect(await refusals(organization)).toEqual({ audited: 1, counted: { saml_replayed: BY_ADDRESS + 18 } });
  });

  it('keeps sign-ins working in an organization that is flooded from many addresses, and in all others', async () => {
    const [flooded, other] = [await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    const addresses = Math.ceil(LIMITS.refusals_by_organization.points / (BY_ADDRESS - 50)) + 1;
    for (let i = 0; i < addresses; i++) await flood(newAddress(), BY_ADDRESS - 50, flooded);
    expect((await post(newAddress(), '<a/>', undefined, undefined, flooded)).code).toBe('rate_limited');
    expect((await refusals(flooded)).audited).toBe(0);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await flooded.start(browser);
    expect((await post(newAddress(), flooded.respond({ inResponseTo: requestId }), relayState, browser, flooded)).status).toBe(303);
    expect((await post(newAddress(), other.respond(), undefined, undefined, other)).status).toBe(303);
  });

  it.each([
    ['/login', 60],
    ['/oauth/device_authorization', 60],
    ['/oauth/token', 600],
    ['/console/operator/sign-in', 10],
  ])('limits POST %s to %d per address', async (resource, points) => {
    const ip = newAddress();
    const send = async (at: string) => {
      const body = new URLSearchParams({ who: 'nobody', grant_type: 'nothing', client_id: 'samlgate-cli', token: 'x'.repeat(64) });
      const headers = { ...from(at), origin: gateway.url, 'sec-fetch-site': 'same-origin' };
      return (await fetch(gateway.url + resource, { method: 'POST', body, headers, redirect: 'manual' })).status;
    };
    const statuses = await Promise.all(Array.from({ length: points }, () => send(ip)));
    expect(statuses).not.toContain(429);
    expect(await send(ip)).toBe(429);
    expect(await send(newAddress())).not.toBe(429);
  });

  it('limits single logout to 300 messages per address, and not per organization', async () => {
    const ip = newAddress();
    const send = async (at: string, method = 'GET') =>
      (await fetch(acme.acsUrl.replace(/acs$/, 'slo'), { method, headers: from(at), redirect: 'manual' })).status;
    const statuses = await Promise.all(Array.from({ length: 300 }, (_, i) => send(ip, i % 2 === 0 ? 'GET' : 'POST')));
    expect(new Set(statuses)).toEqual(new Set([400]));
    expect([await send(ip), await send(ip, 'POST'), await send(newAddress())]).toEqual([429, 429, 400]);
  });

  it('limits guesses of device codes per address', async () => {
    const ip = newAddress();
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const guess = () => browser.request(`${gateway.url}/device?user_code=BCDF-GHJK`, { headers: from(ip) });
    for (let i = 0; i < 60; i++) expect((await guess()).status).toBe(404);
    expect((await guess()).code).toBe('rate_limited');
  });
});

describe('places over a limit', () => {
  it('are over the limit until their time has passed', () => {
    let nowMs = 0;
    const places = new PlacesOverLimit(() => nowMs);
    places.add('a', 1000);
    nowMs = 999;
    expect([places.has('a'), places.has('b')]).toEqual([true, false]);
    nowMs = 1000;
    expect(places.has('a')).toBe(false);
    places.add('b', 1000);
    places.delete('b');
    expect(places.has('b')).toBe(false);
  });

  it('are dropped when they have expired, also those that nothing asks about again', () => {
    let nowMs = 0;
    const places = new PlacesOverLimit(() => nowMs);
    for (let i = 0; i < 100_000; i++) {
      nowMs = i;
      places.add(`place ${i}`, 500 + (i % 500));
      expect(places.size).toBeLessThanOrEqual(1000);
    }
    expect([places.has('place 99999'), places.has('place 98000')]).toEqual([true, false]);
  });
});

describe('address groups', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:DB8:0001:2::1', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    [undefined, 'unknown'],
  ])('counts %s as %s', (address, group) => expect(addressGroup(address)).toBe(group));
});
