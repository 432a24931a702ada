import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Windows } from '../../src/http/limits/limit-counter.ts';
import { addressGroups, limitKey } from '../../src/http/limits/limit-keys.ts';
import { LIMITS, NETWORK_FACTOR } from '../../src/http/limits/limits.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { createSecrets } from '../../src/secrets.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

describe.each(['sqlite', 'redis'] as const)('rate limits with %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  let address = 0;
  const BY_ADDRESS = LIMITS.refusals_by_address.points;
  const ATTEMPTS = LIMITS.attempts_by_address.points;

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
    const page = await post(ip, '<a/>');
    expect([page.status, page.code]).toEqual([429, 'rate_limited']);
    expect(Number(page.headers.get('retry-after'))).toBeGreaterThan(0);
    await flood(ip, 10);
    expect(await refusals()).toEqual({ audited: 0, counted: { saml_malformed: BY_ADDRESS, rate_limited: 11 } });
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

  it('examines one response to a request and one retry, and none in another browser', async () => {
    const ip = newAddress();
    await flood(ip, BY_ADDRESS + 1);
    const browser = new HttpBrowser();
    const { requestId } = await acme.start(browser);
    const claiming = (id: string) => `<a InResponseTo="${id}"/>`;
    const codes: (string | undefined)[] = [];
    // Another RelayState gives no further tries.
    for (let i = 0; i < 4; i++) codes.push((await post(ip, claiming(requestId), `state ${i}`, browser)).code);
    expect(codes).toEqual(['saml_malformed', 'saml_malformed', 'rate_limited', 'rate_limited']);
    const other = await acme.start(new HttpBrowser());
    for (const id of [other.requestId, '_invented', `${requestId}x`, other.relayState])
      expect((await post(ip, claiming(id), other.relayState, browser)).code).toBe('rate_limited');
  });

  it('limits refused attempts per address, however many sign-ins were started', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    await flood(ip, BY_ADDRESS, organization);
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < ATTEMPTS + 3; i++) {
      const browser = new HttpBrowser();
      const { requestId } = await organization.start(browser);
      codes.push((await post(ip, `<a InResponseTo="${requestId}"/>`, undefined, browser, organization)).code);
    }
    expect(codes).toEqual([...Array(ATTEMPTS).fill('saml_malformed'), ...Array(3).fill('rate_limited')]);
    // Other addresses are not affected.
    const browser = new HttpBrowser();
    const { requestId } = await organization.start(browser);
    expect((await post(newAddress(), organization.respond({ inResponseTo: requestId }), undefined, browser, organization)).status).toBe(
      303,
    );
  });

  it('does not let responses that answer no sign-in of their browser use up the attempts of others at the address', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    await flood(ip, BY_ADDRESS, organization);
    const stranger = new HttpBrowser();
    await organization.start(stranger);
    const invented = ['<a InResponseTo="_invented"/>', '<a/>', organization.respond(), 'no XML'];
    const answers = await Promise.all(
      Array.from({ length: 2 * ATTEMPTS }, (_, i) => post(ip, invented[i % 4] ?? '', undefined, stranger, organization)),
    );
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['rate_limited']));
    const browser = new HttpBrowser();
    const { requestId } = await organization.start(browser);
    expect((await post(ip, organization.respond({ inResponseTo: requestId }), undefined, browser, organization)).status).toBe(303);
  });

  it('counts a failed decryption as ten refusals, also for answers to started sign-ins', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    const wrong = await createSelfSignedCertificate({ commonName: 'wrong', days: 1, nowMs: Date.now(), rsaBits: 2048 });
    const encryption = { certificatePem: wrong.certificatePem };
    const attempt = async () => {
      const browser = new HttpBrowser();
      const { requestId } = await organization.start(browser);
      return (await post(ip, organization.respond({ inResponseTo: requestId, encryption }), undefined, browser, organization)).code;
    };
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < (BY_ADDRESS + ATTEMPTS) / 10 + 2; i++) codes.push(await attempt());
    const failures = (BY_ADDRESS + ATTEMPTS) / 10;
    expect(codes).toEqual([...Array(failures).fill('saml_decryption_failed'), 'rate_limited', 'rate_limited']);
  });

  it('admits at most as many concurrent responses as the limit', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    const codes = await Promise.all(
      Array.from({ length: BY_ADDRESS + 100 }, async () => (await post(ip, '<a/>', undefined, undefined, organization)).code),
    );
    expect(codes.filter((code) => code === 'saml_malformed')).toHaveLength(BY_ADDRESS);
    expect(codes.filter((code) => code === 'rate_limited')).toHaveLength(100);
  });

  it('counts oversized responses', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    const body = new URLSearchParams({ SAMLResponse: 'a'.repeat(700_000) });
    const send = async () => (await new HttpBrowser().request(organization.acsUrl, { method: 'POST', body, headers: from(ip) })).code;
    await flood(ip, BY_ADDRESS - 1, organization);
    expect([await send(), await send()]).toEqual(['payload_too_large', 'rate_limited']);
  });

  it('never counts accepted sign-ins', async () => {
    const ip = newAddress();
    for (let i = 0; i < 40; i++) expect((await post(ip, acme.respond())).status).toBe(303);
  });

  it('refuses copies of a genuine response, and audits the first one', async () => {
    const organization = await makeTestOrganization(gateway);
    const ip = newAddress();
    const xml = organization.respond();
    const send = async () => (await post(ip, xml, undefined, undefined, organization)).code;
    expect(await send()).toBeUndefined();
    const codes = await Promise.all(Array.from({ length: BY_ADDRESS }, send));
    const examined = codes.filter((code) => code === 'saml_replayed').length;
    // Concurrent copies do not exceed the limit together.
    expect(examined).toBe(LIMITS.copies_of_response.points);
    const counted = { saml_replayed: examined - 1, rate_limited: BY_ADDRESS - examined };
    expect(await refusals(organization)).toEqual({ audited: 1, counted });
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
    ['/login', 300],
    ['/oauth/device_authorization', 60],
  ])('limits POST %s to %d per address', async (resource, points) => {
    const ip = newAddress();
    const send = async (at: string) => {
      const body = new URLSearchParams({ who: 'nobody', client_id: 'samlgate-cli' });
      const headers = { ...from(at), origin: gateway.url, 'sec-fetch-site': 'same-origin' };
      return (await fetch(gateway.url + resource, { method: 'POST', body, headers, redirect: 'manual' })).status;
    };
    const statuses = await Promise.all(Array.from({ length: points }, () => send(ip)));
    expect(statuses).not.toContain(429);
    expect(await send(ip)).toBe(429);
    expect(await send(newAddress())).not.toBe(429);
  });

  it.each(['/saml/SLUG/metadata', '/login'])('limits GET %s to 300 per address', async (resource) => {
    const ip = newAddress();
    const send = async (at: string) =>
      (await fetch(gateway.url + resource.replace('SLUG', acme.slug), { headers: from(at), redirect: 'manual' })).status;
    const statuses = await Promise.all(Array.from({ length: 300 }, () => send(ip)));
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect([await send(ip), await send(newAddress())]).toEqual([429, 200]);
  });

  describe('failed credentials', () => {
    const { points: TOKENS } = LIMITS.wrong_tokens;
    const bearer = async (ip: string, token: string, resource = '/api/v1/organizations') =>
      (await fetch(gateway.url + resource, { headers: { ...from(ip), authorization: `Bearer ${token}` } })).status;

    it('limits wrong bearer tokens per address, and never refuses a valid one', async () => {
      const ip = newAddress();
      const guess = () => bearer(ip, randomBytes(32).toString('hex'));
      const statuses = await Promise.all(Array.from({ length: TOKENS }, guess));
      expect(new Set(statuses)).toEqual(new Set([401]));
      expect([await guess(), await bearer(newAddress(), 'x')]).toEqual([429, 401]);
      expect(await bearer(ip, gateway.operatorToken)).toBe(200);
      // A request without a token is no guess.
      expect((await fetch(`${gateway.url}/api/v1/me`, { headers: from(ip) })).status).toBe(401);
      // nginx answers 500 if auth_request gets 429.
      expect(await bearer(ip, 'x', '/auth/verify')).toBe(401);
      const revoke = (at: string) => {
        const body = new URLSearchParams({ token: 'guess' });
        return fetch(`${gateway.url}/oauth/revoke`, { method: 'POST', body, headers: from(at) });
      };
      expect([(await revoke(ip)).status, (await revoke(newAddress())).status]).toEqual([429, 200]);
    });

    it('limits wrong setup links per address, and never refuses a valid one', async () => {
      const ip = newAddress();
      const open = async (at: string, link: string) => (await fetch(link, { headers: from(at) })).status;
      const guess = (at: string) => open(at, `${gateway.url}/setup/${randomBytes(32).toString('base64url')}`);
      expect(new Set(await Promise.all(Array.from({ length: TOKENS }, () => guess(ip))))).toEqual(new Set([404]));
      expect([await guess(ip), await guess(newAddress())]).toEqual([429, 404]);
      const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
      expect(await open(ip, body.url)).toBe(200);
    });

    it('never counts valid bearer tokens', async () => {
      const ip = newAddress();
      const statuses = await Promise.all(Array.from({ length: TOKENS + 10 }, () => bearer(ip, gateway.operatorToken)));
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect(await bearer(ip, 'x')).toBe(401);
    });

    it('limits refused token requests to 600 per address, and never refuses a valid token', async () => {
      const browser = new HttpBrowser();
      await acme.signIn(browser);
      const headers = { accept: 'application/json' };
      const me = JSON.parse((await browser.request(`${gateway.url}/api/v1/me`, { headers })).text) as { csrf_token: string };
      const created = await browser.request(`${gateway.url}/api/v1/me/tokens`, {
        method: 'POST',
        body: JSON.stringify({ name: 'test' }),
        headers: { ...headers, 'content-type': 'application/json', 'x-samlgate-csrf': me.csrf_token },
      });
      const { token } = JSON.parse(created.text) as { token: string };
      const ip = newAddress();
      const exchange = async (subjectToken: string) => {
        const body = new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: subjectToken,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        });
        return (await fetch(`${gateway.url}/oauth/token`, { method: 'POST', body, headers: from(ip) })).status;
      };
      expect(new Set(await Promise.all(Array.from({ length: 600 }, () => exchange('wrong'))))).toEqual(new Set([400]));
      expect([await exchange('wrong'), await exchange(token)]).toEqual([429, 200]);
    });

    it('limits failed sign-ins of the operator to 10 per address, and always accepts the operator token', async () => {
      const ip = newAddress();
      const send = async (token: string) => {
        const headers = { ...from(ip), origin: gateway.url, 'sec-fetch-site': 'same-origin' };
        const body = new URLSearchParams({ token });
        return (await fetch(`${gateway.url}/console/operator/sign-in`, { method: 'POST', body, headers, redirect: 'manual' })).status;
      };
      for (let i = 0; i < 12; i++) expect(await send(gateway.operatorToken)).toBe(303);
      for (let i = 0; i < 10; i++) expect(await send('x'.repeat(64))).toBe(401);
      expect([await send('x'.repeat(64)), await send(gateway.operatorToken)]).toEqual([429, 303]);
    });
  });

  describe('IPv6', () => {
    const { points } = LIMITS.device_start;
    const start = async (ip: string) => {
      const body = new URLSearchParams({ client_id: 'samlgate-cli' });
      return (await fetch(`${gateway.url}/oauth/device_authorization`, { method: 'POST', body, headers: from(ip) })).status;
    };

    it('counts all addresses of a /64 together', async () => {
      await Promise.all(Array.from({ length: points }, (_, i) => start(`2001:db8:1:1::${i.toString(16)}`)));
      expect([await start('2001:db8:1:1:ffff::1'), await start('2001:db8:1:2::1')]).toEqual([429, 200]);
    });

    it('limits a /48, in which one customer has 65,536 /64', async () => {
      const statuses = await Promise.all(
        Array.from({ length: points * NETWORK_FACTOR }, (_, i) => start(`2001:db8:2:${i.toString(16)}::1`)),
      );
      expect(new Set(statuses)).toEqual(new Set([200]));
      expect([await start('2001:db8:2:ffff::1'), await start('2001:db8:3:1::1')]).toEqual([429, 200]);
    });

    it('counts an IPv4-mapped address as the IPv4 address', async () => {
      const ip = newAddress();
      await Promise.all(Array.from({ length: points }, () => start(ip)));
      expect([await start(`::ffff:${ip}`), await start(newAddress())]).toEqual([429, 200]);
    });
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

describe('limits of several replicas', () => {
  it('are shared with Redis', async () => {
    const environment = {
      SAMLGATE_RATE_LIMITS: 'on',
      SAMLGATE_TRUST_PROXY: 'loopback',
      SAMLGATE_SECRET: randomBytes(32).toString('base64'),
    };
    const replicas = [await startGateway({ store: 'redis', environment }), await startGateway({ store: 'redis', environment })];
    const lookUp = async (replica: TestGateway | undefined) => {
      const headers = { 'x-forwarded-for': '192.0.2.1' };
      return (await fetch(`${replica?.url}/login`, { method: 'POST', body: new URLSearchParams({ who: 'x' }), headers })).status;
    };
    const { points } = LIMITS.login_form;
    const statuses = await Promise.all(Array.from({ length: points }, (_, i) => lookUp(replicas[i % 2])));
    expect(new Set(statuses)).toEqual(new Set([404]));
    expect([await lookUp(replicas[0]), await lookUp(replicas[1])]).toEqual([429, 429]);
    for (const replica of replicas) await replica.stop();
  });
});

describe('windows of a counter', () => {
  it('end after their time', () => {
    let nowMs = 0;
    const windows = new Windows(() => nowMs, 100);
    windows.set('a', { points: 3, endsAtMs: 1000 });
    nowMs = 999;
    expect([windows.get('a')?.points, windows.get('b')]).toEqual([3, undefined]);
    nowMs = 1000;
    expect(windows.get('a')).toBeUndefined();
  });

  it('are dropped when they have ended, also those that nothing asks about again', () => {
    let nowMs = 0;
    const windows = new Windows(() => nowMs, 10_000);
    for (nowMs = 0; nowMs < 100_000; nowMs++) {
      windows.set(`key ${nowMs}`, { points: 1, endsAtMs: nowMs + 1000 });
      expect(windows.size).toBeLessThanOrEqual(1001);
    }
  });

  it('are bounded, however many addresses an attacker has', () => {
    const windows = new Windows(() => 0, 1000);
    for (let i = 0; i < 50_000; i++) windows.set(`key ${i}`, { points: 1, endsAtMs: 1000 });
    expect(windows.size).toBe(1000);
    expect([windows.get('key 49999')?.points, windows.get('key 0')]).toEqual([1, undefined]);
  });
});

describe('keys of counters', () => {
  const secrets = (octet: number) => ({ secrets: createSecrets(Buffer.alloc(32, octet), undefined) });

  it('differ for each address, limit and secret', () => {
    const keys = new Set<string>();
    const [ours, others] = [secrets(1), secrets(2)];
    // With 16 bits, an attacker found an address that shared a victim's counter in 40,000 tries.
    for (let i = 0; i < 40_000; i++) keys.add(limitKey(ours, 'login_form', `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`));
    keys.add(limitKey(ours, 'login_start', '10.0.0.0')).add(limitKey(others, 'login_form', '10.0.0.0'));
    expect(keys.size).toBe(40_002);
  });
});

describe('address groups', () => {
  it.each([
    ['192.0.2.1', { address: '192.0.2.1' }],
    ['192.0.2.1:4711', { address: '192.0.2.1' }],
    ['::ffff:192.0.2.1', { address: '192.0.2.1' }],
    ['::FFFF:c000:0201', { address: '192.0.2.1' }],
    ['0:0:0:0:0:ffff:192.0.2.1', { address: '192.0.2.1' }],
    ['2001:db8:1:2:3:4:5:6', { address: '2001:db8:1:2/64', network: '2001:db8:1/48' }],
    ['[2001:db8:1:2:3:4:5:6]:4711', { address: '2001:db8:1:2/64', network: '2001:db8:1/48' }],
    ['2001:DB8:0001:2::1', { address: '2001:db8:1:2/64', network: '2001:db8:1/48' }],
    ['2001:db8::1', { address: '2001:db8:0:0/64', network: '2001:db8:0/48' }],
    ['64:ff9b::192.0.2.1', { address: '64:ff9b:0:0/64', network: '64:ff9b:0/48' }],
    ['::1', { address: '0:0:0:0/64', network: '0:0:0/48' }],
    ['fe80::1%eth0', { address: 'fe80:0:0:0/64', network: 'fe80:0:0/48' }],
    ['not an address', { address: 'unknown' }],
    [undefined, { address: 'unknown' }],
  ])('counts %s as %j', (address, groups) => expect(addressGroups(address)).toEqual(groups));
});
