import { createPrivateKey, createPublicKey, type KeyObject, randomUUID, verify, X509Certificate } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { MEMBERS, nameIdKey } from '../../src/organizations/members.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { attributeOf, childElements, walk, type XmlElement } from '../../src/saml/xml/xml-tree.ts';
import { xmlsec1Verifies } from '../mock-idp/judges.ts';
import { encrypt } from '../saml/encrypting.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { type Addressed, logoutRequest, logoutResponse, nameId, sessionIndex, signQuery, signXml, status } from '../support/logout-idp.ts';
import { newSlug } from '../support/new-slug.ts';
import { freePort, startRedis } from '../support/redis-server.ts';
import { newIdentityProvider } from '../support/test-connection.ts';

let aheadMs = 0;
const now = () => Date.now() + aheadMs;

const SLO = 'https://idp.example/slo?t=1';
const ANSWERS = 'https://idp.example/slo-answers';
const service = (binding: string, more = '') =>
  `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-${binding}" Location="${SLO}"${more}/>`;
const REDIRECT = service('Redirect');
const POST = service('POST');

let gateway: TestGateway;
let rogue: KeyObject;
beforeAll(async () => {
  gateway = await startGateway({ now });
  rogue = createPrivateKey(
    (await createSelfSignedCertificate({ commonName: 'rogue', days: 1, nowMs: Date.now(), rsaBits: 2048 })).privateKeyPem,
  );
});
afterAll(() => gateway.stop());

type Binding = 'redirect' | 'post';
const BINDINGS: readonly Binding[] = ['redirect', 'post'];

const makeOrganization = (services: string, of = gateway) => makeTestOrganization(of, now, newSlug(), services);
const sloUrl = ({ acsUrl }: TestOrganization) => acsUrl.replace(/acs$/, 'slo');
const keyOf = ({ key }: TestOrganization) => createPrivateKey(key.privateKeyPem);
const addressed = (organization: TestOrganization): Addressed => ({
  idp: OKTA_ISSUER,
  destination: sloUrl(organization),
  instant: new Date(now()).toISOString(),
});
let ids = 0;
const freshId = () => `_idp-${++ids}`;

const olivia = 'olivia@okta.acme.example';
interface Sent {
  readonly id?: string;
  readonly key?: KeyObject | 'none';
  readonly relayState?: string;
  readonly to?: string;
  readonly browser?: HttpBrowser;
}

/** Sends a message of the identity provider in a browser without the gateway's cookies. */
function say(
  organization: TestOrganization,
  binding: Binding,
  field: 'SAMLRequest' | 'SAMLResponse',
  xml: string,
  sent: Sent = {},
): Promise<Page> {
  const { key = keyOf(organization), relayState, to = sloUrl(organization), browser = new HttpBrowser() } = sent;
  if (binding === 'redirect') {
    const after = (query: string) => (key === 'none' ? query.replace(/&SigAlg=.*/, '') : query);
    const query = signQuery(field, xml, { key: key === 'none' ? rogue : key, after, ...(relayState === undefined ? {} : { relayState }) });
    return browser.request(`${to}?${query}`);
  }
  const signed =
    key === 'none'
      ? xml
      : signXml(xml, key, { id: /ID="([^"]+)"/.exec(xml)?.[1] ?? '', reference: `URI="#${/ID="([^"]+)"/.exec(xml)?.[1]}"` });
  const body = new URLSearchParams({
    [field]: Buffer.from(signed).toString('base64'),
    ...(relayState === undefined ? {} : { RelayState: relayState }),
  });
  return browser.request(to, { method: 'POST', body, headers: { 'sec-fetch-site': 'cross-site' } });
}

const ask = (organization: TestOrganization, binding: Binding, content: string, { id = freshId(), ...sent }: Sent = {}) =>
  say(organization, binding, 'SAMLRequest', logoutRequest(addressed(organization), content, { id }), sent);

/** A message from the gateway that the browser carries to the identity provider. */
interface Ours {
  readonly binding: Binding;
  readonly to: string;
  readonly xml: string;
  readonly root: XmlElement;
  readonly relayState: string | undefined;
  readonly query: string;
}
function oursIn(page: Page): Ours {
  const form = page.forms.find(({ action }) => action.startsWith('https://idp.example/'));
  const url = new URL(page.location ?? 'https://none.example/');
  const fields = new Map(form ? form.fields.map(({ name, value }) => [name, value]) : url.searchParams);
  const octets = Buffer.from(fields.get('SAMLRequest') ?? fields.get('SAMLResponse') ?? '', 'base64');
  const xml = (form ? octets : inflateRawSync(octets)).toString('utf8');
  const query = form ? '' : (page.location ?? '').slice((page.location ?? '').search(/SAMLRe/));
  return {
    binding: form ? 'post' : 'redirect',
    to: form ? form.action : (page.location ?? '').slice(0, (page.location ?? '').search(/[?&]SAMLRe/)),
    xml,
    root: parseXml(xml),
    relayState: fields.get('RelayState') ?? undefined,
    query,
  };
}

