import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let globex: TestOrganization;
let owner: Person;

interface Person {
  readonly browser: HttpBrowser;
  readonly csrf: string;
}

async function enter(organization: TestOrganization, user: string): Promise<Person> {
  const browser = new HttpBrowser();
  await organization.signIn(browser, user);
  const { text } = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  return { browser, csrf: (JSON.parse(text) as { csrf_token: string }).csrf_token };
}

const open = ({ browser }: Person, path: string): Promise<Page> => browser.open(`${gateway.url}/console${path}`);
const post = ({ browser, csrf }: Person, path: string, fields: Record<string, string>, token = csrf): Promise<Page> =>
  browser.request(`${gateway.url}/console${path}`, { method: 'POST', body: new URLSearchParams({ csrf: token, ...fields }) });
const ofAcme = async () =>
  (
    await gateway.api<{ entity_id: string; idp_initiated: string } & Record<string, unknown>>(
      'GET',
      `/organizations/${acme.slug}/identity-provider`,
    )
  ).body;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  globex = await makeTestOrganization(gateway);
  owner = await enter(acme, 'olivia');
});

afterAll(() => gateway.stop());

describe('console: single sign-on page', () => {
  it('shows the values of this organization', async () => {
    const { text } = await open(owner, '/single-sign-on');
    expect(text).toContain(`data-copy="${acme.acsUrl}"`);
    expect(text).toContain(`data-copy="${gateway.url}/saml/${acme.slug}/metadata"`);
    expect(text).toContain(`data-copy="${gateway.url}/saml/${acme.slug}/login"`);
  });

  it('shows the current identity provider with its product, certificate and warnings', async () => {
    const text = textOf((await open(owner, '/single-sign-on')).text);
    expect(text).toContain(`Product Okta Entity ID ${OKTA_ISSUER}`);
    expect(text).toMatch(/SHA-256 [0-9A-Fa-f:]{64,95}/);
  });

  it('refuses collaborators and redirects users without a session to the sign-in', async () => {
    const carl = await enter(acme, 'carl');
    for (const path of ['/single-sign-on', '/single-sign-on/settings']) {
      const page = await carl.browser.request(`${gateway.url}/console${path}`);
      expect([path, page.status, page.code]).toEqual([path, 403, 'forbidden']);
    }
    for (const path of ['preview', 'save', 'settings', 'test']) {
      const page = await post(carl, `/single-sign-on/${path}`, {});
      expect([path, page.status, page.code]).toEqual([path, 403, 'forbidden']);
    }
    expect((await new HttpBrowser().request(`${gateway.url}/console/single-sign-on`)).status).toBe(303);
  });

  it.each(['preview', 'save', 'settings', 'test'])(
    'refuses the form %s without the token, and with that of another session',
    async (form) => {
      const other = await enter(globex, 'olivia');
      for (const token of ['', other.csrf]) {
        const page = await post(owner, `/single-sign-on/${form}`, {}, token);
        expect([page.status, page.code]).toEqual([403, 'forbidden']);
      }
    },
  );

  it('allows the form of the test sign-in to redirect to the identity provider in the policy of the page', async () => {
    const page = await open(owner, '/single-sign-on');
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self' https: http:");
    const test = await post(owner, '/single-sign-on/test', {});
    expect(test.status).toBe(303);
    expect(test.location).toMatch(/^https:\/\/idp\.example\/sso\?.*RelayState=[\w-]{43}/);
  });
});

/** The decision that another entityID needs while the organization has members. */
const NEW_ACCOUNTS = { on_new_entity_id: 'new_accounts' };

