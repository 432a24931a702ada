import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type Answer, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { seedFormerMember } from '../support/seed.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

const NEW_ISSUER = 'https://new.example/idp';
const metadataOf = (entityId: string) => acme.metadata.replace(/entityID="[^"]+"/, `entityID="${entityId}"`);
const path = () => `/organizations/${acme.slug}`;
const put = (entityId: string, query = ''): Promise<Answer<{ code?: string; entity_id?: string; members?: object }>> =>
  gateway.api('PUT', `${path()}/identity-provider${query}`, metadataOf(entityId));
const entityId = async () => (await gateway.api<{ entity_id: string }>('GET', `${path()}/identity-provider`)).body.entity_id;
const members = async () => (await gateway.api<{ items: { id: string; email: string }[] }>('GET', `${path()}/members`)).body.items;
const signIn = (issuer: string, user = 'olivia', browser = new HttpBrowser()): Promise<Page> =>
  acme.signIn(browser, user, { values: { responseIssuer: issuer, assertionIssuer: issuer } });
const audit = async (event: string) =>
  (await gateway.api<{ items: { details: object }[] }>('GET', `${path()}/audit?event=${event}`)).body.items;
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);

describe('metadata with another entityID', () => {
  it('needs no decision while there are no members', async () => {
    expect((await put(NEW_ISSUER)).status).toBe(200);
    expect(await entityId()).toBe(NEW_ISSUER);
  });

  it('is refused without a decision while there are members', async () => {
    await signIn(OKTA_ISSUER);
    expect(await put(NEW_ISSUER)).toMatchObject({ status: 409, body: { code: 'conflict', wanted: OKTA_ISSUER, got: NEW_ISSUER } });
    expect(await put(NEW_ISSUER, '?on_new_entity_id=other')).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    expect(await entityId()).toBe(OKTA_ISSUER);
    expect(verdict(await signIn(OKTA_ISSUER))).toBe('accepted');
    expect(verdict(await signIn(NEW_ISSUER))).toBe('saml_issuer_unknown');
  });

  it('needs no decision if the entityID stays', async () => {
    await signIn(OKTA_ISSUER);
    expect((await put(OKTA_ISSUER)).status).toBe(200);
    expect((await put(OKTA_ISSUER, '?on_new_entity_id=new_accounts')).status).toBe(200);
    await signIn(OKTA_ISSUER);
    expect(await members()).toHaveLength(1);
  });

  it('counts the members in a dry run and changes nothing', async () => {
    await signIn(OKTA_ISSUER);
    await signIn(OKTA_ISSUER, 'carl');
    expect((await put(NEW_ISSUER, '?dry_run=true')).body.members).toEqual({
      matching: 0,
      ambiguous: 0,
      new: 2,
      recently_signed_in: 2,
      recent: { matching: 0, ambiguous: 0, new: 2 },
      is_partial: false,
    });
    expect((await put(OKTA_ISSUER, '?dry_run=true')).body.members).toBeUndefined();
    expect(await entityId()).toBe(OKTA_ISSUER);
  });

  it.each([
    ['in the query', () => put(NEW_ISSUER, '?on_new_entity_id=new_accounts')],
    [
      'in the body',
      () => gateway.api('PUT', `${path()}/identity-provider`, { metadata_xml: metadataOf(NEW_ISSUER), on_new_entity_id: 'new_accounts' }),
    ],
  ])('gives every user a new account with new_accounts %s', async (_case, change) => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, 'olivia', browser);
    const [before] = await members();
    expect((await change()).status).toBe(200);
    expect(verdict(await signIn(NEW_ISSUER))).toBe('accepted');
    const after = await members();
    expect(after.map(({ email }) => email)).toEqual([before?.email, before?.email]);
    expect(await audit('identity_provider.changed')).toMatchObject([
      { details: { entity_id: NEW_ISSUER, on_new_entity_id: 'new_accounts', former_entity_id: OKTA_ISSUER } },
      {},
    ]);
  });

  it.each(['', '?on_new_entity_id=new_accounts'])(
    'never gives a user a former account, even if the entityID returns (%s)',
    async (query) => {
      await signIn(OKTA_ISSUER);
      await put(NEW_ISSUER, '?on_new_entity_id=new_accounts');
      expect((await put(OKTA_ISSUER, query)).status).toBe(200);
      await signIn(OKTA_ISSUER);
      expect(await members()).toHaveLength(2);
    },
  );

  it('gives users of members of an earlier version new accounts, the first of whom chooses the identifier', async () => {
    const former = await seedFormerMember(gateway.runtime, acme, { email: 'olivia@okta.acme.example' });
    expect((await put(NEW_ISSUER)).body.code).toBe('conflict');
    expect((await put(NEW_ISSUER, '?on_new_entity_id=new_accounts')).status).toBe(200);
    expect(verdict(await signIn(NEW_ISSUER))).toBe('accepted');
    expect(verdict(await signIn(NEW_ISSUER, 'carl'))).toBe('accepted');
    expect((await members()).filter(({ id }) => id !== former.id)).toHaveLength(2);
  });

  it('keeps a suspended member out of a new account', async () => {
    await signIn(OKTA_ISSUER, 'carl');
    await signIn(OKTA_ISSUER);
    const carl = (await members()).find(({ email }) => email.startsWith('carl'));
    await gateway.api('PATCH', `${path()}/members/${carl?.id}`, { suspended: true });
    await put(NEW_ISSUER, '?on_new_entity_id=new_accounts');
    expect(verdict(await signIn(NEW_ISSUER, 'carl'))).toBe('member_suspended');
  });

  it('is refused for one of two changes at the same moment', async () => {
    await signIn(OKTA_ISSUER);
    const answers = await Promise.all(
      ['https://a.example', 'https://b.example'].map((issuer) => put(issuer, '?on_new_entity_id=new_accounts')),
    );
    const codes = answers.map(({ status }) => status).sort();
    expect([
      [200, 409],
      [200, 200],
    ]).toContainEqual(codes);
    expect((await audit('identity_provider.changed')).length).toBe(1 + codes.filter((code) => code === 200).length);
  });

  it('never becomes a member of both identity providers if the change happens during the first sign-in', async () => {
    beforeSignInIsWritten(gateway, () => put(NEW_ISSUER));
    expect(verdict(await signIn(OKTA_ISSUER))).toBe('saml_issuer_unknown');
    expect(await members()).toEqual([]);
  });

  it('reports that no owner can sign in after the change', async () => {
    await signIn(OKTA_ISSUER);
    await put(NEW_ISSUER, '?on_new_entity_id=new_accounts');
    expect(await audit('organization.without_owner')).toMatchObject([{ details: { cause: 'connection' } }]);
    await signIn(NEW_ISSUER);
    expect((await gateway.api('GET', path())).body).toMatchObject({ without_owner_since: null });
  });
});

