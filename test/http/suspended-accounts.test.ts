import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResponseValues } from '../../src/mock-idp/response-values.ts';
import { NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
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

  it('cannot use the other account after a suspension before the email address became the same', async () => {
    const nameId = { value: 'ada-2', format: NAME_ID_PERSISTENT };
    await signIn(acme, { email: ada });
    await signIn(partner, { email: 'other@partner.example', nameId });
    await suspend((await idsOf(ada))[0]);
    expect(await suspended('other@partner.example')).toEqual([false]);
    expect(await signIn(partner, { email: ada, nameId })).toBe('member_suspended');
  });

  it('is recognized by a globally unique identifier with another email address', async () => {
    const nameId = { value: 'ada', format: NAME_ID_PERSISTENT };
    await signIn(acme, { email: ada, nameId });
    await signIn(partner, { email: 'other@partner.example', nameId });
    await suspend((await idsOf(ada))[0]);
    expect(await signIn(partner, { email: 'other@partner.example', nameId })).toBe('member_suspended');
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
