import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { type Store, storeUnavailable } from '../../src/store/store.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';

/** People sign in here; what is changed is changed at the other. */
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

const verdict = ({ status, code }: Page) => (status === 303 ? 'in' : code);
const enter = async (options: Parameters<TestOrganization['respond']>[0] = {}): Promise<Page> =>
  acme.post(new HttpBrowser(), acme.respond(options));
const change = async (method: string, path: string, body?: unknown): Promise<void> => {
  expect((await elsewhere.api(method, `/organizations/${acme.slug}${path}`, body)).status).toBeLessThan(300);
};
const trust = (entityId: string, { certificatePem }: { readonly certificatePem: string }): Promise<void> =>
  change('PUT', '/identity-provider', { entity_id: entityId, sso_url: 'https://idp.example/sso', certificates: [certificatePem] });
const newKey = () => createSelfSignedCertificate({ commonName: 'test only', days: 3650, nowMs: Date.now(), rsaBits: 2048 });

const beforeItIsWritten = (work: () => Promise<unknown>, times = 1): void => beforeSignInIsWritten(gateway, work, times);

const told = async () => {
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

describe('what is changed while a message is judged counts for it', () => {
  test('a certificate that is taken away', async () => {
    beforeItIsWritten(async () => trust(OKTA_ISSUER, await newKey()));
    expect(verdict(await enter())).toBe('saml_signature_invalid');
    expect(await told()).toEqual({ events: ['login.refused'], codes: ['saml_signature_invalid'], members: 0 });
    expect((await gateway.api<{ items: unknown[] }>('GET', `/organizations/${acme.slug}/members`)).body.items).toEqual([]);
  });

  test('another identity provider', async () => {
    beforeItIsWritten(async () => trust('https://other.example', acme.key));
    expect(verdict(await enter())).toBe('saml_issuer_unknown');
  });

  test('a role rule', async () => {
    beforeItIsWritten(() =>
      change('PUT', '/role-mapping', {
        rules: [{ group: 'platform-admins', role: 'collaborator' }],
        default_role: 'none',
        allow_no_owner: true,
      }),
    );
    const browser = new HttpBrowser();
    expect(verdict(await acme.post(browser, acme.respond()))).toBe('in');
    const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
    expect((JSON.parse(me.text) as { user: { role: string } }).user.role).toBe('collaborator');
    expect(await told()).toEqual({ events: ['login.accepted'], codes: [null], members: 1 });
  });

  test('a role rule that leaves the person none, and one that gives it back', async () => {
    beforeItIsWritten(() =>
      change('PUT', '/role-mapping', { rules: [{ group: 'nobody-has-it', role: 'owner' }], default_role: 'none', allow_no_owner: true }),
    );
    expect(verdict(await enter())).toBe('saml_role_denied');
    beforeItIsWritten(() => change('PUT', '/role-mapping', { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' }));
    expect(verdict(await enter())).toBe('in');
    expect((await told()).events).toEqual(['login.accepted', 'login.refused']);
  });

  test('that no sign-in may begin at the identity provider', async () => {
    beforeItIsWritten(() => change('PATCH', '/identity-provider', { idp_initiated: 'reject' }));
    expect(verdict(await enter())).toBe('saml_unsolicited_forbidden');
  });

  test('the end of the organization', async () => {
    beforeItIsWritten(() => change('DELETE', ''));
    expect(verdict(await enter())).toBe('organization_unknown');
  });

  test('another organization by its name: only its own identity provider', async () => {
    let next: TestOrganization | undefined;
    beforeItIsWritten(async () => {
      await change('DELETE', '');
      next = await makeTestOrganization(elsewhere, Date.now, acme.slug);
    });
    expect(verdict(await enter())).toBe('saml_signature_invalid');
    expect(verdict(await enter({ key: next?.key ?? acme.key }))).toBe('in');
  });

  test('a change that does not matter to it: the message is still good, once', async () => {
    const xml = acme.respond();
    beforeItIsWritten(() => change('PATCH', '', { name: 'Another name' }));
    expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('in');
    expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('saml_replayed');
    expect((await told()).events).toEqual(['login.refused', 'login.accepted']);
  });
});

describe('what was changed since somebody last signed in here counts', () => {
  beforeEach(async () => {
    expect(verdict(await enter())).toBe('in');
  });

  test('another certificate: for who is refused by it, and for who comes in by it', async () => {
    const key = await newKey();
    await trust(OKTA_ISSUER, key);
    expect(verdict(await enter())).toBe('saml_signature_invalid');
    const another = await newKey();
    await trust(OKTA_ISSUER, another);
    expect(verdict(await enter({ key: another }))).toBe('in');
    expect(await told()).toEqual({
      events: ['login.accepted', 'login.refused', 'login.accepted'],
      codes: [null, 'saml_signature_invalid', null],
      members: 2,
    });
  });

  test('that there is no identity provider, and that there is one', async () => {
    await change('DELETE', '/identity-provider');
    expect(verdict(await enter())).toBe('idp_not_configured');
    await trust(OKTA_ISSUER, acme.key);
    expect(verdict(await enter())).toBe('in');
  });

  test('role rules: nobody keeps what they give no more', async () => {
    await change('PUT', '/role-mapping', {
      rules: [{ group: 'nobody-has-it', role: 'owner' }],
      default_role: 'none',
      allow_no_owner: true,
    });
    expect(verdict(await enter())).toBe('saml_role_denied');
    await change('PUT', '/role-mapping', { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'none' });
    expect(verdict(await enter())).toBe('in');
  });

  test('who is shut out hears why, even when the organization is changed at that moment', async () => {
    await change('PUT', '/role-mapping', {
      rules: [{ group: 'nobody-has-it', role: 'owner' }],
      default_role: 'none',
      allow_no_owner: true,
    });
    expect(verdict(await enter())).toBe('saml_role_denied');
    const store = gateway.runtime.store as { commit: Store['commit'] };
    const { commit } = store;
    store.commit = async (...asked) => {
      store.commit = commit;
      const result = await commit.apply(store, asked);
      await change('PATCH', '', { name: 'Another name' });
      return result;
    };
    expect(verdict(await enter())).toBe('saml_role_denied');
    expect((await told()).events).toEqual(['login.refused', 'login.refused', 'login.accepted']);
  });

  test('whether sign-ins may begin at the identity provider, and how they go on', async () => {
    await change('PATCH', '/identity-provider', { idp_initiated: 'reject' });
    expect(verdict(await enter())).toBe('saml_unsolicited_forbidden');
    await change('PATCH', '/identity-provider', { idp_initiated: 'bounce' });
    expect((await enter()).location).toBe(`${gateway.url}/saml/${acme.slug}/login?return_to=%2Fconsole`);
    await change('PATCH', '/identity-provider', { idp_initiated: 'accept' });
    expect((await enter()).location).toBe(`${gateway.url}/console`);
  });

  test('the end of the organization', async () => {
    await change('DELETE', '');
    expect(verdict(await enter())).toBe('organization_unknown');
  });

  test('another organization by its name, changed as often', async () => {
    await change('DELETE', '');
    const next = await makeTestOrganization(elsewhere, Date.now, acme.slug);
    expect(verdict(await enter({ key: next.key }))).toBe('in');
    expect(verdict(await enter())).toBe('saml_signature_invalid');
  });

  test('one that has its version again, as after a failover that has lost a change', async () => {
    const path = `/organizations/${acme.slug}/identity-provider`;
    const [lost, key] = [await newKey(), await newKey()];
    const raw = gateway.runtime.store.limiterClient as {
      hgetall(key: string): Promise<{ v: string }>;
      hset(key: string, value: object): unknown;
    };
    const record = `samlgate:{${acme.id}}:r:organization:organization`;
    const before = await raw.hgetall(record);
    await gateway.api('PUT', path, { entity_id: OKTA_ISSUER, sso_url: 'https://idp.example/sso', certificates: [lost.certificatePem] });
    expect(verdict(await enter({ key: lost }))).toBe('in');
    const { v: lostVersion } = await raw.hgetall(record);
    await raw.hset(record, before);
    await trust(OKTA_ISSUER, key);
    expect((await raw.hgetall(record)).v).toBe(lostVersion);
    expect(verdict(await enter({ key: lost }))).toBe('saml_signature_invalid');
    expect(verdict(await enter({ key }))).toBe('in');
  });

  test('for a test sign-in: it is judged once, and by what is so now', async () => {
    const owner = new HttpBrowser();
    await acme.signIn(owner);
    const { relayState, requestId } = startedBy(await owner.request(`${gateway.url}/saml/${acme.slug}/login?test=1`));
    await trust(OKTA_ISSUER, await newKey());
    const page = await acme.post(owner, acme.respond({ inResponseTo: requestId }), relayState);
    const { body } = await gateway.api('GET', `/organizations/${acme.slug}/sign-ins/${page.location?.split('/').at(-1)}`);
    expect(body).toMatchObject({ kind: 'test', outcome: 'refused', code: 'saml_signature_invalid' });
  });

  test('a store that is away lets nobody in, and refuses nobody for good', async () => {
    const { store } = gateway.runtime;
    const { get, getUnique } = store;
    const away = () => Promise.reject(storeUnavailable('test'));
    Object.assign(store, { get: away, getUnique: away });
    const verdicts = [verdict(await enter()), verdict(await enter({ key: await newKey() }))];
    Object.assign(store, { get, getUnique });
    expect(verdicts).toEqual(['store_unavailable', 'store_unavailable']);
    expect(verdict(await enter())).toBe('in');
  });
});

test('what changes all the time ends somewhere: refused, told of, and the message is not used up', async () => {
  const xml = acme.respond();
  let name = 0;
  beforeItIsWritten(() => change('PATCH', '', { name: `Acme ${++name}` }), 20);
  expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('conflict');
  expect(await told()).toEqual({ events: ['login.refused'], codes: ['conflict'], members: 0 });
  expect(verdict(await acme.post(new HttpBrowser(), xml))).toBe('in');
  expect(name).toBe(20);
});

test('many sign-ins while the organization changes: nobody is turned away', async () => {
  const signIns = Array.from({ length: 40 }, (_, i) => enter({ user: i % 2 === 0 ? 'olivia' : 'carl' }));
  const changes = (async () => {
    for (let i = 0; i < 8; i++) await change('PATCH', '', { name: `Acme ${i}` });
  })();
  const verdicts = (await Promise.all(signIns)).map(verdict);
  await changes;
  expect(verdicts).toEqual(Array(40).fill('in'));
});
