import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import type { ResponseValues } from '../../src/mock-idp/response-values.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_TRANSIENT, NAME_ID_UNSPECIFIED } from '../../src/saml/names.ts';
import { beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { seedFormerMember } from '../support/seed.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

interface Sent {
  readonly nameId?: ResponseValues['nameId'];
  readonly email?: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}
const sent = ({ nameId, email = 'ada@x.example', attributes = {} }: Sent) => ({
  values: {
    nameId,
    attributes: Object.entries({ email, ...attributes }).map(([name, value]) => ({ name, values: [value].flat() })),
  },
});
const persistent = (value: string) => ({ value, format: NAME_ID_PERSISTENT });
const emailId = (value: string) => ({ value, format: NAME_ID_EMAIL });
const transient = { value: '_t', format: NAME_ID_TRANSIENT };

const signIn = (what: Sent): Promise<Page> => acme.post(new HttpBrowser(), acme.respond(sent(what)));
const verdict = async (what: Sent) => {
  const { status, code } = await signIn(what);
  return status === 303 ? 'accepted' : code;
};
const setIdentifier = async (identifier: unknown) =>
  (await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, { identifier })).status;
const identifier = async () =>
  (await gateway.api<{ identifier: unknown }>('GET', `/organizations/${acme.slug}/identity-provider`)).body.identifier;
const members = async () => (await gateway.runtime.store.find(acme.id, MEMBERS, 'email', { limit: 200 })).items.map(({ value }) => value);
const audited = async (event: string) =>
  (await gateway.api<{ items: unknown[] }>('GET', `/organizations/${acme.slug}/audit?event=${event}`)).body.items.length;
const seedFormer = (form: readonly string[], more: Partial<Member> = {}): Promise<Member> =>
  seedFormerMember(gateway.runtime, acme, { form, ...more });