/** Returns a certificate of the organization's SP metadata. */
async function certificateOf(organization: TestOrganization, use: 'signing' | 'encryption'): Promise<X509Certificate> {
  const metadata = await (await fetch(organization.acsUrl.replace(/acs$/, 'metadata'))).text();
  const [, der = ''] = new RegExp(`use="${use}">.*?<ds:X509Certificate>([^<]+)<`, 's').exec(metadata) ?? [];
  return new X509Certificate(Buffer.from(der, 'base64'));
}

async function encryptedFor(organization: TestOrganization, element: string): Promise<string> {
  const { publicKey } = await certificateOf(organization, 'encryption');
  const standalone = element.replace('<saml:NameID', '<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"');
  return `<saml:EncryptedID>${encrypt(standalone, publicKey)}</saml:EncryptedID>`;
}

/** Verifies the signature as an identity provider does. */
async function isSignedByUs(organization: TestOrganization, ours: Ours): Promise<boolean> {
  const certificate = await certificateOf(organization, 'signing');
  if (ours.binding === 'post') return xmlsec1Verifies(ours.xml, ours.root.local as 'LogoutRequest', certificate.toString());
  const [signed = '', value = ''] = ours.query.split('&Signature=');
  return verify('sha256', Buffer.from(signed), createPublicKey(certificate.toString()), Buffer.from(decodeURIComponent(value), 'base64'));
}

const isIn = async (browser: HttpBrowser, url = gateway.url): Promise<boolean> =>
  (await browser.request(`${url}/api/v1/me`, { headers: { accept: 'application/json' } })).status === 200;
const verdict = ({ status: code, code: word }: Page) => [code, word];
const values = (index: string | undefined, more = {}) => ({
  values: { sessionIndex: index, nameId: { value: olivia, format: EMAIL, ...more } },
});
const EMAIL = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';

async function signedIn(organization: TestOrganization, index: string | undefined, more = {}): Promise<HttpBrowser> {
  const browser = new HttpBrowser();
  expect((await organization.signIn(browser, 'olivia', values(index, more))).status).toBe(303);
  return browser;
}
async function signOut(browser: HttpBrowser, url = gateway.url): Promise<Page> {
  const console = await browser.request(`${url}/console`);
  const form = console.forms.find(({ action }) => action.endsWith('/logout'));
  const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
  return browser.request(`${url}/logout`, { method: 'POST', body: new URLSearchParams({ csrf }), from: console });
}

