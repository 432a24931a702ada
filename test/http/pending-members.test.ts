import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { resumeRevocations, withPendingRevocation } from '../../src/organizations/connections/revoke-credentials.ts';
import { noteRevocation } from '../../src/organizations/directory.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { getOrganizationById, updateOrganization } from '../../src/organizations/organizations.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const NEW_ISSUER = 'https://new.example/idp';
const path = () => `/organizations/${acme.slug}`;
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const signIn = (issuer: string, user: string, browser = new HttpBrowser()) =>
  acme.signIn(browser, user, { values: { responseIssuer: issuer, assertionIssuer: issuer } });
const changeTo = (issuer: string, decision = 'new_accounts', linkUntil?: string) => {
  const query = `on_new_entity_id=${decision}${linkUntil === undefined ? '' : `&link_until=${linkUntil}`}`;
  const metadata = acme.metadata.replace(/entityID="[^"]+"/, `entityID="${issuer}"`);
  return gateway.api<{ id: string; change: { id: string } }>('PUT', `${path()}/identity-provider?${query}`, metadata);
};
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();
const connection = async () =>
  (await gateway.api<{ id: string; change: { id: string } | null }>('GET', `${path()}/identity-provider`)).body;

interface Pending {
  readonly id: string;
  readonly email: string;
  readonly is_approved: boolean;
  readonly is_declined: boolean;
  readonly sessions: number;
  readonly link_request: { readonly id: string; readonly email: string } | null;
}
const pending = async (query = '') => {
  const { id } = await connection();
  const { status, body } = await gateway.api<{ items: Pending[]; next_cursor: string | null }>(
    'GET',
    `${path()}/connections/${id}/pending-members${query}`,
  );
  expect(status).toBe(200);
  return body;
};
const names = async () => (await pending()).items.map(({ email }) => email.split('@')[0]);
const decide = async (verb: string, member: Pending | undefined, request = member?.link_request?.id) =>
  gateway.api('POST', `${path()}/connections/${(await connection()).id}/pending-members/${member?.id}/${verb}`, { link_request: request });
