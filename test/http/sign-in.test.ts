import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { sha256 } from '../../src/ids.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** How far tests have moved the clock ahead. */
let aheadMs = 0;
const now = () => Date.now() + aheadMs;

let gateway: TestGateway;
let acme: TestOrganization;

beforeAll(async () => {
  gateway = await startGateway({ now });
  acme = await makeTestOrganization(gateway, now);
});
afterAll(() => gateway.stop());

const me = async (browser: HttpBrowser, url = gateway.url) =>
  browser.request(`${url}/api/v1/me`, { headers: { accept: 'application/json' } });
const settings = (changes: Record<string, unknown>, { slug } = acme) =>
  gateway.api('PATCH', `/organizations/${slug}/identity-provider`, changes);
const verdict = ({ status, code }: Page) => [status, code];
const lastRefusal = async (organization: TestOrganization) => {
  const { body } = await gateway.api<{ items: { code: string }[] }>(
    'GET',
    `/organizations/${organization.slug}/audit?event=login.refused&limit=1`,
  );
  return body.items[0]?.code;
};

describe('matching a response to its request (saml-profiles §4.1.4.3)', () => {
  it('accepts one response to a request and redirects to its return URL', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser, '/console?a=b#c');
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState);
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/console?a=b#c`]);
    expect((await me(browser)).status).toBe(200);
    // Another assertion cannot use the same request again.
    expect(verdict(await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it.each([
    ['no', () => undefined],
    ['an empty', () => ''],
    ['another', () => 'x'.repeat(43)],
    ['the default of the identity provider as', () => '/console?from=idp'],
    ['a foreign URL as', () => 'https://evil.example/'],
    ['the request ID as', (requestId: string) => requestId],
    ['the marker of former test sign-ins as', () => `samlgate-test.${'x'.repeat(43)}`],
  ])('redirects to the stored return URL of an answer with %s RelayState', async (_case, relayStateFor) => {
    const browser = new HttpBrowser();
    const { requestId } = await acme.start(browser, '/console?started=here');
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayStateFor(requestId));
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/console?started=here`]);
    expect((await me(browser)).status).toBe(200);
  });

  it('matches the request that the InResponseTo names, even with the RelayState of another one', async () => {
    const browser = new HttpBrowser();
    const [first, second] = [await acme.start(browser, '/console?first'), await acme.start(browser, '/console?second')];
    const page = await acme.post(browser, acme.respond({ inResponseTo: first.requestId }), second.relayState);
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/console?first`]);
    // The second request is still pending.
    const next = await acme.post(browser, acme.respond({ inResponseTo: second.requestId }), first.relayState);
    expect([next.status, next.location]).toEqual([303, `${gateway.url}/console?second`]);
  });

  it('sends an opaque RelayState of at most 80 octets, which differs for each request', async () => {
    const browser = new HttpBrowser();
    const states = [await acme.start(browser, '/console?secret'), await acme.start(browser, '/console?secret')].map(
      (each) => each.relayState,
    );
    for (const relayState of states) expect(relayState).toMatch(/^[\w-]{1,80}$/);
    expect(new Set(states).size).toBe(2);
  });

  it('rejects the request of another organization, and consumes neither request nor assertion', async () => {
    const other = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await other.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    expect(verdict(await acme.post(browser, xml, relayState))).toEqual([400, 'saml_in_response_to_unknown']);
    expect(await lastRefusal(acme)).toBe('saml_in_response_to_unknown');
    expect((await other.post(browser, other.respond({ inResponseTo: requestId }), relayState)).status).toBe(303);
  });

  it('rejects an InResponseTo of the response that is not the one of the signed assertion', async () => {
    const browser = new HttpBrowser();
    const [mine, other] = [await acme.start(browser), await acme.start(new HttpBrowser())];
    const signing = { response: false, assertion: true };
    const bent = acme.respond({ inResponseTo: mine.requestId, signing, values: { confirmationInResponseTo: other.requestId } });
    expect(verdict(await acme.post(browser, bent, mine.relayState))).toEqual([400, 'saml_in_response_to_unknown']);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
  });

  it('rejects an authentication from before the request, if the request asked for a new one (saml-core §3.4.1)', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const authenticatedAt = (ms: number) => ({ authnInstant: new Date(ms).toISOString() });
    await settings({ force_authn: true }, organization);
    const browser = new HttpBrowser();
    const { requestId } = await organization.start(browser);
    const skewMs = 180_000;
    // The setting at the time of the request counts, so turning it off meanwhile does not help an unattended browser.
    await settings({ force_authn: false }, organization);
    const old = organization.respond({ inResponseTo: requestId, values: authenticatedAt(now() - skewMs - 5000) });
    expect(verdict(await organization.post(browser, old))).toEqual([400, 'saml_authn_context_mismatch']);
    const fresh = organization.respond({ inResponseTo: requestId, values: authenticatedAt(now() - skewMs + 60_000) });
    expect((await organization.post(browser, fresh)).status).toBe(303);
    const values = authenticatedAt(now() - HOUR_MS);
    expect((await organization.signIn(browser, 'olivia', { values })).status).toBe(303);
  });

  it('keeps requests only under a hash of their ID, and for 30 minutes', async () => {
    const { requestId } = await acme.start(new HttpBrowser());
    const { store } = gateway.runtime;
    const stored = JSON.parse((await store.peek(acme.id, `saml-request:${sha256(requestId)}`)) ?? 'null');
    expect(stored).toMatchObject({ kind: 'sign_in', requestId, returnTo: '/console', forceAuthn: false, issuedAtMs: expect.any(Number) });
  });

  it('rejects the response in another browser or without the nonce cookie, and still accepts it in the right browser', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    const victim = new HttpBrowser();
    expect(verdict(await acme.post(victim, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    await acme.start(victim); // now with a nonce of its own
    expect(verdict(await acme.post(victim, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    expect(victim.cookie('samlgate_session')).toBeUndefined();
    expect((await acme.post(browser, xml, relayState)).status).toBe(303);
  });

  it('lets several tabs of one browser sign in at the same time', async () => {
    const browser = new HttpBrowser();
    const tabs = [await acme.start(browser), await acme.start(browser), await acme.start(browser)];
    for (const { relayState, requestId } of tabs.reverse()) {
      expect((await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState)).status).toBe(303);
    }
  });

  it('rejects the response when the request is 30 minutes old', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    aheadMs += 30 * MINUTE_MS;
    expect(verdict(await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it('rejects the response if the organization has changed its identity provider since the request', async () => {
    const browser = new HttpBrowser();
    const moved = await makeTestOrganization(gateway, now);
    const { relayState, requestId } = await moved.start(browser);
    const metadata = moved.metadata.replace(/entityID="[^"]+"/, 'entityID="https://other.example/idp"');
    expect((await gateway.api('PUT', `/organizations/${moved.slug}/identity-provider`, metadata)).status).toBe(200);
    const values = { responseIssuer: 'https://other.example/idp', assertionIssuer: 'https://other.example/idp' };
    const page = await moved.post(browser, moved.respond({ inResponseTo: requestId, values }), relayState);
    expect(verdict(page)).toEqual([400, 'saml_in_response_to_unknown']);
  });
});

describe('unsolicited responses (saml-profiles §4.1.5)', () => {
  afterAll(() => settings({ idp_initiated: 'accept' }));

  it('idp_initiated=accept signs the user in and redirects to the RelayState if it is an allowed return URL', async () => {
    await settings({ idp_initiated: 'accept' });
    for (const [relayState, returnTo] of [
      [undefined, '/console'],
      ['/console?x=1', '/console?x=1'],
      ['https://evil.example/', '/console'],
    ] as const) {
      const browser = new HttpBrowser();
      const page = await acme.post(browser, acme.respond(), relayState);
      expect([page.status, page.location]).toEqual([303, gateway.url + returnTo]);
      expect((await me(browser)).status).toBe(200);
    }
  });

  it('never accepts a response with an unknown InResponseTo as unsolicited', async () => {
    expect(verdict(await acme.post(new HttpBrowser(), acme.respond({ inResponseTo: '_made-up' })))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it('idp_initiated=bounce discards the response and starts a sign-in at the gateway', async () => {
    await settings({ idp_initiated: 'bounce' });
    const browser = new HttpBrowser();
    const page = await acme.post(browser, acme.respond(), '/console?x=1');
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/saml/${acme.slug}/login?return_to=%2Fconsole%3Fx%3D1`]);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
    expect((await acme.signIn(browser)).status).toBe(303);
  });

  it('idp_initiated=reject answers 403', async () => {
    await settings({ idp_initiated: 'reject' });
    const browser = new HttpBrowser();
    expect(verdict(await acme.post(browser, acme.respond()))).toEqual([403, 'saml_unsolicited_forbidden']);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
  });
});

describe('using an assertion once (saml-profiles §4.1.4.5)', () => {
  it('accepts one of 20 simultaneous copies and rejects the others as replays', async () => {
    for (let round = 0; round < 5; round++) {
      const xml = acme.respond();
      const pages = await Promise.all(Array.from({ length: 20 }, () => acme.post(new HttpBrowser(), xml)));
      const codes = pages.map(({ status, code }) => code ?? status).sort();
      expect(codes).toEqual([303, ...Array(19).fill('saml_replayed')]);
    }
  });

  it('creates one session for 20 simultaneous copies in one browser, and redirects all of them to the return URL', async () => {
    const organization = await makeTestOrganization(gateway, now);
    for (let round = 0; round < 5; round++) {
      const browser = new HttpBrowser();
      const { relayState, requestId } = await organization.start(browser, '/console?round');
      const xml = organization.respond({ inResponseTo: requestId });
      const pages = await Promise.all(Array.from({ length: 20 }, () => organization.post(browser, xml, relayState)));
      expect(pages.map(({ status, location }) => [status, location])).toEqual(Array(20).fill([303, `${gateway.url}/console?round`]));
      expect(pages.filter(givesSession)).toHaveLength(1);
      const { text } = await me(browser);
      const { user } = JSON.parse(text) as { user: { id: string } };
      const member = await gateway.runtime.store.get(organization.id, MEMBERS, user.id);
      expect(member?.value.sessions).toHaveLength(round + 1);
    }
  });

  it('rejects a replay for as long as the assertion could be accepted', async () => {
    const xml = acme.respond();
    expect((await acme.post(new HttpBrowser(), xml)).status).toBe(303);
    aheadMs += 7 * MINUTE_MS; // within 5 minutes of validity and 3 minutes of skew
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_replayed');
    aheadMs += 2 * MINUTE_MS;
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_expired');
  });

  it('rejects a replay with regard to every confirmation and to a larger skew that is set later', async () => {
    const at = (minutes: number) => new Date(now() + minutes * MINUTE_MS).toISOString();
    const second = { method: 'urn:oasis:names:tc:SAML:2.0:cm:bearer', recipient: acme.acsUrl, notOnOrAfter: at(60) };
    const values = { confirmationNotOnOrAfter: at(1), otherConfirmations: [second], notOnOrAfter: at(60) };
    const xml = acme.respond({ values });
    const short = acme.respond({ values: { confirmationNotOnOrAfter: at(1), notOnOrAfter: at(60) } });
    await settings({ clock_skew_seconds: 0 });
    for (const each of [xml, short]) expect((await acme.post(new HttpBrowser(), each)).status).toBe(303);
    aheadMs += 3 * MINUTE_MS;
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_replayed');
    await settings({ clock_skew_seconds: 300 });
    expect((await acme.post(new HttpBrowser(), short)).code).toBe('saml_replayed');
    aheadMs += 55 * MINUTE_MS;
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_replayed');
    await settings({ clock_skew_seconds: 180 });
  });

  it('accepts the same assertion ID from another identity provider', async () => {
    const other = await makeTestOrganization(gateway, now);
    const values = { assertionId: '_same' };
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).status).toBe(303);
    expect((await other.post(new HttpBrowser(), other.respond({ values }))).status).toBe(303);
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).code).toBe('saml_replayed');
  });

  it('accepts an assertion ID again if the earlier response was rejected', async () => {
    const values = { assertionId: '_corrected' };
    const broken = acme.respond({ values: { ...values, audiences: [['https://other.example']] } });
    expect((await acme.post(new HttpBrowser(), broken)).code).toBe('saml_audience_mismatch');
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).status).toBe(303);
  });

  it('rejects a response for another organization, even from the same identity provider', async () => {
    const twin = await makeTestOrganization(gateway, now);
    await gateway.api('PUT', `/organizations/${twin.slug}/identity-provider`, acme.metadata);
    const page = await twin.post(new HttpBrowser(), acme.respond());
    expect(page.code).toBe('saml_destination_mismatch');
    const bent = acme.respond({ values: { destination: twin.acsUrl } });
    expect((await twin.post(new HttpBrowser(), bent)).code).toBe('saml_recipient_mismatch');
  });
});

/** Whether a page sets the session cookie. */
const givesSession = ({ headers }: Page): boolean => headers.getSetCookie().some((cookie) => cookie.startsWith('samlgate_session='));

describe('a response that a browser sends again (double click, reload, back button)', () => {
  let organization: TestOrganization;
  beforeAll(async () => {
    organization = await makeTestOrganization(gateway, now);
  });

  /** Signs a user in and returns what the browser can send again. */
  async function signInOnce(user = 'olivia', options: Parameters<TestOrganization['respond']>[0] = {}) {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await organization.start(browser, '/console?page');
    const xml = organization.respond({ user, inResponseTo: requestId, ...options });
    expect((await organization.post(browser, xml, relayState)).status).toBe(303);
    return { browser, again: (from = browser, at = organization) => at.post(from, xml, relayState) };
  }

  const idOf = async (browser: HttpBrowser) => (JSON.parse((await me(browser)).text) as { user: { id: string } }).user.id;
  const memberPath = (id: string) => `/organizations/${organization.slug}/members/${id}`;

  it('redirects to the stored return URL without a new cookie, as often as it is sent', async () => {
    const { browser, again } = await signInOnce();
    const session = browser.cookie('samlgate_session')?.value;
    for (let times = 0; times < 3; times++) {
      const page = await again();
      expect([page.status, page.location, page.headers.getSetCookie()]).toEqual([303, `${gateway.url}/console?page`, []]);
    }
    expect(browser.cookie('samlgate_session')?.value).toBe(session);
    expect((await me(browser)).status).toBe(200);
  });

  it('recognizes a sign-in that started at the identity provider by the nonce of its first answer', async () => {
    const browser = new HttpBrowser();
    const xml = organization.respond();
    expect((await organization.post(browser, xml, '/console?idp')).status).toBe(303);
    const page = await organization.post(browser, xml, '/console?changed');
    expect([page.status, page.location, givesSession(page)]).toEqual([303, `${gateway.url}/console?idp`, false]);
    expect(verdict(await organization.post(new HttpBrowser(), xml, '/console?idp'))).toEqual([400, 'saml_replayed']);
  });

  it('rejects it in another browser, with or without a nonce of its own', async () => {
    const { again } = await signInOnce();
    const thief = new HttpBrowser();
    expect(verdict(await again(thief))).toEqual([400, 'saml_replayed']);
    await organization.signIn(thief, 'carl');
    expect(verdict(await again(thief))).toEqual([400, 'saml_replayed']);
  });

  it('gives no session to a thief with response and nonce but without the session cookie', async () => {
    const { browser, again } = await signInOnce();
    const thief = new HttpBrowser();
    thief.setCookie(gateway.url, 'samlgate_login', browser.cookie('samlgate_login')?.value ?? '');
    const page = await again(thief);
    expect([page.status, page.headers.getSetCookie()]).toEqual([303, []]);
    expect((await me(thief)).status).toBe(401);
  });

  it.each([
    [
      'the user signed out',
      async (browser: HttpBrowser) => {
        const { csrf_token: csrf } = JSON.parse((await me(browser)).text) as { csrf_token: string };
        await browser.request(`${gateway.url}/logout`, {
          method: 'POST',
          body: new URLSearchParams({ csrf }),
          headers: { origin: gateway.url, 'sec-fetch-site': 'same-origin' },
        });
      },
    ],
    [
      'the member was suspended',
      async (browser: HttpBrowser) => {
        const path = memberPath(await idOf(browser));
        await gateway.api('PATCH', path, { suspended: true });
      },
    ],
    [
      'the member was suspended and reinstated',
      async (browser: HttpBrowser) => {
        const path = memberPath(await idOf(browser));
        await gateway.api('PATCH', path, { suspended: true });
        await gateway.api('PATCH', path, { suspended: false });
      },
    ],
    [
      'the member was removed',
      async (browser: HttpBrowser) => {
        await gateway.api('DELETE', memberPath(await idOf(browser)));
      },
    ],
    [
      'another user signed in in this browser',
      async (browser: HttpBrowser) => {
        await organization.signIn(browser, 'nina');
      },
    ],
  ])('rejects it after %s', async (_case, end) => {
    const { browser, again } = await signInOnce('carl');
    await end(browser);
    const page = await again();
    expect(givesSession(page)).toBe(false);
    expect(['saml_replayed', 'member_suspended']).toContain(page.code);
    // Nothing else is left that would let the user in.
    const members = await gateway.api<{ items: { id: string; suspended: boolean }[] }>(
      'GET',
      `/organizations/${organization.slug}/members`,
    );
    for (const { id, suspended } of members.body.items) if (suspended) await gateway.api('DELETE', memberPath(id));
  });

  it('rejects it after the session has expired, also by its idle time', async () => {
    const values = { sessionNotOnOrAfter: new Date(now() + 2 * MINUTE_MS).toISOString() };
    const { again } = await signInOnce('olivia', { values });
    expect((await again()).status).toBe(303);
    aheadMs += 3 * MINUTE_MS;
    expect((await again()).code).toBe('saml_expired');
    const idle = await signInOnce();
    const { store } = gateway.runtime;
    const key = `session:${sha256(
      decodeURIComponent(idle.browser.cookie('samlgate_session')?.value ?? '')
        .slice(2)
        .replace(/\.[^.]*$/, ''),
    )}`;
    expect((await store.commit(organization.id, [{ do: 'take', key }])).ok).toBe(true); // as when its time to live ends
    expect(verdict(await idle.again())).toEqual([400, 'saml_replayed']);
  });

  it('passes the full verdict again: a removed certificate, an expired assertion and a lost role reject it', async () => {
    const { again } = await signInOnce('carl');
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, {
      rules: [{ group: 'platform-admins', role: 'owner' }],
      default_role: 'none',
    });
    expect(verdict(await again())).toEqual([400, 'saml_replayed']);
    await gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, {
      rules: [{ group: 'platform-admins', role: 'owner' }],
      default_role: 'collaborator',
    });
    await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider`, acme.metadata);
    expect(verdict(await again())).toEqual([400, 'saml_signature_invalid']);
    await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider`, organization.metadata);
    expect((await again()).status).toBe(303);
    aheadMs += 10 * MINUTE_MS;
    expect(verdict(await again())).toEqual([400, 'saml_expired']);
  });

  it('rejects it at another organization of the same identity provider', async () => {
    const twin = await makeTestOrganization(gateway, now);
    await gateway.api('PUT', `/organizations/${twin.slug}/identity-provider`, organization.metadata);
    const { browser, again } = await signInOnce();
    expect(verdict(await again(browser, twin))).toEqual([400, 'saml_destination_mismatch']);
  });

  it('redirects to the console if the return URL is no longer allowed', async () => {
    const path = `/organizations/${organization.slug}`;
    await gateway.api('PATCH', path, { allowed_return_urls: ['https://app.example/'] });
    const browser = new HttpBrowser();
    const { relayState, requestId } = await organization.start(browser, 'https://app.example/page');
    const xml = organization.respond({ inResponseTo: requestId });
    expect((await organization.post(browser, xml, relayState)).location).toBe('https://app.example/page');
    expect((await organization.post(browser, xml, relayState)).location).toBe('https://app.example/page');
    await gateway.api('PATCH', path, { allowed_return_urls: [] });
    expect((await organization.post(browser, xml, relayState)).location).toBe(`${gateway.url}/console`);
  });

  it('is not recorded as another sign-in', async () => {
    const { again } = await signInOnce();
    const audit = async () =>
      (await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${organization.slug}/audit?limit=1`)).body;
    const before = await audit();
    await again();
    expect(await audit()).toEqual(before);
  });
});

describe('reading the form (saml-bindings §3.5)', () => {
  const send = (
    body: string,
    headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' },
    url = acme.acsUrl,
  ) => new HttpBrowser().request(url, { method: 'POST', body, headers });
  const encoded = (xml = acme.respond()) => encodeURIComponent(Buffer.from(xml).toString('base64'));

  it.each([
    ['an empty body', ''],
    ['another field only', 'SAMLRequest=abc'],
    ['an empty field', 'SAMLResponse='],
    ['a value that is not base64', 'SAMLResponse=%%%'],
    ['base64url instead of base64', 'SAMLResponse=PD-_'],
    ['base64 without padding', 'SAMLResponse=PGE'],
    ['a value that is not XML', `SAMLResponse=${encodeURIComponent('aGVsbG8=')}`],
  ])('rejects a form with %s', async (_case, body) => {
    expect(verdict(await send(body))).toEqual([400, 'saml_malformed']);
  });

  it('rejects a repeated field, even with the same value', async () => {
    const field = encoded();
    for (const body of [`SAMLResponse=${field}&SAMLResponse=${field}`, `SAMLResponse=${field}&RelayState=a&RelayState=a`]) {
      expect(verdict(await send(body))).toEqual([400, 'saml_malformed']);
    }
  });

  it('accepts line breaks in base64', async () => {
    const folded = Buffer.from(acme.respond()).toString('base64').replace(/.{76}/g, '$&\r\n');
    expect((await send(`SAMLResponse=${encodeURIComponent(folded)}`)).status).toBe(303);
  });

  it('rejects JSON, multipart, text and compressed bodies without reading them', async () => {
    expect((await send(JSON.stringify({ SAMLResponse: 'x' }), { 'content-type': 'application/json' })).code).toBe('saml_malformed');
    expect((await send('x', { 'content-type': 'multipart/form-data; boundary=x' })).code).toBe('saml_malformed');
    expect((await send('x', { 'content-type': 'text/plain' })).code).toBe('saml_malformed');
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const compressed = await send('x', { ...type, 'content-encoding': 'gzip' });
    expect([compressed.status, compressed.code]).toEqual([400, 'validation_failed']);
  });

  it('answers 413 to more than 256 KiB of XML, and to a larger form', async () => {
    const large = acme.respond().replace('</saml2p:Response>', `${' '.repeat(256 * 1024)}</saml2p:Response>`);
    expect(verdict(await send(`SAMLResponse=${encoded(large)}`))).toEqual([413, 'payload_too_large']);
    expect(verdict(await send(`SAMLResponse=${'A'.repeat(700_000)}`))).toEqual([413, 'payload_too_large']);
  });

  it('explains itself to a browser that opens the address, and offers to sign in', async () => {
    const browser = new HttpBrowser();
    for (const url of [acme.acsUrl, `${acme.acsUrl}?SAMLResponse=%3Cscript%3E&RelayState=https://evil.example`]) {
      const page = await browser.request(url);
      expect(verdict(page)).toEqual([404, 'not_found']);
      expect(page.text).toContain('This address receives SAML responses');
      expect(page.text).not.toMatch(/<script>|evil\.example/);
      expect(page.headers.getSetCookie()).toEqual([]);
      expect((await browser.follow(page, 'Sign in').catch((error: Error) => error)).toString()).toContain('https://idp.example/sso');
    }
    const problem = await browser.request(acme.acsUrl, { headers: { accept: 'application/json' } });
    expect(problem.headers.get('content-type')).toContain('application/problem+json');
    expect(JSON.parse(problem.text)).toMatchObject({ status: 404, code: 'not_found', title: 'This address receives SAML responses' });
    expect((await browser.request(acme.acsUrl, { method: 'HEAD' })).status).toBe(404);
    expect(verdict(await browser.request(`${gateway.url}/saml/nobody-here/acs`))).toEqual([404, 'organization_unknown']);
  });

  it('answers 404 for an unknown organization and for one without an identity provider', async () => {
    const browser = new HttpBrowser();
    expect(verdict(await send('SAMLResponse=x', undefined, `${gateway.url}/saml/nobody-here/acs`))).toEqual([404, 'organization_unknown']);
    await gateway.api('POST', '/organizations', { slug: `${acme.slug}x`, name: 'No IdP' });
    expect(verdict(await send('SAMLResponse=x', undefined, acme.acsUrl.replace(acme.slug, `${acme.slug}x`)))).toEqual([
      404,
      'idp_not_configured',
    ]);
    expect(verdict(await browser.request(gateway.loginUrl(`${acme.slug}x`)))).toEqual([404, 'idp_not_configured']);
  });

  it('compares slugs exactly: no case folding, no trailing slash, no encoded separator', async () => {
    for (const slug of [acme.slug.toUpperCase(), `${acme.slug}/`, `x%2F..%2F${acme.slug}`, `${acme.slug}%00`, '%E0%A4%A']) {
      const page = await send(`SAMLResponse=${encoded()}`, undefined, `${gateway.url}/saml/${slug}/acs`);
      expect([400, 404]).toContain(page.status);
      expect(['organization_unknown', 'not_found', 'validation_failed']).toContain(page.code);
    }
  });
});

describe('members and roles', () => {
  const member = async (browser: HttpBrowser) => {
    const { user } = JSON.parse((await me(browser)).text) as { user: { id: string; role: string; email: string; groups: string[] } };
    return user;
  };
  const mapping = (organization: TestOrganization, body: unknown) =>
    gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, body);

  it('keeps the member at the next sign-in and updates role, groups and email address', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [first, second] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(first, 'olivia');
    const before = await member(first);
    expect(before.role).toBe('owner');
    await mapping(organization, { rules: [], default_role: 'collaborator', allow_no_owner: true });
    await organization.signIn(second, 'olivia');
    const after = await member(second);
    expect(after.id).toBe(before.id);
    expect(after.role).toBe('collaborator');
    // The role belongs to the member, so the first session has it as well.
    expect((await member(first)).role).toBe('collaborator');
  });

  it('creates another member for a user of another identity provider, even with the same identifier and email address', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [first, second] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(first);
    const metadata = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://other.example/idp"');
    await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider?on_new_entity_id=new_accounts`, metadata);
    const values = { responseIssuer: 'https://other.example/idp', assertionIssuer: 'https://other.example/idp' };
    await organization.signIn(second, 'olivia', { values });
    expect((await member(second)).id).not.toBe((await member(first)).id);
    expect((await member(second)).email).toBe((await member(first)).email);
  });

  it('refuses a member whose groups give no role any longer, and ends the member’s sessions', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [first, second] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(first, 'carl');
    expect((await me(first)).status).toBe(200);
    await mapping(organization, { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' });
    const page = await organization.signIn(second, 'carl');
    expect(verdict(page)).toEqual([403, 'saml_role_denied']);
    expect(second.cookie('samlgate_session')).toBeUndefined();
    expect(verdict(await me(first))).toEqual([401, 'unauthenticated']);
    expect(await lastRefusal(organization)).toBe('saml_role_denied');
  });

  it('refuses a suspended member, and accepts the same member after the suspension', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    await organization.signIn(browser, 'carl');
    const { id } = await member(browser);
    const path = `/organizations/${organization.slug}/members/${id}`;
    expect((await gateway.api('PATCH', path, { suspended: true })).status).toBe(200);
    expect((await me(browser)).status).toBe(401);
    const captured = organization.respond({ user: 'carl' });
    expect(verdict(await organization.post(new HttpBrowser(), captured))).toEqual([403, 'member_suspended']);
    await gateway.api('PATCH', path, { suspended: false });
    // A refused response is used up, so nobody can keep it until the suspension is lifted.
    expect(verdict(await organization.post(new HttpBrowser(), captured))).toEqual([400, 'saml_replayed']);
    expect((await me(browser)).status).toBe(401); // lifting a suspension restores no session
    await organization.signIn(browser, 'carl');
    expect((await member(browser)).id).toBe(id);
  });

  it('creates a new member when a removed one signs in again, and restores no session', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [removed, created] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(removed, 'carl');
    const { id } = await member(removed);
    expect((await gateway.api('DELETE', `/organizations/${organization.slug}/members/${id}`)).status).toBe(204);
    expect((await me(removed)).status).toBe(401);
    await organization.signIn(created, 'carl');
    expect((await member(created)).id).not.toBe(id);
    expect((await me(removed)).status).toBe(401);
  });

  it('keeps a manually assigned role while no rule matches', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    await organization.signIn(browser, 'carl');
    const { id } = await member(browser);
    await gateway.api('PATCH', `/organizations/${organization.slug}/members/${id}`, { role: 'owner' });
    await organization.signIn(browser, 'carl');
    expect((await member(browser)).role).toBe('owner');
    await mapping(organization, { rules: [{ group: 'engineering', role: 'collaborator' }], default_role: 'none', allow_no_owner: true });
    await organization.signIn(browser, 'carl');
    expect((await member(browser)).role).toBe('collaborator');
  });

  it('bounds what a response can add to the member’s record', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    const groups = Array.from({ length: 1200 }, (_, i) => `group-number-${i}`);
    const attributes = [
      { name: 'email', values: ['olivia@okta.acme.example'] },
      { name: 'urn:oasis:names:tc:SAML:attribute:subject-id', values: ['olivia@acme'] },
      { name: 'groups', values: [...groups, 'platform-admins'] },
    ];
    const values = { attributes, nameId: { value: 'x'.repeat(20_000) }, sessionIndex: 'y'.repeat(5000) };
    for (let i = 0; i < 5; i++) expect((await organization.signIn(browser, 'olivia', { values })).status).toBe(303);
    const user = await member(browser);
    // The rule was applied to all groups, also to those that are not stored.
    expect(user.role).toBe('owner');
    expect(user.groups).toHaveLength(500);
    const stored = await gateway.runtime.store.get(organization.id, MEMBERS, user.id);
    expect(JSON.stringify(stored?.value).length).toBeLessThan(20_000);
  });

  it('compares groups code point by code point', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const name = 'platform-admins';
    for (const lookalike of [
      name.toUpperCase(),
      ` ${name}`,
      `${name} `,
      `${name}\u200b`,
      name.replace('a', 'а'),
      `${name}\u0000`,
      'platform-admin',
    ]) {
      await mapping(organization, { rules: [{ group: lookalike, role: 'owner' }], default_role: 'collaborator' });
      const browser = new HttpBrowser();
      await organization.signIn(browser, 'olivia');
      expect((await member(browser)).role).toBe('collaborator');
    }
  });
});

describe('sessions', () => {
  it('creates a new session at every sign-in and ends the former one of the browser', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const first = browser.cookie('samlgate_session');
    expect(first).toMatchObject({ httpOnly: true, sameSite: 'lax', path: '/' });
    await acme.signIn(browser);
    const second = browser.cookie('samlgate_session');
    expect(second?.value).not.toBe(first?.value);
    const thief = new HttpBrowser();
    thief.setCookie(gateway.url, 'samlgate_session', first?.value ?? '');
    expect((await me(thief)).status).toBe(401);
    expect((await me(browser)).status).toBe(200);
  });

  it('ends the former session even if the cross-site POST carries no session cookie, also for another member', async () => {
    for (const user of ['olivia', 'carl']) {
      const browser = new HttpBrowser();
      await acme.signIn(browser, 'olivia');
      const { relayState, requestId } = await acme.start(browser);
      // Browsers send the nonce with a cross-site POST (SameSite=None on https), but not the session.
      const crossSite = new HttpBrowser();
      crossSite.setCookie(gateway.url, 'samlgate_login', browser.cookie('samlgate_login')?.value ?? '');
      const xml = acme.respond({ user, inResponseTo: requestId });
      expect((await acme.post(crossSite, xml, relayState)).status).toBe(303);
      expect((await me(crossSite)).status).toBe(200);
      expect([user, (await me(browser)).status]).toEqual([user, 401]);
    }
  });

  it('ignores a session cookie that was planted before the sign-in', async () => {
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_session', 's%3Aorg_00000000000000000000.planted');
    await acme.signIn(browser);
    expect(browser.cookie('samlgate_session')?.value).not.toContain('planted');
  });

  it('rejects session cookies with an invalid signature or without a session ID', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const { value = '' } = browser.cookie('samlgate_session') ?? {};
    const unsigned = decodeURIComponent(value).slice(2).split('.').slice(0, 2).join('.');
    const bent = `${value.slice(0, -3)}${value.endsWith('AAA') ? 'BBB' : 'AAA'}`;
    for (const wrong of [bent, unsigned, encodeURIComponent(`s:${unsigned}.x`), '', 's%3A', 'x'.repeat(5000)]) {
      const thief = new HttpBrowser();
      thief.setCookie(gateway.url, 'samlgate_session', wrong);
      expect((await me(thief)).status).toBe(401);
    }
  });

  it('signs in although the store fails before the former member’s session is ended', async () => {
    const { store } = gateway.runtime;
    const commit = store.commit.bind(store);
    const browser = new HttpBrowser();
    await acme.signIn(browser, 'carl');
    const { relayState, requestId } = await acme.start(browser);
    // Only the change of a member after the sign-in fails. The sign-in log, for example, is written meanwhile.
    let isSignedIn = false;
    let failures = 0;
    store.commit = (partition, steps, options) => {
      const isAboutMember = steps.some((step) => step.do === 'replace' && step.collection.name === MEMBERS.name);
      if (isSignedIn && isAboutMember) {
        failures++;
        return Promise.reject(new GatewayError('store_unavailable'));
      }
      isSignedIn ||= steps.some((step) => step.do === 'claim');
      return commit(partition, steps, options);
    };
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState).finally(() => {
      store.commit = commit;
    });
    expect(page.status).toBe(303);
    expect((await me(browser)).text).toContain('olivia');
    expect(failures).toBe(1);
  });

  it('ends a session after eight idle hours, and not while it is used', async () => {
    const [idle, busy] = [new HttpBrowser(), new HttpBrowser()];
    await acme.signIn(idle);
    await acme.signIn(busy);
    aheadMs += 5 * HOUR_MS;
    expect((await me(busy)).status).toBe(200);
    aheadMs += 4 * HOUR_MS;
    expect((await me(busy)).status).toBe(200);
    expect((await me(idle)).status).toBe(401);
  });

  it('ends a session after 24 hours, however much it is used', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    for (let hours = 0; hours < 21; hours += 7) {
      aheadMs += 7 * HOUR_MS;
      expect((await me(browser)).status).toBe(200);
    }
    aheadMs += 3 * HOUR_MS;
    expect((await me(browser)).status).toBe(401);
  });

  it('ends a session at SessionNotOnOrAfter', async () => {
    const browser = new HttpBrowser();
    const sessionNotOnOrAfter = new Date(now() + HOUR_MS).toISOString();
    expect((await acme.signIn(browser, 'olivia', { values: { sessionNotOnOrAfter } })).status).toBe(303);
    const { credential } = JSON.parse((await me(browser)).text) as { credential: { expires_at: string } };
    expect(credential.expires_at).toBe(sessionNotOnOrAfter);
    aheadMs += HOUR_MS;
    expect((await me(browser)).status).toBe(401);
  });

  it('ends the session on sign-out, and only with the CSRF token of that session', async () => {
    const [browser, other] = [new HttpBrowser(), new HttpBrowser()];
    await acme.signIn(browser);
    await acme.signIn(other);
    const csrfOf = async (of: HttpBrowser) => (JSON.parse((await me(of)).text) as { csrf_token: string }).csrf_token;
    for (const csrf of ['', await csrfOf(other)]) {
      const page = await browser.request(`${gateway.url}/logout`, { method: 'POST', body: new URLSearchParams({ csrf }) });
      expect(verdict(page)).toEqual([403, 'forbidden']);
      expect((await me(browser)).status).toBe(200);
    }
    const stolen = browser.cookie('samlgate_session')?.value ?? '';
    const page = await browser.request(`${gateway.url}/logout`, {
      method: 'POST',
      body: new URLSearchParams({ csrf: await csrfOf(browser) }),
    });
    expect(page.status).toBe(303);
    browser.setCookie(gateway.url, 'samlgate_session', stolen);
    expect((await me(browser)).status).toBe(401);
    expect((await me(other)).status).toBe(200);
  });

  it('requires the session’s CSRF token for unsafe API methods with the session cookie', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const path = `${gateway.url}/api/v1/organizations/${acme.slug}/role-mapping`;
    const put = (headers: Record<string, string>) =>
      browser.request(path, {
        method: 'PUT',
        body: '{"rules":[],"default_role":"owner"}',
        headers: { 'content-type': 'application/json', ...headers },
      });
    expect(verdict(await put({}))).toEqual([403, 'forbidden']);
    expect(verdict(await put({ 'x-samlgate-csrf': 'wrong' }))).toEqual([403, 'forbidden']);
    const { csrf_token } = JSON.parse((await me(browser)).text) as { csrf_token: string };
    expect((await put({ 'x-samlgate-csrf': csrf_token })).status).toBe(200);
  });

  it('keeps at most 20 sessions per member and ends the oldest', async () => {
    const browsers = Array.from({ length: 21 }, () => new HttpBrowser());
    for (const browser of browsers) await acme.signIn(browser, 'nina');
    const [oldest, ...others] = await Promise.all(browsers.map(async (browser) => (await me(browser)).status));
    expect(oldest).toBe(401);
    expect(others.every((status) => status === 200)).toBe(true);
  });
});

describe('return URLs', () => {
  it('redirects only to paths at the gateway and to URLs on the allow-list', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { allowed_return_urls: ['https://app.example/area'] });
    for (const [returnTo, expected] of [
      ['/', '/'],
      ['/console/x?y#z', '/console/x?y#z'],
      ['https://app.example/area', 'https://app.example/area'],
      ['https://app.example/area/page?x=1', 'https://app.example/area/page?x=1'],
      ['https://app.example/areas', '/console'],
      ['https://app.example/area/../../other', '/console'],
      ['https://app.example/area/%2e%2e/other', '/console'],
      ['https://app.example:444/area', '/console'],
      ['http://app.example/area', '/console'],
      ['https://user@app.example/area', '/console'],
      ['https://app.example.evil.example/area', '/console'],
      ['//evil.example', '/console'],
      ['/\\evil.example', '/console'],
      ['/\t/evil.example', '/console'],
      ['/..//evil.example', '/console'],
      ['\\\\evil.example', '/console'],
      ['/saml/evil/login', '/console'],
      ['/saml/evil/login?return_to=https://evil.example', '/console'],
      ['/x/../saml/evil/login', '/console'],
      ['/login', '/console'],
      ['/logout', '/console'],
      ['javascript:alert(1)', '/console'],
      ['data:text/html,x', '/console'],
      ['https:evil.example', '/console'],
      [' https://app.example/area', '/console'],
      ['', '/console'],
      [`/${'a'.repeat(3000)}`, '/console'],
    ] as const) {
      const browser = new HttpBrowser();
      const { relayState, requestId } = await acme.start(browser, returnTo);
      const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState);
      expect([returnTo, page.location]).toEqual([returnTo, new URL(expected, gateway.url).href]);
    }
  });

  it('never keeps more than 2 kB of a started sign-in, nor redirects with a header that proxies refuse', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { allowed_return_urls: ['https://app.example/area'] });
    const fits = `https://app.example/area?x=${'y'.repeat(1373)}`;
    for (const [returnTo, expected] of [
      [fits, fits],
      [`${fits}y`, '/console'],
      // Each character becomes six or three in a URL, and nine in the query of another one.
      [`/console?x=${'é'.repeat(1000)}`, '/console'],
      [`/console?x=${"'".repeat(1000)}`, '/console'],
      [`/console?x=${'"'.repeat(700)}`, '/console'],
      [`/console?${'%'.repeat(1000)}`, '/console'],
      [`/console#${'\u2028'.repeat(1000)}`, '/console'],
      [`/console?x=${'\u{1f600}'.repeat(150)}`, '/console'],
    ] as const) {
      const browser = new HttpBrowser();
      const { requestId } = await acme.start(browser, returnTo);
      const stored = (await gateway.runtime.store.peek(acme.id, `saml-request:${sha256(requestId)}`)) ?? '';
      expect(Buffer.byteLength(stored)).toBeLessThanOrEqual(2048);
      expect((JSON.parse(stored) as { returnTo: string }).returnTo).toBe(expected);
      const body = new URLSearchParams({ who: acme.slug, return_to: returnTo });
      const { headers } = await new HttpBrowser().request(`${gateway.url}/login`, { method: 'POST', body });
      expect(headers.get('location')?.length).toBeLessThanOrEqual(2048 + 100);
    }
    const page = await new HttpBrowser().request(`${gateway.url}/console?x=${"'".repeat(3000)}`);
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/login?return_to=%2Fconsole`]);
  });

  it('leaves out a return URL that a long entity ID leaves no room for', async () => {
    const { id, slug, start, key } = await makeTestOrganization(gateway, now);
    const values = {
      entity_id: `https://idp.example/${'\u20ac'.repeat(500)}`,
      sso_url: 'https://idp.example/sso',
      certificates: [key.certificatePem],
    };
    expect((await gateway.api('PUT', `/organizations/${slug}/identity-provider`, values)).status).toBe(200);
    for (const [returnTo, expected] of [
      ['/console/tokens', '/console/tokens'],
      [`/console?x=${'y'.repeat(1300)}`, '/console'],
    ] as const) {
      const { requestId } = await start(new HttpBrowser(), returnTo);
      const stored = (await gateway.runtime.store.peek(id, `saml-request:${sha256(requestId)}`)) ?? '';
      expect(Buffer.byteLength(stored)).toBeLessThanOrEqual(2048);
      expect((JSON.parse(stored) as { returnTo: string }).returnTo).toBe(expected);
    }
  });

  it('accepts absolute URLs of the gateway’s own origin under the same exclusions as paths', async () => {
    const { host, hostname, port } = new URL(gateway.url);
    // Even an entry for the gateway itself lifts no exclusion.
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { allowed_return_urls: [`${gateway.url}/`, 'https://app.example/area'] });
    for (const [returnTo, expected] of [
      [`${gateway.url}/console/x?y#z`, '/console/x?y#z'],
      [gateway.url, '/'],
      [`HTTP://${host.toUpperCase()}/x`, '/x'],
      [`${gateway.url}/x/../y`, '/y'],
      [`${gateway.url}/%2fevil.example`, '/%2fevil.example'],
      [`${gateway.url}/saml/evil/login`, '/console'],
      [`${gateway.url}/x/../login`, '/console'],
      [`${gateway.url}/x/%2e%2e/LOGIN`, '/console'],
      [`${gateway.url}/logout`, '/console'],
      [`${gateway.url}/setup/secret`, '/console'],
      [`${gateway.url}//evil.example`, '/console'],
      [`${gateway.url}/..//evil.example`, '/console'],
      [`${gateway.url}/x\\evil.example`, '/console'],
      [`${gateway.url}\\@evil.example/`, '/console'],
      [`${gateway.url}@evil.example/`, '/console'],
      [`http://user@${host}/console/x`, '/console'],
      [`http://user:secret@${host}/console/x`, '/console'],
      [`http://:@${host}/console/x`, '/console/x'],
      [`http://${hostname}:${Number(port) + 1}/console/x`, '/console'],
      [`http://${hostname}/console/x`, '/console'],
      [`https://${host}/console/x`, '/console'],
      [`http://${hostname}.:${port}/console/x`, '/console'],
      [`http://${hostname}.evil.example:${port}/console/x`, '/console'],
      [`http:console/x`, '/console'],
      [`//${host}/console/x`, '/console'],
      [`blob:${gateway.url}/x`, '/console'],
      [`blob:${gateway.url}/saml/evil/login`, '/console'],
      [`view-source:${gateway.url}/x`, '/console'],
      [` ${gateway.url}/x`, '/console'],
      [`${gateway.url}/x\n`, '/console'],
      [`${gateway.url}/${'a'.repeat(3000)}`, '/console'],
    ] as const) {
      const browser = new HttpBrowser();
      const absolute = new URL(expected, gateway.url).href;
      const { requestId } = await acme.start(browser, returnTo);
      const solicited = await acme.post(browser, acme.respond({ inResponseTo: requestId }));
      const unsolicited = await acme.post(new HttpBrowser(), acme.respond(), returnTo);
      expect([returnTo, solicited.location, unsolicited.location]).toEqual([returnTo, absolute, absolute]);
    }
  });
});

