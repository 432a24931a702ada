import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Home, makeHome } from '../support/command.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const EXAMPLES = path.join(import.meta.dirname, '../../config/idp-examples');

import { seedMember } from '../support/seed.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let carl: SignedIn;
let home: Home;
let owner: Record<string, string>;
let operator: Record<string, string>;

beforeAll(async () => {
  // No DNS server listens there.
  gateway = await startGateway({ environment: { SAMLGATE_DNS_SERVERS: '127.0.0.1:1' } });
  acme = await gateway.makeOrganization();
  [olivia, carl] = await Promise.all([signedIn(gateway, acme, 'olivia'), signedIn(gateway, acme, 'carl')]);
  owner = { SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: (await olivia.makeToken()).token };
  operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
});
afterAll(() => gateway.stop());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const statusOf = async (token: string) => (await gateway.api('GET', '/me', undefined, token)).status;
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('samlgate org domain', () => {
  test('adds, verifies, lists and removes a domain', async () => {
    const domain = `${newSlug()}.example`;
    const added = await home.run(['org', 'domain', 'add', acme.slug, domain.toUpperCase()], owner);
    expect(added.stdout).toMatch(
      new RegExp(
        `^Publish this record in the DNS of ${domain}.*\n  name   _samlgate\\.${domain}\n  type   TXT\n  value  samlgate-verification=\\w{32}\n`,
      ),
    );
    const verify = ['org', 'domain', 'verify', acme.slug, domain];
    const missing = await home.run(verify, { ...owner });
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining(domain)]);
    const forbidden = await home.run([...verify, '--confirm'], owner);
    expect([forbidden.code, forbidden.stderr]).toEqual([1, expect.stringContaining('Only the operator')]);
    expect((await home.run([...verify, '--confirm'], operator)).stdout).toContain(`Verified ${domain}.`);
    expect((await home.run(['org', 'domain', 'list', acme.slug], owner)).stdout).toMatch(
      new RegExp(`^${domain} +verified +operator `, 'm'),
    );
    const listed = await home.run(['org', 'domain', 'list', acme.slug, '--json'], owner);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ domain, state: 'verified' }]);
    expect((await home.run(['org', 'domain', 'remove', acme.slug, domain], owner)).code).toBe(0);
    expect((await home.run(['org', 'domain', 'list', acme.slug], owner)).stdout).toContain('has no domains yet');
  });

  test('transfers a domain for the operator', async () => {
    const domain = `${newSlug()}.example`;
    const other = await gateway.makeOrganization();
    for (const slug of [acme.slug, other.slug]) await home.run(['org', 'domain', 'add', slug, domain], operator);
    await home.run(['org', 'domain', 'verify', acme.slug, domain, '--confirm'], operator);
    const verify = ['org', 'domain', 'verify', other.slug, domain, '--confirm'];
    expect((await home.run(verify, operator)).code).toBe(1);
    expect((await home.run([...verify, '--transfer'], operator)).code).toBe(0);
    expect((await home.run(['org', 'domain', 'remove', acme.slug, domain], operator)).code).toBe(0);
  });
});

describe('samlgate org logo', () => {
  test('sets, shows and removes the logo, which an exported file names', async () => {
    const run = (...args: string[]) => home.run(['org', 'logo', acme.slug, ...args], owner);
    expect((await run()).stdout).toContain('has no logo');
    const file = path.join(import.meta.dirname, '../support/images/logo.webp');
    const set = JSON.parse((await run(file, '--json')).stdout) as { url: string };
    expect(set).toMatchObject({ content_type: 'image/webp', width: 40, height: 24 });
    expect((await run()).stdout).toBe(`${set.url}\n`);
    expect((await home.run(['org', 'export', acme.slug], owner)).stdout).toContain(`Download it from ${set.url}`);
    expect(await run(file, '--remove')).toMatchObject({ code: 2, stderr: expect.stringContaining('not both') });
    const refused = await run(path.join(EXAMPLES, 'okta.yaml'));
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('SVG is not accepted')]);
    expect((await run('--remove')).code).toBe(0);
    expect((await run('--json')).stdout).toBe('null\n');
  });
});

