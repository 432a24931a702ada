import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';

const NEW_ISSUER = 'https://new.example/idp';
let gateway: TestGateway;
let acme: TestOrganization;
let olivia: HttpBrowser;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  for (const [user, browser] of [
    ['olivia', olivia],
    ['carl', new HttpBrowser()],
    ['nina', new HttpBrowser()],
  ] as const)
    await acme.signIn(browser, user, from(OKTA_ISSUER));
});

const from = (issuer: string) => ({ values: { responseIssuer: issuer, assertionIssuer: issuer } });
const signIn = (user: string) => acme.signIn(new HttpBrowser(), user, from(NEW_ISSUER));
const page = () => olivia.open(`${gateway.url}/console/single-sign-on`);
const save = async (choice: Record<string, string>): Promise<Page> => {
  const metadata = acme.metadata.replace(/entityID="[^"]+"/, `entityID="${NEW_ISSUER}"`);
  return olivia.submit(
    await olivia.submit(await olivia.open(`${gateway.url}/console/single-sign-on/steps/metadata`), { metadata }, '/preview'),
    choice,
    '/save',
  );
};
const tomorrow = () => new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
const entityId = async () =>
  (await gateway.api<{ entity_id: string }>('GET', `/organizations/${acme.slug}/identity-provider`)).body.entity_id;

describe('the decision about members in the console', () => {
  it('links by email, and an owner approves, declines and revokes', async () => {
    expect((await save({ on_new_entity_id: 'link_by_email', link_until: '' })).status).toBe(400);
    expect((await save({ on_new_entity_id: 'link_by_email', link_until: tomorrow() })).status).toBe(200);
    for (const user of ['carl', 'nina']) expect((await signIn(user)).status).toBe(403);
    const listed = await page();
    const formOf = (user: string, verb: string) =>
      listed.forms.filter(({ action }) => action.endsWith(`/${verb}`)).map(({ action }) => new URL(action).pathname)[
        user === 'carl' ? 0 : 1
      ];
    expect((await olivia.submit(listed, {}, formOf('carl', 'approve'))).status).toBe(200);
    expect((await olivia.submit(listed, {}, formOf('nina', 'decline'))).status).toBe(200);
    expect((await signIn('carl')).status).toBe(303);
    expect((await signIn('nina')).status).toBe(303);
    const { body } = await gateway.api<{ items: { email: string }[] }>('GET', `/organizations/${acme.slug}/members`);
    expect(body.items.map(({ email }) => email.split('@')[0])).toEqual(['carl', 'nina', 'nina', 'olivia']);
    // The owner has not signed in with the new identity provider either.
    await olivia.submit(await page(), {}, '/pending-members/revoke');
    expect((await olivia.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status).toBe(401);
  });

  it('keeps members with a draft, and asks for its test', async () => {
    const saved = await save({ on_new_entity_id: 'keep' });
    expect([saved.status, saved.text]).toEqual([200, expect.stringContaining('saved as a draft')]);
    expect(await entityId()).toBe(OKTA_ISSUER);
    const { body } = await gateway.api<{ replacement: string }>('GET', `/organizations/${acme.slug}/identity-provider`);
    const started = await olivia.request(`${gateway.url}/saml/${acme.slug}/login?test=1&connection=${body.replacement}`);
    await acme.post(olivia, acme.respond({ inResponseTo: startedBy(started).requestId, ...from(NEW_ISSUER) }));
    expect(await entityId()).toBe(NEW_ISSUER);
    expect((await page()).text).toContain('Members who have not signed in again');
  });

  /** Adds members before carl in the list. Those who have signed in again are searched, but not listed. */
  const addMembers = async (count: number, hasSignedIn: boolean) => {
    const { store } = gateway.runtime;
    const carl = (await store.find(acme.id, MEMBERS, 'email', { equals: 'carl@okta.acme.example', limit: 1 })).items[0]?.value;
    const { body } = await gateway.api<{ change: { id: string } }>('GET', `/organizations/${acme.slug}/identity-provider`);
    if (!carl) throw new Error('no member');
    const idpChange = hasSignedIn ? ({ id: body.change.id, outcome: 'signed_in' } as const) : undefined;
    for (let from = 0; from < count; from += 100) {
      const ids = Array.from({ length: Math.min(100, count - from) }, (_, i) => `usr_${String(from + i).padStart(20, '0')}`);
      const steps = ids.map((id) => {
        const value = { ...carl, id, identity: id, email: `a${id}@acme.example`, sessions: [], idpChange, linkRequest: undefined };
        return { do: 'insert', collection: MEMBERS, id, value } as const;
      });
      expect((await store.commit(acme.id, steps)).ok).toBe(true);
    }
  };

  it.each([
    ['behind 50 other pending members', 50, false],
    ['behind 2,000 members who have signed in again', 2000, true],
  ])('lists the request of a user to become a member %s', async (_case, count, hasSignedIn) => {
    await save({ on_new_entity_id: 'link_by_email', link_until: tomorrow() });
    await signIn('carl');
    await addMembers(count, hasSignedIn);
    let shown = await page();
    expect(shown.text).toContain('Members who have not signed in again');
    expect(shown.text).not.toContain('/approve');
    // One page searches 1,000 members.
    for (let pages = 0; pages < 3 && !shown.text.includes('/approve'); pages++) {
      const [, next = ''] = /href="([^"]+)" rel="next"/.exec(shown.text) ?? [];
      shown = await olivia.open(new URL(next.replaceAll('&amp;', '&'), gateway.url).href);
    }
    expect((await olivia.submit(shown, {}, '/approve')).status).toBe(200);
    expect((await signIn('carl')).status).toBe(303);
  });

  it('offers a setup link new accounts only', async () => {
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(body.url));
    const metadata = acme.metadata.replace(/entityID="[^"]+"/, `entityID="${NEW_ISSUER}"`);
    const preview = await browser.submit(
      await browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`),
      { metadata },
      '/preview',
    );
    expect(preview.text.match(/name="on_new_entity_id" value="\w+"/g)).toEqual(['name="on_new_entity_id" value="new_accounts"']);
  });
});