describe.each(BINDINGS)('a logout that starts at the gateway, by %s (saml-profiles §4.4.3.1)', (binding) => {
  let acme: TestOrganization;
  beforeAll(async () => {
    acme = await makeOrganization(binding === 'redirect' ? REDIRECT + POST : POST);
  });
  const answer = (inResponseTo: string, sent: Sent & { content?: string } = {}) =>
    say(
      acme,
      binding,
      'SAMLResponse',
      logoutResponse(addressed(acme), inResponseTo, { id: freshId(), content: sent.content ?? status('Success') }),
      sent,
    );
  const begun = async (browser: HttpBrowser) => attributeOf(oursIn(await signOut(browser)).root, 'ID') ?? '';

  it('ends the session, then sends a signed LogoutRequest with the NameID and SessionIndex of the assertion', async () => {
    const browser = await signedIn(acme, 'index-1', { nameQualifier: 'nq', spNameQualifier: 'spnq' });
    const page = await signOut(browser);
    expect(page.status).toBe(binding === 'redirect' ? 303 : 200);
    expect(await isIn(browser)).toBe(false);
    const ours = oursIn(page);
    expect([ours.binding, ours.to, ours.root.local]).toEqual([binding, SLO, 'LogoutRequest']);
    expect(await isSignedByUs(acme, ours)).toBe(true);
    expect(attributeOf(ours.root, 'Destination')).toBe(SLO);
    const read = childElements(ours.root).filter(({ local }) => local === 'NameID' || local === 'SessionIndex');
    expect(read.map(({ attributes, children }) => [children[0], ...attributes.map(({ value }) => value)])).toEqual([
      [olivia, EMAIL, 'nq', 'spnq'],
      ['index-1'],
    ]);
  });

  it('ends the session even if the identity provider never answers', async () => {
    const browser = await signedIn(acme, 'index-2');
    const cookie = browser.cookie('samlgate_session')?.value ?? '';
    await signOut(browser);
    browser.setCookie(gateway.url, 'samlgate_session', cookie);
    expect(await isIn(browser)).toBe(false);
    // The session is also gone from the member's record.
    const named = { equals: nameIdKey(OKTA_ISSUER, { value: olivia, format: EMAIL }), limit: 1 };
    const { items } = await gateway.runtime.store.find(acme.id, MEMBERS, 'nameId', named);
    expect(items.flatMap(({ value }) => value.sessions.map(({ sessionIndex: index }) => index))).not.toContain('index-2');
  });

  it.each([
    [status('Success'), 'confirmed that you are signed out there as well'],
    [
      status('Responder', '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:PartialLogout"/>'),
      'could not reach every application',
    ],
    [status('Responder'), 'could not sign you out'],
  ])('shows the outcome: %s', async (content, words) => {
    const browser = await signedIn(acme, undefined);
    const page = await answer(await begun(browser), { content, browser });
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/logout`]);
    expect((await browser.request(page.location ?? '')).text).toContain(words);
    expect((await browser.request(page.location ?? '')).text).toContain('You may still be signed in at your identity provider');
  });

  it('accepts one answer per request, and none without a request', async () => {
    const asked = await begun(await signedIn(acme, undefined));
    expect(verdict(await answer('_never-asked'))).toEqual([400, 'saml_in_response_to_unknown']);
    const other = await makeOrganization(REDIRECT + POST);
    const xml = logoutResponse(addressed(other), asked, { id: freshId() });
    expect(verdict(await say(other, binding, 'SAMLResponse', xml))).toEqual([400, 'saml_in_response_to_unknown']);
    expect((await answer(asked)).status).toBe(303);
    expect(verdict(await answer(asked))).toEqual([400, 'saml_in_response_to_unknown']);
  });

  it('rejects an answer that is unsigned or signed with another key', async () => {
    const browser = await signedIn(acme, undefined);
    const asked = await begun(browser);
    expect(verdict(await answer(asked, { key: 'none', browser }))).toEqual([400, 'saml_signature_missing']);
    expect(verdict(await answer(asked, { key: rogue, browser }))).toEqual([400, 'saml_signature_invalid']);
    expect(browser.cookie('samlgate_logout')).toBeUndefined();
    expect((await answer(asked)).status).toBe(303);
  });

  it('accepts the answer for ten minutes', async () => {
    const asked = await begun(await signedIn(acme, undefined));
    aheadMs += 10 * 60_000;
    expect(verdict(await answer(asked))).toEqual([400, 'saml_in_response_to_unknown']);
  });
});

describe('a logout that starts at the gateway', () => {
  it('stays at the gateway if the identity provider has no single logout', async () => {
    const plain = await makeOrganization('');
    const browser = await signedIn(plain, 'index');
    const page = await signOut(browser);
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/logout`]);
    expect(await isIn(browser)).toBe(false);
  });

  it('ignores an unknown outcome in the cookie', async () => {
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_logout', '<b>success</b>');
    const { text } = await browser.request(`${gateway.url}/logout`);
    expect(text).toContain('You may still be signed in');
    expect(text).not.toContain('<b>');
  });
});

