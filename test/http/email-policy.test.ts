import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { personOf } from '../../src/mock-idp/habits.ts';
import { MEMBERS } from '../../src/organizations/members.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let domain: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  domain = `${newSlug()}.example`;
  await gateway.api('POST', `/organizations/${acme.slug}/domains`, { domain });
  await gateway.api('POST', `/organizations/${acme.slug}/domains`, { domain: `pending.${domain}` });
  await gateway.api('POST', `/organizations/${acme.slug}/domains/${domain}/verify`, { confirm: true });
  const { status } = await gateway.api('PATCH', `/organizations/${acme.slug}`, {
    email_policy: 'verified_domains',
    domains: [`set.${domain}`],
  });
  expect(status).toBe(200);
});
afterAll(() => gateway.stop());

const FORBIDDEN = [403, 'saml_email_domain_forbidden'];
const verdict = ({ status, code }: Page) => [status, code];
const personWith = (email: string) => ({ ...personOf('okta', 'olivia'), email });
/** Signs in with an email address, started at the gateway. */
const signInAs = (email: string, organization = acme) => organization.signIn(new HttpBrowser(), 'olivia', { person: personWith(email) });

describe('email policy verified_domains', () => {
  it('accepts an address in a verified domain, in any case', async () => {
    expect((await signInAs(`ada@${domain}`)).status).toBe(303);
    expect((await signInAs(`Bea@${domain.toUpperCase()}`)).status).toBe(303);
  });

  it.each([
    ['another domain', () => 'ada@elsewhere.example'],
    ['a subdomain', () => `ada@sub.${domain}`],
    ['a domain that ends with the name', () => `ada@evil${domain}`],
    ['a domain that starts with the name', () => `ada@${domain}.evil.example`],
    ['a domain that looks the same', () => `ada@${domain.replace('e', 'е')}`],
    ['a pending domain', () => `ada@pending.${domain}`],
    ['a domain that only the operator set', () => `ada@set.${domain}`],
    ['a domain without dot', () => 'ada@localhost'],
  ])('refuses an address in %s, whether the sign-in starts here or at the identity provider', async (_what, email) => {
    expect(verdict(await signInAs(email()))).toEqual(FORBIDDEN);
    const unsolicited = acme.respond({ person: personWith(email()) });
    expect(verdict(await acme.post(new HttpBrowser(), unsolicited))).toEqual(FORBIDDEN);
    const { items } = await gateway.runtime.store.find(acme.id, MEMBERS, 'all', { limit: 200 });
    expect(items.filter(({ value }) => value.email === email())).toEqual([]);
  });

  it('claims the request and the assertion of a refused sign-in', async () => {
    const browser = new HttpBrowser();
    const person = personWith('ada@elsewhere.example');
    const { relayState, requestId } = await acme.start(browser);
    const solicited = acme.respond({ inResponseTo: requestId, person });
    expect(verdict(await acme.post(browser, solicited, relayState))).toEqual(FORBIDDEN);
    const unsolicited = acme.respond({ person });
    expect(verdict(await acme.post(browser, unsolicited))).toEqual(FORBIDDEN);
    // With the policy gone, neither the response nor the request can be used again.
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { email_policy: 'any' });
    expect((await acme.post(browser, solicited, relayState)).code).toBe('saml_replayed');
    expect((await acme.post(browser, unsolicited)).code).toBe('saml_replayed');
    expect((await acme.post(browser, acme.respond({ inResponseTo: requestId, person }), relayState)).code).toBe(
      'saml_in_response_to_unknown',
    );
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { email_policy: 'verified_domains' });
  });

  it('does not answer a repeated response of a member whose address is no longer allowed', async () => {
    const organization = await makeTestOrganization(gateway);
    const browser = new HttpBrowser();
    const { relayState, requestId } = await organization.start(browser);
    const xml = organization.respond({ inResponseTo: requestId });
    expect((await organization.post(browser, xml, relayState)).status).toBe(303);
    expect((await organization.post(browser, xml, relayState)).status).toBe(303);
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { email_policy: 'verified_domains' });
    expect(verdict(await organization.post(browser, xml, relayState))).toEqual([400, 'saml_replayed']);
  });

  it('refuses a member from the next sign-in on, and leaves the membership', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await newSession(gateway, organization, 'olivia');
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { email_policy: 'verified_domains' });
    expect(verdict(await organization.signIn(new HttpBrowser()))).toEqual(FORBIDDEN);
    const { body } = await gateway.api('GET', `/organizations/${organization.slug}/members/${id}`);
    expect(body).toMatchObject({ id, role: 'owner', suspended: false });
  });

  it('applies to a sign-in that a removal of the domain overtakes', async () => {
    const organization = await makeTestOrganization(gateway);
    const own = `${newSlug()}.example`;
    const at = `/organizations/${organization.slug}/domains`;
    await gateway.api('POST', at, { domain: own });
    await gateway.api('POST', `${at}/${own}/verify`, { confirm: true });
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { email_policy: 'verified_domains' });
    const { commit } = gateway.runtime.store;
    let isRemoved = false;
    gateway.runtime.store.commit = async function (partition, steps, options) {
      // The removal comes between the verdict and the commit of the sign-in.
      if (!isRemoved && partition === organization.id && steps.some((step) => step.do === 'claim')) {
        isRemoved = true;
        await gateway.api('DELETE', `${at}/${own}`);
      }
      return commit.call(this, partition, steps, options);
    };
    const page = await signInAs(`ada@${own}`, organization);
    gateway.runtime.store.commit = commit;
    expect([isRemoved, ...verdict(page)]).toEqual([true, ...FORBIDDEN]);
  });

  it('applies to test sign-ins', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, organization, 'olivia');
    await gateway.api('PATCH', `/organizations/${organization.slug}`, { email_policy: 'verified_domains' });
    const page = await browser.open(`${gateway.url}/console/single-sign-on`);
    const csrf = page.forms.flatMap(({ fields }) => fields).find(({ name }) => name === 'csrf')?.value ?? '';
    const started = await browser.request(`${gateway.url}/console/single-sign-on/test`, {
      method: 'POST',
      body: new URLSearchParams({ csrf }),
    });
    const { startedBy } = await import('../support/identity-provider.ts');
    const { relayState, requestId } = startedBy(started);
    await organization.post(browser, organization.respond({ inResponseTo: requestId }), relayState);
    const { body } = await callWithSession(gateway, browser, 'GET', `/organizations/${organization.slug}/sign-ins?limit=1`);
    expect(body.items).toMatchObject([{ kind: 'test', outcome: 'refused', code: 'saml_email_domain_forbidden' }]);
    const [entry] = body.items as { id: string }[];
    const details = await callWithSession(gateway, browser, 'GET', `/organizations/${organization.slug}/sign-ins/${entry?.id}`);
    expect(details.body.checks).toContainEqual(expect.objectContaining({ name: 'email_domain', outcome: 'failed' }));
  });

  it('tells the member what happened without advice for administrators', async () => {
    const page = await signInAs('ada@elsewhere.example');
    expect(page.text).toContain('Your email address is not allowed in this organization');
    expect(page.text).not.toContain('email_policy');
    expect(page.text).not.toContain(domain);
  });
});
