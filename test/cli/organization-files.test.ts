import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { type Ended, type Home, makeHome } from '../support/command.ts';
import { newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { signedIn } from '../support/signed-in.ts';

// Each command is a process of its own, possibly on a busy machine.
jest.setTimeout(90_000);

let gateway: TestGateway;
let metadata: string;
let home: Home;
let operator: Record<string, string>;
beforeAll(async () => {
  gateway = await startGateway();
  ({ metadata } = await makeTestOrganization(gateway));
  operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
});
afterAll(() => gateway.stop());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

type Fields = Record<string, unknown>;
interface ConnectionJson extends Fields {
  readonly id: string;
  readonly name: string;
}

/** Metadata of an identity provider with this entity ID. */
const metadataOf = (name: string) => metadata.replace(/entityID="[^"]+"/, `entityID="https://${name}.example/idp"`);

async function apply(file: Fields, ...options: string[]): Promise<Ended> {
  const name = path.join(home.directory, 'organization.yaml');
  writeFileSync(name, stringify(file));
  return home.run(['org', 'apply', name, ...options], operator);
}

const get = async <Body = Fields>(slug: string, resource = '') =>
  (await gateway.api<Body>('GET', `/organizations/${slug}${resource}`)).body;
const connectionsOf = async (slug: string) => (await get<{ items: ConnectionJson[] }>(slug, '/connections')).items;
/** Everything that a file can change. */
const stateOf = async (slug: string) => [await get(slug), await connectionsOf(slug), await get(slug, '/role-mapping')];

const okta = { name: 'Okta', state: 'active', metadata_xml: '', is_default: true };
const partner = { name: 'Partner', state: 'draft', metadata_xml: '', email_domains: ['partner.example'] };

/** A file with two connections. */
const fileOf = (slug: string, change: Fields = {}) => ({
  slug,
  name: 'Acme',
  connections: [
    { ...okta, metadata_xml: metadataOf('okta'), clock_skew_seconds: 60 },
    { ...partner, metadata_xml: metadataOf('partner'), identifier: { attribute: 'uid' }, attribute_mapping: { groups: ['teams'] } },
  ],
  role_mapping: {
    rules: [
      { group: 'platform-admins', role: 'owner' },
      { group: 'admins', role: 'collaborator', connection: 'Partner' },
      { group: 'auditors', role: 'collaborator', connection: '*' },
    ],
    default_role: 'none',
  },
  ...change,
});

describe('samlgate org apply with connections', () => {
  test('creates an organization with several connections, and then finds no changes', async () => {
    const slug = newSlug();
    const file = fileOf(slug);
    const would = await apply(file, '--dry-run');
    expect(would).toMatchObject({ code: 0, stderr: '' });
    expect((await gateway.api('GET', `/organizations/${slug}`)).status).toBe(404);
    const done = await apply(file);
    expect(done).toEqual({ code: 0, stdout: would.stdout.replaceAll('would ', ''), stderr: '' });
    const [first, second] = await connectionsOf(slug);
    expect(first).toMatchObject({ name: 'Okta', state: 'active', is_default: true, clock_skew_seconds: 60 });
    expect(second).toMatchObject({
      name: 'Partner',
      state: 'draft',
      is_default: false,
      email_domains: ['partner.example'],
      identifier: { attribute: 'uid' },
      attribute_mapping: { groups: ['teams'] },
    });
    expect(await get(slug, '/role-mapping')).toMatchObject({
      rules: [{ group: 'platform-admins' }, { group: 'admins', connection: second?.id }, { group: 'auditors', connection: '*' }],
    });
    expect((await apply(file)).stdout).toBe(`${slug}: no changes\n`);
    const byId = fileOf(slug, {
      role_mapping: { rules: [{ group: 'admins', role: 'owner', connection: second?.id }], default_role: 'owner' },
    });
    expect((await apply(byId)).stdout).toBe(`${slug}: set 1 role rule with the default role owner\n`);
  });

  test('applies the example', async () => {
    const example = path.join(import.meta.dirname, '../../config/several-connections.yaml');
    expect(await home.run(['org', 'apply', example], operator)).toMatchObject({ code: 0, stderr: '' });
    expect((await home.run(['org', 'apply', example], operator)).stdout).toBe('acme-partners: no changes\n');
    expect(await connectionsOf('acme-partners')).toMatchObject([
      { name: 'Okta', state: 'active' },
      { name: 'Partner', state: 'draft' },
    ]);
  });

  test('saves the settings of a new connection before users can sign in through it', async () => {
    const slug = newSlug();
    const connections = [{ ...okta, metadata_xml: metadataOf('okta'), identifier: { attribute: 'uid' } }];
    expect((await apply(fileOf(slug, { connections, role_mapping: undefined }))).code).toBe(0);
    const { items } = await get<{ items: { event: string; details?: Fields }[] }>(slug, '/audit');
    const changes = items.filter(({ event }) => event.startsWith('connection.')).reverse();
    expect(changes).toMatchObject([
      { event: 'connection.created' },
      { event: 'connection.changed', details: { state: 'active', changes: { identifier: { attribute: 'uid' } } } },
    ]);
  });

  test('changes, renames and enables connections that it finds by name, ID or identity provider', async () => {
    const slug = newSlug();
    await apply(fileOf(slug));
    const [first, second] = await connectionsOf(slug);
    const file = fileOf(slug, {
      connections: [
        { id: first?.id, name: 'Okta (Ireland)', state: 'active', force_authn: true },
        { name: 'Partner Ltd', state: 'active', is_default: true, metadata_xml: metadataOf('partner') },
      ],
      role_mapping: { rules: [{ group: 'x', role: 'owner', connection: 'Partner Ltd' }], default_role: 'none' },
    });
    const would = await apply(file, '--dry-run');
    const done = await apply(file);
    expect(done).toEqual({ code: 0, stdout: would.stdout.replaceAll('would ', ''), stderr: '' });
    expect(done.stdout).toContain('set force_authn, name (the connection “Okta (Ireland)”)');
    expect(done.stdout).toContain('set name, activate it, make it the default connection (the connection “Partner Ltd”)');
    expect(await connectionsOf(slug)).toMatchObject([
      { id: second?.id, name: 'Partner Ltd', state: 'active', is_default: true },
      { id: first?.id, name: 'Okta (Ireland)', force_authn: true },
    ]);
    expect((await apply(file)).stdout).toBe(`${slug}: no changes\n`);
  });

  test('never deletes a connection that the file does not name, and says so', async () => {
    const slug = newSlug();
    await apply(fileOf(slug));
    const [, second] = await connectionsOf(slug);
    const file = fileOf(slug, { connections: [{ ...okta, metadata_xml: metadataOf('okta') }] });
    expect((await apply(file)).stdout).toContain(`warning: the connection “Partner” (${second?.id}, draft) is not in the file`);
    expect(await connectionsOf(slug)).toHaveLength(2);
  });

  test('disables a connection and revokes the credentials of its members, unless keep_sessions is set', async () => {
    const organization = await gateway.makeOrganization();
    const { slug } = organization;
    const olivia = await signedIn(gateway, organization, 'olivia');
    const { token } = await olivia.makeToken();
    const status = async () => (await gateway.api('GET', '/me', undefined, token)).status;
    const disabled = (keep_sessions: boolean) => ({
      slug,
      name: organization.name,
      connections: [{ name: 'Default', state: 'disabled', keep_sessions }],
    });
    expect((await apply(disabled(true))).stdout).toContain('disable it');
    expect(await status()).toBe(200);
    await gateway.api('PATCH', `/organizations/${slug}/identity-provider`, { state: 'active' });
    expect((await apply(disabled(false))).code).toBe(0);
    expect(await status()).toBe(401);
  });
});

describe('samlgate org apply changes everything or nothing', () => {
  const badRules = { rules: [{ group: 'engineering', role: 'collaborator' }], default_role: 'none' };
  const refusals: [string, Fields, string][] = [
    ['rules without an owner', { role_mapping: badRules }, 'conflict'],
    ['an unknown role', { role_mapping: { rules: [{ group: 'x', role: 'king' }], default_role: 'none' } }, 'validation_failed'],
    ['an email policy that does not exist', { email_policy: 'none' }, 'validation_failed'],
    [
      'a wrong setting of a new connection',
      { connections: [{ ...partner, name: 'New', metadata_xml: '', clock_skew_seconds: 9000 }] },
      'validation_failed',
    ],
    [
      'an unusable identifier',
      { connections: [{ name: 'Okta', state: 'active', identifier: { attribute: 'groups' } }] },
      'validation_failed',
    ],
    ['an active connection that becomes a draft', { connections: [{ name: 'Okta', state: 'draft' }] }, 'conflict'],
    ['metadata that cannot be read', { connections: [{ ...partner, metadata_xml: '<nothing/>' }] }, 'idp_metadata_invalid'],
    [
      'the same identity provider twice',
      {
        connections: [
          { ...partner, name: 'One', metadata_xml: 'new' },
          { ...partner, name: 'Two', metadata_xml: 'new' },
        ],
      },
      'conflict',
    ],
  ];
  const withMetadata = (change: Fields): Fields => {
    if (!Array.isArray(change.connections)) return change;
    const texts: Readonly<Record<string, string>> = { '': metadataOf('further'), new: metadataOf('new') };
    const connections = (change.connections as Fields[]).map((each) =>
      each.metadata_xml === undefined ? each : { ...each, metadata_xml: texts[String(each.metadata_xml)] ?? each.metadata_xml },
    );
    return { ...change, connections };
  };

  test.each(refusals)('changes nothing of an existing organization if the gateway refuses %s', async (_case, change, code) => {
    const slug = newSlug();
    expect((await apply(fileOf(slug))).code).toBe(0);
    const before = await stateOf(slug);
    const file = fileOf(slug, { name: 'Renamed', domains: [`${slug}.example`], ...withMetadata(change) });
    // The rules name the connection Partner, which these files do not create.
    const refused = await apply(file);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(`code ${code}`) });
    expect(await stateOf(slug)).toEqual(before);
  });

  test.each(refusals.filter(([, change]) => !JSON.stringify(change).includes('Okta')))(
    'leaves no new organization behind if the gateway refuses %s',
    async (_case, change, code) => {
      const slug = newSlug();
      const roles = { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' };
      const refused = await apply(fileOf(slug, { role_mapping: roles, ...withMetadata(change) }));
      expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(`code ${code}`) });
      expect((await gateway.api('GET', `/organizations/${slug}`)).status).toBe(404);
      expect((await apply(fileOf(slug))).code).toBe(0);
    },
  );

  test('refuses another identity provider for members without a decision, before the first change', async () => {
    const organization = await gateway.makeOrganization();
    const { slug } = organization;
    await signedIn(gateway, organization, 'olivia');
    const before = await stateOf(slug);
    const file = (decision: Fields) => ({
      slug,
      name: 'Renamed',
      connections: [{ name: 'Default', state: 'active', metadata_xml: metadataOf('other'), ...decision }],
    });
    expect(await apply(file({}))).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('on_new_entity_id') });
    expect(await stateOf(slug)).toEqual(before);
    expect((await apply(file({}), '--dry-run')).stdout).toContain('another one, which affects 1 member');
    expect((await apply(file({ on_new_entity_id: 'new_accounts' }))).code).toBe(0);
    expect(await connectionsOf(slug)).toMatchObject([{ entity_id: 'https://other.example/idp' }]);
  });

  test('leaves a draft that waits for a test with on_new_entity_id: keep as it is', async () => {
    const organization = await gateway.makeOrganization();
    const { slug } = organization;
    await signedIn(gateway, organization, 'olivia');
    const connections = [{ name: 'Default', state: 'active', metadata_xml: metadataOf('other'), on_new_entity_id: 'keep' }];
    expect(await apply({ slug, name: 'Acme', connections })).toMatchObject({ code: 0, stdout: expect.stringContaining('https://other') });
    const before = await connectionsOf(slug);
    expect(before).toMatchObject([
      { name: 'Default', replacement: before[1]?.id },
      { name: 'Replacement of Default', state: 'draft' },
    ]);
    const again = await apply({ slug, name: 'Acme', connections });
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('no changes') });
    expect(await connectionsOf(slug)).toEqual(before);
  });

  test.each([
    ['an ID that no connection has', { connections: [{ id: 'con_unknown', name: 'X', state: 'active' }] }],
    ['a new connection without metadata', { connections: [{ name: 'X', state: 'active' }] }],
    [
      'a rule of an unknown connection',
      { role_mapping: { rules: [{ group: 'x', role: 'owner', connection: 'Nobody' }], default_role: 'none' } },
    ],
    [
      'two entries of one connection',
      {
        connections: [
          { name: 'Okta', state: 'active' },
          { name: 'Again', state: 'active', metadata_xml: 'okta' },
        ],
      },
    ],
  ])('refuses %s', async (_case, change) => {
    const slug = newSlug();
    await apply(fileOf(slug));
    const before = await stateOf(slug);
    const text = JSON.stringify(fileOf(slug, change)).replace(
      '"metadata_xml":"okta"',
      `"metadata_xml":${JSON.stringify(metadataOf('okta'))}`,
    );
    expect(await apply({ ...(JSON.parse(text) as Fields), name: 'Renamed' })).toMatchObject({ code: 1, stdout: '' });
    expect(await stateOf(slug)).toEqual(before);
  });
});

