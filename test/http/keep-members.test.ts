import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { hashOf } from '../../src/ids.ts';
import { approveLink, declineLink } from '../../src/organizations/idp-change/link-requests.ts';
import { changeMember } from '../../src/organizations/member-changes.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { getOrganizationById, updateOrganization } from '../../src/organizations/organizations.ts';
import { NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let idp: Awaited<ReturnType<typeof newIdentityProvider>>;
let olivia: HttpBrowser;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

interface User {
  readonly id: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}
const OWNERS = ['platform-admins'];
const OPERATOR = { kind: 'operator' } as const;
const AMBIGUOUS = 'saml_identifier_ambiguous';
const path = () => `/organizations/${acme.slug}`;
const valuesOf = ({ id, email = `${id}@acme.example`, groups = [] }: User) => ({
  nameId: { value: id, format: NAME_ID_PERSISTENT },
  attributes: [
    { name: 'email', values: [email] },
    { name: 'groups', values: [...groups] },
  ],
});
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const signInBefore = async (user: User, browser = new HttpBrowser()) =>
  verdict(
    await acme.signIn(browser, 'olivia', { values: { ...valuesOf(user), responseIssuer: OKTA_ISSUER, assertionIssuer: OKTA_ISSUER } }),
  );
const signIn = async (user: User, browser = new HttpBrowser()) => {
  const { requestId } = await acme.start(browser);
  return verdict(await acme.post(browser, idp.respond({ inResponseTo: requestId, values: valuesOf(user) })));
};
interface ConnectionJson {
  readonly id: string;
  readonly name: string;
  readonly entity_id: string;
  readonly replacement: string | null;
  readonly change: { readonly on_new_entity_id: string } | null;
}
const keep = (metadata = idp.metadata) =>
  gateway.api<ConnectionJson & { code?: string }>('PUT', `${path()}/identity-provider?on_new_entity_id=keep`, metadata);
const live = async () => (await gateway.api<ConnectionJson>('GET', `${path()}/identity-provider`)).body;
const connections = async () => (await gateway.api<{ items: ConnectionJson[] }>('GET', `${path()}/connections`)).body.items;
/** Tests the draft in a browser, and answers as this user of the new identity provider. */
const test = async (browser: HttpBrowser, user: User, draft?: string | null) => {
  const id = draft ?? (await live()).replacement;
  const { requestId } = startedBy(await browser.request(`${gateway.url}/saml/${acme.slug}/login?test=1&connection=${id}`));
  return acme.post(browser, idp.respond({ inResponseTo: requestId, values: valuesOf(user) }));
};
const isReplaced = async () => (await live()).entity_id === idp.entityId;
const members = async (): Promise<Member[]> =>
  (await gateway.runtime.store.find(acme.id, MEMBERS, 'email', { limit: 200 })).items.map(({ value }) => value);
const memberOf = async (id: string) => (await members()).find(({ email }) => email === `${id}@acme.example`) as Member;
const decisionAbout = async (member: Member) => ({
  organizationId: acme.id,
  connectionId: (await live()).id,
  memberId: member.id,
  requestId: member.linkRequest?.id ?? '',
});

beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  idp = await newIdentityProvider(acme);
  olivia = new HttpBrowser();
  await signInBefore({ id: 'olivia', groups: OWNERS }, olivia);
});

