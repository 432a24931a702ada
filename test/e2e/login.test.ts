import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { type GatewayProcess, makeOrganization, startGatewayProcess } from './support/gateway-process.ts';
import { goToResponse, postResponse, signInAt, whoAmI } from './support/sign-in.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let redis: RedisServer;
let idp: SimpleSamlPhp;

beforeAll(async () => {
  redis = await startRedis(['--appendonly', 'yes']);
  idp = await startSimpleSamlPhp();
}, 30_000);

afterAll(async () => {
  await idp.stop();
  await redis.stop();
}, 30_000);

describe.each(['sqlite', 'redis'] as const)('sign-in with SimpleSAMLphp (store: %s)', (store) => {
  let gateway: GatewayProcess;
  const loginUrl = (slug: string) => `${gateway.url}/saml/${slug}/login`;

  const organization = async (slug: string, defaultRole: 'collaborator' | 'none' = 'collaborator') => {
    await makeOrganization(gateway, slug, idp.metadata(), defaultRole);
    await idp.addServiceProvider(`${gateway.url}/saml/${slug}/metadata`);
  };

  beforeAll(async () => {
    gateway = await startGatewayProcess(store === 'redis' ? { SAMLGATE_STORE: redis.url } : {});
    await idp.restart([]);
    await organization('acme');
  }, 30_000);

  afterAll(async () => {
    expect(await gateway.stop()).toBe(0);
  });

  it.each([
    ['olivia', 'owner'],
    ['carl', 'collaborator'],
    ['nina', 'collaborator'],
  ])('signs %s in as %s with HTTP-Redirect, started at the gateway', async (user, role) => {
    const browser = new HttpBrowser();
    const { answer, page } = await signInAt(browser, `${loginUrl('acme')}?return_to=/console%3Fx%3D1`, user);
    expect(answer.status).toBe(303);
    expect(answer.location).toBe(`${gateway.url}/console?x=1`);
    expect(page.status).toBe(200);
    expect(page.text).toContain(`${user}@acme.test`);
    expect(await whoAmI(browser, gateway.url)).toMatchObject({ status: 200, user: { email: `${user}@acme.test`, role } });
  });

  it('refuses a user without groups if the default role is none, and says that no groups were sent', async () => {
    await organization('strict', 'none');
    const browser = new HttpBrowser();
    const { answer } = await signInAt(browser, loginUrl('strict'), 'nina');
    expect([answer.status, answer.code]).toEqual([403, 'saml_role_denied']);
    expect(answer.text).toContain('did not send your groups');
    expect((await whoAmI(browser, gateway.url)).status).toBe(401);
    const { body } = await gateway.api('GET', '/organizations/strict/audit?event=login.refused');
    expect(body.items).toMatchObject([{ event: 'login.refused', code: 'saml_role_denied' }]);
  });

  it('accepts a sign-in that starts at the identity provider', async () => {
    const browser = new HttpBrowser();
    const { answer } = await signInAt(browser, idp.startUrl(`${gateway.url}/saml/acme/metadata`, '/console?from=idp'), 'carl');
    // The response comes from another origin without a cookie of the gateway, so a page of the gateway starts the session.
    expect([answer.status, answer.location]).toEqual([303, `${gateway.url}/saml/acme/continue`]);
    expect(browser.history.map(({ location }) => location)).toContain(`${gateway.url}/console?from=idp`);
    expect((await whoAmI(browser, gateway.url)).user?.role).toBe('collaborator');
  });

  it('accepts a response once, and only in the browser that started the sign-in', async () => {
    const browser = new HttpBrowser();
    const responsePage = await goToResponse(browser, loginUrl('acme'), 'olivia');
    const stranger = new HttpBrowser();
    expect((await postResponse(stranger, responsePage)).answer.code).toBe('saml_login_not_started_here');
    expect((await postResponse(browser, responsePage)).answer.status).toBe(303);
    expect((await postResponse(stranger, responsePage)).answer.code).toBe('saml_replayed');
    // Sent again by the same browser, it leads to the page of the sign-in once more.
    expect((await postResponse(browser, responsePage)).answer.status).toBe(303);
  });

  it('uses HTTP-POST if the identity provider offers nothing else', async () => {
    await idp.restart(['--sso-bindings', 'post']);
    await organization('by-post');
    const browser = new HttpBrowser();
    const { answer } = await signInAt(browser, loginUrl('by-post'), 'olivia');
    expect(browser.history.some((page) => page.method === 'POST' && page.url.includes('SSOService.php'))).toBe(true);
    expect(answer.status).toBe(303);
  });

  it.each(['redirect', 'post'])('signs requests sent by %s if the metadata asks for it', async (binding) => {
    await idp.restart(['--want-signed-requests', '--sso-bindings', binding]);
    const slug = `signed-${binding}`;
    await organization(slug);
    const { answer } = await signInAt(new HttpBrowser(), loginUrl(slug), 'olivia');
    expect(answer.status).toBe(303);
    // The identity provider does check: it refuses unsigned requests.
    await gateway.api('PATCH', `/organizations/${slug}/identity-provider`, { sign_requests: false });
    await expect(goToResponse(new HttpBrowser(), loginUrl(slug), 'olivia')).rejects.toThrow(/no response/);
  });

  it.each([
    ['accepts a response of which only the assertion is signed', ['--no-sign-response'], 303, undefined],
    ['accepts a response of which only the response is signed', ['--no-sign-assertion'], 303, undefined],
    ['rejects an unsigned response', ['--no-sign-response', '--no-sign-assertion'], 400, 'saml_signature_missing'],
    ['accepts SHA-512', ['--sig-alg', 'sha512'], 303, undefined],
    ['rejects SHA-1', ['--sig-alg', 'sha1'], 400, 'saml_algorithm_forbidden'],
    ['accepts an encrypted assertion', ['--encrypt'], 303, undefined],
    ['accepts an encrypted assertion in an unsigned response', ['--encrypt', '--no-sign-response'], 303, undefined],
    ['rejects another NameID format than the pinned one', ['--nameid', 'persistent'], 400, 'saml_identifier_changed'],
  ] as const)('%s', async (_what, options, status, code) => {
    await idp.restart([...options]);
    const { answer } = await signInAt(new HttpBrowser(), loginUrl('acme'), 'carl');
    expect([answer.status, answer.code]).toEqual([status, code]);
  });

  it.each([
    ['accepts a persistent NameID and OID attribute names', ['--nameid', 'persistent', '--attributes', 'oid'], 303, undefined],
    ['rejects a transient NameID', ['--nameid', 'transient', '--attributes', 'minimal'], 400, 'saml_name_id_missing'],
  ] as const)('%s in an organization without a pinned identifier', async (_what, options, status, code) => {
    await idp.restart([...options]);
    const slug = `unpinned-${status}`;
    await organization(slug);
    const { answer } = await signInAt(new HttpBrowser(), loginUrl(slug), 'carl');
    expect([answer.status, answer.code]).toEqual([status, code]);
  });

  it('refuses a new certificate until it is uploaded, and accepts both while both are in the metadata', async () => {
    await idp.restart([]);
    await organization('rollover');
    const old = idp.metadata();
    expect((await signInAt(new HttpBrowser(), loginUrl('rollover'), 'carl')).answer.status).toBe(303);
    await idp.restart(['--new-keys']);
    expect((await signInAt(new HttpBrowser(), loginUrl('rollover'), 'carl')).answer.code).toBe('saml_signature_invalid');
    const oldDescriptor = /<md:KeyDescriptor use="signing">.*?<\/md:KeyDescriptor>/s.exec(old)?.[0];
    expect(oldDescriptor).toBeDefined();
    const both = idp.metadata().replace('<md:KeyDescriptor use="signing">', `${oldDescriptor}<md:KeyDescriptor use="signing">`);
    const { status, body } = await gateway.api('PUT', '/organizations/rollover/identity-provider', both);
    expect(status).toBe(200);
    expect(body.certificates).toHaveLength(2);
    expect((await signInAt(new HttpBrowser(), loginUrl('rollover'), 'carl')).answer.status).toBe(303);
    // With the metadata of the new certificate alone, responses signed with the old one would be refused from here on.
    expect((await gateway.api('PUT', '/organizations/rollover/identity-provider', idp.metadata())).body.certificates).toHaveLength(1);
    expect((await signInAt(new HttpBrowser(), loginUrl('rollover'), 'carl')).answer.status).toBe(303);
  }, 30_000);

  it('writes no assertion, cookie or token to the log', () => {
    const log = gateway.output();
    expect(log).toContain('sign-in accepted');
    for (const secret of [gateway.operatorToken, gateway.environment.SAMLGATE_SECRET as string, 'SAMLResponse', '-pass', 'PRIVATE KEY']) {
      expect(log).not.toContain(secret);
    }
    for (const line of log.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  });
});
