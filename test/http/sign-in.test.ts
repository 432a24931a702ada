import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Ahead of the real clock where a test has moved it. */
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
const refused = async (organization: TestOrganization) => {
  const { body } = await gateway.api<{ items: { code: string }[] }>(
    'GET',
    `/organizations/${organization.slug}/audit?event=login.refused&limit=1`,
  );
  return body.items[0]?.code;
};

describe('the request that a response answers (saml-profiles §4.1.4.3)', () => {
  it('comes back once, to the browser that asked, with the place that it asked for', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser, '/console?a=b#c');
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState);
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/console?a=b#c`]);
    expect((await me(browser)).status).toBe(200);
    // Another assertion for the same request: the request is used up.
    expect(verdict(await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it('is not found without its RelayState, under another one, or at another organization', async () => {
    const other = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    const elsewhere = await other.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    for (const wrong of [undefined, '', '/console', 'x'.repeat(43), elsewhere.relayState]) {
      expect(verdict(await acme.post(browser, xml, wrong))).toEqual([400, 'saml_in_response_to_unknown']);
    }
    expect(await refused(acme)).toBe('saml_in_response_to_unknown');
    // Nothing of that consumed the request or the assertion.
    expect((await acme.post(browser, xml, relayState)).status).toBe(303);
  });

  it('must be the one that the assertion names', async () => {
    const browser = new HttpBrowser();
    const [first, second] = [await acme.start(browser), await acme.start(browser)];
    const page = await acme.post(browser, acme.respond({ inResponseTo: first.requestId }), second.relayState);
    expect(verdict(page)).toEqual([400, 'saml_in_response_to_unknown']);
  });

  it('belongs to a browser: another one, or the same without its nonce, does not get in, and the right one still does', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    const victim = new HttpBrowser();
    expect(verdict(await acme.post(victim, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    await acme.start(victim); // has a nonce of its own now
    expect(verdict(await acme.post(victim, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    expect(victim.cookie('samlgate_session')).toBeUndefined();
    expect((await acme.post(browser, xml, relayState)).status).toBe(303);
  });

  it('several tabs of one browser sign in side by side', async () => {
    const browser = new HttpBrowser();
    const tabs = [await acme.start(browser), await acme.start(browser), await acme.start(browser)];
    for (const { relayState, requestId } of tabs.reverse()) {
      expect((await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState)).status).toBe(303);
    }
  });

  it('waits half an hour and no longer', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    aheadMs += 30 * MINUTE_MS;
    expect(verdict(await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it('does not outlive the identity provider that it was sent to', async () => {
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

describe('a response that nobody asked for (saml-profiles §4.1.5)', () => {
  afterAll(() => settings({ idp_initiated: 'accept' }));

  it('accept: comes in, and its RelayState is a place to go where that is safe', async () => {
    await settings({ idp_initiated: 'accept' });
    for (const [relayState, place] of [
      [undefined, '/console'],
      ['/console?x=1', '/console?x=1'],
      ['https://evil.example/', '/console'],
    ] as const) {
      const browser = new HttpBrowser();
      const page = await acme.post(browser, acme.respond(), relayState);
      expect([page.status, page.location]).toEqual([303, gateway.url + place]);
      expect((await me(browser)).status).toBe(200);
    }
  });

  it('with an InResponseTo it is none, whatever the setting', async () => {
    expect(verdict(await acme.post(new HttpBrowser(), acme.respond({ inResponseTo: '_made-up' })))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
  });

  it('bounce: nobody comes in; a sign-in from here starts instead', async () => {
    await settings({ idp_initiated: 'bounce' });
    const browser = new HttpBrowser();
    const page = await acme.post(browser, acme.respond(), '/console?x=1');
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/saml/${acme.slug}/login?return_to=%2Fconsole%3Fx%3D1`]);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
    expect((await acme.signIn(browser)).status).toBe(303);
  });

  it('reject: 403', async () => {
    await settings({ idp_initiated: 'reject' });
    const browser = new HttpBrowser();
    expect(verdict(await acme.post(browser, acme.respond()))).toEqual([403, 'saml_unsolicited_forbidden']);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
  });
});

describe('once (saml-profiles §4.1.4.5)', () => {
  it('of twenty copies at the same moment one comes in, nineteen are replays', async () => {
    for (let round = 0; round < 5; round++) {
      const xml = acme.respond();
      const pages = await Promise.all(Array.from({ length: 20 }, () => acme.post(new HttpBrowser(), xml)));
      const codes = pages.map(({ status, code }) => code ?? status).sort();
      expect(codes).toEqual([303, ...Array(19).fill('saml_replayed')]);
    }
  });

  it('twenty copies of an answer to one request: one comes in', async () => {
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    const pages = await Promise.all(Array.from({ length: 20 }, () => acme.post(browser, xml, relayState)));
    const accepted = pages.filter(({ status }) => status === 303);
    expect(accepted).toHaveLength(1);
    for (const { code } of pages.filter(({ status }) => status !== 303)) expect(code).toBe('saml_replayed');
  });

  it('a replay is refused as long as the assertion could be accepted', async () => {
    const xml = acme.respond();
    expect((await acme.post(new HttpBrowser(), xml)).status).toBe(303);
    aheadMs += 7 * MINUTE_MS; // five of validity, three of skew
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_replayed');
    aheadMs += 2 * MINUTE_MS;
    expect((await acme.post(new HttpBrowser(), xml)).code).toBe('saml_expired');
  });

  it('by whichever of its confirmations, and with whatever skew is set meanwhile', async () => {
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

  it('the same assertion ID of another identity provider is another assertion', async () => {
    const other = await makeTestOrganization(gateway, now);
    const values = { assertionId: '_same' };
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).status).toBe(303);
    expect((await other.post(new HttpBrowser(), other.respond({ values }))).status).toBe(303);
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).code).toBe('saml_replayed');
  });

  it('what was refused may come again, corrected', async () => {
    const values = { assertionId: '_corrected' };
    const broken = acme.respond({ values: { ...values, audiences: [['https://other.example']] } });
    expect((await acme.post(new HttpBrowser(), broken)).code).toBe('saml_audience_mismatch');
    expect((await acme.post(new HttpBrowser(), acme.respond({ values }))).status).toBe(303);
  });

  it('a response for one organization is none for another, even of the same identity provider', async () => {
    const twin = await makeTestOrganization(gateway, now);
    await gateway.api('PUT', `/organizations/${twin.slug}/identity-provider`, acme.metadata);
    const page = await twin.post(new HttpBrowser(), acme.respond());
    expect(page.code).toBe('saml_destination_mismatch');
    const bent = acme.respond({ values: { destination: twin.acsUrl } });
    expect((await twin.post(new HttpBrowser(), bent)).code).toBe('saml_recipient_mismatch');
  });
});

describe('the form (saml-bindings §3.5)', () => {
  const send = (
    body: string,
    headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' },
    url = acme.acsUrl,
  ) => new HttpBrowser().request(url, { method: 'POST', body, headers });
  const encoded = (xml = acme.respond()) => encodeURIComponent(Buffer.from(xml).toString('base64'));

  it.each([
    ['no body', ''],
    ['another field', 'SAMLRequest=abc'],
    ['an empty field', 'SAMLResponse='],
    ['not base64', 'SAMLResponse=%%%'],
    ['the URL alphabet of base64', 'SAMLResponse=PD-_'],
    ['base64 without padding', 'SAMLResponse=PGE'],
    ['not XML', `SAMLResponse=${encodeURIComponent('aGVsbG8=')}`],
  ])('%s: saml_malformed', async (_what, body) => {
    expect(verdict(await send(body))).toEqual([400, 'saml_malformed']);
  });

  it('a field that is there twice, even with the same value', async () => {
    const field = encoded();
    for (const body of [`SAMLResponse=${field}&SAMLResponse=${field}`, `SAMLResponse=${field}&RelayState=a&RelayState=a`]) {
      expect(verdict(await send(body))).toEqual([400, 'saml_malformed']);
    }
  });

  it('line breaks in base64 are allowed', async () => {
    const folded = Buffer.from(acme.respond()).toString('base64').replace(/.{76}/g, '$&\r\n');
    expect((await send(`SAMLResponse=${encodeURIComponent(folded)}`)).status).toBe(303);
  });

  it('JSON, multipart, text or a compressed body: refused, never read', async () => {
    expect((await send(JSON.stringify({ SAMLResponse: 'x' }), { 'content-type': 'application/json' })).code).toBe('saml_malformed');
    expect((await send('x', { 'content-type': 'multipart/form-data; boundary=x' })).code).toBe('saml_malformed');
    expect((await send('x', { 'content-type': 'text/plain' })).code).toBe('saml_malformed');
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    const compressed = await send('x', { ...type, 'content-encoding': 'gzip' });
    expect([compressed.status, compressed.code]).toEqual([400, 'validation_failed']);
  });

  it('more than 256 KiB of XML, or a form that is larger than any such: 413', async () => {
    const large = acme.respond().replace('</saml2p:Response>', `${' '.repeat(256 * 1024)}</saml2p:Response>`);
    expect(verdict(await send(`SAMLResponse=${encoded(large)}`))).toEqual([413, 'payload_too_large']);
    expect(verdict(await send(`SAMLResponse=${'A'.repeat(700_000)}`))).toEqual([413, 'payload_too_large']);
  });

  it('GET has nothing to say here; an unknown organization is 404; one without identity provider says so', async () => {
    const browser = new HttpBrowser();
    expect((await browser.request(acme.acsUrl)).status).toBe(404);
    expect(verdict(await send('SAMLResponse=x', undefined, `${gateway.url}/saml/nobody-here/acs`))).toEqual([404, 'organization_unknown']);
    await gateway.api('POST', '/organizations', { slug: `${acme.slug}x`, name: 'No IdP' });
    expect(verdict(await send('SAMLResponse=x', undefined, acme.acsUrl.replace(acme.slug, `${acme.slug}x`)))).toEqual([
      404,
      'idp_not_configured',
    ]);
    expect(verdict(await browser.request(gateway.loginUrl(`${acme.slug}x`)))).toEqual([404, 'idp_not_configured']);
  });

  it('slugs are exact: no case folding, no trailing slash, no encoded separator', async () => {
    for (const slug of [acme.slug.toUpperCase(), `${acme.slug}/`, `x%2F..%2F${acme.slug}`, `${acme.slug}%00`, '%E0%A4%A']) {
      const page = await send(`SAMLResponse=${encoded()}`, undefined, `${gateway.url}/saml/${slug}/acs`);
      expect([400, 404]).toContain(page.status);
      expect(['organization_unknown', 'not_found', 'validation_failed']).toContain(page.code);
    }
  });
});

describe('who comes in', () => {
  const member = async (browser: HttpBrowser) => {
    const { user } = JSON.parse((await me(browser)).text) as { user: { id: string; role: string; email: string; groups: string[] } };
    return user;
  };
  const mapping = (organization: TestOrganization, body: unknown) =>
    gateway.api('PUT', `/organizations/${organization.slug}/role-mapping`, body);

  it('the same person at the next sign-in, with the present role, groups and address', async () => {
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
    // The role is the record's, so the first session has it as well.
    expect((await member(first)).role).toBe('collaborator');
  });

  it('a person of another identity provider is another person, even with the same identifier and address', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [first, second] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(first);
    const metadata = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://other.example/idp"');
    await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider`, metadata);
    const values = { responseIssuer: 'https://other.example/idp', assertionIssuer: 'https://other.example/idp' };
    await organization.signIn(second, 'olivia', { values });
    expect((await member(second)).id).not.toBe((await member(first)).id);
    expect((await member(second)).email).toBe((await member(first)).email);
  });

  it('no role any more: refused, and the sessions that were there end', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [first, second] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(first, 'carl');
    expect((await me(first)).status).toBe(200);
    await mapping(organization, { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' });
    const page = await organization.signIn(second, 'carl');
    expect(verdict(page)).toEqual([403, 'saml_role_denied']);
    expect(second.cookie('samlgate_session')).toBeUndefined();
    expect(verdict(await me(first))).toEqual([401, 'unauthenticated']);
    // The refused message is used up: a rule that is made now needs a new sign-in.
    expect(await refused(organization)).toBe('saml_role_denied');
  });

  it('a suspended member: 403, nothing changes; after the suspension they come in again', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const browser = new HttpBrowser();
    await organization.signIn(browser, 'carl');
    const { id } = await member(browser);
    const path = `/organizations/${organization.slug}/members/${id}`;
    expect((await gateway.api('PATCH', path, { suspended: true })).status).toBe(200);
    expect((await me(browser)).status).toBe(401);
    expect(verdict(await organization.signIn(new HttpBrowser(), 'carl'))).toEqual([403, 'member_suspended']);
    await gateway.api('PATCH', path, { suspended: false });
    expect((await me(browser)).status).toBe(401); // what ended stays ended
    await organization.signIn(browser, 'carl');
    expect((await member(browser)).id).toBe(id);
  });

  it('a removed member who signs in again is a new member; old sessions are not theirs', async () => {
    const organization = await makeTestOrganization(gateway, now);
    const [old, young] = [new HttpBrowser(), new HttpBrowser()];
    await organization.signIn(old, 'carl');
    const { id } = await member(old);
    expect((await gateway.api('DELETE', `/organizations/${organization.slug}/members/${id}`)).status).toBe(204);
    expect((await me(old)).status).toBe(401);
    await organization.signIn(young, 'carl');
    expect((await member(young)).id).not.toBe(id);
    expect((await me(old)).status).toBe(401);
  });

  it('a role that was given by hand stays where no rule matches, and yields to a rule', async () => {
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

  it('what a message says about a person does not make every later check slow', async () => {
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
    // The rule saw the last group as well.
    expect(user.role).toBe('owner');
    expect(user.groups).toHaveLength(500);
    const stored = await gateway.runtime.store.get(organization.id, MEMBERS, user.id);
    expect(JSON.stringify(stored?.value).length).toBeLessThan(20_000);
  });

  it('groups are compared code point by code point', async () => {
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

describe('the session', () => {
  it('is a new one at every sign-in, and the one before in that browser ends', async () => {
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

  it('the one before ends also where the response’s cross-site POST brings no session cookie, and whoever signs in now', async () => {
    const other = await makeTestOrganization(gateway, now);
    for (const [organization, user] of [
      [acme, 'olivia'],
      [acme, 'carl'],
      [other, 'olivia'],
    ] as const) {
      const browser = new HttpBrowser();
      await acme.signIn(browser, 'olivia');
      const { relayState, requestId } = await organization.start(browser);
      // As browsers do it: the nonce travels (SameSite=None on https), the session does not.
      const crossSite = new HttpBrowser();
      crossSite.setCookie(gateway.url, 'samlgate_login', browser.cookie('samlgate_login')?.value ?? '');
      const xml = organization.respond({ user, inResponseTo: requestId });
      expect((await organization.post(crossSite, xml, relayState)).status).toBe(303);
      expect((await me(crossSite)).status).toBe(200);
      expect([user, (await me(browser)).status]).toEqual([user, 401]);
    }
  });

  it('a cookie that was planted before the sign-in is not the session after it', async () => {
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_session', 's%3Aorg_00000000000000000000.planted');
    await acme.signIn(browser);
    expect(browser.cookie('samlgate_session')?.value).not.toContain('planted');
  });

  it('a cookie with another signature, another id or none is nobody’s', async () => {
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

  it('is made, although the store fails before the session of another person in this browser has ended', async () => {
    const { store } = gateway.runtime;
    const commit = store.commit.bind(store);
    const browser = new HttpBrowser();
    await acme.signIn(browser, 'carl');
    const { relayState, requestId } = await acme.start(browser);
    // Other things are written meanwhile, such as the sign-in log: only what follows the login and is about a member fails.
    let isIn = false;
    let failures = 0;
    store.commit = (partition, steps, options) => {
      const isAboutMember = steps.some((step) => step.do === 'replace' && step.collection.name === MEMBERS.name);
      if (isIn && isAboutMember) {
        failures++;
        return Promise.reject(new GatewayError('store_unavailable'));
      }
      isIn ||= steps.some((step) => step.do === 'claim');
      return commit(partition, steps, options);
    };
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState).finally(() => {
      store.commit = commit;
    });
    expect(page.status).toBe(303);
    expect((await me(browser)).text).toContain('olivia');
    expect(failures).toBe(1);
  });

  it('ends after eight idle hours, and not while it is used', async () => {
    const [idle, busy] = [new HttpBrowser(), new HttpBrowser()];
    await acme.signIn(idle);
    await acme.signIn(busy);
    aheadMs += 5 * HOUR_MS;
    expect((await me(busy)).status).toBe(200);
    aheadMs += 4 * HOUR_MS;
    expect((await me(busy)).status).toBe(200);
    expect((await me(idle)).status).toBe(401);
  });

  it('ends after a day, however much it is used', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    for (let hours = 0; hours < 21; hours += 7) {
      aheadMs += 7 * HOUR_MS;
      expect((await me(browser)).status).toBe(200);
    }
    aheadMs += 3 * HOUR_MS;
    expect((await me(browser)).status).toBe(401);
  });

  it('ends when the identity provider says so (SessionNotOnOrAfter)', async () => {
    const browser = new HttpBrowser();
    const sessionNotOnOrAfter = new Date(now() + HOUR_MS).toISOString();
    expect((await acme.signIn(browser, 'olivia', { values: { sessionNotOnOrAfter } })).status).toBe(303);
    const { credential } = JSON.parse((await me(browser)).text) as { credential: { expires_at: string } };
    expect(credential.expires_at).toBe(sessionNotOnOrAfter);
    aheadMs += HOUR_MS;
    expect((await me(browser)).status).toBe(401);
  });

  it('signs out: the session ends here, a form of another session or site does not end it', async () => {
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

  it('with the cookie an unsafe method of the API needs the session’s own token', async () => {
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

  it('a member has at most twenty; the oldest give way', async () => {
    const browsers = Array.from({ length: 21 }, () => new HttpBrowser());
    for (const browser of browsers) await acme.signIn(browser, 'nina');
    const [oldest, ...others] = await Promise.all(browsers.map(async (browser) => (await me(browser)).status));
    expect(oldest).toBe(401);
    expect(others.every((status) => status === 200)).toBe(true);
  });
});

describe('where a sign-in leads', () => {
  it('only to paths of the gateway and URLs of the allow-list', async () => {
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { allowed_return_urls: ['https://app.example/area'] });
    for (const [wanted, place] of [
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
      const { relayState, requestId } = await acme.start(browser, wanted);
      const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), relayState);
      expect([wanted, page.location]).toEqual([wanted, new URL(place, gateway.url).href]);
    }
  });
});

describe('with the store out of reach', () => {
  it('503, nothing accepted, nothing consumed; the same response goes through when it is back, without a restart', async () => {
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
