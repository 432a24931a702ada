import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Home, makeHome } from '../support/command.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { signedIn } from '../support/signed-in.ts';

// Each command is a process of its own, possibly on a busy machine.
jest.setTimeout(90_000);

let gateway: TestGateway;
let acme: OrganizationJson;
let metadata: string;
let id: string;
let home: Home;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  ({ metadata } = await makeTestOrganization(gateway));
  ({ id } = await connection());
  home = makeHome();
});
afterAll(async () => {
  home.remove();
  await gateway.stop();
});

interface ConnectionJson extends Record<string, unknown> {
  readonly id: string;
}

const connection = async () => (await gateway.api<ConnectionJson>('GET', `/organizations/${acme.slug}/identity-provider`)).body;
const set = (args: readonly string[], input?: string) =>
  home.run(
    ['connection', 'set', acme.slug, id, ...args],
    { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken },
    input,
  );

/** Metadata of a federation with two identity providers. */
const federation = () => {
  const entity = (name: string) =>
    metadata
      .replace(/<\?xml[^>]*>/, '')
      .replace(/<ds:Signature[\s\S]*<\/ds:Signature>/, '')
      .replace(/entityID="[^"]+"/, `entityID="https://${name}.example/idp"`);
  return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${entity('one')}${entity('two')}</md:EntitiesDescriptor>`;
};

describe('samlgate connection set', () => {
  test('changes every setting, and restores the defaults', async () => {
    const changed = await set(
      [
        ['--identifier', 'attribute:uid'],
        ['--email-domain', 'a.example', '--email-domain', 'b.example'],
        ['--email-attribute', 'mail', '--groups-attribute', 'teams', '--groups-attribute', 'roles'],
        ['--idp-initiated', 'reject', '--clock-skew-seconds', '5'],
        ['--require-signed-assertion', 'true', '--require-signed-response', 'true', '--require-encrypted-assertion', 'true'],
        ['--sign-requests', 'true', '--name-id-format', 'urn:x:format', '--allow-create', 'false', '--force-authn', 'true'],
        ['--authn-context', 'urn:x:mfa', '--name', 'Renamed'],
      ].flat(),
    );
    expect(changed).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^identifier +attribute:uid$/m) });
    expect(await connection()).toMatchObject({
      name: 'Renamed',
      identifier: { attribute: 'uid' },
      email_domains: ['a.example', 'b.example'],
      attribute_mapping: { email: ['mail'], groups: ['teams', 'roles'] },
      idp_initiated: 'reject',
      clock_skew_seconds: 5,
      require_signed_assertion: true,
      require_signed_response: true,
      require_encrypted_assertion: true,
      sign_requests: true,
      name_id_format: 'urn:x:format',
      allow_create: false,
      force_authn: true,
      authn_context: ['urn:x:mfa'],
    });
    const restored = await set(
      [
        ['--identifier', 'auto', '--no-email-domain', '--no-authn-context', '--email-attribute', 'default', '--name-attribute', 'cn'],
        ['--sign-requests', 'default', '--name-id-format', 'default', '--allow-create', 'default', '--force-authn', 'false'],
        ['--require-signed-assertion', 'false', '--require-signed-response', 'false', '--require-encrypted-assertion', 'false'],
        ['--idp-initiated', 'accept', '--name', 'Default'],
      ].flat(),
    );
    expect(restored.code).toBe(0);
    expect(await connection()).toMatchObject({
      identifier: 'auto',
      email_domains: [],
      authn_context: [],
      attribute_mapping: { groups: ['teams', 'roles'], name: ['cn'] },
      sign_requests: null,
      name_id_format: null,
      allow_create: true,
      force_authn: false,
      clock_skew_seconds: 5,
    });
    await set(['--groups-attribute', 'default', '--name-attribute', 'default']);
    expect(await connection()).toMatchObject({ attribute_mapping: {} });
  });

  test('counts the members whom another identifier affects, and changes nothing, with --dry-run', async () => {
    await signedIn(gateway, acme, 'olivia');
    const before = await connection();
    const preview = await set(['--identifier', 'attribute:uid', '--name', 'Other', '--dry-run']);
    expect(preview).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^identifier +attribute:uid$/m) });
    expect(preview.stdout).toMatch(/1 member/);
    expect(preview.stdout).toContain('Nothing was changed.\n');
    const json = await set(['--identifier', 'attribute:uid', '--dry-run', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ identifier: { attribute: 'uid' }, affected_members: expect.any(Object) });
    expect(await connection()).toEqual(before);
  });

  test('selects an identity provider of a federation, previews it, and needs a decision about the members', async () => {
    const before = await connection();
    expect(await set(['--metadata', '-', '--dry-run'], federation())).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code idp_metadata_invalid'),
    });
    const chosen = ['--metadata', '-', '--entity-id', 'https://two.example/idp'];
    const preview = await set([...chosen, '--dry-run'], federation());
    expect(preview.stdout).toMatch(/^entity_id +https:\/\/two\.example\/idp$/m);
    expect(preview.stdout).toContain('which affects 1 member');
    expect(await set(chosen, federation())).toMatchObject({ code: 1, stderr: expect.stringContaining('code conflict') });
    const wrong = await set([...chosen, '--on-new-entity-id', 'new_accounts', '--clock-skew-seconds', '9000'], federation());
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('code validation_failed') });
    expect(await connection()).toEqual(before);
    expect((await set([...chosen, '--on-new-entity-id', 'new_accounts', '--clock-skew-seconds', '90'], federation())).code).toBe(0);
    expect(await connection()).toMatchObject({ entity_id: 'https://two.example/idp', clock_skew_seconds: 90 });
  });

  test.each([
    [['--identifier', 'uid'], 'attribute:NAME'],
    [['--force-authn', 'yes'], 'true or false'],
    [['--clock-skew-seconds', '1.5'], 'whole number'],
  ])('refuses %j as wrong usage', async (args, words) => {
    expect(await set(args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(words) });
  });
});
