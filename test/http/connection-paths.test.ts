import { createServer } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ResponseOptions } from '../../src/mock-idp/response.ts';
import { refreshDueMetadata } from '../../src/organizations/connections/metadata-refresh.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import type { List } from '../support/session-calls.ts';
import { addConnection, newIdentityProvider, type TestConnection } from '../support/test-connection.ts';

jest.setTimeout(60_000);

let aheadMs = 0;
let gateway: TestGateway;
let organization: TestOrganization;
let other: TestConnection;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  organization = await makeTestOrganization(gateway, () => Date.now() + aheadMs);
  other = await addConnection(gateway, organization);
});

const root = () => `/organizations/${organization.slug}`;
const patch = (id: string, body: object) => gateway.api('PATCH', `${root()}/connections/${id}`, body);
const outcomeOf = (page: Page) => (page.status === 303 ? 'accepted' : /\b(saml_\w+|idp_not_configured|member_\w+)\b/.exec(page.text)?.[1]);

/** Gives users of the second connection a role. */
const giveRole = () =>
  gateway.api('PUT', `${root()}/role-mapping`, {
    rules: [
      { group: 'platform-admins', role: 'owner' },
      { group: 'platform-admins', role: 'collaborator', connection: other.id },
    ],
    default_role: 'collaborator',
  });

type Options = Partial<ResponseOptions> & { readonly user?: string };

/** Both ways in which a response of the second connection can arrive. */
const PATHS = {
  'a sign-in that starts at the gateway': async (options: Options) => {
    const browser = new HttpBrowser();
    return organization.post(browser, other.respond({ ...options, inResponseTo: await other.start(browser) }));
  },
  'a sign-in that starts at the identity provider': (options: Options) => organization.post(new HttpBrowser(), other.respond(options)),
} as const;
const PATH_NAMES = Object.keys(PATHS) as (keyof typeof PATHS)[];

