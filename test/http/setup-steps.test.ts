import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { IDP_PRODUCTS } from '../../src/console/setup-steps/idp-products.ts';
import { ENTRA_GROUP_IDS } from '../../src/mock-idp/people.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';
import { createLink, openSetup, type Setup, startSetup } from '../support/setup.ts';
import { addConnection, newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
let operator: HttpBrowser;
let acme: TestOrganization;

beforeAll(async () => {
  gateway = await startGateway();
  operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
});
afterAll(() => gateway.stop());

const emailAttribute = { name: 'email', values: ['olivia@acme.example'] };
const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';

interface RoleMapping {
  readonly rules: readonly { readonly group: string; readonly role: string; readonly connection?: string }[];
  readonly default_role: string;
}

const path = () => `/organizations/${acme.slug}`;
const roleMapping = async () => (await gateway.api<RoleMapping>('GET', `${path()}/role-mapping`)).body;
const connection = async () => (await gateway.api<{ id: string; state: string }>('GET', `${path()}/identity-provider`)).body;
const noRules = { rules: [], default_role: 'collaborator', allow_no_owner: true };
const stepOf = ({ url }: Page): string => new URL(url).pathname.split('/steps/')[1] ?? url;

/** An organization without identity provider, members and role rules. */
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  await gateway.api('DELETE', `${path()}/identity-provider`);
  await gateway.api('PUT', `${path()}/role-mapping`, noRules);
});

/** Runs the test sign-in of a step and returns the page with its result. */
async function test(setup: Setup, step: 'users' | 'test', values = {}): Promise<Page> {
  const { relayState, requestId } = startedBy(await setup.post(`single-sign-on/steps/${step}`));
  const answer = await acme.post(setup.browser, acme.respond({ inResponseTo: requestId, ...values }), relayState);
  return setup.browser.open(answer.location ?? '');
}

describe('setup: identity provider and application', () => {
  it('offers every product, and leads to its screens with the values of the organization', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const start = await setup.step('provider');
    for (const [id, { label, tasks }] of Object.entries(IDP_PRODUCTS)) {
      expect(start.text).toContain(`/setup/single-sign-on/steps/application?idp=${id}`);
      const page = await setup.step(`application?idp=${id}`);
      const text = textOf(page.text);
      if (id !== 'other') expect(text).toContain(`Create the application in ${label}`);
      for (const { title } of tasks) expect(text).toContain(title);
      expect(page.text).toContain(`data-copy="${gateway.url}/saml/${acme.slug}/metadata"`);
      expect(page.text).toContain(`steps/metadata?idp=${id}`);
    }
    expect(textOf((await setup.step('application?idp=okta')).text)).toContain('Use this for Recipient URL and Destination URL');
  });

  it('asks for the product first, also for an unknown one', async () => {
    const setup = await startSetup(gateway, acme.slug);
    expect(stepOf(await setup.step(''))).toBe('provider');
    for (const product of ['', '?idp=', '?idp=constructor', '?idp=<script>']) {
      expect(stepOf(await setup.step(`application${product}`))).toBe('provider');
    }
  });

  it.each(['users', 'roles', 'test', 'live', 'done'])('returns to the first step if %s comes too early', async (step) => {
    expect(stepOf(await (await startSetup(gateway, acme.slug)).step(step))).toBe('provider');
  });
});