const revoke = async (change?: string) => {
  const { id, change: present } = await connection();
  return gateway.api('POST', `${path()}/connections/${id}/pending-members/revoke`, { change: change ?? present?.id });
};
const isSignedIn = async (browser: HttpBrowser) =>
  (await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status === 200;

beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

describe('members who have not signed in since the identity provider changed', () => {
  it('lists none before a change', async () => {
    await signIn(OKTA_ISSUER, 'olivia');
    expect(await pending()).toEqual({ items: [], next_cursor: null });
    expect((await connection()).change).toBeNull();
  });

  it('are listed in pages until they sign in', async () => {
    for (const user of ['carl', 'nina', 'olivia']) await signIn(OKTA_ISSUER, user);
    await changeTo(NEW_ISSUER, 'link_by_email', inAnHour());
    expect(await names()).toEqual(['carl', 'nina', 'olivia']);
    const first = await pending('?limit=2');
    expect(first.items).toHaveLength(2);
    expect((await pending(`?limit=2&cursor=${encodeURIComponent(first.next_cursor ?? '')}`)).items).toHaveLength(1);
    await signIn(NEW_ISSUER, 'carl');
    const { items } = await pending();
    expect(items.find(({ email }) => email.startsWith('carl'))).toMatchObject({ link_request: { email: items[0]?.email } });
    expect((await decide('approve', items[0])).status).toBe(200);
    expect((await pending()).items).toMatchObject([{ is_approved: true, link_request: null }, { is_approved: false }, {}]);
    expect(verdict(await signIn(NEW_ISSUER, 'carl'))).toBe('accepted');
    expect(await names()).toEqual(['nina', 'olivia']);
  });

  it('stay listed after a decline, whose request cannot be decided again', async () => {
    await signIn(OKTA_ISSUER, 'carl');
    await changeTo(NEW_ISSUER, 'link_by_email', inAnHour());
    await signIn(NEW_ISSUER, 'carl');
    const [carl] = (await pending()).items;
    expect((await decide('decline', carl)).status).toBe(200);
    expect((await pending()).items).toMatchObject([{ id: carl?.id, is_declined: true, link_request: null }]);
    expect(await decide('approve', carl)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await decide('approve', carl, 'req_other')).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });

  it('are never decided through another organization or connection', async () => {
    await signIn(OKTA_ISSUER, 'carl');
    await changeTo(NEW_ISSUER, 'link_by_email', inAnHour());
    await signIn(NEW_ISSUER, 'carl');
    const [carl] = (await pending()).items;
    const victim = acme;
    const { id: victimConnection } = await connection();
    const metadata_xml = acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://partner.example"');
    const { body: partner } = await gateway.api<{ id: string }>('POST', `${path()}/connections`, { name: 'Partner', metadata_xml });
    const body = { link_request: carl?.link_request?.id };
    expect((await gateway.api('POST', `${path()}/connections/${partner.id}/pending-members/${carl?.id}/approve`, body)).status).toBe(409);
    acme = await makeTestOrganization(gateway);
    await signIn(OKTA_ISSUER, 'olivia');
    for (const id of [victimConnection, (await connection()).id])
      expect((await gateway.api('POST', `${path()}/connections/${id}/pending-members/${carl?.id}/approve`, body)).status).toBe(404);
    acme = victim;
    expect(await names()).toEqual(['carl']);
  });
});

describe('revoking their credentials', () => {
  it('ends their sessions only', async () => {
    const [carl, nina] = [new HttpBrowser(), new HttpBrowser()];
    await signIn(OKTA_ISSUER, 'carl', carl);
    await changeTo(NEW_ISSUER);
    await signIn(NEW_ISSUER, 'nina', nina);
    expect(await isSignedIn(carl)).toBe(true);
    expect((await revoke()).status).toBe(200);
    expect([await isSignedIn(carl), await isSignedIn(nina)]).toEqual([false, true]);
    expect(await pending()).toMatchObject({ items: [{ sessions: 0 }] });
    expect((await revoke()).status).toBe(200);
    const { body } = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=connection.pending_members_revoked`);
    expect(body.items).toHaveLength(2);
  });

  it('includes members whose link was approved, until they sign in', async () => {
    const [before, after] = [new HttpBrowser(), new HttpBrowser()];
    await signIn(OKTA_ISSUER, 'carl', before);
    await changeTo(NEW_ISSUER, 'link_by_email', inAnHour());
    await signIn(NEW_ISSUER, 'carl');
    expect((await decide('approve', (await pending()).items[0])).status).toBe(200);
    expect(await isSignedIn(before)).toBe(true);
    expect((await revoke()).status).toBe(200);
    expect(await isSignedIn(before)).toBe(false);
    expect((await pending()).items).toMatchObject([{ is_approved: true, sessions: 0 }]);
    expect(verdict(await signIn(NEW_ISSUER, 'carl', after))).toBe('accepted');
    expect((await revoke()).status).toBe(200);
    expect(await isSignedIn(after)).toBe(true);
    expect(await names()).toEqual([]);
  });

  it('is refused for another change than the current one', async () => {
    const carl = new HttpBrowser();
    await signIn(OKTA_ISSUER, 'carl', carl);
    const { body } = await changeTo(NEW_ISSUER);
    await changeTo('https://third.example');
    expect(await revoke(body.change.id)).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await isSignedIn(carl)).toBe(true);
    expect((await revoke()).status).toBe(200);
    expect(await isSignedIn(carl)).toBe(false);
  });

  it('takes effect before the members are written, and continues after a crash', async () => {
    const [carl, nina] = [new HttpBrowser(), new HttpBrowser()];
    await signIn(OKTA_ISSUER, 'carl', carl);
    await changeTo(NEW_ISSUER);
    await signIn(NEW_ISSUER, 'nina', nina);
    const { runtime } = gateway;
    await noteRevocation(runtime.store, acme.id, true);
    await updateOrganization(
      runtime,
      { kind: 'operator' },
      {
        organizationId: acme.id,
        change: (before) => {
          const [first] = before.connections;
          return first && withPendingRevocation(before, first, first.change?.id ?? '');
        },
      },
    );
    // What checks cache is at most two seconds old.
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect([await isSignedIn(carl), await isSignedIn(nina)]).toEqual([false, true]);
    // All credentials of the connection are revoked only after that.
    const { id } = await connection();
    await resumeRevocations(runtime);
    expect((await getOrganizationById(runtime.store, acme.id))?.revokingConnections).toBeUndefined();
    const { items } = await runtime.store.find(acme.id, MEMBERS, 'email', { limit: 10 });
    expect(items.map(({ value }) => value.sessions.length)).toEqual([0, 1]);
    await gateway.api('PATCH', `${path()}/connections/${id}`, { state: 'disabled' });
    expect(await isSignedIn(nina)).toBe(false);
  });
});
