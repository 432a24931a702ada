import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResponseValues } from '../../src/mock-idp/response-values.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_UNSPECIFIED } from '../../src/saml/names.ts';
import type { Store } from '../../src/store/store.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { seedFormerMember } from '../support/seed.ts';
import { callWithSession } from '../support/session-calls.ts';
import { addConnection, type TestConnection } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let partner: TestConnection;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  partner = await addConnection(gateway, acme);
  await gateway.api('PUT', path('role-mapping'), {
    rules: [
      { group: 'admins', role: 'owner', connection: '*' },
      { group: 'staff', role: 'collaborator', connection: '*' },
    ],
    default_role: 'none',
  });
  await signIn(acme, { email: 'root@acme.example', groups: ['admins'] });
});

interface MemberJson {
  readonly id: string;
  readonly email: string;
  readonly suspended: boolean;
}
interface User {
  readonly email: string;
  readonly nameId?: ResponseValues['nameId'];
  readonly groups?: readonly string[];
  readonly browser?: HttpBrowser;
}

const path = (rest: string) => `/organizations/${acme.slug}/${rest}`;
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
/** Signs in with an unsolicited response. */
const signIn = async (at: Pick<TestOrganization, 'respond'>, { email, nameId, groups = ['staff'], browser = new HttpBrowser() }: User) => {
  const attributes = [
    { name: 'email', values: [email] },
    { name: 'groups', values: [...groups] },
  ];
  const values = { nameId: nameId ?? { value: `id of ${email}`, format: NAME_ID_PERSISTENT }, attributes };
  return verdict(await acme.post(browser, at.respond({ values })));
};
const members = async () => (await gateway.api<{ items: MemberJson[] }>('GET', path('members'))).body.items;
const idsOf = async (email: string) => (await members()).filter((each) => each.email === email).map(({ id }) => id);
const suspended = async (email: string) => (await members()).filter((each) => each.email === email).map((each) => each.suspended);
const suspend = (id: string | undefined, isSuspended = true) => gateway.api('PATCH', path(`members/${id}`), { suspended: isSuspended });
const ada = 'ada@acme.example';