describe('samlgate org set-quotas', () => {
  test('lets only the operator change quotas, and restores defaults', async () => {
    const run = (account: typeof owner, ...quotas: string[]) => home.run(['org', 'set-quotas', acme.slug, ...quotas], account);
    expect(await run(owner, 'domains=60')).toMatchObject({ code: 1, stderr: expect.stringContaining('forbidden') });
    expect((await run(operator, 'domains=60', 'members=200000')).stdout).toMatch(/^domains +60 +0$/m);
    const restored = JSON.parse((await run(operator, 'domains=default', 'members=default', '--json')).stdout);
    expect(restored.quotas).toMatchObject({ domains: 50, members: 100_000 });
    expect(await run(operator, 'domains')).toMatchObject({ code: 2, stderr: expect.stringContaining('QUOTA=NUMBER') });
    expect(await run(operator, 'nothing=1')).toMatchObject({ code: 1, stderr: expect.stringContaining('validation_failed') });
  });
});

describe('samlgate members', () => {
  test('lists and shows members of the owner’s organization', async () => {
    const { code, stdout } = await home.run(['members', 'list'], owner);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ID +EMAIL +NAME +ROLE +SUSPENDED +LAST_LOGIN_AT\n/);
    expect(stdout).toMatch(new RegExp(`^${carl.id} +${carl.email} .* collaborator +false +\\S+$`, 'm'));
    const found = await home.run(['members', 'list', '--email', carl.email.toUpperCase(), '--json'], owner);
    expect(JSON.parse(found.stdout)).toMatchObject([{ id: carl.id }]);
    expect((await home.run(['members', 'list', '--query', 'nobody-has-this'], owner)).stdout).toBe('No members found.\n');
    const shown = await home.run(['members', 'show', carl.id, '--json'], owner);
    expect(json(shown.stdout)).toMatchObject({ id: carl.id, email: carl.email, role: 'collaborator' });
  });

  test('rotate-tokens revokes the tokens of one member only', async () => {
    const { token } = await carl.makeToken();
    expect(await home.run(['members', 'rotate-tokens', carl.id], owner)).toEqual({
      code: 0,
      stdout: `Revoked 1 CLI token of ${carl.id}. The member can create a new one.\n`,
      stderr: '',
    });
    expect([await statusOf(token), await statusOf(owner.SAMLGATE_CLI_TOKEN ?? '')]).toEqual([401, 200]);
  });

  test('suspends, reinstates and removes a member', async () => {
    const { token } = await carl.makeToken();
    expect((await home.run(['members', 'suspend', carl.id], owner)).stdout).toContain('Suspended ');
    expect(await statusOf(token)).toBe(401);
    expect(json((await home.run(['members', 'suspend', carl.id, '--lift', '--json'], owner)).stdout)).toMatchObject({ suspended: false });
    expect(json((await home.run(['members', 'remove', carl.id, '--json'], owner)).stdout)).toEqual({ removed: carl.id });
    expect(await home.run(['members', 'show', carl.id], owner)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code not_found'),
    });
    carl = await signedIn(gateway, acme, 'carl');
  });

  test('the operator names the organization, and a collaborator is refused', async () => {
    const listed = await home.run(['members', 'list', '--org', acme.slug, '--json'], operator);
    expect((JSON.parse(listed.stdout) as { id: string }[]).map(({ id }) => id)).toContain(olivia.id);
    expect(await home.run(['members', 'list'], operator)).toMatchObject({ code: 2, stderr: expect.stringContaining('There is no token') });
    const collaborator = { ...owner, SAMLGATE_CLI_TOKEN: (await carl.makeToken()).token };
    expect(await home.run(['members', 'list'], collaborator)).toMatchObject({ code: 1, stderr: expect.stringContaining('code forbidden') });
  });
});

