/**
 * Two sign-ins, or a sign-in and a change, at the same moment. Each race is played in the one order that is dangerous: the second one
 * is written between the last read and the commit of the first one. With Redis, the second one runs on another replica.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ResponseValues } from '../../src/mock-idp/response-values.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { DAY_MS, toIsoTime } from '../../src/time.ts';
import { beforeCommit, beforeSignInIsWritten } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';

describe.each(['sqlite', 'redis'] as const)('sign-ins and changes at the same moment on %s', (store) => {
  let first: TestGateway;
  let second: TestGateway;
  let acme: TestOrganization;
  let path: string;
  let domain: string;
  beforeAll(async () => {
    const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32) };
    first = await startGateway({ store, environment });
    second = store === 'redis' ? await startGateway({ store, environment }) : first;
  });
  afterAll(async () => {
    if (second !== first) await second.stop();
    await first.stop();
  });
  beforeEach(async () => {
    acme = await makeTestOrganization(first);
    path = `/organizations/${acme.slug}`;
    domain = `${newSlug()}.example`;
  });

  interface User {
    readonly nameId: ResponseValues['nameId'];
    readonly email?: string;
    readonly issuer?: string;
  }
  const persistent = (value: string) => ({ value, format: NAME_ID_PERSISTENT });
  const emailId = (value: string) => ({ value, format: NAME_ID_EMAIL });
  const ada: User = { nameId: persistent('ada') };

  /** Posts an unsolicited response to a gateway. Its issuer and recipient are those of the first one. */
  async function signIn(at: TestGateway, { nameId, email = `ada@${domain}`, issuer = OKTA_ISSUER }: User) {
    const attributes = [{ name: 'email', values: [email] }];
    const values = { nameId, attributes, responseIssuer: issuer, assertionIssuer: issuer };
    const root = `${at.url}/saml/${acme.slug}`;
    const xml = acme.respond({ acsUrl: `${root}/acs`, spEntityId: `${root}/metadata`, values });
    const body = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') });
    const page = await new HttpBrowser().request(`${root}/acs`, { method: 'POST', body, headers: { 'sec-fetch-site': 'cross-site' } });
    return page.status === 303 ? 'accepted' : page.code;
  }
  /** Signs a user in at the first gateway, while `work` runs before the commit. */
  async function signInWhile<T>(work: () => Promise<T>, user: User) {
    let result: T | undefined;
    beforeSignInIsWritten(first, async () => {
      result = await work();
    });
    return [await signIn(first, user), result];
  }
  const members = async (): Promise<Member[]> =>
    (await second.runtime.store.find(acme.id, MEMBERS, 'email', { limit: 200 })).items.map(({ value }) => value);
  const audited = async (event: string) =>
    (await second.api<{ items: unknown[] }>('GET', `${path}/audit?event=${event}`)).body.items.length;
  const identifier = async () => (await second.api<{ identifier: unknown }>('GET', `${path}/identity-provider`)).body.identifier;

  it('create one member for two first sign-ins of one user, also with a pinned identifier', async () => {
    for (const user of [ada, { nameId: persistent('bob'), email: `bob@${domain}` }]) {
      const before = (await members()).length;
      expect(await signInWhile(() => signIn(second, user), user)).toEqual(['accepted', 'accepted']);
      expect(await members()).toHaveLength(before + 1);
      expect((await members()).find(({ email }) => email === (user.email ?? `ada@${domain}`))?.sessions).toHaveLength(2);
    }
    expect(await audited('identifier.pinned')).toBe(1);
  });

  it('create one member for many first sign-ins of one user', async () => {
    const verdicts = await Promise.all([first, second, first, second, first, second].map((at) => signIn(at, ada)));
    expect(verdicts).toEqual(Array(6).fill('accepted'));
    expect(await members()).toHaveLength(1);
  });

  it('pin one source, and refuse the user who brings another one', async () => {
    const bob = { nameId: emailId(`bob@${domain}`), email: `bob@${domain}` };
    expect(await signInWhile(() => signIn(second, bob), ada)).toEqual(['saml_identifier_changed', 'accepted']);
    expect(await identifier()).toEqual({ name_id: NAME_ID_EMAIL });
    expect((await members()).map(({ email }) => email)).toEqual([bob.email]);
  });

  it('obey a pin that an administrator sets, and the reset of one', async () => {
    const set = (value: unknown) => async () => (await second.api('PATCH', `${path}/identity-provider`, { identifier: value })).status;
    expect(await signInWhile(set({ attribute: 'uid' }), ada)).toEqual(['saml_identifier_changed', 200]);
    await set({ name_id: NAME_ID_PERSISTENT })();
    expect(await signIn(first, ada)).toBe('accepted');
    // A new user who is known by the pinned identifier may not choose it again.
    expect(await signInWhile(set('auto'), { nameId: persistent('eve'), email: `eve@${domain}` })).toEqual(['saml_identifier_changed', 200]);
    expect([await identifier(), (await members()).length]).toEqual(['auto', 1]);
  });

  describe('after a change with link_by_email', () => {
    const issuer = 'https://new.example/idp';
    const metadataOf = (entityId: string) => acme.metadata.replace(/entityID="[^"]+"/, `entityID="${entityId}"`);
    const user = (value: string): User => ({ nameId: persistent(value), issuer });
    beforeEach(async () => {
      await first.api('POST', `${path}/domains`, { domain });
      await first.api('POST', `${path}/domains/${domain}/verify`, { confirm: true });
      await signIn(first, ada);
      const query = `on_new_entity_id=link_by_email&link_until=${toIsoTime(Date.now() + DAY_MS)}`;
      expect((await first.api('PUT', `${path}/identity-provider?${query}`, metadataOf(issuer))).status).toBe(200);
    });

    it('link one of two users with the address of a member', async () => {
      const [before] = await members();
      expect(await signInWhile(() => signIn(second, user('two')), user('one'))).toEqual(['accepted', 'accepted']);
      expect(await audited('member.linked')).toBe(1);
      const linked = (await members()).find(({ id }) => id === before?.id);
      expect(linked?.identifier?.value).toBe('two');
      expect((await members()).map(({ identifier: of }) => of?.value).sort()).toEqual(['one', 'two']);
    });

    it('link one user once', async () => {
      expect(await signInWhile(() => signIn(second, user('one')), user('one'))).toEqual(['accepted', 'accepted']);
      expect([await audited('member.linked'), (await members()).length]).toEqual([1, 1]);
    });

    it('link no member who is suspended or whose domain is removed', async () => {
      const [before] = await members();
      const suspend = (suspended: boolean) => second.api('PATCH', `${path}/members/${before?.id}`, { suspended });
      expect((await signInWhile(() => suspend(true), user('one')))[0]).toBe('member_suspended');
      await suspend(false);
      const remove = () => second.api('DELETE', `${path}/domains/${domain}`);
      expect((await signInWhile(remove, user('one')))[0]).toBe('saml_identifier_ambiguous');
      expect(await audited('member.linked')).toBe(0);
    });
  });

  it('give a domain to one of two organizations that verify it', async () => {
    const { slug } = await makeTestOrganization(first);
    const verify = async (at: TestGateway, org: string) => {
      const { status, body } = await at.api<{ code?: string }>('POST', `/organizations/${org}/domains/${domain}/verify`, { confirm: true });
      return status === 200 ? 'verified' : body.code;
    };
    for (const org of [acme.slug, slug]) await first.api('POST', `/organizations/${org}/domains`, { domain });
    let theirs: string | undefined;
    beforeCommit(
      first,
      (step) => 'collection' in step && step.collection === DIRECTORY,
      async () => {
        theirs = await verify(second, slug);
      },
    );
    expect([await verify(first, acme.slug), theirs]).toEqual(['conflict', 'verified']);
    const { body } = await second.api<{ items: { state: string }[] }>('GET', `${path}/domains`);
    expect(body.items.map(({ state }) => state)).toEqual(['pending']);
  });
});