describe('setup: metadata', () => {
  it.each([
    ['text that is neither', 'hello', 'neither an address nor XML'],
    ['nothing', '', 'You entered nothing.'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA', 'This is a certificate, not metadata.'],
    ['a web page', '<html>no</html>', 'You pasted XML of'],
    ['an address of the internal network', 'https://169.254.169.254/x', 'You entered the address https://169.254.169.254/x.'],
  ])('says beside the field what it understood: %s', async (_name, metadata, understood) => {
    const setup = await startSetup(gateway, acme.slug);
    const page = await setup.browser.submit(await setup.step('metadata?idp=okta'), { metadata }, '/preview');
    expect(page.status).toBe(400);
    expect(page.text).toMatch(/<p class="error" id="problem-metadata" role="alert">/);
    expect(textOf(page.text)).toContain(understood);
    expect(textOf(page.text)).toContain('Sign On'); // still the advice for Okta
  });

  it('shows which certificates and addresses new metadata of the same identity provider replaces', async () => {
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    const { metadata } = await newIdentityProvider(acme);
    const preview = async (text: string) => {
      const step = await operator.open(`${gateway.url}/console/operator${path()}/single-sign-on/steps/metadata`);
      return textOf((await operator.submit(step, { metadata: text }, '/preview')).text);
    };
    const renewed = await preview(metadata.replace(/entityID="[^"]+"/, `entityID="${OKTA_ISSUER}"`));
    expect(renewed).toContain('takes effect immediately');
    expect(renewed).toMatch(/until now http.* newSHA-256 .*Certificates that are removed .*SHA-256/);
    const same = await preview(acme.metadata);
    for (const text of ['until now', 'newSHA-256', 'Certificates that are removed']) expect(same).not.toContain(text);
  });

  it('tells an empty file from no file', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const submit = async (name: string) =>
      textOf((await setup.browser.submit(await setup.step('metadata?idp=okta'), { metadata_file: new File([], name) }, '/preview')).text);
    expect(await submit('')).toContain('You entered nothing.');
    expect(await submit('idp.xml')).toContain('You chose a file of 0 bytes.');
  });

  it('takes a file, and remembers the product for later visits', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const metadata_file = new File([acme.metadata.replaceAll(OKTA_ISSUER, 'https://sso.example/idp')], 'idp.xml');
    const step = await setup.step('metadata?idp=keycloak');
    expect(stepOf(await setup.browser.follow(step, 'Application'))).toBe('application');
    const preview = await setup.browser.submit(step, { metadata_file }, '/preview');
    const saved = await setup.browser.submit(preview, {}, '/save');
    expect(stepOf(saved)).toBe('users');
    expect(textOf((await setup.step('application')).text)).toContain('Create the application in Keycloak');
    expect(stepOf(await setup.step(''))).toBe('users');
  });
});