describe('samlgate org', () => {
  test('set-idp and apply need a decision for another identity provider while there are members', async () => {
    const organization = await gateway.makeOrganization();
    await signedIn(gateway, organization, 'olivia');
    const { metadata } = await makeTestOrganization(gateway);
    const other = metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
    const refused = await home.run(['org', 'set-idp', organization.slug, '-'], operator, other);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--on-new-entity-id')]);
    const file = path.join(home.directory, 'acme.yaml');
    const apply = async (decision: string) => {
      const lines = [
        `slug: ${organization.slug}`,
        'name: Acme',
        'identity_provider:',
        `  metadata_xml: ${JSON.stringify(other)}`,
        decision,
      ];
      writeFileSync(file, lines.join('\n'));
      return home.run(['org', 'apply', file], operator);
    };
    expect(await apply('')).toMatchObject({ code: 1, stderr: expect.stringContaining('on_new_entity_id') });
    expect(await apply('  on_new_entity_id: new_accounts')).toMatchObject({ code: 0, stdout: expect.stringContaining('1 member') });
    expect((await apply('  on_new_entity_id: new_accounts')).stdout).toContain('no changes');
    const set = await home.run(['org', 'set-idp', organization.slug, '-', '--on-new-entity-id', 'new_accounts'], operator, metadata);
    expect(set.code).toBe(0);
  });

  test('creates an organization, its identity provider and its role rules', async () => {
    const slug = newSlug();
    expect(await home.run(['org', 'create', slug, '--name', 'Made Ltd', '--domain', `${slug}.example`], operator)).toMatchObject({
      code: 0,
      stdout: `Created ${slug}. Next: samlgate org set-idp ${slug} METADATA_FILE_OR_URL\n`,
    });
    const metadata = await (await fetch((await gateway.mockIdp()).metadataUrl('okta'))).text();
    const set = await home.run(['org', 'set-idp', slug, '-'], operator, metadata);
    expect(set).toMatchObject({ code: 0, stderr: '' });
    expect(set.stdout).toContain(`entity ID (audience)  ${gateway.url}/saml/${slug}/metadata`);
    const roles = ['--rule', 'a=b=owner', '--rule', 'c=collaborator', '--default', 'none'];
    expect((await home.run(['org', 'set-roles', slug, ...roles], operator)).stdout).toBe(
      `Saved 2 role rules for ${slug} with the default role none.\n`,
    );
    const { stdout } = await home.run(['org', 'show', slug], operator);
    expect(stdout).toContain('Made Ltd');
    expect(stdout).toContain('role of the group a=b: owner');
    expect(json((await home.run(['org', 'show', slug, '--json'], operator)).stdout)).toMatchObject({
      slug,
      domains: [`${slug}.example`],
      role_mapping: { default_role: 'none' },
      identity_provider: { service_provider: { acs_url: `${gateway.url}/saml/${slug}/acs` } },
    });
    expect((await home.run(['org', 'list'], operator)).stdout).toMatch(new RegExp(`^${slug} +Made Ltd`, 'm'));
  });

  test('apply prints the changes with --dry-run, makes them, and then finds none', async () => {
    const file = path.join(EXAMPLES, 'okta.yaml');
    const would = await home.run(['org', 'apply', file, '--dry-run'], operator);
    expect([would.code, would.stdout]).toEqual([0, expect.stringMatching(/^acme-okta: would create the organization “Acme \(Okta\)”$/m)]);
    const done = await home.run(['org', 'apply', file], operator);
    expect(done).toEqual({ code: 0, stdout: would.stdout.replaceAll('would ', ''), stderr: '' });
    expect(await home.run(['org', 'apply', file], operator)).toMatchObject({ code: 0, stdout: 'acme-okta: no changes\n' });
  });

  test('apply names the file that can’t be read and the change that was refused', async () => {
    const missing = await home.run(['org', 'apply', 'nowhere.yaml'], operator);
    expect(missing).toMatchObject({ code: 1, stderr: "nowhere.yaml can't be read (ENOENT). The file does not exist. Check the path.\n" });
    const file = path.join(EXAMPLES, 'entra-id.yaml');
    const refused = await home.run(['org', 'apply', file], owner);
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(
      /^acme-entra: could not create the organization “.+”\. You are not allowed to do this\. [\s\S]* code forbidden, request/,
    );
  });

  test('set-roles saves rules without an owner only when the operator confirms them', async () => {
    const { slug } = await gateway.makeOrganization();
    const roles = ['org', 'set-roles', slug, '--rule', 'engineering=collaborator', '--default', 'none'];
    const refused = await home.run(roles, operator);
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('code conflict') });
    expect(refused.stderr).toContain('--allow-no-owner');
    const asOwner = ['org', 'set-roles', acme.slug, ...roles.slice(3)];
    expect(await home.run(asOwner, owner)).toMatchObject({ code: 1, stderr: expect.stringContaining('code conflict') });
    expect(await home.run([...asOwner, '--allow-no-owner'], owner)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code forbidden'),
    });
    expect(await home.run([...roles, '--allow-no-owner'], operator)).toMatchObject({
      code: 0,
      stdout: `Saved 1 role rule for ${slug} with the default role none.\n`,
    });
    const shown = json((await home.run(['org', 'show', slug, '--json'], operator)).stdout);
    expect(shown).toMatchObject({ role_mapping: { rules: [{ group: 'engineering', role: 'collaborator' }], default_role: 'none' } });
  });

  test('set-roles and apply warn of a group with white space around it, and save it unchanged', async () => {
    const { slug } = await gateway.makeOrganization();
    const warning = 'The group "admins␣" of a role rule has white space around it.';
    const set = await home.run(['org', 'set-roles', slug, '--rule', 'admins =owner', '--default', 'none'], operator);
    expect(set).toMatchObject({ code: 0, stdout: expect.stringContaining(`  warning: ${warning}`), stderr: '' });
    const file = path.join(home.directory, 'white-space.yaml');
    writeFileSync(
      file,
      `slug: ${slug}\nname: ${slug}\nrole_mapping:\n  rules: [{ group: "admins ", role: owner }]\n  default_role: collaborator\n`,
    );
    const applied = await home.run(['org', 'apply', file], operator);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringContaining(`${slug}: warning: ${warning}`), stderr: '' });
    const shown = json((await home.run(['org', 'show', slug, '--json'], operator)).stdout);
    expect(shown).toMatchObject({ role_mapping: { rules: [{ group: 'admins ', role: 'owner' }] } });
  });

  test('apply saves rules without an owner only when the operator confirms them', async () => {
    const { slug } = await gateway.makeOrganization();
    const file = path.join(home.directory, 'no-owner.yaml');
    writeFileSync(file, `slug: ${slug}\nname: ${slug}\nrole_mapping:\n  default_role: none\n`);
    const mappingOf = async () =>
      (await gateway.api<{ default_role: string }>('GET', `/organizations/${slug}/role-mapping`)).body.default_role;
    const refused = await home.run(['org', 'apply', file], operator);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code conflict') });
    expect(refused.stderr).toContain('--allow-no-owner');
    expect(await mappingOf()).toBe('collaborator');
    expect(await home.run(['org', 'apply', file, '--allow-no-owner'], operator)).toMatchObject({ code: 0, stderr: '' });
    expect(await mappingOf()).toBe('none');
    expect(await home.run(['org', 'apply', file], operator)).toMatchObject({ code: 0, stdout: `${slug}: no changes\n` });
  });

  test('apply switches the groups of role rules without an owner only when the operator confirms it', async () => {
    const { slug, id } = await gateway.makeOrganization();
    await seedMember(gateway.runtime, id, { role: 'owner', roleSource: { kind: 'rule', group: 'admins' } });
    const file = path.join(home.directory, 'groups-from.yaml');
    writeFileSync(file, `slug: ${slug}\nname: ${slug}\ngroups_from: scim\n`);
    for (const flags of [['--dry-run'], []]) {
      const refused = await home.run(['org', 'apply', file, ...flags], operator);
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code conflict') });
      expect(refused.stderr).toContain('--allow-no-owner');
    }
    const applied = await home.run(['org', 'apply', file, '--allow-no-owner'], operator);
    expect(applied).toMatchObject({ code: 0, stdout: expect.stringContaining('groups_from'), stderr: '' });
    expect(await home.run(['org', 'apply', file], operator)).toMatchObject({ code: 0, stdout: `${slug}: no changes\n` });
  });

  test('shows an owner their own organization only', async () => {
    expect((await home.run(['org', 'show', acme.slug], owner)).code).toBe(0);
    expect(await home.run(['org', 'list'], owner)).toMatchObject({ code: 1, stderr: expect.stringContaining('code forbidden') });
  });

  test.each([
    ['a rule without a role', ['set-roles', 'acme', '--rule', 'admins', '--default', 'none'], 'is not GROUP=ROLE'],
    ['no default', ['set-roles', 'acme'], '--default'],
    ['no name', ['create', 'acme'], '--name'],
  ])('refuses %s as wrong usage', async (_what, args, words) => {
    expect(await home.run(['org', ...args], operator)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  });

  test('reports a role that the gateway refuses', async () => {
    const { code, stderr } = await home.run(['org', 'set-roles', acme.slug, '--default', 'king'], operator);
    expect([code, stderr]).toEqual([1, expect.stringContaining('code validation_failed')]);
  });
});

