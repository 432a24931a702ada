import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { type Store, storeUnavailable } from '../../src/store/store.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';

/** Users sign in at `gateway`; changes are made at `elsewhere`. */
let gateway: TestGateway;
let elsewhere: TestGateway;
let acme: TestOrganization;

beforeAll(async () => {
  const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) };
  [gateway, elsewhere] = await Promise.all([startGateway({ store: 'redis', environment }), startGateway({ store: 'redis', environment })]);
});
afterAll(async () => {
  await Promise.all([gateway.stop(), elsewhere.stop()]);
});
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const signIn = async (options: Parameters<TestOrganization['respond']>[0] = {}): Promise<Page> =>
  acme.post(new HttpBrowser(), acme.respond(options));
const change = async (method: string, path: string, body?: unknown): Promise<void> => {
  expect((await elsewhere.api(method, `/organizations/${acme.slug}${path}`, body)).status).toBeLessThan(300);
};
const trust = (entityId: string, { certificatePem }: { readonly certificatePem: string }): Promise<void> =>
  change('PUT', '/identity-provider', { entity_id: entityId, sso_url: 'https://idp.example/sso', certificates: [certificatePem] });
const newKey = () => createSelfSignedCertificate({ commonName: 'test only', days: 3650, nowMs: Date.now(), rsaBits: 2048 });

const beforeItIsWritten = (work: () => Promise<unknown>, times = 1): void => beforeSignInIsWritten(gateway, work, times);

const recorded = async () => {
  await flushSignInLog(gateway.runtime);
  const path = `/organizations/${acme.slug}`;
  const audit = await gateway.api<{ items: { event: string }[] }>('GET', `${path}/audit?limit=50`);
  const log = await gateway.api<{ items: { code: string | null; member_id: string | null }[] }>('GET', `${path}/sign-ins?limit=50`);
  return {
    events: audit.body.items.map(({ event }) => event).filter((event) => event.startsWith('login.')),
    codes: log.body.items.map(({ code }) => code),
    members: log.body.items.filter(({ member_id }) => member_id !== null).length,
  };
};