describe('while the store is unavailable', () => {
  it('answers 503 and consumes nothing, and accepts the same response when the store is back', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-redis-'));
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always'];
    let redis: RedisServer = await startRedis(durable, { directory });
    const { port } = redis;
    const other = await startGateway({ environment: { SAMLGATE_STORE: redis.url } });
    try {
      const organization = await makeTestOrganization(other);
      const browser = new HttpBrowser();
      const { relayState, requestId } = await organization.start(browser);
      const xml = organization.respond({ inResponseTo: requestId });
      await redis.stop();
      const down = await organization.post(browser, xml, relayState);
      expect(verdict(down)).toEqual([503, 'store_unavailable']);
      expect(Number(down.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(browser.cookie('samlgate_session')).toBeUndefined();
      expect((await fetch(`${other.url}/healthz`)).status).toBe(200);
      expect((await fetch(`${other.url}/readyz`)).status).toBe(503);
      redis = await startRedis(durable, { port, directory });
      for (let i = 0; i < 100 && (await fetch(`${other.url}/readyz`)).status !== 200; i++)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await organization.post(browser, xml, relayState)).status).toBe(303);
      expect((await me(browser, other.url)).status).toBe(200);
    } finally {
      await other.stop();
      await redis.stop();
      rmSync(directory, { recursive: true });
    }
  });
});
