import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readProvisioningLog } from '../../src/organizations/provisioning/provisioning-log.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, scimCall } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let olivia: HttpBrowser;
let con: string;
let aheadMs = 0;
const DAY_MS = 86_400_000;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  aheadMs = 0;
  acme = await makeTestOrganization(gateway, () => Date.now() + aheadMs);
  olivia = new HttpBrowser();
  await acme.signIn(olivia, 'olivia');
  con = (await gateway.api<{ id: string }>('GET', `/organizations/${acme.slug}/identity-provider`)).body.id;
});

const page = (path = '') => olivia.open(`${gateway.url}/console/provisioning${path}`);
const createToken = async (name: string, days = '365'): Promise<string> => {
  const created = await olivia.submit(await page(), { name, expires_in_days: days }, '/tokens');
  return /samlgate_scim_[\w-]{43}/.exec(created.text)?.[0] ?? '';
};
const call = (token: string, method: string, path: string, body?: unknown) =>
  scimCall(gateway.url, token, { method, path: `/scim/v2/${acme.slug}${path}`, body });

describe('the Provisioning page', () => {
  it('shows the base URL, and a new token once', async () => {
    expect((await page()).text).toContain(`${gateway.url}/scim/v2/${acme.slug}`);
    const token = await createToken('Okta');
    expect((await call(token, 'GET', '/Users')).status).toBe(200);
    expect((await page()).text).toContain('Okta');
    expect((await page()).text).not.toContain(token);
    expect((await page(`/${con}/tokens/created`)).text).not.toContain(token);
  });

  it('offers no third token, and revokes one immediately', async () => {
    const token = await createToken('one');
    await createToken('two');
    const full = await page();
    expect(full.forms.some(({ action }) => action.endsWith('/tokens'))).toBe(false);
    for (const { action } of full.forms.filter((form) => form.action.endsWith('/revoke'))) await olivia.submit(full, {}, action);
    expect((await call(token, 'GET', '/Users')).status).toBe(401);
  });

  it('shows each user as invited, active, deactivated or suspended', async () => {
    const scim = await makeScimClient(gateway, acme);
    const create = async (userName: string) => (await scim.call('POST', '/Users', { userName })).body.id as string;
    await create('ina@acme.example');
    const [deactivated, suspended] = [await create('dora@acme.example'), await create('sam@acme.example')];
    await scim.call('PATCH', `/Users/${deactivated}`, { Operations: [{ op: 'replace', value: { active: false } }] });
    await gateway.api('PATCH', `/organizations/${acme.slug}/members/${suspended}`, { suspended: true });
    const { text } = await page(`/${con}`);
    for (const state of ['invited', 'deactivated', 'suspended']) expect(text).toContain(`>${state}</span>`);
    expect(text).toContain('3 provisioned');
  });

  it('names the attribute that identifies users, and asks for the same scim_link_attribute', async () => {
    expect((await page(`/${con}`)).text).toContain('userName, with the same value as the SAML NameID');
    const attribute = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
    const saved = await gateway.api('PATCH', `/organizations/${acme.slug}/connections/${con}`, { identifier: { attribute } });
    expect(saved.status).toBe(200);
    const advice = `SAML attribute ${attribute}. Ask the operator to set this attribute as scim_link_attribute first.`;
    expect((await page(`/${con}`)).text).toContain(advice);
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { scim_link_attribute: attribute });
    const { text } = await page(`/${con}`);
    expect(text).toContain(`externalId, with the same value as the SAML attribute ${attribute}<`);
  });

  it('offers a token for a connection that was disabled and enabled again', async () => {
    await createToken('one');
    await createToken('two');
    const setState = async (state: string) =>
      (await gateway.api('PATCH', `/organizations/${acme.slug}/connections/${con}`, { state, keep_sessions: true })).status;
    const offersToken = ({ forms }: Page) => forms.some(({ action }) => action.endsWith('/tokens'));
    expect(await setState('disabled')).toBe(200);
    const disabled = await page(`/${con}`);
    expect(disabled.text).toContain('This connection is disabled. Enable it before you create a token.');
    expect(disabled.text).not.toContain('Revoke one of them');
    expect(offersToken(disabled)).toBe(false);
    expect(await setState('active')).toBe(200);
    const enabled = await page(`/${con}`);
    expect(enabled.text.match(/>ended with the connection</g)).toHaveLength(2);
    expect(offersToken(enabled)).toBe(true);
    await olivia.submit(enabled, { name: 'three', expires_in_days: '365' }, '/tokens');
    expect((await page(`/${con}`)).text).not.toContain('ended with the connection');
  });

  it('lists groups with their members and the roles that rules give, page by page', async () => {
    const scim = await makeScimClient(gateway, acme);
    expect((await page(`/${con}`)).text).toContain('No groups yet');
    const { id: value } = (await scim.call('POST', '/Users', { userName: 'ina@acme.example' })).body;
    await scim.call('POST', '/Groups', { displayName: 'Admins & <b>all</b>', members: [{ value }] });
    await scim.call('POST', '/Groups', { displayName: 'Other' });
    const rules = [
      { group: 'Admins & <b>all</b>', role: 'owner' },
      { group: 'Other', role: 'owner', connection: '*' },
    ];
    const saved = await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, {
      rules,
      default_role: 'none',
      allow_no_owner: true,
    });
    expect(saved.status).toBe(200);
    const panel = async (query = '') => (await page(`/${con}${query}`)).text.split('id="groups"')[1] ?? '';
    expect(await panel()).toContain('These groups give no roles');
    expect(await panel()).not.toContain('<div>owner<');
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { groups_from: 'both', allow_no_owner: true });
    const shown = await panel();
    expect(shown).toContain('2 provisioned');
    expect(shown).toContain('Admins &amp; &lt;b>all&lt;/b>');
    expect(shown).not.toContain('Next page');
    expect(shown.match(/<div>owner</g)).toHaveLength(2);
    for (let i = 0; i < 20; i++) await scim.call('POST', '/Groups', { displayName: `More ${i}` });
    const first = await panel();
    const next = /\?groups=[^"]+/.exec(first)?.[0].replaceAll('&amp;', '&') ?? '';
    const names = (html: string) => html.match(/More \d+|Admins|Other/g) ?? [];
    expect(names(first)).toHaveLength(20);
    expect(new Set([...names(first), ...names(await panel(next))]).size).toBe(22);
    expect((await page(`/${con}?groups=invalid`)).status).toBe(400);
  });

  it('counts at most a hundred members of a group', async () => {
    const scim = await makeScimClient(gateway, acme);
    const created = await Promise.all(
      Array.from({ length: 101 }, (_, i) => scim.call('POST', '/Users', { userName: `user${i}@acme.example` })),
    );
    const members = created.map(({ body }) => ({ value: body.id }));
    expect((await scim.call('POST', '/Groups', { displayName: 'Large', members })).status).toBe(201);
    expect((await page(`/${con}`)).text.split('id="groups"')[1]).toContain('more than 100');
  });

  it('lets an owner approve and decline a conflict', async () => {
    const scim = await makeScimClient(gateway, acme);
    const provision = () => scim.call('POST', '/Users', { userName: 'olivia@okta.acme.example' });
    expect((await provision()).status).toBe(409);
    await olivia.submit(await page(), {}, '/decline');
    expect((await provision()).status).toBe(409);
    expect((await olivia.submit(await page(), {}, '/approve')).text).toContain('waits for the identity provider');
    expect((await provision()).status).toBe(201);
    expect((await page()).text).not.toContain('Conflicts');
  });

  it.each([
    ['the Provisioning page', '/console/provisioning'],
    ['Single sign-on', '/console/single-sign-on'],
    ['Credentials', '/console'],
  ])('warns on %s 14 days before a token expires, unless another one outlives it', async (_name, path) => {
    const warning = async () => /The SCIM token .*Okta/s.test((await olivia.open(`${gateway.url}${path}`)).text);
    await createToken('Okta', '90');
    expect(await warning()).toBe(false);
    aheadMs = 77 * DAY_MS;
    await acme.signIn(olivia, 'olivia');
    expect(await warning()).toBe(true);
    await createToken('Next', '90');
    expect(await warning()).toBe(false);
  });

  it('logs the last requests with the reason of a refusal and without personal data', async () => {
    const token = await createToken('Okta');
    await call(token, 'POST', '/Users', { userName: 'ina.secret@acme.example', displayName: 'Ina Secret', password: 'pass-word-1' });
    expect((await call(token, 'POST', '/Users', { userName: 'ina.secret@acme.example' })).status).toBe(409);
    expect((await call(token, 'PATCH', '/Users/usr_unknown', { Operations: 'no' })).status).toBe(400);
    expect((await call(`${token.slice(0, -1)}~`, 'GET', '/Users')).status).toBe(401);
    const [, log = ''] = (await page()).text.split('Provisioning log');
    expect(log).toContain('3: 1 created, 0 changed, 0 deleted, 2 refused');
    expect(log.split('id="users"')[0]).toContain('i…@acme.example');
    expect(log).toContain('uniqueness');
    expect(log).toContain('PATCH Users/{id}');
    expect(log).not.toContain('other');
    const stored = await gateway.runtime.store.peek(acme.id, `scim-log:${con}`);
    for (const secret of ['ina.secret', 'Ina Secret', 'pass-word-1', token]) expect(stored).not.toContain(secret);
  });

  it('writes the log of many requests together, and keeps a limited number of each class', async () => {
    const token = await createToken('Okta');
    expect((await call(token, 'POST', '/Users', {})).status).toBe(400);
    for (let i = 0; i < 60; i++) await call(token, 'GET', `/Users?filter=${encodeURIComponent(`userName eq "user${i}"`)}`);
    const peek = () => gateway.runtime.store.peek(acme.id, `scim-log:${con}`);
    await page();
    const { requests, cycle } = JSON.parse((await peek()) ?? '');
    expect(requests.map(({ status }: { status: number }) => status)).toEqual([...Array(20).fill(200), 400]);
    expect(cycle).toMatchObject({ requests: 61, refused: 1 });
    for (let i = 0; i < 100; i++) await call(token, 'POST', `/Users`, { userName: 'x'.repeat(5000) });
    aheadMs += 60_000;
    await page();
    expect((await peek())?.length).toBeLessThan(16_000);
  });

  it.each([
    ['GET', '/Groups/grp_unknown', 'The group was deleted from this gateway. Push it again.'],
    ['GET', '/Users/usr_unknown', 'The user was removed from this gateway.'],
    ['GET', '/scim/v2/Users', 'Correct the base URL at the identity provider.'],
  ])('says what to change if %s %s finds nothing', async (method, path, advice) => {
    const token = await createToken('Okta');
    expect((await page()).text).toContain('If the test fails with 401, create a new token.');
    expect((await call(token, method, path)).status).toBe(404);
    expect((await page()).text).toContain(advice);
  });

  it('writes requests of the last seconds to the log when the gateway stops', async () => {
    const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64') };
    const [one, two] = [await startGateway({ store: 'redis', environment }), await startGateway({ store: 'redis', environment })];
    const running = [one, two];
    try {
      const { slug, id: organizationId } = await makeTestOrganization(one);
      const { body } = await one.api<{ id: string }>('GET', `/organizations/${slug}/identity-provider`);
      const connection = { organizationId, connectionId: body.id };
      expect((await (await makeScimClient(one, { slug })).call('GET', '/Users')).status).toBe(200);
      expect((await readProvisioningLog(two.runtime, connection)).cycle).toBeUndefined();
      await running.shift()?.stop();
      expect((await readProvisioningLog(two.runtime, connection)).cycle).toMatchObject({ requests: 1 });
    } finally {
      for (const each of running) await each.stop();
    }
  });

  it('says that the operator has turned the log off', async () => {
    const quiet = await startGateway({ environment: { SAMLGATE_SIGN_IN_LOG_DAYS: '0' } });
    try {
      const organization = await makeTestOrganization(quiet);
      const owner = new HttpBrowser();
      await organization.signIn(owner, 'olivia');
      expect((await owner.open(`${quiet.url}/console/provisioning`)).text).toContain('The operator has turned the log');
    } finally {
      await quiet.stop();
    }
  });

  it('counts a new cycle after a pause of ten minutes', async () => {
    const token = await createToken('Okta');
    await call(token, 'GET', '/Users');
    await page();
    aheadMs += 11 * 60_000;
    await call(token, 'POST', '/Users', { userName: 'ina@acme.example' });
    expect((await page()).text).toContain('1: 1 created, 0 changed');
  });

  it('is for owners only, and never about another organization', async () => {
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl');
    expect((await carl.open(`${gateway.url}/console/provisioning`)).status).toBe(403);
    const globex = await makeTestOrganization(gateway);
    const other = (await gateway.api<{ id: string }>('GET', `/organizations/${globex.slug}/identity-provider`)).body.id;
    const answer: Page = await page(`/${other}`);
    expect(answer.status).toBe(404);
  });
});