describe('console: identity provider metadata', () => {
  const other = (entityId: string): string => acme.metadata.replaceAll(OKTA_ISSUER, entityId);

  it('previews the parsed metadata before saving and saves exactly that', async () => {
    const before = await open(owner, '/single-sign-on/steps/metadata');
    const preview = await owner.browser.submit(before, { metadata: other('https://new.example/idp') });
    expect(textOf(preview.text)).toContain('Entity ID https://new.example/idp');
    expect(textOf(preview.text)).toContain(`not the current identity provider ( ${OKTA_ISSUER} )`.replace('( ', '(').replace(' )', ')'));
    expect((await ofAcme()).entity_id).toBe(OKTA_ISSUER);
    const saved = await owner.browser.submit(preview, NEW_ACCOUNTS, '/save');
    expect(saved.url).toBe(`${gateway.url}/console/single-sign-on`);
    expect(textOf(saved.text)).toContain('The identity provider is saved.');
    expect((await ofAcme()).entity_id).toBe('https://new.example/idp');
  });

  it('accepts a file', async () => {
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const file = new File([`\ufeff${other('https://file.example/idp')}`], 'metadata.xml', { type: 'text/xml' });
    const preview = await owner.browser.submit(page, { metadata_file: file });
    await owner.browser.submit(preview, {}, '/save');
    expect((await ofAcme()).entity_id).toBe('https://file.example/idp');
  });

  it('saves pasted text that declares another encoding exactly as it was previewed', async () => {
    const pasted = other('https://pasted.example/prüfstelle').replace('UTF-8', 'ISO-8859-1');
    expect(pasted).toContain('encoding="ISO-8859-1"');
    const preview = await owner.browser.submit(await open(owner, '/single-sign-on/steps/metadata'), { metadata: pasted });
    expect(textOf(preview.text)).toContain('Entity ID https://pasted.example/prüfstelle');
    await owner.browser.submit(preview, {}, '/save');
    expect((await ofAcme()).entity_id).toBe('https://pasted.example/prüfstelle');
  });

  it('says that an empty file is empty', async () => {
    const empty = new File([], 'metadata.xml', { type: 'text/xml' });
    const page = await owner.browser.submit(await open(owner, '/single-sign-on/steps/metadata'), { metadata_file: empty });
    expect(page.status).toBe(400);
    expect(textOf(page.text)).toContain('The file is empty.');
  });

  it('accepts manually entered values', async () => {
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const values = { entity_id: 'urn:typed:in', sso_url: 'https://typed.example/sso', certificates: acme.key.certificatePem };
    const preview = await owner.browser.submit(page, values);
    expect(textOf(preview.text)).toContain('Entity ID urn:typed:in Single sign-on URL https://typed.example/sso');
    await owner.browser.submit(preview, {}, '/save');
    expect((await ofAcme()).entity_id).toBe('urn:typed:in');
  });

  it('accepts several certificates in one field, as PEM with explanations and as base64 of PEM', async () => {
    const { certificatePem } = globex.key;
    for (const certificates of [
      `subject=CN = acme\n${acme.key.certificatePem}subject=CN = globex\n${certificatePem}`,
      Buffer.from(acme.key.certificatePem + certificatePem).toString('base64'),
    ]) {
      const values = { entity_id: 'urn:typed:in', sso_url: 'https://typed.example/sso', certificates };
      await owner.browser.submit(await owner.browser.submit(await open(owner, '/single-sign-on/steps/metadata'), values), {}, '/save');
      expect((await ofAcme()).certificates).toHaveLength(2);
    }
  });

  it('explains invalid metadata and keeps the entered values', async () => {
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const again = await owner.browser.submit(page, { metadata: '<html>not metadata</html>' });
    expect(again.status).toBe(400);
    expect(again.text).toContain('role="alert"');
    expect(again.text).toContain('&lt;html>not metadata&lt;/html></textarea>');
  });

  it('refuses a metadata URL in the internal network', async () => {
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const again = await owner.browser.submit(page, { metadata: 'https://169.254.169.254/latest' });
    expect(again.status).toBe(400);
    expect(again.text).toContain('>https://169.254.169.254/latest</textarea>');
  });

  it('parses the document again on saving, so that one that was never previewed must be valid too', async () => {
    const { deflateSync } = await import('node:zlib');
    const packed = deflateSync('<!DOCTYPE x><x/>').toString('base64url');
    const refused = await post(owner, '/single-sign-on/save', { metadata_packed: packed });
    expect([refused.status, refused.code]).toEqual([400, 'idp_metadata_invalid']);
    const bomb = deflateSync('x'.repeat(3_000_000)).toString('base64url');
    const large = await post(owner, '/single-sign-on/save', { metadata_packed: bomb });
    expect([large.status, large.code]).toEqual([400, 'validation_failed']);
  });

  it('asks for the entity ID if the metadata describes several identity providers', async () => {
    const both = ['https://one.example/idp', 'https://two.example/idp'].map((name) => other(name).replace(/^<\?xml[^>]*\?>\s*/, ''));
    const xml = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${both.join('')}</md:EntitiesDescriptor>`;
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const again = await owner.browser.submit(page, { metadata: xml });
    expect(again.status).toBe(400);
    const preview = await owner.browser.submit(again, { metadata: xml, wanted: 'https://two.example/idp' });
    await owner.browser.submit(preview, {}, '/save');
    expect((await ofAcme()).entity_id).toBe('https://two.example/idp');
  });

  it('escapes markup in metadata', async () => {
    const page = await open(owner, '/single-sign-on/steps/metadata');
    const preview = await owner.browser.submit(page, { metadata: other('https://x.example/&lt;b&gt;bold&lt;/b&gt;') });
    expect(preview.text).toContain('https://x.example/&lt;b>bold&lt;/b>');
    expect(preview.text).not.toContain('<b>bold');
  });
});

describe('console: earlier metadata', () => {
  const entityId = async (slug: string) =>
    (await gateway.api<{ entity_id: string }>('GET', `/organizations/${slug}/identity-provider`)).body.entity_id;
  const save = (organization: TestOrganization, name: string) =>
    gateway.api(
      'PUT',
      `/organizations/${organization.slug}/identity-provider?on_new_entity_id=new_accounts`,
      organization.metadata.replaceAll(OKTA_ISSUER, name),
    );
  const returns = (page: Page) => page.forms.filter(({ action }) => /\/versions\/ver_\w+\/return$/.test(action));

  it('keeps the last ten versions and restores one with an audit entry', async () => {
    const own = await makeTestOrganization(gateway);
    const boss = await enter(own, 'olivia');
    expect(returns(await open(boss, '/single-sign-on'))).toHaveLength(0);
    for (let i = 1; i <= 12; i++) await save(own, `https://idp.example/${i}`);
    const page = await open(boss, '/single-sign-on');
    expect(returns(page)).toHaveLength(9);
    expect(textOf(page.text)).toMatch(/the operator https:\/\/idp\.example\/12 certificate until .* current/);
    expect(page.text).not.toContain('<bdi>https://idp.example/2</bdi>');
    const done = await boss.browser.submit(page, {}, returns(page)[0]?.action);
    expect(textOf(done.text)).toContain('The earlier metadata is in use again.');
    expect(await entityId(own.slug)).toBe('https://idp.example/11');
    const audit = await gateway.api<{ items: { actor: { kind: string }; details: { returned_to?: string } }[] }>(
      'GET',
      `/organizations/${own.slug}/audit?event=identity_provider.changed`,
    );
    expect(audit.body.items[0]).toMatchObject({ actor: { kind: 'member' }, details: { returned_to: expect.stringMatching(/^ver_/) } });
  });

  it('refuses to restore a version of another organization, for a collaborator and without the CSRF token', async () => {
    const own = await makeTestOrganization(gateway);
    const boss = await enter(own, 'olivia');
    const carl = await enter(own, 'carl');
    await save(own, 'https://idp.example/new');
    const foreign = returns(await open(boss, '/single-sign-on'))[0]?.action.replace(`${gateway.url}/console`, '') ?? '';
    expect(foreign).toContain('/versions/');
    const stranger = await enter(globex, 'olivia');
    const [byStranger, byCarl, bare] = [
      await post(stranger, foreign, {}),
      await post(carl, foreign, {}),
      await post(boss, foreign, {}, 'x'),
    ];
    expect([byStranger.status, byStranger.code]).toEqual([404, 'not_found']);
    expect([byCarl.status, byCarl.code]).toEqual([403, 'forbidden']);
    expect([bare.status, bare.code]).toEqual([403, 'forbidden']);
    expect(await entityId(own.slug)).toBe('https://idp.example/new');
  });
});