describe('setup: users, roles, test and go live', () => {
  it('leads an IT administrator from nothing to a live connection', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const users = await test(setup, 'users');
    expect(stepOf(users)).toMatch(/^users\/att_/);
    expect(textOf(users.text)).toMatch(/Attributes .*email/);
    expect(textOf(users.text)).toContain('platform-admins');
    const roles = await setup.step('');
    expect(stepOf(roles)).toBe('roles');
    const chosen = await setup.browser.submit(roles, { add_group: 'platform-admins' }, '/steps/roles');
    expect(await roleMapping()).toMatchObject({ rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'collaborator' });
    expect(stepOf(chosen)).toBe('live');
    const done = await setup.browser.submit(chosen, {}, '/go-live');
    expect(stepOf(done)).toBe('done');
    expect(textOf(done.text)).toContain('Single sign-on is live');
    expect(done.text).toContain(`data-copy="${gateway.url}/saml/${acme.slug}/login"`);
    const { browser } = await newSession(gateway, acme, 'olivia');
    expect((await callWithSession(gateway, browser, 'GET', path())).status).toBe(200);
    const audit = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=role_mapping.changed`);
    expect(audit.body.items[0]).toMatchObject({ actor: { kind: 'setup_link', id: setup.linkId } });
  });

  it.each([
    ['okta', 'Okta', 'platform-admins'],
    ['entra-id', 'Entra ID', ENTRA_GROUP_IDS['platform-admins']],
    ['google-workspace', 'Google Workspace', 'platform-admins'],
  ] as const)('leads to a live connection with the metadata and the responses of %s', async (habit, label, group) => {
    const setup = await startSetup(gateway, acme.slug);
    const { browser } = setup;
    const metadata = (await gateway.mockIdp()).metadataUrl(habit);
    const preview = await browser.submit(await setup.step(`metadata?idp=${habit}`), { metadata }, '/preview');
    expect(textOf(preview.text)).toContain(`Product ${label}`);
    const users = await browser.submit(preview, {}, '/save');
    let page = await browser.submit(users, {}, '/steps/users');
    if (page.forms.some(({ fields }) => fields.some(({ name }) => name === 'SAMLRequest'))) page = await browser.submit(page);
    const tested = await browser.submit(await browser.submit(page, { person: 'olivia' }));
    expect(textOf(tested.text)).toContain('Continue to roles');
    const roles = await setup.step('');
    expect(textOf(roles.text)).not.toContain('These attributes arrived');
    const live = await browser.submit(roles, { add_group: group }, '/steps/roles');
    expect(stepOf(await browser.submit(live, {}, '/go-live'))).toBe('done');
    expect((await connection()).state).toBe('active');
  });

  it('shows which attributes arrived if none of them has groups', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await test(setup, 'users', { values: { attributes: [emailAttribute] } });
    expect(textOf((await setup.step('roles')).text)).toContain('These attributes arrived: email.');
  });

  it('does not offer the groups of a test sign-in if rules read only those of SCIM', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await test(setup, 'users');
    expect((await setup.step('roles')).text).toContain('name="add_group"');
    expect((await gateway.api('PATCH', path(), { groups_from: 'scim' })).status).toBe(200);
    expect((await setup.step('roles')).text).not.toContain('name="add_group"');
  });

  it.each([
    ['saml', []],
    ['both', ['Directory admins', 'engineering']],
    ['scim', ['Directory admins', 'engineering']],
  ] as const)('offers groups that SCIM provisioned to the operator, with groups from %s', async (groupsFrom, expected) => {
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    const { id } = await connection();
    const scim = await makeScimClient(gateway, acme);
    for (const displayName of expected.length === 0 ? ['engineering'] : expected)
      expect((await scim.call('POST', '/Groups', { schemas: [GROUP_SCHEMA], displayName })).status).toBe(201);
    await gateway.api('PATCH', `${path()}/connections/${id}`, { state: 'disabled' });
    expect((await gateway.api('PATCH', path(), { groups_from: groupsFrom })).status).toBe(200);
    const page = await operator.open(`${gateway.url}/console/operator/organizations/${acme.slug}/single-sign-on/steps/roles`);
    const offered = [...page.text.matchAll(/name="add_group" value="([^"]+)"/g)].map(([, name]) => name);
    expect(offered.sort()).toEqual(expected);
    if (expected.length === 0) return;
    await operator.submit(page, { add_group: expected[0] }, '/steps/roles');
    expect((await roleMapping()).rules).toEqual([{ group: expected[0], role: 'owner' }]);
  });

  it('warns before going live if the user of the test is in no group of the owners', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await test(setup, 'users');
    const submit = async (groups: string) => setup.browser.submit(await setup.step('roles'), { owner_groups: groups });
    const misspelled = await submit('platfrom-admins');
    expect(stepOf(misspelled)).toBe('live');
    expect(textOf(misspelled.text)).toContain('is in no group of the owners ( platfrom-admins )');
    const corrected = await submit('platfrom-admins\r\nplatform-admins');
    expect(textOf(corrected.text)).not.toContain('is in no group of the owners');
    // Other users may be in the group, so the warning does not block.
    expect(stepOf(await setup.browser.submit(await submit('others'), {}, '/go-live'))).toBe('done');
  });

  it('offers the attributes that arrived if the identifier is missing, and continues with roles', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const nameId = { format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient', value: '_x' };
    const refused = await test(setup, 'users', { values: { nameId } });
    expect(textOf(refused.text)).toContain('Choose what identifies users');
    expect(stepOf(await setup.browser.submit(refused, { attribute: 'email' }, '/identifier'))).toBe('roles');
    expect(textOf((await setup.step('test')).text)).not.toContain('What to change');
  });

  it('shows a refused test with what to change', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const page = await test(setup, 'test', { values: { audiences: [['https://other.example']] } });
    expect(textOf(page.text)).toContain('What to change:');
    expect(page.forms.some(({ action }) => action.endsWith('/steps/test'))).toBe(true);
    expect(stepOf(await setup.step('live'))).toBe('live');
    expect((await setup.step('live')).forms.some(({ action }) => action.endsWith('/go-live'))).toBe(false);
  });

  it('shows a setup the tests of this setup only', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const own = await test(setup, 'users');
    const other = await startSetup(gateway, acme.slug);
    expect((await other.browser.request(own.url)).code).toBe('not_found');
    expect(textOf((await other.step('users')).text)).not.toContain('What arrived');
    const stranger = await startSetup(gateway, (await makeTestOrganization(gateway)).slug);
    expect((await stranger.browser.request(own.url)).code).toBe('not_found');
  });
});

describe('going live without a rule for the owner role', () => {
  const NO_OWNER = 'No role rule gives users of this connection the owner role';
  const activate =
    (body: object = {}) =>
    async () => {
      const { id } = await connection();
      return gateway.api<{ code: string }>('PATCH', `${path()}/connections/${id}`, { state: 'active', ...body });
    };
  const draft = async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await setup.test(acme);
    return setup;
  };

  it('is refused for a setup link', async () => {
    const setup = await draft();
    const refused = await setup.browser.open((await setup.post('single-sign-on/go-live', { allow_no_owner: 'yes' })).location ?? '');
    expect(textOf(refused.text)).toContain(NO_OWNER);
    expect((await connection()).state).toBe('draft');
  });

  it('is refused by the API, and the operator can confirm it', async () => {
    await draft();
    const refused = await activate()();
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
    expect((await connection()).state).toBe('draft');
    expect((await activate({ allow_no_owner: true })()).status).toBe(200);
    const audit = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=connection.changed`);
    expect(audit.body.items[0]).toMatchObject({ details: { state: 'active', allow_no_owner: true } });
  });

  it('is refused in the console of the operator without the confirmation', async () => {
    await draft();
    const base = `${gateway.url}/console/operator/organizations/${acme.slug}/single-sign-on`;
    const live = await operator.open(`${base}/steps/live`);
    expect(textOf(live.text)).toContain('Go live without an owner');
    const enabled = await operator.submit(live, {}, '/go-live');
    expect(textOf(enabled.text)).toContain(NO_OWNER);
    const done = await operator.submit(await operator.open(`${base}/steps/live`), { allow_no_owner: 'yes' }, '/go-live');
    expect(stepOf(done)).toBe('done');
  });

  it('is not possible by disabling and enabling the draft', async () => {
    await draft();
    const { id } = await connection();
    await gateway.api('PATCH', `${path()}/connections/${id}`, { state: 'disabled' });
    expect((await activate()()).status).toBe(409);
  });

  it('is not possible with a rule for another connection or a collaborator', async () => {
    await draft();
    const other = await addConnection(gateway, acme, { state: 'draft' });
    const rules = [
      { group: 'a', role: 'owner', connection: other.id },
      { group: 'b', role: 'collaborator' },
    ];
    await gateway.api('PUT', `${path()}/role-mapping`, { rules, default_role: 'collaborator' });
    expect((await activate()()).status).toBe(409);
    expect((await gateway.api('PATCH', `${path()}/connections/${other.id}`, { state: 'active' })).status).toBe(200);
    // The organization is live now.
    expect((await activate()()).status).toBe(200);
  });

  it('does not happen by uploading the first metadata in the console, which creates a draft', async () => {
    const base = `${gateway.url}/console/operator/organizations/${acme.slug}/single-sign-on`;
    const preview = await operator.submit(await operator.open(`${base}/steps/metadata`), { metadata: acme.metadata }, '/preview');
    expect(stepOf(await operator.submit(preview, {}, '/save'))).toBe('users');
    expect((await connection()).state).toBe('draft');
    const roles = await operator.submit(await operator.open(`${base}/steps/roles`), { owner_groups: 'admins' }, '/steps/roles');
    expect(stepOf(roles)).toBe('users');
    expect(stepOf(await operator.submit(await operator.open(`${base}/steps/live`), {}, '/go-live'))).toBe('done');
    expect((await connection()).state).toBe('active');
  });

  it('stays possible by setting the identity provider, which creates an active connection', async () => {
    expect((await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata)).status).toBe(200);
    expect((await connection()).state).toBe('active');
  });

  it('cannot be confirmed by an owner', async () => {
    const owned = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, owned, 'olivia');
    const { body } = await gateway.api<{ id: string }>('GET', `/organizations/${owned.slug}/identity-provider`);
    const changes = { state: 'active', allow_no_owner: true };
    const answer = await callWithSession(gateway, browser, 'PATCH', `/organizations/${owned.slug}/connections/${body.id}`, changes);
    expect([answer.status, answer.body.code]).toEqual([403, 'forbidden']);
  });
});

