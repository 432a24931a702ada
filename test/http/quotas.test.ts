import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { personOf } from '../../src/mock-idp/habits.ts';
import { getOrganization } from '../../src/organizations/directory.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { QUOTAS, settingsBytes } from '../../src/organizations/quotas/quotas.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';

interface OrganizationJson {
  readonly code?: string;
  readonly quotas: Readonly<Record<string, number>>;
  readonly quota_use: Readonly<Record<string, number>>;
  readonly quota_warnings: readonly string[];
}

describe.each(['sqlite', 'redis'] as const)('quotas with %s', (store) => {
  const lines: Record<string, unknown>[] = [];
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  let gateway: TestGateway;

  beforeAll(async () => {
    const log = pino({ level: 'info', base: null }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    gateway = await startGateway({ store, log, now });
  });
  afterAll(() => gateway.stop());

  const newOrganization = async (quotas: Record<string, number> = {}) => {
    const organization = await makeTestOrganization(gateway, now);
    expect((await set(organization, quotas)).status).toBe(200);
    return organization;
  };
  const set = ({ slug }: TestOrganization, quotas: unknown, token?: string) =>
    gateway.api<OrganizationJson>('PATCH', `/organizations/${slug}`, { quotas }, token);
  const show = async ({ slug }: TestOrganization) => (await gateway.api<OrganizationJson>('GET', `/organizations/${slug}`)).body;
  let people = 0;
  /** Posts an unsolicited response for a user of the organization, by default a new one. */
  const signIn = async (organization: TestOrganization, name = `person${++people}`) => {
    const person = { ...personOf('okta', 'carl'), username: name, email: `${name}@okta.acme.example` };
    const page = await organization.post(new HttpBrowser(), organization.respond({ person }));
    return page.status === 303 ? 'accepted' : page.code;
  };
  const members = ({ id }: TestOrganization) => gateway.runtime.store.count(id, MEMBERS);

  it('have defaults, and only the operator changes them', async () => {
    const organization = await newOrganization();
    const defaults = Object.fromEntries(Object.entries(QUOTAS).map(([name, { standard }]) => [name, standard]));
    expect(await show(organization)).toMatchObject({ quotas: defaults, quota_warnings: [], quota_use: { members: 0, domains: 0 } });
    expect((await set(organization, { members: 5, domains: 2 })).body.quotas).toEqual({ ...defaults, members: 5, domains: 2 });
    expect((await set(organization, { members: null })).body.quotas).toEqual({ ...defaults, domains: 2 });
    for (const quotas of [{ members: 0 }, { members: -1 }, { members: 1.5 }, { members: 1e9 }, { unknown: 1 }, 5])
      expect((await set(organization, quotas)).body.code).toBe('validation_failed');
    const { browser: owner } = await newSession(gateway, organization, 'olivia');
    const answer = await callWithSession(gateway, owner, 'PATCH', `/organizations/${organization.slug}`, { quotas: { members: 9 } });
    expect(answer.status).toBe(403);
    expect((await show(organization)).quotas.domains).toBe(2);
  });

  it('refuse new members beyond the limit, but never a member', async () => {
    const organization = await newOrganization({ members: 2 });
    expect([await signIn(organization, 'ada'), await signIn(organization, 'bob')]).toEqual(['accepted', 'accepted']);
    expect(await signIn(organization, 'cyd')).toBe('quota_exceeded');
    expect(await signIn(organization, 'ada')).toBe('accepted');
    expect(await members(organization)).toBe(2);
    expect((await gateway.runtime.metrics.quotaRefusals.get()).values).toContainEqual({ labels: { quota: 'members' }, value: 1 });
    const { items } = (await gateway.api<{ items: object[] }>('GET', `/organizations/${organization.slug}/audit?event=login.refused`)).body;
    expect(items).toMatchObject([{ code: 'quota_exceeded' }]);
    // A removed member makes room.
    const { body } = await gateway.api<{ items: { id: string }[] }>(
      'GET',
      `/organizations/${organization.slug}/members?email=bob@okta.acme.example`,
    );
    await gateway.api('DELETE', `/organizations/${organization.slug}/members/${body.items[0]?.id}`);
    expect(await signIn(organization, 'cyd')).toBe('accepted');
    await set(organization, { members: null });
    expect(await signIn(organization, 'dan')).toBe('accepted');
  });

  it('let exactly as many new members in as the limit allows, if many sign in at the same moment', async () => {
    const organization = await newOrganization({ members: 5 });
    const results = await Promise.all(Array.from({ length: 25 }, () => signIn(organization)));
    expect(results.filter((result) => result === 'accepted')).toHaveLength(5);
    expect(new Set(results)).toEqual(new Set(['accepted', 'quota_exceeded']));
    expect(await members(organization)).toBe(5);
  });

  it('limit the new members of a minute, and not the sign-ins of members', async () => {
    const organization = await newOrganization({ new_members_per_minute: 3 });
    // At the start of a minute, so that the test does not cross into the next one.
    aheadMs += 60_000 - (now() % 60_000);
    const results = await Promise.all(Array.from({ length: 8 }, (_, i) => signIn(organization, `m${i}`)));
    expect(results.filter((result) => result === 'accepted')).toHaveLength(3);
    const member = `m${results.indexOf('accepted')}`;
    for (let i = 0; i < 5; i++) expect(await signIn(organization, member)).toBe('accepted');
    aheadMs += 60_000;
    expect(await signIn(organization)).toBe('accepted');
  });

  it('end the oldest session at another sign-in of its member', async () => {
    const organization = await newOrganization({ sessions_per_member: 2 });
    const browsers = [new HttpBrowser(), new HttpBrowser(), new HttpBrowser()];
    for (const browser of browsers) expect((await organization.signIn(browser)).status).toBe(303);
    const statuses = await Promise.all(browsers.map(async (browser) => (await browser.request(`${gateway.url}/api/v1/me`)).status));
    expect(statuses).toEqual([401, 200, 200]);
    await set(organization, { sessions_per_member: 1 });
    const last = new HttpBrowser();
    await organization.signIn(last);
    expect(
      await Promise.all([...browsers, last].map(async (browser) => (await browser.request(`${gateway.url}/api/v1/me`)).status)),
    ).toEqual([401, 401, 401, 200]);
  });

  it('leave nothing in the store of a session that ends because of the limit', async () => {
    const organization = await newOrganization({ sessions_per_member: 1 });
    const { store: engine } = gateway.runtime;
    const keys: string[] = [];
    const commit = engine.commit.bind(engine);
    engine.commit = (partition, steps, options) => {
      for (const step of steps) if (step.do === 'put' && step.key.startsWith('session:')) keys.push(step.key);
      return commit(partition, steps, options);
    };
    try {
      for (let i = 0; i < 4; i++) expect((await organization.signIn(new HttpBrowser())).status).toBe(303);
    } finally {
      engine.commit = commit;
    }
    const stored = await Promise.all([...new Set(keys)].map((key) => engine.peek(organization.id, key)));
    expect([stored.length, stored.filter((text) => text !== undefined).length]).toEqual([4, 1]);
  });

  it('cause a notice on the pages concerned when 80 % are used, with the numbers and whom to ask', async () => {
    const organization = await newOrganization({ members: 3, domains: 2, sessions_per_member: 3, settings_bytes: 20_000 });
    const { browser: owner } = await newSession(gateway, organization, 'olivia');
    const page = async (path: string, browser = owner) => textOf((await browser.open(`${gateway.url}/console${path}`)).text);
    const pages = ['', '/members', '/domains', '/single-sign-on', '/roles'];
    for (const path of pages) expect(await page(path)).not.toContain('of at most');
    const carl = new HttpBrowser();
    await organization.signIn(carl, 'carl');
    await signIn(organization, 'ada');
    await callWithSession(gateway, owner, 'POST', `/organizations/${organization.slug}/domains`, { domain: 'one.example' });
    await callWithSession(gateway, owner, 'POST', `/organizations/${organization.slug}/domains`, { domain: 'two.example' });
    await callWithSession(gateway, owner, 'POST', '/me/tokens', { name: 'one' });
    const used = settingsBytes(await getOrganization(gateway.runtime.store, organization.slug));
    await set(organization, { sessions_per_member: 1, cli_tokens_per_member: 1, settings_bytes: used });
    const ask = 'Ask the operator of this gateway for a higher limit.';
    expect(await page('/members')).toContain(
      `This organization has 3 of at most 3 members. At the limit, new users cannot sign in. ${ask}`,
    );
    expect(await page('/domains')).toContain(
      `This organization has 2 of at most 2 domains. At the limit, no other domain can be added. ${ask}`,
    );
    expect(await page('')).toContain('You have 1 of at most 1 CLI tokens.');
    for (const path of ['/single-sign-on', '/single-sign-on/settings', '/roles'])
      expect(await page(path)).toMatch(/have [\d,]+ of at most/);
    expect(await page('', carl)).toContain('You have 1 of at most 1 sessions.');
    expect(await page('', carl)).toContain('If you need more, ask an owner of your organization.');
  });

  it('limit CLI tokens and domains', async () => {
    const organization = await newOrganization({ cli_tokens_per_member: 1, domains: 1 });
    const { browser: owner } = await newSession(gateway, organization, 'olivia');
    const post = async (path: string, body: unknown) => (await callWithSession(gateway, owner, 'POST', path, body)).status;
    expect([await post('/me/tokens', { name: 'one' }), await post('/me/tokens', { name: 'two' })]).toEqual([201, 403]);
    const domains = `/organizations/${organization.slug}/domains`;
    expect([await post(domains, { domain: 'one.example' }), await post(domains, { domain: 'two.example' })]).toEqual([201, 403]);
    expect(await post(domains, { domain: 'one.example' })).toBe(201);
    expect(await show(organization)).toMatchObject({ quota_use: { domains: 1, members: 1 }, quota_warnings: ['domains'] });
  });

  it('limit the settings and role rules in all, but allow every change that shortens them', async () => {
    const organization = await newOrganization();
    const path = `/organizations/${organization.slug}`;
    const rules = (count: number) => Array.from({ length: count }, (_, i) => ({ group: `${i} ${'g'.repeat(90)}`, role: 'collaborator' }));
    const save = async (count: number) =>
      (
        await gateway.api<{ code?: string }>('PUT', `${path}/role-mapping`, {
          rules: rules(count),
          default_role: 'collaborator',
          allow_no_owner: true,
        })
      ).body.code;
    expect(await save(300)).toBeUndefined();
    const { quota_use } = await show(organization);
    expect(quota_use.settings_bytes).toBeGreaterThan(300 * 90);
    expect(await save(900)).toBe('quota_exceeded');
    expect((await show(organization)).quota_use).toEqual(quota_use);
    await set(organization, { settings_bytes: 20_000 });
    expect((await gateway.api<OrganizationJson>('PATCH', path, { name: 'x'.repeat(200) })).body.code).toBe('quota_exceeded');
    expect((await gateway.api<OrganizationJson>('PATCH', `${path}/identity-provider`, { authn_context: ['urn:x'] })).body.code).toBe(
      'quota_exceeded',
    );
    expect((await gateway.api<OrganizationJson>('PATCH', path, { name: 'x' })).status).toBe(200);
    expect(await save(250)).toBeUndefined();
    expect(await save(251)).toBe('quota_exceeded');
    expect(await signIn(organization)).toBe('accepted');
  });

  it('count bytes without the keys of the gateway', () => {
    const base = { id: 'org_x', slug: 'acme', name: 'Ä' };
    expect(settingsBytes({ ...base, spKeys: ['x'.repeat(9000)], formerIds: ['org_y'], quotas: { members: 1 } } as typeof base)).toBe(
      Buffer.byteLength(JSON.stringify(base)),
    );
  });

  it('warn from 80 % of the groups and memberships of a connection, in log, metric, API and console', async () => {
    const organization = await newOrganization({ groups: 5, group_memberships: 5 });
    const scim = await makeScimClient(gateway, organization);
    const { id: value } = (await scim.call('POST', '/Users', { userName: `ina@${organization.slug}.example` })).body;
    const warnings = () =>
      lines.filter(({ quota, organization: slug }) => /^group/.test(String(quota)) && slug === organization.slug).map(({ quota }) => quota);
    const create = (displayName: string) => scim.call('POST', '/Groups', { displayName, members: [{ value }] });
    for (const name of ['a', 'b', 'c']) expect((await create(name)).status).toBe(201);
    expect(warnings()).toEqual([]);
    expect((await create('d')).status).toBe(201);
    expect(warnings()).toEqual(['groups', 'group_memberships']);
    expect((await create('e')).status).toBe(201);
    expect(warnings()).toHaveLength(2);
    expect(await show(organization)).toMatchObject({
      quota_use: { groups: 5, group_memberships: 5 },
      quota_warnings: ['groups', 'group_memberships'],
    });
    const owner = new HttpBrowser();
    await organization.signIn(owner, 'olivia');
    const page = textOf((await owner.open(`${gateway.url}/console/provisioning`)).text);
    expect(page).toContain('This connection has 5 of at most 5 groups. At the limit, no other group can be created.');
    expect(page).toContain('The groups of this connection have 5 of at most 5 members together.');
  });

  it('warn once an hour from 80 %, in log, metric, API and console', async () => {
    const organization = await newOrganization({ members: 5 });
    const warnings = () => lines.filter(({ quota, organization: slug }) => quota === 'members' && slug === organization.slug);
    for (let i = 0; i < 3; i++) expect(await signIn(organization)).toBe('accepted');
    expect(warnings()).toEqual([]);
    expect(await signIn(organization)).toBe('accepted');
    expect(await signIn(organization)).toBe('accepted');
    expect(warnings()).toMatchObject([{ level: 40, used: 4, limit: 5 }]);
    aheadMs += 3_600_000;
    expect(await signIn(organization)).toBe('quota_exceeded');
    expect(warnings()).toHaveLength(2);
    expect((await show(organization)).quota_warnings).toEqual(['members']);
    expect(
      (await gateway.runtime.metrics.quotaWarnings.get()).values.find(({ labels }) => labels.quota === 'members')?.value,
    ).toBeGreaterThan(1);
    const operator = new HttpBrowser();
    const body = new URLSearchParams({ token: gateway.operatorToken });
    await operator.request(`${gateway.url}/console/operator/sign-in`, {
      method: 'POST',
      body,
      headers: { 'sec-fetch-site': 'same-origin' },
    });
    const page = await operator.request(`${gateway.url}/console/operator/organizations/${organization.slug}`);
    expect(textOf(page.text)).toMatch(/has used 80 % or more of these quotas: members\..*5 used/);
  });
});
