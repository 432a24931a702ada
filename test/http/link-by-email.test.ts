import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { approveLink, declineLink } from '../../src/organizations/idp-change/link-requests.ts';
import { changeMember } from '../../src/organizations/member-changes.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { DAY_MS, toIsoTime } from '../../src/time.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type Answer, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let domain: string;
let nowMs = Date.now();
beforeAll(async () => {
  gateway = await startGateway({ now: () => nowMs });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  nowMs = Date.now();
  acme = await makeTestOrganization(gateway, () => nowMs);
  domain = `${newSlug()}.example`;
  await gateway.api('POST', `${path()}/domains`, { domain });
  await confirmDomain();
});

const NEW_ISSUER = 'https://new.example/idp';
const OPERATOR = { kind: 'operator' } as const;
const path = () => `/organizations/${acme.slug}`;
const confirmDomain = () => gateway.api('POST', `${path()}/domains/${domain}/verify`, { confirm: true });
const metadataOf = (entityId: string) => acme.metadata.replace(/entityID="[^"]+"/, `entityID="${entityId}"`);
const put = (entityId: string, query = ''): Promise<Answer<{ code?: string }>> =>
  gateway.api('PUT', `${path()}/identity-provider${query}`, metadataOf(entityId));
const inDays = (days: number) => toIsoTime(nowMs + days * DAY_MS);
const linking = (days = 7) => `?on_new_entity_id=link_by_email&link_until=${inDays(days)}`;
const change = async (issuer = NEW_ISSUER) => expect((await put(issuer, linking())).status).toBe(200);

interface User {
  readonly id: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}
const OWNERS = ['platform-admins'];
const mail = (name: string) => `${name}@${domain}`;
const answer = (issuer: string, { id, email = mail(id), groups = [] }: User) => ({
  values: {
    nameId: { value: `${issuer} ${id}`, format: NAME_ID_PERSISTENT },
    attributes: [
      { name: 'email', values: [email] },
      { name: 'groups', values: [...groups] },
    ],
    responseIssuer: issuer,
    assertionIssuer: issuer,
  },
});
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const signIn = async (issuer: string, user: User, browser = new HttpBrowser()) =>
  verdict(await acme.signIn(browser, 'olivia', answer(issuer, user)));
const members = async (): Promise<Member[]> =>
  (await gateway.runtime.store.find(acme.id, MEMBERS, 'email', { limit: 200 })).items.map(({ value }) => value);
const memberOf = async (email: string) => (await members()).find((member) => member.email === email) as Member;
const suspend = (memberId: string, suspended = true) => gateway.api('PATCH', `${path()}/members/${memberId}`, { suspended });
const audit = async (event: string) =>
  (await gateway.api<{ items: { member_id?: string; details: object }[] }>('GET', `${path()}/audit?event=${event}`)).body.items;
const connectionId = async () => (await getOrganizationById(gateway.runtime.store, acme.id))?.connections[0]?.id ?? '';
const choice = async (member: Member, requestId = member.linkRequest?.id ?? '') => ({
  organizationId: acme.id,
  connectionId: await connectionId(),
  memberId: member.id,
  requestId,
});
const approve = async (member: Member, requestId?: string) => approveLink(gateway.runtime, OPERATOR, await choice(member, requestId));
const decline = async (member: Member) => declineLink(gateway.runtime, OPERATOR, await choice(member));
const AMBIGUOUS = 'saml_identifier_ambiguous';

describe('link_until', () => {
  it.each([
    ['is missing', '?on_new_entity_id=link_by_email'],
    ['is in the past', `?on_new_entity_id=link_by_email&link_until=${toIsoTime(Date.now() - DAY_MS)}`],
    ['is more than 30 days ahead', `?on_new_entity_id=link_by_email&link_until=${toIsoTime(Date.now() + 31 * DAY_MS)}`],
    ['is no time', '?on_new_entity_id=link_by_email&link_until=tomorrow'],
    ['is set for another decision', `?on_new_entity_id=new_accounts&link_until=${toIsoTime(Date.now() + DAY_MS)}`],
  ])('is refused if it %s', async (_case, query) => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    expect(await put(NEW_ISSUER, query)).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    expect(await signIn(OKTA_ISSUER, { id: 'carl' })).toBe('accepted');
  });
});