describe('a suspended member with accounts at two connections', () => {
  it('loses the sessions and tokens of both accounts', async () => {
    const browser = new HttpBrowser();
    expect(await signIn(acme, { email: ada })).toBe('accepted');
    expect(await signIn(partner, { email: 'Ada@acme.example', browser })).toBe('accepted');
    const { body } = await callWithSession(gateway, browser, 'POST', '/me/tokens', { name: 'ci' });
    const withToken = () => fetch(`${gateway.url}/api/v1/me`, { headers: { authorization: `Bearer ${String(body.token)}` } });
    expect((await withToken()).status).toBe(200);
    const [atAcme] = await idsOf(ada);
    expect((await suspend(atAcme)).status).toBe(200);
    expect((await withToken()).status).toBe(401);
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
    expect(await signIn(partner, { email: 'Ada@acme.example' })).toBe('member_suspended');
    const audit = await gateway.api<{ items: { details?: object }[] }>('GET', path('audit?event=member.suspended'));
    expect(audit.body.items.map(({ details }) => details)).toEqual([{ account_of: atAcme }, undefined]);
  });

  it('is refused as a new user with the email address at another connection', async () => {
    await signIn(acme, { email: ada });
    await suspend((await idsOf(ada))[0]);
    const nameId = { value: 'ada-2', format: NAME_ID_PERSISTENT };
    expect(await signIn(partner, { email: ada, nameId })).toBe('member_suspended');
    expect(await idsOf(ada)).toHaveLength(1);
  });

  it('is recognized by a globally unique identifier with another email address', async () => {
    const nameId = { value: 'ada', format: NAME_ID_PERSISTENT };
    await signIn(acme, { email: ada, nameId });
    await signIn(partner, { email: 'other@partner.example', nameId });
    await suspend((await idsOf(ada))[0]);
    expect(await signIn(partner, { email: 'other@partner.example', nameId })).toBe('member_suspended');
  });

  it('is suspended at both as an owner with one globally unique identifier', async () => {
    await signIn(acme, { email: ada, groups: ['admins'] });
    await signIn(partner, { email: ada, groups: ['admins'] });
    await suspend((await idsOf(ada))[0]);
    expect(await suspended(ada)).toEqual([true, true]);
  });

  it('can sign in again once the suspension of both accounts is lifted', async () => {
    await signIn(acme, { email: ada });
    await signIn(partner, { email: ada });
    const [one, two] = await idsOf(ada);
    await suspend(one);
    expect(await suspended(ada)).toEqual([true, true]);
    await suspend(two, false);
    expect(await signIn(acme, { email: ada })).toBe('member_suspended');
    expect(await signIn(partner, { email: ada })).toBe('member_suspended');
    await suspend(one, false);
    expect(await signIn(acme, { email: ada })).toBe('accepted');
    expect(await signIn(partner, { email: ada })).toBe('accepted');
  });

  it('is not confused with a user who shares the mailbox at the same connection', async () => {
    const user = (value: string) => ({ email: 'team@acme.example', nameId: { value, format: NAME_ID_PERSISTENT } });
    await signIn(acme, user('ada'));
    await signIn(acme, user('bea'));
    const [first] = await idsOf('team@acme.example');
    await suspend(first);
    expect((await suspended('team@acme.example')).filter((each) => each)).toHaveLength(1);
    const verdicts = [await signIn(acme, user('ada')), await signIn(acme, user('bea'))];
    expect(verdicts.sort()).toEqual(['accepted', 'member_suspended']);
  });

  it('stays as it is if the accounts are the last owners, none of which is suspended then', async () => {
    await signIn(acme, { email: ada, groups: ['admins'] });
    await signIn(partner, { email: ada, groups: ['admins'] });
    const [root] = await idsOf('root@acme.example');
    await suspend(root);
    for (const id of await idsOf(ada)) {
      expect(await suspend(id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    }
    expect(await suspended(ada)).toEqual([false, false]);
  });
});

describe('a suspended member of an earlier version', () => {
  // The sign-in of the owner has pinned the identifier, so the former member is known by a persistent NameID.
  const nameId = { value: 'id of eve', format: NAME_ID_PERSISTENT };
  beforeEach(async () => {
    const { id } = await seedFormerMember(gateway.runtime, acme, { email: 'old@acme.example', form: ['NameID', nameId.value, '', ''] });
    expect((await suspend(id)).status).toBe(200);
  });
  const changeTo = (entityId: string) => {
    const metadata = acme.metadata.replace(/entityID="[^"]+"/, `entityID="${entityId}"`);
    return gateway.api('PUT', path('identity-provider?on_new_entity_id=new_accounts'), metadata);
  };
  const signInFrom = (issuer: string, user: User) =>
    signIn({ respond: (of) => acme.respond({ ...of, values: { ...of?.values, responseIssuer: issuer, assertionIssuer: issuer } }) }, user);

  it('cannot return with another email address after the identity provider has changed, once or twice', async () => {
    for (const entityId of ['https://one.example/idp', 'https://two.example/idp']) {
      expect((await changeTo(entityId)).status).toBe(200);
      expect(await signInFrom(entityId, { email: 'new@acme.example', nameId })).toBe('member_suspended');
      expect(await signInFrom(entityId, { email: ada })).toBe('accepted');
    }
  });

  it('cannot return with another email address through another connection, if no two directories share the identifier', async () => {
    expect(await signIn(partner, { email: 'new@acme.example', nameId })).toBe('member_suspended');
    const short = { value: 'eve', format: NAME_ID_UNSPECIFIED };
    await seedFormerMember(gateway.runtime, acme, { email: 'x@acme.example', form: ['NameID', short.value], suspended: true });
    await gateway.api('PATCH', path(`connections/${partner.id}`), { identifier: { name_id: short.format } });
    expect(await signIn(partner, { email: ada, nameId: short })).toBe('accepted');
  });

  describe('whose NameID had qualifiers', () => {
    const NEW_IDP = 'https://new.example/idp';
    const other = { email: 'new@acme.example', nameId: { ...nameId, value: 'id of mia' } };
    const seed = async (name: string, spName: string) => {
      const form = ['NameID', other.nameId.value, name, spName];
      await seedFormerMember(gateway.runtime, acme, { email: 'mia@acme.example', form, suspended: true });
    };
    const spEntityId = () => `${gateway.url}/saml/${acme.slug}/metadata`;
    // Another user, whose sign-in shows that the identity provider itself is accepted.
    const bystander = { email: ada, nameId: { ...nameId, value: 'id of ada' } };

    it('cannot return through the same connection after its identity provider has changed', async () => {
      await seed(OKTA_ISSUER, spEntityId());
      expect((await changeTo(NEW_IDP)).status).toBe(200);
      for (const nameQualifier of [undefined, NEW_IDP, OKTA_ISSUER, 'https://affiliation.example']) {
        const returning = { ...other, nameId: { ...other.nameId, nameQualifier } };
        expect([nameQualifier, await signInFrom(NEW_IDP, returning)]).toEqual([nameQualifier, 'member_suspended']);
      }
      expect(await signInFrom(NEW_IDP, bystander)).toBe('accepted');
    });

    it('cannot return with a qualifier that the member did not have before', async () => {
      await seed('', '');
      expect((await changeTo(NEW_IDP)).status).toBe(200);
      const returning = { ...other, nameId: { ...other.nameId, nameQualifier: OKTA_ISSUER, spNameQualifier: spEntityId() } };
      expect(await signInFrom(NEW_IDP, returning)).toBe('member_suspended');
    });

    it('cannot return through another connection, also after the first one was deleted', async () => {
      await seed(OKTA_ISSUER, '');
      expect(await signIn(partner, other)).toBe('member_suspended');
      expect((await changeTo(NEW_IDP)).status).toBe(200);
      expect(await signIn(partner, other)).toBe('member_suspended');
      const [first] = (await gateway.api<{ items: { id: string }[] }>('GET', path('connections'))).body.items;
      expect((await gateway.api('PATCH', path(`connections/${partner.id}`), { is_default: true })).status).toBe(200);
      expect((await gateway.api('DELETE', path(`connections/${first?.id}`))).status).toBe(204);
      expect(await signIn(partner, other)).toBe('member_suspended');
      expect(await signIn(partner, bystander)).toBe('accepted');
    });
  });
});

describe('a user who sets the email address to that of another member', () => {
  const mallory = { value: 'mallory', format: NAME_ID_PERSISTENT };
  const emailId = { value: ada, format: NAME_ID_EMAIL };

  it('never takes an owner along into the suspension', async () => {
    const owner = new HttpBrowser();
    await signIn(acme, { email: ada, groups: ['admins'], browser: owner });
    const [victim] = await idsOf(ada);
    await signIn(partner, { email: ada, nameId: mallory });
    const attacker = (await idsOf(ada)).find((id) => id !== victim);
    expect((await suspend(attacker)).status).toBe(200);
    expect((await gateway.api('GET', path(`members/${victim}`))).body).toMatchObject({ role: 'owner', suspended: false });
    expect((await owner.request(`${gateway.url}/api/v1/me`)).status).toBe(200);
    expect(await signIn(acme, { email: ada, groups: ['admins'] })).toBe('accepted');
    expect(await signIn(partner, { email: ada, nameId: mallory })).toBe('member_suspended');
  });

  it('can be suspended although the address is that of the last owner', async () => {
    await signIn(partner, { email: 'root@acme.example', nameId: mallory });
    const listed = (await gateway.api<{ items: { id: string; role: string }[] }>('GET', path('members'))).body.items;
    expect((await suspend(listed.find(({ role }) => role === 'collaborator')?.id)).status).toBe(200);
    expect((await suspended('root@acme.example')).sort()).toEqual([false, true]);
    expect(await signIn(acme, { email: 'root@acme.example', groups: ['admins'] })).toBe('accepted');
  });

  it('locks no member out by an email address as NameID at another connection', async () => {
    await gateway.api('PATCH', path('identity-provider'), { identifier: { name_id: NAME_ID_EMAIL } });
    expect(await signIn(acme, { email: ada, nameId: emailId, groups: ['admins'] })).toBe('accepted');
    const [victim] = await idsOf(ada);
    await signIn(partner, { email: ada, nameId: emailId });
    await suspend((await idsOf(ada)).find((id) => id !== victim));
    expect(await signIn(acme, { email: ada, nameId: emailId, groups: ['admins'] })).toBe('accepted');
    expect(await signIn(partner, { email: ada, nameId: emailId })).toBe('member_suspended');
  });

  it('cannot prevent with many accounts that the oldest account is suspended too', async () => {
    await signIn(acme, { email: ada, nameId: mallory });
    const [first] = await idsOf(ada);
    await signIn(partner, { email: ada, nameId: { value: 'other', format: NAME_ID_PERSISTENT } });
    const [second] = (await idsOf(ada)).filter((id) => id !== first);
    for (let i = 0; i < 25; i++) {
      await signIn(partner, { email: ada, nameId: { value: `decoy ${i}`, format: NAME_ID_PERSISTENT } });
    }
    expect((await suspend(first)).status).toBe(200);
    expect((await gateway.api('GET', path(`members/${second}`))).body).toMatchObject({ suspended: true });
    // A shared mailbox must not suspend all its users.
    expect((await suspended(ada)).filter((each) => each)).toHaveLength(21);
  });
});

describe('a suspension during the first sign-in at another connection', () => {
  const second = { email: ada, nameId: { value: 'ada-2', format: NAME_ID_PERSISTENT } };
  beforeEach(() => signIn(acme, { email: ada }));

  it('refuses the sign-in that has not seen it', async () => {
    const [id] = await idsOf(ada);
    beforeSignInIsWritten(gateway, () => suspend(id));
    expect(await signIn(partner, second)).toBe('member_suspended');
    expect(await suspended(ada)).toEqual([true]);
  });

  it('also concerns the account that is created immediately before it is saved', async () => {
    const [id] = await idsOf(ada);
    const store = gateway.runtime.store as { commit: Store['commit'] };
    const { commit } = store;
    store.commit = async (...args) => {
      if (args[1].some((step) => step.do === 'replace' && step.id === id)) {
        store.commit = commit;
        expect(await signIn(partner, second)).toBe('accepted');
      }
      return commit.apply(store, args);
    };
    expect((await suspend(id)).status).toBe(200);
    expect(await suspended(ada)).toEqual([true, true]);
    expect(await signIn(partner, second)).toBe('member_suspended');
  });
});