describe('samlgate org export', () => {
  test('writes a file that apply accepts without changes, and that creates the same organization again', async () => {
    const slug = newSlug();
    await apply({ ...fileOf(slug), allowed_return_urls: ['https://app.example/a?b=1&c=2'], contact_email: 'it@acme.example' });
    await gateway.api('PATCH', `/organizations/${slug}/identity-provider`, { authn_context: ['urn:a & b <c>'], sign_requests: true });
    const before = await stateOf(slug);
    const exported = await home.run(['org', 'export', slug], operator);
    expect(exported).toMatchObject({ code: 0, stderr: '' });
    expect((await apply(parse(exported.stdout) as Fields)).stdout).toBe(`${slug}: no changes\n`);
    expect((await gateway.api('DELETE', `/organizations/${slug}`)).status).toBe(204);
    expect((await apply(parse(exported.stdout) as Fields)).code).toBe(0);
    const names = new Map((before[1] as ConnectionJson[]).map(({ id, name }) => [id, name]));
    const withoutIds = (state: unknown) =>
      JSON.parse(
        JSON.stringify(state, (key, value: unknown) =>
          // The bytes include what the gateway records itself, such as the time of a change.
          ['id', 'created_at', 'updated_at', 'connection', 'settings_bytes'].includes(key) ? undefined : value,
        ),
      ) as unknown;
    expect(withoutIds(await stateOf(slug))).toEqual(withoutIds(before));
    const again = await home.run(['org', 'export', slug], operator);
    expect(again.stdout).toBe(exported.stdout);
    for (const id of names.keys()) expect(exported.stdout).not.toContain(id);
  });

  test('contains no secret, and prints JSON with --json and for text that controls a terminal', async () => {
    const slug = newSlug();
    const group = 'admins\u202e';
    await apply(fileOf(slug, { role_mapping: { rules: [{ group, role: 'owner' }], default_role: 'none' } }));
    await gateway.api('POST', `/organizations/${slug}/setup-links`, {});
    const exported = await home.run(['org', 'export', slug], operator);
    expect(exported.stdout).not.toMatch(/PRIVATE|wrapped|setup\/|token":/);
    expect(exported.stdout).not.toContain('\u202e');
    expect(parse(exported.stdout)).toMatchObject({ role_mapping: { rules: [{ group }] } });
    const json = await home.run(['org', 'export', slug, '--json'], operator);
    expect(JSON.parse(json.stdout)).toEqual(parse(exported.stdout));
  });
});