describe('console: single sign-on settings', () => {
  it('shows all settings and saves changes', async () => {
    const page = await open(owner, '/single-sign-on/settings');
    const changed = await owner.browser.submit(page, {
      idp_initiated: 'bounce',
      clock_skew_seconds: '60',
      require_signed_response: 'yes',
      sign_requests: 'yes',
      attributes_groups: 'teams\r\nroles',
      authn_context: 'urn:mfa',
    });
    expect(textOf(changed.text)).toContain('Your settings are saved');
    expect(await ofAcme()).toMatchObject({
      idp_initiated: 'bounce',
      clock_skew_seconds: 60,
      require_signed_response: true,
      require_signed_assertion: false,
      sign_requests: true,
      attribute_mapping: { groups: ['teams', 'roles'] },
      authn_context: ['urn:mfa'],
      name_id_format: null,
    });
    const again = await open(owner, '/single-sign-on/settings');
    const form = again.forms.find(({ action }) => action.endsWith('/settings'));
    const value = (name: string) => form?.fields.find((field) => field.name === name && (field.isSent || field.type !== 'checkbox'))?.value;
    expect([value('idp_initiated'), value('sign_requests'), value('attributes_groups')]).toEqual(['bounce', 'yes', 'teams\nroles']);
  });

  it('explains an invalid value and changes nothing', async () => {
    const page = await open(owner, '/single-sign-on/settings');
    const again = await owner.browser.submit(page, { clock_skew_seconds: '9000' });
    expect(again.status).toBe(400);
    expect(textOf(again.text)).toContain('clock_skew_seconds');
    expect(again.text).toContain('value="9000"');
    expect((await ofAcme()).clock_skew_seconds).toBe(60);
  });
});

describe('console: single sign-on for the operator', () => {
  it('shows the same pages for every organization', async () => {
    const browser = new HttpBrowser();
    const start = await browser.open(`${gateway.url}/console/operator/sign-in`);
    await browser.submit(start, { token: gateway.operatorToken });
    const page = await browser.open(`${gateway.url}/console/operator/organizations/${globex.slug}/single-sign-on`);
    expect(page.status).toBe(200);
    expect(page.text).toContain(`data-copy="${globex.acsUrl}"`);
    const test = await browser.submit(page, {}, '/test').catch((error: unknown) => String(error));
    expect(test).toContain('idp.example');
  });
});