describe('keep', () => {
  it('changes nothing before a test, and keeps the members after it', async () => {
    await signInBefore({ id: 'carl' });
    const before = await members();
    expect(await keep()).toMatchObject({ status: 200, body: { entity_id: OKTA_ISSUER, replacement: expect.stringMatching(/^con_/) } });
    expect(await signInBefore({ id: 'carl' })).toBe('accepted');
    expect(await signIn({ id: 'carl' })).toBe('saml_issuer_unknown');
    expect((await test(olivia, { id: 'olivia', groups: OWNERS })).status).toBe(303);
    expect(await live()).toMatchObject({ entity_id: idp.entityId, replacement: null, change: { on_new_entity_id: 'keep' } });
    expect(await connections()).toHaveLength(1);
    expect(await signIn({ id: 'carl' })).toBe('accepted');
    expect(await signIn({ id: 'olivia', groups: OWNERS })).toBe('accepted');
    expect(await signInBefore({ id: 'carl' })).toBe('saml_issuer_unknown');
    expect((await members()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    const { body } = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=identity_provider.changed`);
    expect(body.items[0]).toMatchObject({ details: { on_new_entity_id: 'keep', former_entity_id: OKTA_ISSUER } });
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a test that identifies another member', async () => test(olivia, { id: 'carl', groups: OWNERS })],
    ['a test that identifies no member', async () => test(olivia, { id: 'unknown', groups: OWNERS })],
    [
      'a test that identifies no member but has the address of the owner',
      async () => test(olivia, { id: 'x', email: 'olivia@acme.example' }),
    ],
    [
      'a test whose user has no role',
      async () => {
        await gateway.api('PUT', `${path()}/role-mapping`, { rules: [{ group: OWNERS[0], role: 'owner' }], default_role: 'none' });
        await test(olivia, { id: 'olivia' });
      },
    ],
    [
      'a test whose owner is demoted meanwhile',
      async () => {
        const [, other] = [await signInBefore({ id: 'otto', groups: OWNERS }), await memberOf('olivia')];
        beforeSignInIsWritten(gateway, () => demote(other.id));
        await test(olivia, { id: 'olivia' });
      },
    ],
    [
      'a test after the replaced connection got another identity provider',
      async () => {
        const { replacement } = await live();
        const metadata = acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://third.example"');
        await gateway.api('PUT', `${path()}/identity-provider?on_new_entity_id=new_accounts`, metadata);
        await test(olivia, { id: 'olivia', groups: OWNERS }, replacement);
      },
    ],
    [
      'a test of a draft that another one has taken the place of',
      async () => {
        const { replacement } = await live();
        const { requestId } = startedBy(await olivia.request(`${gateway.url}/saml/${acme.slug}/login?test=1&connection=${replacement}`));
        await keep(idp.metadata.replace('/sso"', '/sso2"'));
        await acme.post(olivia, idp.respond({ inResponseTo: requestId, values: valuesOf({ id: 'olivia', groups: OWNERS }) }));
      },
    ],
    [
      'its activation',
      async () => {
        const { replacement } = await live();
        expect((await gateway.api('PATCH', `${path()}/connections/${replacement}`, { state: 'active' })).status).toBe(409);
        expect((await gateway.api('PATCH', `${path()}/connections/${replacement}`, { is_default: true })).status).toBe(409);
      },
    ],
    ['an unsolicited response', async () => acme.post(olivia, idp.respond({ values: valuesOf({ id: 'olivia', groups: OWNERS }) }))],
  ])('is not put in place by %s', async (_case, happen) => {
    await signInBefore({ id: 'carl' });
    await keep();
    await happen();
    expect(await isReplaced()).toBe(false);
    expect((await members()).every(({ idpChange }) => idpChange === undefined)).toBe(true);
  });
  const demote = (memberId: string) =>
    gateway.runtime.store.get(acme.id, MEMBERS, memberId).then((member) =>
      member
        ? gateway.runtime.store.commit(acme.id, [
            {
              do: 'replace',
              collection: MEMBERS,
              id: memberId,
              version: member.version,
              value: { ...member.value, role: 'collaborator' },
            },
          ])
        : undefined,
    );

  it('is not put in place by the test of the operator or of a setup link', async () => {
    await keep();
    const { replacement } = await live();
    const link = await gateway.api<{ url: string }>('POST', `${path()}/setup-links`, { connection: replacement });
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(link.body.url));
    const page = await browser.open(`${gateway.url}/setup/single-sign-on`);
    const started = page.forms.find(({ action }) => action.endsWith('/test'));
    if (started) {
      const answer = await browser.request(started.action, {
        method: 'POST',
        body: new URLSearchParams(started.fields.map(({ name, value }): [string, string] => [name, value])),
        from: page,
      });
      const { requestId } = startedBy(answer);
      await acme.post(browser, idp.respond({ inResponseTo: requestId, values: valuesOf({ id: 'olivia', groups: OWNERS }) }));
    }
    expect(await isReplaced()).toBe(false);
  });

  it('never gives its users the accounts of another identity provider that took the place of the replaced one', async () => {
    await keep();
    const { replacement } = await live();
    const issuer = 'https://third.example';
    const metadata = acme.metadata.replace(/entityID="[^"]+"/, `entityID="${issuer}"`);
    await gateway.api('PUT', `${path()}/identity-provider?on_new_entity_id=new_accounts`, metadata);
    const owner = new HttpBrowser();
    const values = { ...valuesOf({ id: 'olivia', groups: OWNERS }), responseIssuer: issuer, assertionIssuer: issuer };
    expect(verdict(await acme.signIn(owner, 'olivia', { values }))).toBe('accepted');
    await test(owner, { id: 'olivia', groups: OWNERS }, replacement);
    expect((await live()).entity_id).toBe(issuer);
  });

  it('keeps settings that were made stricter after the draft was created, and tests the draft with them', async () => {
    await keep();
    const stricter = { idp_initiated: 'reject', require_signed_response: true };
    expect((await gateway.api('PATCH', `${path()}/identity-provider`, stricter)).status).toBe(200);
    const { replacement } = await live();
    const unsigned = { signing: { response: false, assertion: true } } as const;
    for (const signing of [unsigned, { signing: { response: true, assertion: true } } as const]) {
      expect(await isReplaced()).toBe(false);
      const { requestId } = startedBy(await olivia.request(`${gateway.url}/saml/${acme.slug}/login?test=1&connection=${replacement}`));
      await acme.post(olivia, idp.respond({ inResponseTo: requestId, values: valuesOf({ id: 'olivia', groups: OWNERS }), ...signing }));
    }
    expect(await live()).toMatchObject({ entity_id: idp.entityId, ...stricter });
  });

  it('has the settings that were changed in the draft, with the email domains that the connection has now', async () => {
    await keep();
    const { replacement } = await live();
    await gateway.api('PATCH', `${path()}/connections/${replacement}`, { clock_skew_seconds: 30 });
    await gateway.api('PATCH', `${path()}/identity-provider`, { email_domains: ['acme.example'], idp_initiated: 'reject' });
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await live()).toMatchObject({
      entity_id: idp.entityId,
      clock_skew_seconds: 30,
      idp_initiated: 'reject',
      email_domains: ['acme.example'],
    });
  });

  it('is not put in place if a setting was changed to different values in the draft and in the connection', async () => {
    await keep();
    const { replacement } = await live();
    await gateway.api('PATCH', `${path()}/connections/${replacement}`, { idp_initiated: 'bounce' });
    await gateway.api('PATCH', `${path()}/identity-provider`, { idp_initiated: 'reject' });
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await live()).toMatchObject({ entity_id: OKTA_ISSUER, idp_initiated: 'reject' });
    // The same metadata in a new draft has the current settings.
    await keep();
    expect((await live()).replacement).not.toBe(replacement);
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await live()).toMatchObject({ entity_id: idp.entityId, idp_initiated: 'reject' });
  });

  it.each([
    ['is put in place from a draft of an earlier version, whose settings are those of the connection', {}, true],
    ['is not put in place from a draft of an earlier version if the connection has other settings', { idp_initiated: 'reject' }, false],
  ])('%s', async (_case, changes, expected) => {
    await keep();
    await updateOrganization(gateway.runtime, OPERATOR, {
      organizationId: acme.id,
      change: (before) => ({
        ...before,
        connections: before.connections.map((each) =>
          each.replaces ? { ...each, replaces: { ...each.replaces, settings: undefined } } : each,
        ),
      }),
    });
    await gateway.api('PATCH', `${path()}/identity-provider`, changes);
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await isReplaced()).toBe(expected);
  });

  it('waits in one draft if it is saved again, and in a new one with other metadata', async () => {
    await keep();
    const { replacement } = await live();
    expect((await keep()).body.replacement).toBe(replacement);
    expect((await gateway.api('PUT', `${path()}/identity-provider?dry_run=true`, idp.metadata)).status).toBe(200);
    expect((await keep(idp.metadata.replace('/sso"', '/sso2"'))).body.replacement).not.toBe(replacement);
    expect(await connections()).toHaveLength(2);
  });

  it('has a draft with a readable name that no other connection has', async () => {
    await keep();
    expect((await connections()).map(({ name }) => name)).toEqual(['Default', 'Replacement of Default']);
    const { replacement } = await live();
    await gateway.api('DELETE', `${path()}/connections/${replacement}`);
    await gateway.api('PATCH', `${path()}/identity-provider`, { name: 'Default' });
    const other = await newIdentityProvider(acme);
    await gateway.api('POST', `${path()}/connections`, { name: 'Replacement of Default', metadata_xml: other.metadata });
    await keep();
    expect((await connections()).map(({ name }) => name)).toEqual(['Default', 'Replacement of Default', 'Replacement of Default (2)']);
  });

  it('gives a setup link no way to change the draft', async () => {
    await keep();
    const { replacement } = await live();
    const link = await gateway.api<{ url: string }>('POST', `${path()}/setup-links`, { connection: replacement });
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(link.body.url));
    const start = await browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`);
    const evil = await newIdentityProvider(acme);
    const preview = await browser.submit(start, { metadata: evil.metadata }, '/preview');
    await browser.submit(preview, {}, '/save').catch(() => undefined);
    expect((await connections()).map(({ entity_id }) => entity_id)).not.toContain(evil.entityId);
  });

  it('needs a chosen identifier', async () => {
    await gateway.api('PATCH', `${path()}/identity-provider`, { identifier: 'auto' });
    expect(await keep()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(await connections()).toHaveLength(1);
  });

  it('finds members of earlier versions, also with the name of the former identity provider in the key', async () => {
    const { store } = gateway.runtime;
    const old = await memberOf('olivia');
    const stored = await store.get(acme.id, MEMBERS, old.id);
    const { identifier: _, ...member } = old;
    const entityId = `${gateway.url}/saml/${acme.slug}/metadata`;
    const identity = hashOf(OKTA_ISSUER, JSON.stringify(['NameID', 'olivia', OKTA_ISSUER, entityId]));
    await store.commit(acme.id, [
      { do: 'replace', collection: MEMBERS, id: old.id, version: stored?.version ?? 0, value: { ...member, identity } },
    ]);
    await updateOrganization(gateway.runtime, OPERATOR, {
      organizationId: acme.id,
      change: (organization) => ({
        ...organization,
        connections: organization.connections.map((connection) => ({
          ...connection,
          identityScope: OKTA_ISSUER,
          scopeSince: undefined,
          readsFormerKeys: true,
        })),
      }),
    });
    await keep();
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await isReplaced()).toBe(true);
    expect(await signIn({ id: 'olivia', groups: OWNERS })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([old.id]);
  });
});

describe('owners after keep', () => {
  beforeEach(async () => {
    await signInBefore({ id: 'otto', groups: OWNERS });
    await keep();
    await test(olivia, { id: 'olivia', groups: OWNERS });
    expect(await isReplaced()).toBe(true);
  });

  it('are refused until a confirmed owner approves, also if their groups give no owner', async () => {
    expect(await signIn({ id: 'otto', email: 'mallory@acme.example' })).toBe(AMBIGUOUS);
    const otto = await memberOf('otto');
    expect(otto).toMatchObject({ role: 'owner', linkRequest: { email: 'mallory@acme.example' } });
    const asOwner = (member: Member) => ({ kind: 'member', id: member.id, email: member.email }) as const;
    await expect(approveLink(gateway.runtime, asOwner(otto), await decisionAbout(otto))).rejects.toMatchObject({ code: 'forbidden' });
    await approveLink(gateway.runtime, asOwner(await memberOf('olivia')), await decisionAbout(otto));
    expect(await signIn({ id: 'otto', groups: OWNERS })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('get no other account when they are declined, and the user gets a new one', async () => {
    expect(await signIn({ id: 'otto' })).toBe(AMBIGUOUS);
    const otto = await memberOf('otto');
    await declineLink(gateway.runtime, OPERATOR, await decisionAbout(otto));
    expect(await signIn({ id: 'otto', email: 'new@acme.example' })).toBe('accepted');
    expect(await members()).toHaveLength(3);
    expect((await members()).find(({ id }) => id === otto.id)).toMatchObject({ role: 'owner', lastLoginAt: otto.lastLoginAt });
  });

  it('include a member whom an owner promotes before the first sign-in', async () => {
    const { memberId } = await decisionAbout(await memberOf('otto'));
    await changeMember(gateway.runtime, OPERATOR, { organizationId: acme.id, memberId, changes: { suspended: true } });
    expect(await signIn({ id: 'otto' })).toBe('member_suspended');
    await changeMember(gateway.runtime, OPERATOR, { organizationId: acme.id, memberId, changes: { suspended: false } });
    expect(await signIn({ id: 'otto' })).toBe(AMBIGUOUS);
  });

  it('are still unconfirmed after the connection is deleted and connected again', async () => {
    const { id } = await live();
    await gateway.api('DELETE', `${path()}/connections/${id}?keep_sessions=true`);
    await gateway.api('PUT', `${path()}/identity-provider`, idp.metadata);
    expect((await live()).id).toBe(id);
    expect(await signIn({ id: 'otto' })).toBe(AMBIGUOUS);
  });

  it('never get their accounts back by a restored version, whose identifiers may be those of new members', async () => {
    expect(await signIn({ id: 'nina' })).toBe('accepted');
    const organization = await getOrganizationById(gateway.runtime.store, acme.id);
    if (!organization) throw new Error('no organization');
    const page = await olivia.submit(await olivia.open(`${gateway.url}/console/single-sign-on`), {}, '/return');
    await olivia.submit(page, { on_new_entity_id: 'new_accounts' }, '/return');
    expect((await live()).entity_id).toBe(OKTA_ISSUER);
    expect(await signInBefore({ id: 'nina' })).toBe('accepted');
    expect((await members()).filter(({ email }) => email === 'nina@acme.example')).toHaveLength(2);
  });

  it('replaces no connection twice', async () => {
    expect(await test(olivia, { id: 'olivia' }, 'con_gone').catch(() => 'no redirect')).toBe('no redirect');
    expect(await signIn({ id: 'olivia', groups: OWNERS })).toBe('accepted');
  });
});