describe('roles chosen by the holder of a setup link', () => {
  const choose = async (setup: Setup, fields: Record<string, string> = { add_group: 'evil' }) =>
    (await setup.post('single-sign-on/steps/roles', fields)).code;
  const hasEvil = async () => (await roleMapping()).rules.some(({ group }) => group === 'evil');

  it('are limited to the groups of owners and the default role', async () => {
    const kept = { group: 'staff', role: 'collaborator' };
    await gateway.api('PUT', `${path()}/role-mapping`, { ...noRules, rules: [kept] });
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    expect(await choose(setup, { owner_groups: 'admins\r\nops', default_role: 'none' })).toBeUndefined();
    expect(await roleMapping()).toMatchObject({ rules: [{ group: 'admins' }, { group: 'ops' }, kept], default_role: 'none' });
    expect(await choose(setup, { owner_groups: 'ops', default_role: 'collaborator' })).toBeUndefined();
    expect((await roleMapping()).rules).toMatchObject([{ group: 'ops', role: 'owner' }, kept]);
    expect(await choose(setup, { default_role: 'owner', add_group: 'evil' })).toBe('validation_failed');
    expect(await hasEvil()).toBe(false);
  });

  it('are refused before the link has a connection', async () => {
    expect(await choose(await startSetup(gateway, acme.slug))).toBe('idp_not_configured');
  });

  it('are refused as soon as the connection is active', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const { id } = await connection();
    await gateway.api('PATCH', `${path()}/connections/${id}`, { state: 'active', allow_no_owner: true });
    expect(await choose(setup)).toBe('forbidden');
    expect(await hasEvil()).toBe(false);
  });

  it('are refused if the organization has members, and the link learns no rule', async () => {
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    await gateway.api('PUT', `${path()}/role-mapping`, { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' });
    await acme.signIn(new HttpBrowser(), 'olivia');
    const own = await newIdentityProvider(acme);
    const { body } = await gateway.api<{ id: string }>('POST', `${path()}/connections`, { name: 'New', metadata_xml: own.metadata });
    for (const target of [{}, { connection: body.id }]) {
      const setup = await openSetup(gateway, await createLink(gateway, acme.slug, target));
      expect(await choose(setup)).toBe('forbidden');
      const text = textOf((await setup.step('roles')).text);
      expect(text).not.toContain('platform-admins');
      expect(text).toContain('Its owners manage them.');
      await setup.test(acme, (options) => own.respond({ user: 'carl', ...options }));
      expect((await setup.step('live')).text).not.toContain('platform-admins');
    }
    expect(await hasEvil()).toBe(false);
  });

  it('are refused beside another connection, and for a revoked link', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const other = await addConnection(gateway, acme, { state: 'draft' });
    expect(await choose(setup)).toBe('forbidden');
    await gateway.api('DELETE', `${path()}/connections/${other.id}`);
    await gateway.api('DELETE', `${path()}/setup-links/${setup.linkId}`);
    expect(await choose(setup)).toBe('unauthenticated');
    expect(await hasEvil()).toBe(false);
  });

  it('are refused if the connection becomes active immediately before the commit', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const { id } = await connection();
    const store = gateway.runtime.store as { commit: TestGateway['runtime']['store']['commit'] };
    const { commit } = store;
    store.commit = async (...args) => {
      if (!JSON.stringify(args[1]).includes('role_mapping.changed')) return commit.apply(store, args);
      store.commit = commit;
      await gateway.api('PATCH', `${path()}/connections/${id}`, { state: 'active', allow_no_owner: true });
      return commit.apply(store, args);
    };
    expect(await choose(setup)).toBe('forbidden');
    store.commit = commit;
    expect(await hasEvil()).toBe(false);
  });
});