describe('another identity provider in the console', () => {
  const previewed = async (browser: HttpBrowser, base: string) => {
    const start = await browser.open(`${gateway.url}${base}/single-sign-on/steps/metadata`);
    return browser.submit(start, { metadata: metadataOf(NEW_ISSUER) }, '/preview');
  };

  it('is saved by an owner only with a decision', async () => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, 'olivia', browser);
    const preview = await previewed(browser, '/console');
    expect(preview.text).toContain('name="on_new_entity_id"');
    expect((await browser.submit(preview, {}, '/save')).status).toBe(409);
    expect(await entityId()).toBe(OKTA_ISSUER);
    expect((await browser.submit(preview, { on_new_entity_id: 'new_accounts' }, '/save')).status).toBe(200);
    expect(await entityId()).toBe(NEW_ISSUER);
  });

  it('is restored only after a confirmation, and its users get their accounts back', async () => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, 'olivia', browser);
    await put(NEW_ISSUER, '?on_new_entity_id=new_accounts');
    await signIn(NEW_ISSUER);
    const page = await browser.submit(await browser.open(`${gateway.url}/console/single-sign-on`), {}, '/return');
    expect(await entityId()).toBe(NEW_ISSUER);
    await browser.submit(page, { on_new_entity_id: 'new_accounts' }, '/return');
    expect(await entityId()).toBe(OKTA_ISSUER);
    expect(verdict(await signIn(OKTA_ISSUER))).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it.each([
    ['keep', {}, /saved as a draft/, NEW_ISSUER],
    ['link_by_email', { link_until: new Date(Date.now() + 86_400_000).toISOString().slice(0, 10) }, /in use again/, OKTA_ISSUER],
    ['new_accounts', { link_until: '' }, /in use again/, OKTA_ISSUER],
  ])('is restored with the decision %s', async (decision, fields, notice, expected) => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, 'olivia', browser);
    await put(NEW_ISSUER, '?on_new_entity_id=new_accounts');
    await signIn(NEW_ISSUER);
    const page = await browser.submit(await browser.open(`${gateway.url}/console/single-sign-on`), {}, '/return');
    expect(page.text.match(/name="on_new_entity_id" value="\w+"/g)).toHaveLength(3);
    const restored = await browser.submit(page, { on_new_entity_id: decision, ...fields }, '/return');
    expect([restored.status, restored.text]).toEqual([200, expect.stringMatching(notice)]);
    const { body } = await gateway.api<{ change: { on_new_entity_id: string }; replacement: string | null }>(
      'GET',
      `${path()}/identity-provider`,
    );
    expect(await entityId()).toBe(expected);
    if (decision === 'keep') expect(body.replacement).toMatch(/^con_/);
    else expect(body.change.on_new_entity_id).toBe(decision);
  });

  it('refuses a suspended member with a new account and another email address', async () => {
    const answerOf = (issuer: string, email: string) => ({
      nameId: { value: 'ada@acme.example', format: NAME_ID_EMAIL },
      attributes: [{ name: 'email', values: [email] }],
      responseIssuer: issuer,
      assertionIssuer: issuer,
    });
    const signInAs = (issuer: string, email: string) => acme.post(new HttpBrowser(), acme.respond({ values: answerOf(issuer, email) }));
    expect(verdict(await signInAs(OKTA_ISSUER, 'ada@acme.example'))).toBe('accepted');
    const [ada] = await members();
    await gateway.api('PATCH', `${path()}/members/${ada?.id}`, { suspended: true });
    expect((await put(NEW_ISSUER, '?on_new_entity_id=new_accounts')).status).toBe(200);
    expect(verdict(await signInAs(NEW_ISSUER, 'new@acme.example'))).toBe('member_suspended');
  });

  it('is never saved by a setup link while there are members', async () => {
    await signIn(OKTA_ISSUER);
    const { body } = await gateway.api<{ url: string }>('POST', `${path()}/setup-links`, {});
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(body.url));
    const preview = await previewed(browser, '/setup');
    const form = preview.forms.find(({ action }) => action.endsWith('/save'));
    const fields = (form?.fields ?? [])
      .map(({ name, value }): [string, string] => [name, value])
      .filter(([name]) => name !== 'on_new_entity_id');
    for (const decision of ['keep', 'link_by_email', 'new_accounts']) {
      const body = new FormData();
      for (const [name, value] of [...fields, ['on_new_entity_id', decision] as const]) body.append(name, value);
      const answer = await browser.request(`${gateway.url}/setup/single-sign-on/save`, { method: 'POST', body, from: preview });
      // New accounts are only proposed to an owner.
      expect([decision, answer.status]).toEqual([decision, decision === 'new_accounts' ? 303 : 403]);
    }
    expect(await entityId()).toBe(OKTA_ISSUER);
  });
});