describe.each(PATH_NAMES)('%s', (path) => {
  const send = async (options: Options = {}) => outcomeOf(await PATHS[path](options));

  test('accepts an encrypted assertion in a response without Issuer only while one connection is active', async () => {
    await giveRole();
    const spMetadata = await (await fetch(`${gateway.url}/saml/${organization.slug}/metadata`)).text();
    const [, certificate = ''] = /<(?:\w+:)?X509Certificate>([^<]+)</.exec(spMetadata) ?? [];
    const certificatePem = `-----BEGIN CERTIFICATE-----\n${certificate.replace(/\s/g, '').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
    const anonymous = {
      values: { responseIssuer: undefined },
      signing: { assertion: true, response: false },
      encryption: { certificatePem },
    };
    expect(await send(anonymous)).toBe('saml_issuer_unknown');
    const { body } = await gateway.api<List<{ id: string }>>('GET', `${root()}/connections`);
    await patch(body.items[0]?.id ?? '', { state: 'disabled' });
    expect(await send(anonymous)).toBe('accepted');
    await patch(other.id, { state: 'disabled' });
    expect(await PATHS['a sign-in that starts at the identity provider'](anonymous).then(outcomeOf)).not.toBe('accepted');
  });

  test.each<[string, object, Options, string]>([
    [
      'require_signed_response',
      { require_signed_response: true },
      { signing: { assertion: true, response: false } },
      'saml_signature_missing',
    ],
    [
      'require_signed_assertion',
      { require_signed_assertion: true },
      { signing: { assertion: false, response: true } },
      'saml_signature_missing',
    ],
    ['require_encrypted_assertion', { require_encrypted_assertion: true }, {}, 'saml_decryption_failed'],
    ['authn_context', { authn_context: ['urn:x:mfa'] }, {}, 'saml_authn_context_mismatch'],
    ['name_id_format', { name_id_format: 'urn:x:format' }, {}, 'saml_identifier_changed'],
    ['identifier', { identifier: { attribute: 'uid' } }, {}, 'saml_identifier_changed'],
    [
      'attribute_mapping',
      { attribute_mapping: { email: ['no-such-attribute'] }, identifier: { attribute: 'uid' } },
      {},
      'saml_identifier_changed',
    ],
  ])('enforces %s', async (_policy, settings, options, code) => {
    expect(await send({})).toBe('saml_role_denied');
    const { status } = await patch(other.id, settings);
    expect(status).toBe(200);
    expect(await send(options)).toBe(code);
  });

  test('enforces the email policy, the role rules, a suspension and the state of the connection', async () => {
    expect(await send()).toBe('saml_role_denied');
    await giveRole();
    await gateway.api('PATCH', root(), { email_policy: 'verified_domains' });
    expect(await send()).toBe('saml_email_domain_forbidden');
    await gateway.api('PATCH', root(), { email_policy: 'any' });
    expect(await send()).toBe('accepted');
    const { body } = await gateway.api<List<{ id: string }>>('GET', `${root()}/members`);
    for (const { id } of body.items) await gateway.api('PATCH', `${root()}/members/${id}`, { suspended: true });
    expect(await send()).toBe('member_suspended');
    for (const { id } of body.items) await gateway.api('PATCH', `${root()}/members/${id}`, { suspended: false });
    expect(await send()).toBe('accepted');
    const browser = new HttpBrowser();
    const pending = await other.start(browser);
    await patch(other.id, { state: 'disabled' });
    const inResponseTo = path === 'a sign-in that starts at the gateway' ? pending : undefined;
    expect(outcomeOf(await organization.post(browser, other.respond({ inResponseTo })))).toBe('saml_issuer_unknown');
  });
});

describe('metadata refresh of two connections of one organization', () => {
  test('refreshes each with its own metadata, whatever happens to the other', async () => {
    const served = new Map<string, string>();
    const server = createServer((request, response) => {
      const document = served.get(request.url ?? '');
      response.statusCode = document === undefined ? 503 : 200;
      response.end(document);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const idps = await Promise.all([newIdentityProvider(organization), newIdentityProvider(organization)]);
    const ids: string[] = [];
    for (const [i, { metadata }] of idps.entries()) {
      served.set(`/${i}`, metadata);
      const body = { name: `Refreshed ${i}`, metadata_url: `${base}/${i}` };
      const created = await gateway.api<{ id: string }>('POST', `${root()}/connections`, body);
      ids.push(created.body.id);
      await patch(created.body.id, { state: 'active' });
    }
    interface Shown {
      readonly entity_id: string;
      readonly certificates: readonly { readonly fingerprint_sha256: string }[];
      readonly refresh: { readonly problem: string | null } | null;
    }
    const shown = (i: number) => gateway.api<Shown>('GET', `${root()}/connections/${ids[i]}`).then(({ body }) => body);
    const keyOf = async (i: number) => (await shown(i)).certificates[0]?.fingerprint_sha256;
    const before = [await keyOf(0), await keyOf(1)];
    const renewed = async (i: number) => {
      const { metadata, entityId } = await newIdentityProvider(organization);
      return metadata.replace(entityId, idps[i]?.entityId ?? '');
    };
    // The first one fails, so only the second one changes.
    served.delete('/0');
    served.set('/1', await renewed(1));
    aheadMs += 25 * 3_600_000;
    await refreshDueMetadata(gateway.runtime);
    expect([await keyOf(0), (await shown(0)).refresh?.problem]).toEqual([before[0], expect.any(String)]);
    expect(await keyOf(1)).not.toBe(before[1]);
    expect((await shown(1)).refresh).toMatchObject({ problem: null });
    // The attacker serves the metadata of one identity provider at the URL of the other, with an own key.
    const [first, second] = [await keyOf(0), await keyOf(1)];
    served.set('/0', await renewed(1));
    served.set('/1', await renewed(0));
    aheadMs += 25 * 3_600_000;
    await refreshDueMetadata(gateway.runtime);
    expect([await keyOf(0), await keyOf(1)]).toEqual([first, second]);
    served.set('/0', await renewed(0));
    served.set('/1', await renewed(1));
    aheadMs += 25 * 3_600_000;
    await Promise.all([refreshDueMetadata(gateway.runtime), refreshDueMetadata(gateway.runtime)]);
    expect(await keyOf(0)).not.toBe(first);
    expect(await keyOf(1)).not.toBe(second);
    expect((await shown(0)).entity_id).toBe(idps[0]?.entityId);
    server.close();
  });
});
