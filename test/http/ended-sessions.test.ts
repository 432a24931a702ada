/** What the store holds of a session besides its member's record, after the session has ended in any way. */
import { createPrivateKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { placeOf } from '../../src/auth/sessions/browser-sessions.ts';
import { MEMBER_SESSION } from '../../src/auth/sessions/member-sessions.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { EMAIL, logoutRequest, nameId, signXml } from '../support/logout-idp.ts';
import { newSlug } from '../support/new-slug.ts';
import { addConnection } from '../support/test-connection.ts';

const SLO = '<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/slo"/>';
const CARL = 'carl@okta.acme.example';

describe.each(['sqlite', 'redis'] as const)('the stored value of a session that has ended, with %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  beforeAll(async () => {
    gateway = await startGateway({ store });
  });
  afterAll(() => gateway.stop());

  const path = (rest: string) => `/organizations/${acme.slug}/${rest}`;
  const memberId = async () => {
    const { body } = await gateway.api<{ items: { id: string; email: string }[] }>('GET', path('members'));
    return body.items.find(({ email }) => email === CARL)?.id ?? '';
  };
  /** Returns the ID of the session that the cookie of a browser holds. */
  const sidOf = (browser: HttpBrowser) =>
    /^s:([^.]+\.[\w-]+)\./.exec(decodeURIComponent(browser.cookie('samlgate_session')?.value ?? ''))?.[1] ?? '';
  const logout = async () => {
    const destination = acme.acsUrl.replace(/acs$/, 'slo');
    const id = `_${newSlug()}`;
    const xml = logoutRequest({ idp: OKTA_ISSUER, destination, instant: new Date().toISOString() }, nameId(CARL), { id });
    const signed = signXml(xml, createPrivateKey(acme.key.privateKeyPem), { id, reference: `URI="#${id}"` });
    const body = new URLSearchParams({ SAMLRequest: Buffer.from(signed).toString('base64') });
    await new HttpBrowser().request(destination, { method: 'POST', body });
  };
  const ENDS: Readonly<Record<string, () => Promise<unknown>>> = {
    'suspension of the member': async () => gateway.api('PATCH', path(`members/${await memberId()}`), { suspended: true }),
    'removal of the member': async () => gateway.api('DELETE', path(`members/${await memberId()}`)),
    'single logout by the identity provider': logout,
    'a sign-in that takes the role away': async () => {
      await gateway.api('PUT', path('role-mapping'), {
        rules: [{ group: 'nobody', role: 'owner' }],
        default_role: 'none',
        allow_no_owner: true,
      });
      expect((await signIn(new HttpBrowser())).code).toBe('saml_role_denied');
    },
    'disabling the connection': async () => {
      await addConnection(gateway, acme);
      const { body } = await gateway.api<{ items: { id: string }[] }>('GET', path('connections'));
      await gateway.api('PATCH', path(`connections/${body.items[0]?.id}`), { state: 'disabled' });
    },
  };
  const signIn = (browser: HttpBrowser) => acme.signIn(browser, 'carl', { values: { nameId: { value: CARL, format: EMAIL } } });

  it.each(Object.entries(ENDS))('is deleted by %s', async (_name, end) => {
    acme = await makeTestOrganization(gateway, undefined, newSlug(), SLO);
    const browsers = [new HttpBrowser(), new HttpBrowser()];
    for (const browser of browsers) expect((await signIn(browser)).status).toBe(303);
    const stored = () =>
      Promise.all(browsers.map((browser) => gateway.runtime.store.peek(acme.id, placeOf(MEMBER_SESSION, sidOf(browser))?.key ?? '')));
    expect(await stored()).toEqual([expect.any(String), expect.any(String)]);
    await end();
    expect(await stored()).toEqual([undefined, undefined]);
    expect((await browsers[0]?.request(`${gateway.url}/api/v1/me`))?.status).toBe(401);
  });
});