describe('a change during a sign-in', () => {
  test('of the certificate rejects a response signed with the old key', async () => {
    beforeItIsWritten(async () => trust(OKTA_ISSUER, await newKey()));
    expect(verdict(await signIn())).toBe('saml_signature_invalid');
    expect(await recorded()).toEqual({ events: [], codes: ['saml_signature_invalid'], members: 0 });
    expect((await gateway.api<{ items: unknown[] }>('GET', `/organizations/${acme.slug}/members`)).body.items).toEqual([]);
  });

  test('of the identity provider rejects a response from the old one', async () => {
    beforeItIsWritten(async () => trust('https://other.example', acme.key));
    expect(verdict(await signIn())).toBe('saml_issuer_unknown');
  });

  test('of a role rule decides the role', async () => {
    beforeItIsWritten(() =>
      change('PUT', '/role-mapping', {
        rules: [{ group: 'platform-admins', role: 'collaborator' }],
        default_role: 'none',
        allow_no_owner: true,
      }),
    );
    const browser = new HttpBrowser();
    expect(verdict(await acme.post(browser, acme.respond()))).toBe('accepted');
    const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
    expect((JSON.parse(me.text) as { user: { role: string } }).user.role).toBe('collaborator');
    expect(await recorded()).toEqual({ events: ['login.accepted'], codes: [null], members: 1 });
  });

  test('of a role rule denies the user, or admits the user again', async () => {
    beforeItIsWritten(() =>
      change('PUT', '/role-mapping', { rules: [{ group: 'nobody-has-it', role: 'owner' }], default_role: 'none', allow_no_owner: true }),
    );
    expect(verdict(await signIn())).toBe('saml_role_denied');
    beforeItIsWritten(() => change('PUT', '/role-mapping', { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' }));
    expect(verdict(await signIn())).toBe('accepted');
    expect((await recorded()).events).toEqual(['login.accepted', 'login.refused']);
  });

  test('of idp_initiated rejects an unsolicited response', async () => {
    beforeItIsWritten(() => change('PATCH', '/identity-provider', { idp_initiated: 'reject' }));
    expect(verdict(await signIn())).toBe('saml_unsolicited_forbidden');
  });

  test('that deletes the organization ends the sign-in', async () => {
    beforeItIsWritten(() => change('DELETE', ''));
    expect(verdict(await signIn())).toBe('organization_unknown');
  });

  test('that replaces the organization rejects the response: the new one has an identity provider of its own', async () => {
    let next: TestOrganization | undefined;
    beforeItIsWritten(async () => {
      await change('DELETE', '');
      next = await makeTestOrganization(elsewhere, Date.now, acme.slug);
    });
    expect(verdict(await signIn())).toBe('saml_signature_invalid');
    expect(verdict(await signIn({ key: next?.key ?? acme.key }))).toBe('accepted');
  });

  test('of the name still accepts the response, once', async () => {
    const xml = acme.respond();
    beforeItIsWritten(() => change('PATCH', '', { name: 'Another name' }));
    expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('accepted');
    expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('saml_replayed');
    expect((await recorded()).events).toEqual(['login.refused', 'login.accepted']);
  });
});

describe('a change on another replica', () => {
  beforeEach(async () => {
    expect(verdict(await signIn())).toBe('accepted');
  });

  test('of the certificate rejects the old key and accepts the new one', async () => {
    const key = await newKey();
    await trust(OKTA_ISSUER, key);
    expect(verdict(await signIn())).toBe('saml_signature_invalid');
    const another = await newKey();
    await trust(OKTA_ISSUER, another);
    expect(verdict(await signIn({ key: another }))).toBe('accepted');
    expect(await recorded()).toEqual({
      events: ['login.accepted', 'login.accepted'],
      codes: [null, 'saml_signature_invalid', null],
      members: 2,
    });
  });

  test('that removes the identity provider ends sign-ins until a new one is set', async () => {
    await change('DELETE', '/identity-provider');
    expect(verdict(await signIn())).toBe('idp_not_configured');
    await trust(OKTA_ISSUER, acme.key);
    expect(verdict(await signIn())).toBe('accepted');
  });

  test('of the role rules denies the user, or admits the user again', async () => {
    await change('PUT', '/role-mapping', {
      rules: [{ group: 'nobody-has-it', role: 'owner' }],
      default_role: 'none',
      allow_no_owner: true,
    });
    expect(verdict(await signIn())).toBe('saml_role_denied');
    await change('PUT', '/role-mapping', { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' });
    expect(verdict(await signIn())).toBe('accepted');
  });

  test('right after a denial does not hide its reason', async () => {
    await change('PUT', '/role-mapping', {
      rules: [{ group: 'nobody-has-it', role: 'owner' }],
      default_role: 'none',
      allow_no_owner: true,
    });
    expect(verdict(await signIn())).toBe('saml_role_denied');
    const store = gateway.runtime.store as { commit: Store['commit'] };
    const { commit } = store;
    store.commit = async (...asked) => {
      store.commit = commit;
      const result = await commit.apply(store, asked);
      await change('PATCH', '', { name: 'Another name' });
      return result;
    };
    expect(verdict(await signIn())).toBe('saml_role_denied');
    expect((await recorded()).events).toEqual(['login.refused', 'login.refused', 'login.accepted']);
  });

  test('of idp_initiated applies to the next unsolicited response', async () => {
    await change('PATCH', '/identity-provider', { idp_initiated: 'reject' });
    expect(verdict(await signIn())).toBe('saml_unsolicited_forbidden');
    await change('PATCH', '/identity-provider', { idp_initiated: 'bounce' });
    expect((await signIn()).location).toBe(`${gateway.url}/saml/${acme.slug}/login?return_to=%2Fconsole`);
    await change('PATCH', '/identity-provider', { idp_initiated: 'accept' });
    expect((await signIn()).location).toBe(`${gateway.url}/console`);
  });

  test('that deletes the organization ends sign-ins', async () => {
    await change('DELETE', '');
    expect(verdict(await signIn())).toBe('organization_unknown');
  });

  test('that replaces the organization by one with the same slug and version is noticed', async () => {
    await change('DELETE', '');
    const next = await makeTestOrganization(elsewhere, Date.now, acme.slug);
    expect(verdict(await signIn({ key: next.key }))).toBe('accepted');
    expect(verdict(await signIn())).toBe('saml_signature_invalid');
  });

  test('with a version number that occurred before, as after a failover, is noticed', async () => {
    const path = `/organizations/${acme.slug}/identity-provider`;
    const [lost, key] = [await newKey(), await newKey()];
    const raw = gateway.runtime.store.limiterClient as {
      hgetall(key: string): Promise<{ v: string }>;
      hset(key: string, value: object): unknown;
    };
    const record = `samlgate:{${acme.id}}:r:organization-2:organization`;
    const before = await raw.hgetall(record);
    await gateway.api('PUT', path, { entity_id: OKTA_ISSUER, sso_url: 'https://idp.example/sso', certificates: [lost.certificatePem] });
    expect(verdict(await signIn({ key: lost }))).toBe('accepted');
    const { v: lostVersion } = await raw.hgetall(record);
    await raw.hset(record, before);
    await trust(OKTA_ISSUER, key);
    expect((await raw.hgetall(record)).v).toBe(lostVersion);
    expect(verdict(await signIn({ key: lost }))).toBe('saml_signature_invalid');
    expect(verdict(await signIn({ key }))).toBe('accepted');
  });

  test('of the certificate applies to a test sign-in', async () => {
    const owner = new HttpBrowser();
    await acme.signIn(owner);
    const { relayState, requestId } = startedBy(await owner.request(`${gateway.url}/saml/${acme.slug}/login?test=1`));
    await trust(OKTA_ISSUER, await newKey());
    const page = await acme.post(owner, acme.respond({ inResponseTo: requestId }), relayState);
    const { body } = await gateway.api('GET', `/organizations/${acme.slug}/sign-ins/${page.location?.split('/').at(-1)}`);
    expect(body).toMatchObject({ kind: 'test', outcome: 'refused', code: 'saml_signature_invalid' });
  });

  test('cannot be read while the store is unavailable, so sign-ins fail until it is back', async () => {
    const { store } = gateway.runtime;
    const { get, getUnique } = store;
    const away = () => Promise.reject(storeUnavailable('test'));
    Object.assign(store, { get: away, getUnique: away });
    const verdicts = [verdict(await signIn()), verdict(await signIn({ key: await newKey() }))];
    Object.assign(store, { get, getUnique });
    expect(verdicts).toEqual(['store_unavailable', 'store_unavailable']);
    expect(verdict(await signIn())).toBe('accepted');
  });
});

test('gives up after 20 changes during one sign-in, records the refusal and consumes nothing', async () => {
  const xml = acme.respond();
  let name = 0;
  beforeItIsWritten(() => change('PATCH', '', { name: `Acme ${++name}` }), 20);
  expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('conflict');
  expect(await recorded()).toEqual({ events: ['login.refused'], codes: ['conflict'], members: 0 });
  expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('accepted');
  expect(name).toBe(20);
});

test('accepts many simultaneous sign-ins while the organization changes', async () => {
  const signIns = Array.from({ length: 40 }, (_, i) => signIn({ user: i % 2 === 0 ? 'olivia' : 'carl' }));
  const changes = (async () => {
    for (let i = 0; i < 8; i++) await change('PATCH', '', { name: `Acme ${i}` });
  })();
  const verdicts = (await Promise.all(signIns)).map(verdict);
  await changes;
  expect(verdicts).toEqual(Array(40).fill('accepted'));
});