describe.each(BINDINGS)('a logout that starts at the identity provider, by %s (saml-profiles §4.4.3.2)', (binding) => {
  let acme: TestOrganization;
  beforeAll(async () => {
    acme = await makeOrganization(REDIRECT + POST);
  });
  const EVERY = nameId(olivia);

  it('ends the named session and those without SessionIndex, but no other', async () => {
    const [one, two, three] = [await signedIn(acme, 'one'), await signedIn(acme, 'two'), await signedIn(acme, undefined)];
    const carl = new HttpBrowser();
    expect((await acme.signIn(carl, 'carl', { values: { sessionIndex: 'one' } })).status).toBe(303);
    await ask(acme, binding, EVERY + sessionIndex('one'));
    expect(await Promise.all([one, two, three, carl].map((browser) => isIn(browser)))).toEqual([false, true, false, true]);
  });

  it('ends several named sessions, and all if none is named', async () => {
    const all = [await signedIn(acme, 'a'), await signedIn(acme, 'b'), await signedIn(acme, 'c'), await signedIn(acme, undefined)];
    await ask(acme, binding, EVERY + sessionIndex('a') + sessionIndex('c') + sessionIndex('unknown'));
    expect(await Promise.all(all.map((browser) => isIn(browser)))).toEqual([false, true, false, false]);
    all.push(await signedIn(acme, undefined));
    await ask(acme, binding, EVERY);
    expect(await Promise.all(all.map((browser) => isIn(browser)))).toEqual([false, false, false, false, false]);
  });

  it.each([
    ['a different format', {}, nameId(olivia, ' Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"'), true],
    ['no format', {}, nameId(olivia, ''), false],
    ['no format, but a different NameQualifier', { nameQualifier: 'a' }, nameId(olivia, ' NameQualifier="b"'), true],
    ['a different case', {}, nameId(olivia.toUpperCase()), true],
    ['a different case without a format', {}, nameId(olivia.toUpperCase(), ''), true],
    ['a different NameQualifier', { nameQualifier: 'a' }, nameId(olivia, ` Format="${EMAIL}" NameQualifier="b"`), true],
    ['a different SPNameQualifier', { spNameQualifier: 'a' }, nameId(olivia, ` Format="${EMAIL}" SPNameQualifier="b"`), true],
    ['the identity provider as NameQualifier', {}, nameId(olivia, ` Format="${EMAIL}" NameQualifier="${OKTA_ISSUER}"`), false],
    [
      'the same qualifiers',
      { nameQualifier: 'a', spNameQualifier: 'b' },
      nameId(olivia, ` Format="${EMAIL}" NameQualifier="a" SPNameQualifier="b"`),
      false,
    ],
  ])('compares NameIDs: %s', async (_case, recorded, content, stays) => {
    const browser = await signedIn(acme, undefined, recorded);
    const page = await ask(acme, binding, content);
    expect(attributeOf(oursIn(page).root, 'InResponseTo')).toMatch(/^_idp-/);
    expect(await isIn(browser)).toBe(stays);
  });

  it('is answered in the same binding, with a signature and the RelayState', async () => {
    await signedIn(acme, undefined);
    const page = await ask(acme, binding, EVERY, { id: '_the-request', relayState: 'a b&c=ü' });
    const ours = oursIn(page);
    expect([ours.binding, ours.to, ours.root.local, ours.relayState]).toEqual([binding, SLO, 'LogoutResponse', 'a b&c=ü']);
    expect(await isSignedByUs(acme, ours)).toBe(true);
    expect([attributeOf(ours.root, 'InResponseTo'), attributeOf(ours.root, 'Destination')]).toEqual(['_the-request', SLO]);
    expect(statusOf(ours)).toEqual(['urn:oasis:names:tc:SAML:2.0:status:Success']);
  });

  const SUCCESS = ['urn:oasis:names:tc:SAML:2.0:status:Success'];
  const UNKNOWN = ['urn:oasis:names:tc:SAML:2.0:status:Responder', 'urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal'];
  const answerTo = async (content: string, to = acme) => statusOf(oursIn(await ask(to, binding, content)));

  it('is answered with UnknownPrincipal and audited if no user has signed in with the NameID', async () => {
    const browser = await signedIn(acme, 'index');
    expect(await answerTo(nameId('nobody@acme.test') + sessionIndex('index'))).toEqual(UNKNOWN);
    expect(await isIn(browser)).toBe(true);
    expect(await auditOf(acme)).toMatchObject([
      {
        event: 'logout.unknown_principal',
        actor: { kind: 'identity_provider' },
        details: { ended: 0, name_id: 'nobody@acme.test', format: EMAIL, session_index: 'index' },
      },
    ]);
  });

  it.each([
    ['a different format', nameId(olivia, ' Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"')],
    ['a different case', nameId(olivia.toUpperCase())],
  ])('is not answered with Success if the session stays because of %s', async (_case, content) => {
    const browser = await signedIn(acme, 'index');
    expect(await answerTo(content)).toEqual(UNKNOWN);
    expect(await isIn(browser)).toBe(true);
  });

  it.each<[string, (own: TestOrganization, browser: HttpBrowser, member: string) => Promise<unknown>]>([
    ['by an earlier request', (own) => ask(own, binding, EVERY)],
    ['because the user signed out', (_own, browser) => signOut(browser)],
    ['because the member was suspended', (_own, _browser, member) => gateway.api('PATCH', member, { suspended: true })],
    ['because the member was removed', (_own, _browser, member) => gateway.api('DELETE', member)],
    [
      'because the member lost the role',
      async (own) => {
        await gateway.api('PUT', `/organizations/${own.slug}/role-mapping`, {
          rules: [{ group: 'other', role: 'owner' }],
          default_role: 'none',
          allow_no_owner: true,
        });
        expect((await own.signIn(new HttpBrowser(), 'olivia')).code).toBe('saml_role_denied');
      },
    ],
  ])('is answered with Success if the session ended before: %s', async (_case, end) => {
    const own = await makeOrganization(REDIRECT + POST);
    await gateway.api('PUT', `/organizations/${own.slug}/role-mapping`, { rules: [{ group: 'x', role: 'owner' }], default_role: 'owner' });
    const carl = new HttpBrowser();
    await own.signIn(carl, 'carl');
    const browser = await signedIn(own, 'ended-before');
    const path = `/organizations/${own.slug}/members`;
    const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `${path}?email=${encodeURIComponent(olivia)}`);
    await end(own, browser, `${path}/${body.items[0]?.id}`);
    expect(await isIn(browser)).toBe(false);
    expect(await answerTo(EVERY + sessionIndex('ended-before'), own)).toEqual(SUCCESS);
    expect(await answerTo(nameId(olivia, '') + sessionIndex('ended-before'), own)).toEqual(SUCCESS);
    expect(await auditOf(own)).toMatchObject([{ event: 'logout.identity_provider', details: { ended: 0 } }]);
    expect(await isIn(carl)).toBe(true);
  });

  it('remembers the last ten NameIDs of a user', async () => {
    const own = await makeOrganization(REDIRECT + POST);
    const browser = new HttpBrowser();
    const transient = (number: number) => ({ value: `_${number}`, format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' });
    const attributes = [
      { name: 'http://schemas.microsoft.com/identity/claims/objectidentifier', values: ['olivia'] },
      { name: 'email', values: [olivia] },
    ];
    for (let number = 0; number < 11; number++) {
      expect((await own.signIn(browser, 'olivia', { values: { nameId: transient(number), attributes } })).status).toBe(303);
    }
    expect(await answerTo(nameId('_1', ''), own)).toEqual(SUCCESS);
    expect(await answerTo(nameId('_0', ''), own)).toEqual(UNKNOWN);
  });

  it.each([
    ['with the format of the assertion', (value: string) => nameId(value), false],
    ['without a format', (value: string) => nameId(value, ''), false],
    ['of another user', () => nameId('carl@okta.acme.example'), true],
  ])('reads an encrypted NameID %s', async (_case, named, stays) => {
    const browser = await signedIn(acme, 'encrypted');
    const page = await ask(acme, binding, await encryptedFor(acme, named(olivia)));
    expect(attributeOf(oursIn(page).root, 'InResponseTo')).toMatch(/^_idp-/);
    expect(await isIn(browser)).toBe(stays);
  });

  it('ends the session if the request has the form of those of Entra ID', async () => {
    for (const format of [EMAIL, 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent', undefined]) {
      const own = await makeOrganization(REDIRECT + POST);
      const value = 'e6270a7d@corp.example';
      const index = `_${randomUUID()}`;
      const browser = await signedIn(own, index, { value, format });
      const content = `<NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">${value}</NameID>${sessionIndex(index)}`;
      const until = new Date(now() + 60 * 60_000).toISOString();
      const xml = logoutRequest(addressed(own), content, { id: freshId() }).replace(
        ' Destination=',
        ` NotOnOrAfter="${until}" Destination=`,
      );
      expect(statusOf(oursIn(await say(own, binding, 'SAMLRequest', xml)))).toEqual(SUCCESS);
      expect(await isIn(browser)).toBe(false);
    }
  });

  it('is rejected if it is unsigned, signed with another key or for another recipient', async () => {
    const browser = await signedIn(acme, 'index');
    const other = await makeOrganization(REDIRECT + POST);
    expect(verdict(await ask(acme, binding, EVERY, { key: 'none' }))).toEqual([400, 'saml_signature_missing']);
    expect(verdict(await ask(acme, binding, EVERY, { key: rogue }))).toEqual([400, 'saml_signature_invalid']);
    expect(verdict(await ask(acme, binding, EVERY, { to: sloUrl(other) }))).toEqual([400, 'saml_signature_invalid']);
    expect(verdict(await ask(other, binding, EVERY, { to: sloUrl(acme) }))).toEqual([400, 'saml_signature_invalid']);
    expect(await isIn(browser)).toBe(true);
    const trail = await gateway.api<{ items: unknown[] }>('GET', `/organizations/${other.slug}/audit?event=logout.identity_provider`);
    expect(trail.body.items).toEqual([]);
  });

  it('is accepted once: a copy ends no later session', async () => {
    const first = await signedIn(acme, 'index');
    const xml = logoutRequest(addressed(acme), EVERY, { id: '_once' });
    expect(verdict(await say(acme, binding, 'SAMLRequest', xml))[1]).toBeUndefined();
    expect(await isIn(first)).toBe(false);
    const second = await signedIn(acme, 'index');
    expect(verdict(await say(acme, binding, 'SAMLRequest', xml))).toEqual([400, 'saml_replayed']);
    expect(await isIn(second)).toBe(true);
    // The claim is kept for as long as the message could be accepted.
    aheadMs += 8 * 60_000 - 5000;
    expect(verdict(await say(acme, binding, 'SAMLRequest', xml))).toEqual([400, 'saml_replayed']);
    aheadMs += 10_000;
    expect(verdict(await say(acme, binding, 'SAMLRequest', xml))).toEqual([400, 'saml_expired']);
  });

  it('is answered once if 20 copies arrive at the same time', async () => {
    await Promise.all([signedIn(acme, 'copies-1'), signedIn(acme, 'copies-2')]);
    const xml = logoutRequest(addressed(acme), EVERY, { id: freshId() });
    const pages = await Promise.all(Array.from({ length: 20 }, () => say(acme, binding, 'SAMLRequest', xml)));
    const codes = pages.map(({ code }) => code ?? 'answered').sort();
    expect(codes).toEqual(['answered', ...Array(19).fill('saml_replayed')]);
  });

  it('ends no session of the same NameID in another organization or of a former identity provider', async () => {
    const other = await makeOrganization(REDIRECT + POST);
    const elsewhere = await signedIn(other, 'index');
    await ask(acme, binding, EVERY);
    expect(await isIn(elsewhere)).toBe(true);
    const moved = other.metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
    await gateway.api('PUT', `/organizations/${other.slug}/identity-provider?on_new_entity_id=new_accounts`, moved);
    const xml = logoutRequest({ ...addressed(other), idp: 'https://new.example/idp' }, EVERY, { id: freshId() });
    expect(verdict(await say(other, binding, 'SAMLRequest', xml))[1]).toBeUndefined();
    expect(await isIn(elsewhere)).toBe(true);
  });

  describe('from another identity provider of the same organization', () => {
    /** Adds an active connection with this entityID, and returns the signing key of its identity provider. */
    async function addProvider(own: TestOrganization, entityId?: string) {
      const provider = await newIdentityProvider(own, SLO);
      const path = `/organizations/${own.slug}/connections`;
      const metadata_xml = provider.metadata.replaceAll(provider.entityId, entityId ?? provider.entityId);
      const { body } = await gateway.api<{ id: string }>('POST', path, { name: 'Other', metadata_xml });
      expect((await gateway.api('PATCH', `${path}/${body.id}`, { state: 'active' })).status).toBe(200);
      return { entityId: entityId ?? provider.entityId, key: createPrivateKey(provider.key.privateKeyPem) };
    }

    it('ends no session, and cannot speak for the other one', async () => {
      const own = await makeOrganization(REDIRECT + POST);
      const other = await addProvider(own);
      const browser = await signedIn(own, 'index');
      const xml = (idp: string) => logoutRequest({ ...addressed(own), idp }, EVERY + sessionIndex('index'), { id: freshId() });
      const page = await say(own, binding, 'SAMLRequest', xml(other.entityId), { key: other.key });
      expect(statusOf(oursIn(page))).toEqual(UNKNOWN);
      expect(verdict(await say(own, binding, 'SAMLRequest', xml(OKTA_ISSUER), { key: other.key }))).toEqual([
        400,
        'saml_signature_invalid',
      ]);
      expect(verdict(await say(own, binding, 'SAMLRequest', xml('https://none.example'), { key: other.key }))).toEqual([
        400,
        'saml_issuer_unknown',
      ]);
      expect(await isIn(browser)).toBe(true);
    });

    it('cannot answer a logout that was sent to the other one', async () => {
      const own = await makeOrganization(REDIRECT + POST);
      const other = await addProvider(own);
      const asked = attributeOf(oursIn(await signOut(await signedIn(own, 'index'))).root, 'ID') ?? '';
      const answerOf = (idp: string, key?: KeyObject) => {
        const xml = logoutResponse({ ...addressed(own), idp }, asked, { id: freshId(), content: status('Success') });
        return say(own, binding, 'SAMLResponse', xml, key === undefined ? {} : { key });
      };
      expect(verdict(await answerOf(other.entityId, other.key))).toEqual([400, 'saml_in_response_to_unknown']);
      expect((await answerOf(OKTA_ISSUER)).status).toBe(303);
    });

    it('ends no session that began when another connection had its entityID', async () => {
      const own = await makeOrganization(REDIRECT + POST);
      const browser = await signedIn(own, 'index');
      const moved = own.metadata.replace(/entityID="[^"]+"/, 'entityID="https://moved.example/idp"');
      await gateway.api('PUT', `/organizations/${own.slug}/identity-provider?on_new_entity_id=new_accounts`, moved);
      const { key } = await addProvider(own, OKTA_ISSUER);
      await ask(own, binding, EVERY, { key });
      expect(await isIn(browser)).toBe(true);
    });
  });

  it('ends the sessions that the members of a disabled connection kept, which accepts no sign-in meanwhile', async () => {
    const own = await makeOrganization(REDIRECT + POST);
    const [kept, other] = [await signedIn(own, 'index'), await signedIn(own, 'other')];
    const path = `/organizations/${own.slug}/connections`;
    const { body } = await gateway.api<{ items: { id: string }[] }>('GET', path);
    await gateway.api('PATCH', `${path}/${body.items[0]?.id}`, { state: 'disabled', keep_sessions: true });
    expect(verdict(await ask(own, binding, EVERY + sessionIndex('index'), { key: rogue }))).toEqual([400, 'saml_signature_invalid']);
    expect(await isIn(kept)).toBe(true);
    const page = await ask(own, binding, EVERY + sessionIndex('index'));
    expect(statusOf(oursIn(page))).toEqual(SUCCESS);
    expect([await isIn(kept), await isIn(other)]).toEqual([false, true]);
    expect((await own.post(new HttpBrowser(), own.respond())).code).toBe('saml_issuer_unknown');
  });

  it('is rejected from a draft, whose identity provider has signed nobody in', async () => {
    const own = await makeOrganization(REDIRECT + POST);
    const browser = await signedIn(own, 'index');
    const provider = await newIdentityProvider(own, SLO);
    await gateway.api('POST', `/organizations/${own.slug}/connections`, { name: 'Draft', metadata_xml: provider.metadata });
    const xml = logoutRequest({ ...addressed(own), idp: provider.entityId }, EVERY, { id: freshId() });
    const page = await say(own, binding, 'SAMLRequest', xml, { key: createPrivateKey(provider.key.privateKeyPem) });
    expect(verdict(page)).toEqual([400, 'saml_issuer_unknown']);
    expect(await isIn(browser)).toBe(true);
  });

  it('blocks an assertion of the ended session that was still on its way (saml-core §3.7.3.2)', async () => {
    await ask(acme, binding, EVERY + sessionIndex('under-way'));
    expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', values('under-way')))).toEqual([400, 'saml_expired']);
    expect((await acme.signIn(new HttpBrowser(), 'olivia', values('a-new-one'))).status).toBe(303);
    expect((await acme.signIn(new HttpBrowser(), 'carl', { values: { sessionIndex: 'under-way' } })).status).toBe(303);
  });

  describe('during the logout', () => {
    const person = `new-${binding}@okta.acme.example`;
    const store = () => gateway.runtime.store;

    /** Runs `interfere` after each read of sessions, before the logout writes. */
    async function interfered(own: TestOrganization, request: string, interfere: (read: number) => Promise<unknown>): Promise<Page> {
      const find = store().find.bind(store());
      let read = 0;
      store().find = async (...query) => {
        if (query[2] === 'nameId' && ++read === 2) await interfere(read);
        const page = await find(...query);
        if (query[2] === 'nameId' && read === 1) await interfere(read);
        return page;
      };
      try {
        return await say(own, binding, 'SAMLRequest', logoutRequest(addressed(own), request, { id: freshId() }));
      } finally {
        store().find = find;
      }
    }

    it.each([
      ['that names this session', sessionIndex('meanwhile')],
      ['for all sessions', ''],
    ])('ends the session that a new member starts during a request %s', async (_case, index) => {
      const own = await makeOrganization(REDIRECT + POST);
      const browser = new HttpBrowser();
      const response = own.respond({ values: { sessionIndex: 'meanwhile', nameId: { value: person, format: EMAIL } } });
      let answer: Page | undefined;
      await interfered(own, nameId(person) + index, async (read) => {
        if (read === 1) answer = await own.post(browser, response);
      });
      expect(answer?.status).toBe(303);
      expect(await isIn(browser)).toBe(false);
    });

    it('succeeds although the store fails after the sessions have ended', async () => {
      const own = await makeOrganization(REDIRECT + POST);
      const browser = await signedIn(own, 'index');
      const answer = await interfered(own, nameId(olivia), async (read) => {
        if (read === 2) throw new GatewayError('store_unavailable');
      });
      expect(verdict(answer)[1]).toBeUndefined();
      expect(await isIn(browser)).toBe(false);
    });
  });

  it('is written to the audit trail with the identity provider as actor', async () => {
    const own = await makeOrganization(REDIRECT + POST);
    const browser = await signedIn(own, 'index');
    const { body: me } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${own.slug}/members`);
    await ask(own, binding, EVERY);
    expect(await isIn(browser)).toBe(false);
    expect(await auditOf(own)).toMatchObject([
      { event: 'logout.identity_provider', member_id: me.items[0]?.id, actor: { kind: 'identity_provider' }, details: { ended: 1 } },
    ]);
  });
});

const auditOf = async ({ slug }: TestOrganization) =>
  (await gateway.api<{ items: object[] }>('GET', `/organizations/${slug}/audit?limit=1`)).body.items;
const statusOf = ({ root }: Ours) =>
  [...walk(root)].filter(({ local }) => local === 'StatusCode').map((code) => attributeOf(code, 'Value'));

describe('the endpoint for the answer', () => {
  it.each([
    ['has the only binding that the identity provider offers', POST, 'redirect', 'post', SLO],
    ['has the only binding that the identity provider offers', REDIRECT, 'post', 'redirect', SLO],
    ['is the ResponseLocation', service('Redirect', ` ResponseLocation="${ANSWERS}"`) + POST, 'redirect', 'redirect', ANSWERS],
    ['is the ResponseLocation', REDIRECT + service('POST', ` ResponseLocation="${ANSWERS}"`), 'post', 'post', ANSWERS],
  ] as const)('%s: %s', async (_case, services, from, binding, to) => {
    const organization = await makeOrganization(services);
    const browser = await signedIn(organization, 'index');
    const ours = oursIn(await ask(organization, from, nameId(olivia)));
    expect([ours.binding, ours.to, attributeOf(ours.root, 'Destination')]).toEqual([binding, to, to]);
    expect(await isSignedByUs(organization, ours)).toBe(true);
    expect(await isIn(browser)).toBe(false);
  });

  it('is never used for requests', async () => {
    const organization = await makeOrganization(service('Redirect', ` ResponseLocation="${ANSWERS}"`));
    expect(oursIn(await signOut(await signedIn(organization, 'index'))).to).toBe(SLO);
  });

  it('may be missing: the sessions end without an answer', async () => {
    const organization = await makeOrganization('');
    const browser = await signedIn(organization, 'index');
    const page = await ask(organization, 'redirect', nameId(olivia));
    expect([page.status, page.location]).toEqual([303, `${gateway.url}/logout`]);
    expect(await isIn(browser)).toBe(false);
  });
});

describe('the single logout endpoint', () => {
  it('rejects malformed messages and unknown organizations', async () => {
    const browser = new HttpBrowser();
    const organization = await makeOrganization(REDIRECT);
    const post = (body: URLSearchParams | string) => browser.request(sloUrl(organization), { method: 'POST', body });
    expect(verdict(await browser.request(sloUrl(organization)))).toEqual([400, 'saml_malformed']);
    expect(verdict(await post('SAMLRequest=AAAA'))).toEqual([400, 'saml_malformed']);
    expect(verdict(await post(new URLSearchParams()))).toEqual([400, 'saml_malformed']);
    expect(
      verdict(
        await post(
          new URLSearchParams([
            ['SAMLRequest', 'AAAA'],
            ['SAMLRequest', 'AAAA'],
          ]),
        ),
      ),
    ).toEqual([400, 'saml_malformed']);
    expect(verdict(await post(new URLSearchParams({ SAMLRequest: 'AAAA', SAMLResponse: 'AAAA' })))).toEqual([400, 'saml_malformed']);
    expect(verdict(await post(new URLSearchParams({ SAMLRequest: 'A'.repeat(400_000) })))).toEqual([413, 'payload_too_large']);
    expect(verdict(await browser.request(`${gateway.url}/saml/no-such/slo?SAMLRequest=x`))).toEqual([404, 'organization_unknown']);
    const bare = await gateway.api<{ slug: string }>('POST', '/organizations', { slug: newSlug(), name: 'No IdP' });
    expect((await browser.request(`${gateway.url}/saml/${bare.body.slug}/slo?SAMLRequest=${encodeURIComponent('q1QEAA==')}`)).code).toBe(
      'idp_not_configured',
    );
  });
});

describe('two gateways on one Redis', () => {
  it('ends a session on both immediately, and finishes a logout on the other gateway', async () => {
    const secrets = { SAMLGATE_SECRET: Buffer.alloc(32, 7).toString('base64'), SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) };
    const one = await startGateway({ store: 'redis', environment: secrets, now });
    const port = await freePort();
    const environment = { ...secrets, SAMLGATE_BASE_URL: one.url, SAMLGATE_LISTEN: `127.0.0.1:${port}` };
    const two = await startGateway({ store: 'redis', environment, now });
    const atTwo = `http://localhost:${port}`;
    try {
      const acme = await makeOrganization(REDIRECT + POST, one);
      const browser = await signedIn(acme, 'index');
      expect([await isIn(browser, one.url), await isIn(browser, atTwo)]).toEqual([true, true]);
      await ask(acme, 'redirect', nameId(olivia), { to: `${atTwo}/saml/${acme.slug}/slo` });
      expect([await isIn(browser, one.url), await isIn(browser, atTwo)]).toEqual([false, false]);
      const asked = attributeOf(oursIn(await signOut(await signedIn(acme, 'index'), one.url)).root, 'ID') ?? '';
      const xml = logoutResponse(addressed(acme), asked, { id: freshId() });
      expect((await say(acme, 'redirect', 'SAMLResponse', xml, { to: `${atTwo}/saml/${acme.slug}/slo` })).status).toBe(303);
      expect(verdict(await say(acme, 'redirect', 'SAMLResponse', xml))).toEqual([400, 'saml_in_response_to_unknown']);
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  it('answers 503 and ends nothing while the store is unavailable', async () => {
    const redis = await startRedis();
    const alone = await startGateway({ environment: { SAMLGATE_STORE: redis.url }, now });
    try {
      const acme = await makeOrganization(REDIRECT, alone);
      await redis.stop();
      expect(verdict(await ask(acme, 'redirect', nameId(olivia)))).toEqual([503, 'store_unavailable']);
    } finally {
      await alone.stop();
    }
  });
});