describe('link_by_email', () => {
  it('links a user to the member with the address, once, and keeps id and tokens', async () => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, { id: 'carl' }, browser);
    const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
    const { csrf_token } = JSON.parse(me.text) as { csrf_token: string };
    const created = await browser.request(`${gateway.url}/api/v1/me/tokens`, {
      method: 'POST',
      body: JSON.stringify({ name: 'laptop' }),
      headers: { 'content-type': 'application/json', 'x-samlgate-csrf': csrf_token, 'sec-fetch-site': 'same-origin' },
    });
    const { token } = JSON.parse(created.text) as { token: string };
    const [before] = await members();
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'carl', email: mail('Carl') })).toBe('accepted');
    const after = await members();
    expect(after.map(({ id }) => id)).toEqual([before?.id]);
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
    expect(await audit('member.linked')).toMatchObject([
      { member_id: before?.id, details: { by: 'email', former_entity_id: OKTA_ISSUER } },
    ]);
    // The link is kept: the next sign-in finds the member by the new identifier.
    expect(await signIn(NEW_ISSUER, { id: 'carl', email: mail('renamed') })).toBe('accepted');
    expect(await members()).toHaveLength(1);
    // A second user with the former address is another one.
    expect(await signIn(NEW_ISSUER, { id: 'mallory', email: mail('carl') })).toBe('accepted');
    expect(await members()).toHaveLength(2);
    expect(await audit('member.linked')).toHaveLength(1);
  });

  it('gives the role that the new groups give', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'carl', groups: OWNERS })).toBe('accepted');
    expect(await members()).toMatchObject([{ role: 'owner' }]);
  });

  it('gives an unknown user a new account', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'nina' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('links no user after the end', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
    nowMs += 7 * DAY_MS;
    await confirmDomain();
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
    expect(await audit('member.linked')).toEqual([]);
  });

  it('never links an owner without an approval, and gives no new account', async () => {
    await signIn(OKTA_ISSUER, { id: 'olivia', groups: OWNERS });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'olivia' })).toBe(AMBIGUOUS);
    expect(await signIn(NEW_ISSUER, { id: 'olivia' })).toBe(AMBIGUOUS);
    const [olivia] = await members();
    expect(await members()).toHaveLength(1);
    expect(olivia).toMatchObject({ role: 'owner', linkRequest: { email: mail('olivia') } });
    await approve(olivia as Member);
    expect(await signIn(NEW_ISSUER, { id: 'olivia', groups: OWNERS })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([olivia?.id]);
    expect(await audit('member.linked')).toMatchObject([{ member_id: olivia?.id, details: { by: 'approval' } }]);
  });

  it.each([
    ['was never verified', async () => gateway.api('DELETE', `${path()}/domains/${domain}`)],
    [
      'was verified more than 24 hours ago',
      async () => {
        nowMs += DAY_MS + 1000;
      },
    ],
  ])('never links a member whose domain %s', async (_case, happen) => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
    await happen();
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe(AMBIGUOUS);
    expect(await members()).toHaveLength(1);
  });

  it('never links a member whose address is in a subdomain of a verified domain', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl', email: `carl@sub.${domain}` });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'carl', email: `carl@sub.${domain}` })).toBe(AMBIGUOUS);
  });

  it('compares addresses up to A to Z only', async () => {
    await signIn(OKTA_ISSUER, { id: 'kim', email: mail('kim') });
    await change();
    // The Kelvin sign is k in lower case.
    expect(await signIn(NEW_ISSUER, { id: 'mallory', email: mail('\u212aim') })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('never links one of two members with one address', async () => {
    await signIn(OKTA_ISSUER, { id: 'one', email: mail('team') });
    await signIn(OKTA_ISSUER, { id: 'two', email: mail('Team') });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'x', email: mail('team') })).toBe(AMBIGUOUS);
    const [one, two] = (await members()) as [Member, Member];
    await approve(one);
    expect(await signIn(NEW_ISSUER, { id: 'x', email: mail('team') })).toBe('accepted');
    // The same user cannot become the other member too.
    await expect(approve(two)).rejects.toMatchObject({ code: 'conflict' });
    // Nor does another user with the address, without an approval.
    expect(await signIn(NEW_ISSUER, { id: 'y', email: mail('team') })).toBe(AMBIGUOUS);
    expect(await members()).toHaveLength(2);
  });

  it('never lifts a suspension', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    const [carl] = (await members()) as [Member];
    await suspend(carl.id);
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('member_suspended');
    await approve((await members())[0] as Member);
    expect(await signIn(NEW_ISSUER, { id: 'carl', email: mail('another') })).toBe('member_suspended');
    expect(await members()).toMatchObject([{ id: carl.id, suspended: true, sessions: [] }]);
    await suspend(carl.id, false);
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([carl.id]);
  });

  it('links no member of another connection', async () => {
    const partner = await gateway.api<{ id: string }>('POST', `${path()}/connections`, {
      name: 'Partner',
      metadata_xml: metadataOf('https://partner.example'),
    });
    await gateway.api('PATCH', `${path()}/connections/${partner.body.id}`, { state: 'active' });
    await gateway.api('PUT', `${path()}/role-mapping`, {
      rules: [{ group: 'all', role: 'collaborator', connection: '*' }],
      default_role: 'none',
      allow_no_owner: true,
    });
    const unsolicited = (issuer: string, user: User) => acme.post(new HttpBrowser(), acme.respond(answer(issuer, user)));
    expect(verdict(await unsolicited('https://partner.example', { id: 'pam', groups: ['all'] }))).toBe('accepted');
    expect(verdict(await unsolicited(OKTA_ISSUER, { id: 'carl', groups: ['all'] }))).toBe('accepted');
    await change();
    expect(verdict(await unsolicited(NEW_ISSUER, { id: 'pam', groups: ['all'] }))).toBe('accepted');
    expect((await members()).filter(({ email }) => email === mail('pam'))).toHaveLength(2);
  });

  it('writes nothing for a user whom the email policy forbids', async () => {
    await signIn(OKTA_ISSUER, { id: 'olivia', email: 'olivia@elsewhere.example', groups: OWNERS });
    await change();
    await gateway.api('PATCH', path(), { email_policy: 'verified_domains' });
    expect(await signIn(NEW_ISSUER, { id: 'olivia', email: 'olivia@elsewhere.example' })).toBe(AMBIGUOUS);
    expect((await members())[0]?.linkRequest).toBeUndefined();
  });

  it('neither changes nor links a member if the user with the address has no role', async () => {
    const browser = new HttpBrowser();
    await signIn(OKTA_ISSUER, { id: 'carl', groups: ['all'] }, browser);
    await change();
    await gateway.api('PUT', `${path()}/role-mapping`, { rules: [{ group: 'all', role: 'owner' }], default_role: 'none' });
    expect(await signIn(NEW_ISSUER, { id: 'mallory', email: mail('carl') })).toBe('saml_role_denied');
    expect(await members()).toMatchObject([{ role: 'collaborator', sessions: [{}] }]);
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(200);
    expect(await audit('member.linked')).toEqual([]);
    // The denied user has not decided how all users are identified.
    expect(await signIn(NEW_ISSUER, { id: 'dora', groups: ['all'] })).toBe('accepted');
    expect(await signIn(NEW_ISSUER, { id: 'carl', groups: ['all'] })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });
});