describe('samlgate keys', () => {
  interface Key {
    readonly kid: string;
    readonly state: string;
    readonly live_tokens: number;
  }
  const list = async () => JSON.parse((await home.run(['keys', 'list', '--json'], operator)).stdout) as Key[];
  const keyIn = async (state: string) => (await list()).find((key) => key.state === state) as Key;

  test('revoke says how many tokens it ends, and changes nothing without confirmation', async () => {
    const active = await keyIn('active');
    const { token } = await carl.makeToken();
    const before = await keyIn('active');
    expect(before.live_tokens).toBe(active.live_tokens + 1);
    const asked = await home.run(['keys', 'revoke', '--', active.kid], operator);
    expect([asked.code, asked.stdout]).toEqual([2, '']);
    expect(asked.stderr).toContain(`This revokes ${active.kid}, ${before.live_tokens} CLI token`);
    expect(asked.stderr).toContain('Confirm with --yes.');
    expect(await statusOf(token)).toBe(200);
  });

  test('rotate keeps tokens of the previous key valid, revoke rejects them', async () => {
    const [active, next] = [await keyIn('active'), await keyIn('next')];
    const { token } = await carl.makeToken();
    expect(json((await home.run(['keys', 'rotate', '--json'], operator)).stdout)).toMatchObject({ kid: next.kid, state: 'active' });
    expect(await statusOf(token)).toBe(200);
    const { code, stdout } = await home.run(['keys', 'revoke', '--yes', '--json', '--', active.kid], operator);
    expect([code, json(stdout)]).toEqual([0, { kid: active.kid, revoked_tokens: expect.any(Number) }]);
    expect(await statusOf(token)).toBe(401);
    expect(await home.run(['keys', 'revoke', '--yes', 'unknown'], operator)).toMatchObject({ code: 1, stdout: '' });
    owner = { ...owner, SAMLGATE_CLI_TOKEN: (await olivia.makeToken()).token };
  });

  test('refuses an owner', async () => {
    expect(await home.run(['keys', 'list'], owner)).toMatchObject({ code: 1, stderr: expect.stringContaining('code forbidden') });
  });
});
