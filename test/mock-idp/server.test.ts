import { deflateRawSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { HABIT_NAMES, HABITS } from '../../src/mock-idp/habits.ts';
import { type MockIdp, type MockIdpOptions, startMockIdp } from '../../src/mock-idp/server.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { readForms, readLinks, textOf } from '../support/html.ts';
import { xmlCryptoVerifies } from './judges.ts';
import { ACS_URL, NOW_MS, SP_ENTITY_ID } from './sign-in.ts';

const GATEWAY = 'http://localhost:8080';
let key: KeyAndCertificate;
let idp: MockIdp;

beforeAll(async () => {
  key = await createSelfSignedCertificate({ commonName: 'mock', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  idp = await startMockIdp({
    gatewayBaseUrl: `${GATEWAY}/`,
    port: 0,
    nowMs: () => NOW_MS,
    keys: { okta: key, 'entra-id': key, 'google-workspace': key },
  });
});
afterAll(() => idp.close());

/** Servers of one test. */
const others: MockIdp[] = [];
afterEach(async () => {
  for (const other of others.splice(0)) await other.close();
});
async function startOther(options: Partial<MockIdpOptions>): Promise<MockIdp> {
  const keys = { okta: key, 'entra-id': key, 'google-workspace': key };
  const other = await startMockIdp({ gatewayBaseUrl: GATEWAY, port: 0, keys, ...options });
  others.push(other);
  return other;
}

const authnRequest = (attributes = `AssertionConsumerServiceURL="${ACS_URL}"`, children = '') =>
  `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r1" Version="2.0" ${attributes}>` +
  `<saml:Issuer>${SP_ENTITY_ID}</saml:Issuer>${children}</samlp:AuthnRequest>`;

const redirect = (habit: string, xml: string, relayState = 'state "1" <&>') =>
  fetch(`${idp.url}/${habit}/sso?${new URLSearchParams({ SAMLRequest: deflateRawSync(xml).toString('base64'), RelayState: relayState })}`);
const post = (path: string, fields: Record<string, string>) =>
  fetch(`${idp.url}${path}`, { method: 'POST', body: new URLSearchParams(fields) });

/** Returns the first form of a page, with the fields that a browser would send. */
function formOf(html: string) {
  const [form] = readForms(html, idp.url);
  if (!form) throw new Error(`The page has no form:\n${html}`);
  return {
    action: form.action,
    fields: Object.fromEntries(form.fields.filter(({ isSent }) => isSent).map(({ name, value }) => [name, value])),
  };
}

/** Chooses a person on the people page and returns the next page. */
async function choose(peoplePage: Response, person: string) {
  const html = await peoplePage.text();
  expect(html).toContain(`<button type="submit" name="person" value="${person}"`);
  const people = formOf(html);
  const answer = await post(new URL(people.action).pathname, { ...people.fields, person });
  expect(answer.status).toBe(200);
  const answerHtml = await answer.text();
  const { action, fields } = formOf(answerHtml);
  return { html: answerHtml, action, fields, xml: Buffer.from(fields.SAMLResponse ?? '', 'base64').toString('utf8') };
}

describe('mock identity provider: sign-in', () => {
  test.each(HABIT_NAMES)('%s answers a redirect request with the people page and a posted form', async (habit) => {
    const { action, fields, xml } = await choose(await redirect(habit, authnRequest()), 'carl');
    expect(action).toBe(ACS_URL);
    expect(fields.RelayState).toBe('state "1" <&>');
    expect(xml).toContain('InResponseTo="_r1"');
    expect(xml).toContain(`Audience>${SP_ENTITY_ID}<`);
    expect(xml).toContain('IssueInstant="2026-01-02T03:04:05.678Z"');
    expect(xmlCryptoVerifies(xml, HABITS[habit].signs.assertion ? 'Assertion' : 'Response', key.certificatePem)).toContain('>carl@');
  });

  test('answers a POST request without RelayState', async () => {
    const page = await post('/okta/sso', { SAMLRequest: Buffer.from(authnRequest()).toString('base64') });
    const { fields, xml } = await choose(page, 'olivia');
    expect(fields).not.toHaveProperty('RelayState');
    expect(xml).toContain('>platform-admins<');
  });

  test('uses the ACS URL of the same organization if the request has none', async () => {
    expect((await choose(await redirect('okta', authnRequest('')), 'nina')).action).toBe(ACS_URL);
  });

  test('Entra ID sends the NameID format that the request asks for', async () => {
    const policy = '<samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"/>';
    const { xml } = await choose(await redirect('entra-id', authnRequest(undefined, policy)), 'ada');
    expect(xml).toContain('<NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">');
  });

  test('starts a sign-in without InResponseTo, by URLs or by slug', async () => {
    const query = new URLSearchParams({ sp: SP_ENTITY_ID, acs: ACS_URL, RelayState: '/console' });
    for (const parameters of [query.toString(), 'organization=acme&RelayState=%2Fconsole']) {
      const { action, fields, xml } = await choose(await fetch(`${idp.url}/google-workspace/start?${parameters}`), 'carl');
      expect(action).toBe(ACS_URL);
      expect(fields.RelayState).toBe('/console');
      expect(xml).not.toContain('InResponseTo');
      expect(xml).toContain(`Audience>${SP_ENTITY_ID}<`);
    }
  });

  test('serves metadata', async () => {
    for (const habit of HABIT_NAMES) {
      const response = await fetch(idp.metadataUrl(habit));
      expect(response.headers.get('content-type')).toMatch(/^application\/samlmetadata\+xml/);
      const octets = Buffer.from(await response.arrayBuffer());
      expect(octets.subarray(0, 3).equals(Buffer.of(0xef, 0xbb, 0xbf))).toBe(habit === 'entra-id');
      expect(octets.toString()).toContain(`Location="${idp.url}/${habit}/sso"`);
    }
  });
});

describe('mock identity provider: pages', () => {
  test('warn that this is a mock, without inline scripts and styles', async () => {
    const pages = [await fetch(idp.url), await redirect('okta', authnRequest()), await fetch(`${idp.url}/nobody/sso`)];
    for (const page of pages) {
      expect(page.headers.get('content-security-policy')).not.toContain('unsafe');
      const html = await page.text();
      expect(html).toContain('mock identity provider for development');
      expect(html).toMatch(/^<!doctype html><html lang="en">/);
      expect(html).not.toMatch(/<style|style=|<script(?! src="\/mock-idp\.js")|\bon\w+=/);
    }
    expect(await (await fetch(idp.url)).text()).toContain(idp.metadataUrl('entra-id'));
  });

  test('link to the sign-in of each organization and show the expected outcomes', async () => {
    const withOrganizations = await startOther({
      organizations: [{ habit: 'okta', slug: 'acme', name: 'Acme <b>', outcomes: { olivia: 'owner', carl: 'refused' } }],
    });
    const html = await (await fetch(withOrganizations.url)).text();
    expect(readLinks(html, withOrganizations.url)).toContainEqual({ href: `${GATEWAY}/saml/acme/login`, text: 'Sign in to Acme <b>' });
    expect(textOf(html)).toMatch(
      /Olivia Okafor administrator olivia@okta\.acme\.example: .+ At the gateway: owner Carl Čapek .+ At the gateway: refused/,
    );
    const forms = readForms(html, withOrganizations.url);
    const started = forms.map(({ action, fields }) => [new URL(action).pathname, fields[0]?.value]);
    expect(started).toEqual([
      ['/okta/answer', `${GATEWAY}/saml/acme/acs`],
      ['/okta/start', 'acme'],
      ['/entra-id/start', ''],
      ['/google-workspace/start', ''],
    ]);
    expect(html).not.toContain('Acme <b>');
  });

  test.each([
    ['http://localhost:8080', 'localhost'],
    ['http://127.0.0.1:8080', '127.0.0.1'],
    ['http://sso.test:8080', '127.0.0.1'],
  ])(
    'for the gateway %s are served on %s, so that the browser sends Lax cookies with the posted response',
    async (gatewayBaseUrl, name) => {
      const beside = await startOther({ gatewayBaseUrl });
      expect(new URL(beside.url).hostname).toBe(name);
      expect(new URL(beside.metadataUrl('okta')).hostname).toBe(name);
      expect((await fetch(beside.url)).status).toBe(200);
    },
  );

  test('submit the response by script or by a button', async () => {
    const { html } = await choose(await redirect('okta', authnRequest()), 'carl');
    expect(html).toContain('<script src="/mock-idp.js" defer');
    expect(html).toContain('<button type="submit">Continue</button>');
    const script = await fetch(`${idp.url}/mock-idp.js`);
    expect(script.headers.get('content-type')).toMatch(/^text\/javascript/);
    expect(await script.text()).toContain('.submit()');
  });

  test('escape values of the request', async () => {
    const attack = '"><script>alert(1)</script>';
    const parameters = new URLSearchParams({ sp: attack, acs: `${ACS_URL}?${attack}`, RelayState: attack });
    const page = await fetch(`${idp.url}/okta/start?${parameters}`);
    expect(await page.clone().text()).not.toContain('<script>');
    const { html, fields } = await choose(page, 'carl');
    expect(html).not.toContain('<script>');
    expect(fields.RelayState).toBe(attack);
    const refused = await fetch(`${idp.url}/okta/start?${new URLSearchParams({ sp: 'x', acs: attack })}`);
    expect(await refused.text()).not.toContain('<script>');
  });
});

describe('mock identity provider: refusals', () => {
  test.each(['https://gateway.example', 'https://localhost:8443', 'ftp://localhost', 'localhost:8080', 'nonsense'])(
    'does not start for the gateway %s',
    async (gatewayBaseUrl) => {
      const message = gatewayBaseUrl === 'nonsense' ? /not a URL/ : /development only and does not start/;
      await expect(startMockIdp({ gatewayBaseUrl, port: 0, keys: { okta: key } })).rejects.toThrow(message);
    },
  );

  test.each([
    'http://evil.example/saml/acme/acs',
    'http://localhost:8081/saml/acme/acs',
    'http://localhost:8080@evil.example/',
    'http://localhost:8080.evil.example/',
    'https://localhost:8080/saml/acme/acs',
    'javascript:alert(1)',
    '/saml/acme/acs',
    '',
  ])('posts nothing to %s', async (acs) => {
    const asked = await redirect('okta', authnRequest(`AssertionConsumerServiceURL="${acs}"`));
    const started = await fetch(`${idp.url}/okta/start?${new URLSearchParams({ sp: SP_ENTITY_ID, acs })}`);
    const answered = await post('/okta/answer', { acs, sp: SP_ENTITY_ID, person: 'olivia' });
    for (const response of [asked, started, answered]) {
      expect(response.status).toBe(400);
      const html = await response.text();
      expect(html).toContain('posts only to the gateway');
      expect(html).not.toContain('<form');
    }
  });

  test('posts nothing outside the base path of a gateway', async () => {
    const below = await startOther({ gatewayBaseUrl: `${GATEWAY}/sso/` });
    const start = (acs: string) => fetch(`${below.url}/okta/start?${new URLSearchParams({ sp: 'x', acs })}`);
    expect((await start(`${GATEWAY}/sso/saml/acme/acs`)).status).toBe(200);
    expect((await start(`${GATEWAY}/sso/../other`)).status).toBe(400);
    expect((await start(`${GATEWAY}/ssoother/acs`)).status).toBe(400);
  });

  test.each([
    ['no SAMLRequest', ''],
    ['invalid base64 or DEFLATE data', 'SAMLRequest=%3C%3E'],
    ['text that is not XML', `SAMLRequest=${encodeURIComponent(deflateRawSync('hello').toString('base64'))}`],
    ['broken XML', `SAMLRequest=${encodeURIComponent(deflateRawSync('<a><b></a>').toString('base64'))}`],
    ['another message', `SAMLRequest=${encodeURIComponent(deflateRawSync('<LogoutRequest ID="_1"/>').toString('base64'))}`],
    ['more than 100 KB', `SAMLRequest=${encodeURIComponent(deflateRawSync(authnRequest() + ' '.repeat(100 * 1024)).toString('base64'))}`],
    ['two SAMLRequests', 'SAMLRequest=a&SAMLRequest=b'],
  ])('answers 400 to a request with %s', async (_what, query) => {
    const response = await fetch(`${idp.url}/okta/sso?${query}`);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('role="alert"');
  });

  test('refuses unknown people, habits and pages, invalid forms, and characters that XML does not allow', async () => {
    const fields = { acs: ACS_URL, sp: SP_ENTITY_ID, person: 'olivia' };
    expect((await post('/okta/answer', { ...fields, person: 'mallory' })).status).toBe(400);
    expect((await post('/okta/answer', { ...fields, person: '__proto__' })).status).toBe(400);
    expect((await post('/okta/answer', { ...fields, InResponseTo: '\0' })).status).toBe(400);
    expect((await post('/okta/answer', { person: 'olivia' })).status).toBe(400);
    expect((await post('/toString/answer', fields)).status).toBe(404);
    expect((await fetch(`${idp.url}/okta/metadata/x`)).status).toBe(404);
    expect((await fetch(`${idp.url}/%ff/metadata`)).status).toBe(400);
    expect((await post('/okta/sso', { SAMLRequest: 'A'.repeat(300_000) })).status).toBe(413);
  });
});