describe('a request for a link', () => {
  beforeEach(async () => {
    await signIn(OKTA_ISSUER, { id: 'olivia', groups: OWNERS });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'olivia' })).toBe(AMBIGUOUS);
  });
  const olivia = () => memberOf(mail('olivia'));

  it('is replaced by that of another user, and an approval of the first one is refused', async () => {
    const { linkRequest: seen } = await olivia();
    expect(await signIn(NEW_ISSUER, { id: 'mallory', email: mail('olivia') })).toBe(AMBIGUOUS);
    await expect(approve(await olivia(), seen?.id)).rejects.toMatchObject({ code: 'conflict' });
    expect((await olivia()).idpChange?.outcome).not.toBe('approved');
  });

  it('is kept if the same user asks again', async () => {
    const { linkRequest: seen } = await olivia();
    await signIn(NEW_ISSUER, { id: 'olivia' });
    expect((await olivia()).linkRequest?.id).toBe(seen?.id);
  });

  it('is approved once of two approvals at the same moment', async () => {
    const member = await olivia();
    const results = await Promise.allSettled([approve(member), approve(member)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await audit('member.linked')).toHaveLength(1);
  });

  it('decides how users are identified', async () => {
    const first = await olivia();
    await approve(first);
    const { settings } = (await getOrganizationById(gateway.runtime.store, acme.id))?.connections[0] ?? {};
    expect(settings?.identifier).toEqual({ name_id: NAME_ID_PERSISTENT });
    expect(await audit('identifier.pinned')).toHaveLength(2);
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('accepted');
    expect(await signIn(NEW_ISSUER, { id: 'olivia', groups: OWNERS })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('refuses an approval if the identifier of users has changed since', async () => {
    await gateway.api('PATCH', `${path()}/identity-provider`, { identifier: { attribute: 'employee' } });
    await expect(approve(await olivia())).rejects.toMatchObject({ code: 'conflict' });
  });

  it('expires with the time for links', async () => {
    nowMs += 7 * DAY_MS;
    await expect(approve(await olivia())).rejects.toMatchObject({ code: 'conflict' });
  });

  it('expires with the next change', async () => {
    await change('https://third.example');
    await expect(approve(await olivia())).rejects.toMatchObject({ code: 'conflict' });
    // The member can still be linked to a user of the third identity provider.
    expect(await signIn('https://third.example', { id: 'olivia' })).toBe(AMBIGUOUS);
    await approve(await olivia());
    expect(await signIn('https://third.example', { id: 'olivia', groups: OWNERS })).toBe('accepted');
    expect(await members()).toHaveLength(1);
  });

  it('that is declined gives the user a new account', async () => {
    const before = await olivia();
    await decline(before);
    await expect(approve(before)).rejects.toMatchObject({ code: 'conflict' });
    expect(await signIn(NEW_ISSUER, { id: 'olivia' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
    expect((await members()).find(({ id }) => id === before.id)).toMatchObject({ role: 'owner', idpChange: { outcome: 'declined' } });
    expect(await audit('member.link_declined')).toMatchObject([{ member_id: before.id }]);
  });

  it('cannot be approved for a user who has another account by now', async () => {
    const before = await olivia();
    nowMs += 7 * DAY_MS;
    expect(await signIn(NEW_ISSUER, { id: 'olivia' })).toBe('accepted');
    nowMs -= 7 * DAY_MS;
    await expect(approve(before)).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('races after a change', () => {
  beforeEach(async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
  });

  it('link one of two users with the address of a member', async () => {
    await Promise.all([signIn(NEW_ISSUER, { id: 'one', email: mail('carl') }), signIn(NEW_ISSUER, { id: 'two', email: mail('carl') })]);
    expect(await audit('member.linked')).toHaveLength(1);
    expect(await members()).toHaveLength(2);
  });

  it('link a user once for two sign-ins at the same moment', async () => {
    expect(await Promise.all([1, 2].map(() => signIn(NEW_ISSUER, { id: 'carl' })))).toEqual(['accepted', 'accepted']);
    expect(await audit('member.linked')).toHaveLength(1);
    expect(await members()).toMatchObject([{ sessions: [{}, {}, {}] }]);
  });

  it('refuse a member whose suspension happens during the sign-in', async () => {
    const [carl] = (await members()) as [Member];
    beforeSignInIsWritten(gateway, () => suspend(carl.id));
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('member_suspended');
    expect(await members()).toMatchObject([{ suspended: true, sessions: [] }]);
  });

  it('link no member who becomes an owner during the sign-in', async () => {
    const [carl] = (await members()) as [Member];
    beforeSignInIsWritten(gateway, () =>
      changeMember(gateway.runtime, OPERATOR, { organizationId: acme.id, memberId: carl.id, changes: { role: 'owner' } }),
    );
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe(AMBIGUOUS);
    expect(await audit('member.linked')).toEqual([]);
  });

  it('link no member through an identity provider that is replaced during the sign-in', async () => {
    beforeSignInIsWritten(gateway, () => change('https://third.example'));
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('saml_issuer_unknown');
    expect(await audit('member.linked')).toEqual([]);
  });

  it('link no member whose domain is removed during the sign-in', async () => {
    beforeSignInIsWritten(gateway, () => gateway.api('DELETE', `${path()}/domains/${domain}`));
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe(AMBIGUOUS);
  });

  it('decide a request once that is approved while its user signs in', async () => {
    await gateway.api('DELETE', `${path()}/domains/${domain}`);
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe(AMBIGUOUS);
    const [carl] = (await members()) as [Member];
    await gateway.api('POST', `${path()}/domains`, { domain });
    await confirmDomain();
    beforeSignInIsWritten(gateway, () => approve(carl));
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('accepted');
    expect(await members()).toHaveLength(1);
    expect(await audit('member.linked')).toHaveLength(1);
  });
});

describe('the former identity provider', () => {
  it('gives its users their accounts back when it is restored, and links the others', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await signIn(OKTA_ISSUER, { id: 'dora' });
    await change();
    expect(await signIn(NEW_ISSUER, { id: 'carl' })).toBe('accepted');
    const organization = await getOrganizationById(gateway.runtime.store, acme.id);
    expect(organization?.connections[0]?.change?.decision).toBe('link_by_email');
    expect(await signIn(OKTA_ISSUER, { id: 'carl' })).toBe('saml_issuer_unknown');
    await change(OKTA_ISSUER);
    expect(await signIn(OKTA_ISSUER, { id: 'carl' })).toBe('accepted');
    expect(await signIn(OKTA_ISSUER, { id: 'dora' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('needs a decision again while members wait to be linked', async () => {
    await signIn(OKTA_ISSUER, { id: 'carl' });
    await change();
    expect(await put('https://third.example')).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });
});