describe('pinning the identifier', () => {
  it('pins what the first accepted sign-in used, in one commit with the member', async () => {
    expect(await identifier()).toBe('auto');
    expect(await verdict({ nameId: persistent('ada') })).toBe('accepted');
    expect(await identifier()).toEqual({ name_id: NAME_ID_PERSISTENT });
    expect(await audited('identifier.pinned')).toBe(1);
    expect(await verdict({ nameId: persistent('ada') })).toBe('accepted');
    expect(await members()).toHaveLength(1);
    expect(await audited('identifier.pinned')).toBe(1);
  });

  it('rejects a later response without the pinned identifier, and never falls back to another one', async () => {
    await verdict({ nameId: persistent('ada') });
    for (const what of [
      { nameId: emailId('ada@x.example') },
      { nameId: { value: 'ada', format: NAME_ID_UNSPECIFIED } },
      { nameId: transient, attributes: { 'urn:oasis:names:tc:SAML:attribute:subject-id': 'ada@x' } },
      { attributes: { eduPersonPrincipalName: 'ada@x' } },
    ]) {
      expect(await verdict(what)).toBe('saml_identifier_changed');
    }
    expect(await members()).toHaveLength(1);
  });

  it('is not done by a user without a role', async () => {
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, {
      rules: [{ group: 'platform-admins', role: 'owner' }],
      default_role: 'none',
    });
    expect(await verdict({ nameId: emailId('ada@x.example') })).toBe('saml_role_denied');
    expect(await identifier()).toBe('auto');
  });

  it('is not done by a refused response', async () => {
    expect(await verdict({ nameId: persistent('ada'), email: 'none' })).toBe('saml_email_missing');
    expect(await identifier()).toBe('auto');
  });

  it('is reset by auto or null, and then a sign-in must be one of a member', async () => {
    await verdict({ nameId: persistent('ada') });
    for (const reset of ['auto', null]) {
      expect(await setIdentifier(reset)).toBe(200);
      expect(await identifier()).toBe('auto');
      expect(await verdict({ nameId: emailId('eve@x.example'), email: 'eve@x.example' })).toBe('saml_identifier_changed');
      expect(await identifier()).toBe('auto');
      expect(await verdict({ nameId: persistent('ada') })).toBe('accepted');
      expect(await identifier()).toEqual({ name_id: NAME_ID_PERSISTENT });
    }
    expect(await members()).toHaveLength(1);
  });

  it('accepts new users again once an administrator has chosen', async () => {
    await verdict({ nameId: persistent('ada') });
    await setIdentifier({ attribute: 'uid' });
    expect(await verdict({ nameId: persistent('bob'), email: 'bob@x.example', attributes: { uid: 'b' } })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it.each([
    ['a transient NameID', { name_id: NAME_ID_TRANSIENT }],
    ['a groups attribute', { attribute: 'groups' }],
    ['a role', { attribute: 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role' }],
    ['a name', { attribute: 'displayName' }],
    ['two sources', { attribute: 'uid', name_id: NAME_ID_PERSISTENT }],
    ['an unknown word', 'email'],
  ])('refuses %s as identifier', async (_title, value) => {
    expect(await setIdentifier(value)).toBe(400);
    expect(await identifier()).toBe('auto');
  });
});

describe('a test sign-in', () => {
  const test = async (browser: HttpBrowser, what: Sent) => {
    const start = await startTest(browser);
    return acme.post(browser, acme.respond({ ...sent(what), inResponseTo: start.requestId }), start.relayState);
  };
  /** Starts a test from the setup of a link. */
  const startTest = async (browser: HttpBrowser) => {
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    await browser.submit(await browser.open(body.url));
    const page = await browser.open(`${gateway.url}/setup/single-sign-on`);
    const form = page.forms.find(({ action }) => action.endsWith('/test'));
    const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    return startedBy(await browser.request(form?.action ?? '', { method: 'POST', body: new URLSearchParams({ csrf }) }));
  };

  it('pins what it used, without a member', async () => {
    await test(new HttpBrowser(), { nameId: persistent('ada') });
    expect(await identifier()).toEqual({ name_id: NAME_ID_PERSISTENT });
    expect(await members()).toEqual([]);
    expect(await verdict({ nameId: emailId('eve@x.example') })).toBe('saml_identifier_changed');
  });

  it('pins nothing if it is refused', async () => {
    await test(new HttpBrowser(), { nameId: transient });
    expect(await identifier()).toBe('auto');
  });

  it('pins nothing if members exist and it is of none of them', async () => {
    await seedFormer(['NameID', 'ada@x.example']);
    await test(new HttpBrowser(), { nameId: persistent('other'), email: 'other@x.example' });
    expect(await identifier()).toBe('auto');
    await test(new HttpBrowser(), { nameId: emailId('ada@x.example') });
    expect(await identifier()).toEqual({ name_id: NAME_ID_EMAIL });
  });

  it('never overwrites a pin that a sign-in wrote at the same moment', async () => {
    const browser = new HttpBrowser();
    beforeSignInIsWritten(gateway, () => setIdentifier({ attribute: 'uid' }));
    await test(browser, { nameId: persistent('ada') });
    expect(await identifier()).toEqual({ attribute: 'uid' });
  });
});

describe('sign-ins at the same moment', () => {
  it('create one member for one user', async () => {
    const verdicts = await Promise.all(Array.from({ length: 6 }, () => verdict({ nameId: persistent('ada') })));
    expect(verdicts).toEqual(Array(6).fill('accepted'));
    expect(await members()).toHaveLength(1);
    expect(await audited('identifier.pinned')).toBe(1);
  });

  it('pin one source if two users bring different ones, and the other user is refused', async () => {
    let second: string | undefined;
    beforeSignInIsWritten(gateway, async () => {
      second = await verdict({ nameId: emailId('bob@x.example'), email: 'bob@x.example' });
    });
    expect(await verdict({ nameId: persistent('ada') })).toBe('saml_identifier_changed');
    expect(second).toBe('accepted');
    expect(await identifier()).toEqual({ name_id: NAME_ID_EMAIL });
    expect((await members()).map(({ email }) => email)).toEqual(['bob@x.example']);
  });

  it('obey a pin that an administrator sets meanwhile', async () => {
    beforeSignInIsWritten(gateway, () => setIdentifier({ attribute: 'uid' }));
    expect(await verdict({ nameId: persistent('ada') })).toBe('saml_identifier_changed');
    expect(await members()).toEqual([]);
    expect(await identifier()).toEqual({ attribute: 'uid' });
  });
});

describe('members of earlier versions', () => {
  it('are found by their old key once, which the same commit replaces', async () => {
    const former = await seedFormer(['NameID', 'ada@x.example']);
    expect(await verdict({ nameId: emailId('ada@x.example') })).toBe('accepted');
    const [member, ...others] = await members();
    expect([member?.id, others]).toEqual([former.id, []]);
    expect(member?.identity).not.toBe(former.identity);
    expect(member?.identifier).toEqual({ scope: expect.any(String), source: { name_id: NAME_ID_EMAIL }, value: 'ada@x.example' });
    expect(await identifier()).toEqual({ name_id: NAME_ID_EMAIL });
  });

  it('are found only in the pinned format', async () => {
    await seedFormer(['NameID', 'ada']);
    await setIdentifier({ name_id: NAME_ID_UNSPECIFIED });
    expect(await verdict({ nameId: { value: 'ada', format: 'urn:x:other' } })).toBe('saml_identifier_changed');
    expect(await verdict({ nameId: { value: 'ada', format: NAME_ID_UNSPECIFIED } })).toBe('accepted');
    // The old key is gone, so no other format finds the member by it.
    await setIdentifier({ name_id: 'urn:x:other' });
    expect(await verdict({ nameId: { value: 'ada', format: 'urn:x:other' }, email: 'eve@x.example' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('are found if the identity provider now sends the qualifiers', async () => {
    const former = await seedFormer(['NameID', 'n', '', '']);
    const nameId = { ...persistent('n'), nameQualifier: OKTA_ISSUER, spNameQualifier: `${gateway.url}/saml/${acme.slug}/metadata` };
    expect(await verdict({ nameId })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([former.id]);
  });

  it('decide about the pin: an unknown user is refused until one of them signs in', async () => {
    await seedFormer(['NameID', 'ada@x.example']);
    expect(await verdict({ nameId: persistent('eve'), email: 'eve@x.example' })).toBe('saml_identifier_changed');
    expect(await verdict({ nameId: emailId('eve@x.example'), email: 'eve@x.example' })).toBe('saml_identifier_changed');
    expect([await identifier(), (await members()).length]).toEqual(['auto', 1]);
    expect(await verdict({ nameId: emailId('ada@x.example') })).toBe('accepted');
    expect(await verdict({ nameId: emailId('eve@x.example'), email: 'eve@x.example' })).toBe('accepted');
    expect(await members()).toHaveLength(2);
  });

  it('of which two sign in at the same moment stay two', async () => {
    await seedFormer(['NameID', 'ada@x.example']);
    await seedFormer(['NameID', 'bob@x.example'], { email: 'bob@x.example' });
    const ids = (await members()).map(({ id }) => id).sort();
    const verdicts = await Promise.all(
      ['ada@x.example', 'bob@x.example', 'ada@x.example', 'bob@x.example'].map((email) => verdict({ nameId: emailId(email), email })),
    );
    expect(verdicts).toEqual(Array(4).fill('accepted'));
    expect((await members()).map(({ id }) => id).sort()).toEqual(ids);
  });
});

describe('members whose identifiers differ only by case', () => {
  const seedTwo = async () => [
    await seedFormer(['NameID', 'Ada@x.example'], { email: 'Ada@x.example' }),
    await seedFormer(['NameID', 'ada@x.example'], { email: 'ada@x.example' }),
  ];

  it('are never merged, and sign in again when one of them is removed', async () => {
    const [upper, lower] = await seedTwo();
    for (const value of ['ada@x.example', 'Ada@x.example', 'ADA@x.example']) {
      expect(await verdict({ nameId: emailId(value) })).toBe('saml_identifier_ambiguous');
    }
    expect((await members()).map(({ identity }) => identity).sort()).toEqual([upper?.identity, lower?.identity].sort());
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}/members/${upper?.id}`)).status).toBe(204);
    expect(await verdict({ nameId: emailId('ADA@x.example') })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([lower?.id]);
  });

  it('are not merged if only one of them has a new key', async () => {
    await seedFormer(['NameID', 'AdA@x.example'], { email: 'one@x.example' });
    const other = await seedFormer(['NameID', 'aDa@x.example'], { email: 'two@x.example' });
    expect(await verdict({ nameId: emailId('AdA@x.example'), email: 'one@x.example' })).toBe('accepted');
    expect(await verdict({ nameId: emailId('aDa@x.example'), email: 'two@x.example' })).toBe('saml_identifier_ambiguous');
    expect((await members()).find(({ id }) => id === other.id)?.identity).toBe(other.identity);
  });

  it('are one member if only one of them existed', async () => {
    const former = await seedFormer(['NameID', 'Ada@x.example'], { email: 'Ada@x.example' });
    for (const value of ['ada@x.example', 'ADA@X.example', 'Ada@x.example'])
      expect(await verdict({ nameId: emailId(value) })).toBe('accepted');
    expect((await members()).map(({ id }) => id)).toEqual([former.id]);
  });
});

describe('a suspended member', () => {
  const suspend = async (id: string | undefined) =>
    expect((await gateway.api('PATCH', `/organizations/${acme.slug}/members/${id}`, { suspended: true })).status).toBe(200);

  it('cannot return under another format after the pin has changed', async () => {
    await verdict({ nameId: persistent('ada') });
    await suspend((await members())[0]?.id);
    expect(await verdict({ nameId: persistent('ada') })).toBe('member_suspended');
    for (const pin of [{ attribute: 'uid' }, { name_id: NAME_ID_EMAIL }, 'auto']) {
      await setIdentifier(pin);
      expect(await verdict({ nameId: emailId('Ada@x.example'), attributes: { uid: 'ada' } })).toBe('member_suspended');
      // A new email address does not help, as long as the response has the identifier of the member.
      const attributes = { uid: 'ada', email: 'new@x.example' };
      expect(await verdict({ nameId: persistent('ada'), attributes })).not.toBe('accepted');
    }
    expect(await members()).toHaveLength(1);
  });

  it('cannot return with a new email address and the identifier that an administrator had chosen', async () => {
    await setIdentifier({ attribute: 'uid' });
    expect(await verdict({ nameId: transient, attributes: { uid: 'ada' } })).toBe('accepted');
    await suspend((await members())[0]?.id);
    await setIdentifier({ attribute: 'number' });
    const again = { nameId: transient, email: 'new@x.example', attributes: { uid: 'ADA', number: '7' } };
    expect(await verdict(again)).toBe('member_suspended');
    expect(await verdict({ ...again, attributes: { uid: 'bea', number: '7' } })).toBe('accepted');
  });

  it('of an earlier version cannot return under another identifier', async () => {
    const former = await seedFormer(['NameID', 'ada', '', ''], { email: 'old@x.example' });
    await suspend(former.id);
    await setIdentifier({ attribute: 'uid' });
    expect(await verdict({ nameId: persistent('ada'), email: 'new@x.example', attributes: { uid: 'ada' } })).toBe('member_suspended');
    expect(await verdict({ nameId: transient, email: 'OLD@x.example', attributes: { uid: 'ada' } })).toBe('member_suspended');
    expect((await members()).map(({ id }) => id)).toEqual([former.id]);
  });
});

describe('a response without a lasting identifier', () => {
  const spid = { nameId: transient, attributes: { spidCode: 'AGID-1', groups: 'admins', displayName: 'Ada', two: ['a', 'b'] } };
  const startSetup = async () => {
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(body.url));
    return browser;
  };
  const setupPage = () => `${gateway.url}/setup/single-sign-on`;
  const test = async (browser: HttpBrowser, what: Sent) => {
    const page = await browser.open(setupPage());
    const form = page.forms.find(({ action }) => action.endsWith('/test'));
    const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    const { relayState, requestId } = startedBy(
      await browser.request(form?.action ?? '', { method: 'POST', body: new URLSearchParams({ csrf }) }),
    );
    const answer = await acme.post(browser, acme.respond({ ...sent(what), inResponseTo: requestId }), relayState);
    return browser.open(answer.location ?? '');
  };
  const offered = (page: Page) =>
    page.forms
      .filter(({ action }) => action.endsWith('/identifier'))
      .map(({ fields }) => fields.find(({ name }) => name === 'attribute')?.value);

  it('is refused, and the sign-in log tells administrators, not the user, which attributes arrived', async () => {
    const page = await signIn(spid);
    expect([page.status, page.code]).toEqual([400, 'saml_name_id_missing']);
    expect(page.text).not.toContain('spidCode');
    await flushSignInLog(gateway.runtime);
    const path = `/organizations/${acme.slug}/sign-ins`;
    const { body } = await gateway.api<{ items: { id: string }[] }>('GET', path);
    const entry = await gateway.api('GET', `${path}/${body.items[0]?.id}`);
    expect(entry.body).toMatchObject({
      attribute_names: ['email', 'spidCode', 'groups', 'displayName', 'two'],
      offered_identifiers: ['email', 'spidCode'],
      detail: expect.stringContaining('spidCode'),
    });
  });

  it('lets a setup choose an attribute with one click, and then a test sign-in succeeds', async () => {
    const browser = await startSetup();
    const refused = await test(browser, spid);
    expect(refused.text).toContain('The test sign-in was refused');
    expect(refused.text).toContain('impersonate');
    expect(offered(refused)).toEqual(['email', 'spidCode']);
    const form = refused.forms.find(({ fields }) => fields.some(({ value }) => value === 'spidCode'));
    const fields = Object.fromEntries((form?.fields ?? []).map(({ name, value }) => [name, value ?? '']));
    const saved = await browser.request(form?.action ?? '', { method: 'POST', body: new URLSearchParams(fields) });
    expect(saved.status).toBe(303);
    expect((await browser.open(setupPage())).text).toContain('the attribute spidCode');
    expect(await identifier()).toEqual({ attribute: 'spidCode' });
    expect((await test(browser, spid)).text).toContain('The test sign-in succeeded');
    expect(await verdict(spid)).toBe('accepted');
  });

  it('offers nothing if no valid signature covers the response', async () => {
    const forged = acme.respond(sent(spid)).replace('AGID-1', 'AGID-2');
    await acme.post(new HttpBrowser(), forged);
    await flushSignInLog(gateway.runtime);
    const path = `/organizations/${acme.slug}/sign-ins`;
    const { body } = await gateway.api<{ items: { id: string }[] }>('GET', path);
    expect((await gateway.api('GET', `${path}/${body.items[0]?.id}`)).body).toMatchObject({ verified: false, offered_identifiers: [] });
  });
});

describe('changing the identifier on purpose', () => {
  const dryRun = async (value: unknown) =>
    (await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider?dry_run=true`, { identifier: value })).body;

  it('counts the affected members without saving', async () => {
    await verdict({ nameId: persistent('ada') });
    await verdict({ nameId: persistent('bob'), email: 'bob@x.example' });
    await gateway.api('PATCH', `/organizations/${acme.slug}/members/${(await members())[0]?.id}`, { suspended: true });
    await seedFormer(['NameID', 'cy', '', ''], { email: 'cy@x.example' });
    expect(await dryRun({ attribute: 'uid' })).toMatchObject({
      identifier: { attribute: 'uid' },
      affected_members: { affected: 2, suspended: 1, undetermined: 1 },
    });
    expect(await dryRun({ name_id: NAME_ID_PERSISTENT })).toMatchObject({
      affected_members: { affected: 0, suspended: 0, undetermined: 1 },
    });
    expect(await dryRun({ name_id: NAME_ID_TRANSIENT })).toMatchObject({ code: 'validation_failed' });
    expect(await identifier()).toEqual({ name_id: NAME_ID_PERSISTENT });
  });
});
