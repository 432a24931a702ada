import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { formerIdsOf } from '../../src/organizations/former-organizations.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

describe.each(['sqlite', 'redis'] as const)('an organization that is deleted and created again with %s', (store) => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway({ store });
  });
  afterAll(() => gateway.stop());

  const post = async (organization: TestOrganization, xml: string) => {
    const page = await organization.post(new HttpBrowser(), xml);
    return page.status === 303 ? 'accepted' : page.code;
  };
  /** Deletes the organization and creates one with the same slug and the same identity provider. Returns its ID. */
  const createAgain = async ({ slug, metadata }: TestOrganization): Promise<string> => {
    expect((await gateway.api('DELETE', `/organizations/${slug}`)).status).toBe(204);
    const { body } = await gateway.api<{ id: string }>('POST', '/organizations', { slug, name: slug });
    expect((await gateway.api('PUT', `/organizations/${slug}/identity-provider`, metadata)).status).toBe(200);
    expect(
      (await gateway.api('PUT', `/organizations/${slug}/role-mapping`, { rules: [], default_role: 'collaborator', allow_no_owner: true }))
        .status,
    ).toBe(200);
    return body.id;
  };

  it('rejects an assertion that was used before the deletion', async () => {
    const acme = await makeTestOrganization(gateway);
    const used = acme.respond({ user: 'carl' });
    expect(await post(acme, used)).toBe('accepted');
    await createAgain(acme);
    expect(await post(acme, used)).toBe('saml_replayed');
    // Other assertions of the same identity provider are accepted, once.
    const fresh = acme.respond({ user: 'carl' });
    expect(await post(acme, fresh)).toBe('accepted');
    // Also after a second deletion.
    await createAgain(acme);
    expect([await post(acme, used), await post(acme, fresh)]).toEqual(['saml_replayed', 'saml_replayed']);
    const { body } = await gateway.api<{ items: unknown[] }>('GET', `/organizations/${acme.slug}/members`);
    expect(body.items).toEqual([]);
  });

  it('rejects an assertion that was refused after its signature was verified, and used in no other organization', async () => {
    const acme = await makeTestOrganization(gateway);
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules: [], default_role: 'none', allow_no_owner: true });
    const denied = acme.respond({ user: 'carl' });
    expect(await post(acme, denied)).toBe('saml_role_denied');
    await createAgain(acme);
    expect(await post(acme, denied)).toBe('saml_replayed');
  });

  it('leaves nothing but the claims of the former one', async () => {
    const acme = await makeTestOrganization(gateway);
    const browser = new HttpBrowser();
    expect((await acme.signIn(browser)).status).toBe(303);
    const id = await createAgain(acme);
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
    expect(await getOrganizationById(gateway.runtime.store, acme.id)).toBeUndefined();
    expect((await getOrganizationById(gateway.runtime.store, id))?.formerIds).toEqual([acme.id]);
  });

  it('remembers a limited number of former ones, each once', async () => {
    const acme = await makeTestOrganization(gateway);
    const ids = [acme.id];
    for (let i = 0; i < 3; i++) ids.unshift(await createAgain(acme));
    // A deletion that is repeated after a failure.
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}`)).status).toBe(204);
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}`)).status).toBe(404);
    expect(await formerIdsOf(gateway.runtime.store, acme.slug)).toEqual(ids);
  });
});
