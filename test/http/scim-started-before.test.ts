/** What a user started before a deactivation by SCIM, and tries to finish after it, or after the user is active again. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { holdCredentials } from '../support/held-credentials.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let other: TestOrganization;
let scim: ScimClient;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  other = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
});
afterAll(() => gateway.stop());

let number = 0;
const newUser = async () => {
  const email = `user${++number}@acme.example`;
  const emails = [{ value: email, primary: true }];
  const { id } = (await scim.call('POST', '/Users', { userName: email, emails, active: true })).body as { id: string };
  return { id, email };
};
const responseFor = (email: string, inResponseTo?: string) => {
  const values = { nameId: { value: email, format: NAME_ID_EMAIL }, attributes: [{ name: 'email', values: [email] }] };
  return acme.respond({ values, ...(inResponseTo === undefined ? {} : { inResponseTo }) } as never);
};
const signIn = (browser: HttpBrowser, email: string) => acme.post(browser, responseFor(email));
const setActive = (id: string, active: boolean) =>
  scim.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', value: { active } }] });
const meOf = async (browser: HttpBrowser) => {
  const { status, text } = await browser.request(`${gateway.url}/api/v1/me`);
  return status === 200 ? (JSON.parse(text) as { organization: { slug: string } }).organization.slug : status;
};
const oauth = async (path: string, form: Record<string, string>) => {
  const response = await fetch(`${gateway.url}/oauth/${path}`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'samlgate-cli', ...form }),
  });
  return (await response.json()) as Record<string, string>;
};

describe.each([false, true])('after a deactivation by SCIM, with a later activation: %j', (isActivated) => {
  const deactivate = async (id: string) => {
    expect((await setActive(id, false)).body.active).toBe(false);
    if (isActivated) expect((await setActive(id, true)).body.active).toBe(true);
  };

  it('a device login that the user confirmed before gets no token', async () => {
    const { id, email } = await newUser();
    const browser = new HttpBrowser();
    await signIn(browser, email);
    const device = await oauth('device_authorization', {});
    await browser.submit(await browser.open(device.verification_uri_complete ?? ''), { action: 'approve' }, '/device');
    await deactivate(id);
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
    expect(await oauth('token', { grant_type, device_code: device.device_code ?? '' })).toMatchObject({ error: 'access_denied' });
  });

  it('a sign-in that waits for the choice between two organizations gives no session', async () => {
    const { id, email } = await newUser();
    const browser = new HttpBrowser();
    await other.signIn(browser);
    const pending = await signIn(browser, email);
    expect(pending.location).toContain(`/saml/${acme.slug}/continue`);
    const page = await browser.request(pending.location ?? '');
    await deactivate(id);
    await browser.submit(page, { answer: 'switch' });
    expect(await meOf(browser)).not.toBe(acme.slug);
  });

  it('a response that signed the user in before is not accepted again', async () => {
    const { id, email } = await newUser();
    const browser = new HttpBrowser();
    const xml = responseFor(email);
    expect((await acme.post(browser, xml)).status).toBe(303);
    await deactivate(id);
    expect((await acme.post(browser, xml)).code).toMatch(/^(member_suspended|saml_replayed)$/);
    expect((await acme.post(new HttpBrowser(), xml)).code).toMatch(/^(member_suspended|saml_replayed)$/);
    expect(await meOf(browser)).toBe(401);
  });

  it('a response to a request from before is accepted only if the user is active', async () => {
    const { id, email } = await newUser();
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    await deactivate(id);
    const answer = await acme.post(browser, responseFor(email, requestId), relayState);
    expect(isActivated ? answer.status : answer.code).toBe(isActivated ? 303 : 'member_suspended');
    expect(await meOf(browser)).toBe(isActivated ? acme.slug : 401);
  });

  it('no credential from before is valid, at whatever endpoint', async () => {
    const { id, email } = await newUser();
    const browser = new HttpBrowser();
    await signIn(browser, email);
    const credentials = Object.entries(await holdCredentials(gateway.url, browser, gateway.operatorToken));
    const accepted = async () =>
      (await Promise.all(credentials.map(async ([name, check]) => ((await check(gateway.url)) === 200 ? [name] : [])))).flat();
    expect(await accepted()).toHaveLength(credentials.length);
    await deactivate(id);
    expect(await accepted()).toEqual([]);
    if (isActivated) expect((await signIn(browser, email)).status).toBe(303);
  });
});
