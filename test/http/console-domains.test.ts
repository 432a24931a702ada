import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Domain } from '../../src/client/api-types.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { newSlug, type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { readLinks, textOf } from '../support/html.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const DAY_MS = 86_400_000;
let aheadMs = 0;
let dns: DnsServer;
let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let operator: HttpBrowser;
let domain: string;

beforeAll(async () => {
  dns = await startDnsServer();
  gateway = await startGateway({ now: () => Date.now() + aheadMs, environment: { SAMLGATE_DNS_SERVERS: dns.address } });
  acme = await gateway.makeOrganization();
  operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
});
afterAll(async () => {
  await gateway.stop();
  await dns.stop();
});
beforeEach(async () => {
  olivia = await signedIn(gateway, acme, 'olivia');
  domain = `${newSlug()}.test`;
});

const ofOwner = (path = '') => `${gateway.url}/console/domains${path}`;
const ofOperator = (path = '', { slug } = acme) => `${gateway.url}/console/operator/organizations/${slug}/domains${path}`;
const add = async (browser: HttpBrowser, url: string): Promise<Page> => browser.submit(await browser.open(url), { domain }, '/domains');
const stateOf = async ({ slug } = acme) => {
  const { body } = await gateway.api<{ items: Domain[] }>('GET', `/organizations/${slug}/domains`);
  return body.items.find((each) => each.domain === domain);
};
const labels = (page: Page) => [...page.text.matchAll(/<button type="submit"[^>]*>([^<]*)/g)].map(([, label]) => label);

describe('console: domains', () => {
  it('shows an owner the record to publish, verifies the domain and removes it', async () => {
    const { browser } = olivia;
    expect(textOf((await browser.open(ofOwner())).text)).toContain('No domains yet');
    const added = await add(browser, ofOwner());
    expect(added.url).toBe(ofOwner());
    expect(textOf(added.text)).toContain(`Added ${domain}.`);
    const record = (await stateOf())?.record;
    expect(added.text).toContain(`data-copy="${record?.name}"`);
    expect(added.text).toContain(`data-copy="${record?.value}"`);
    expect(labels(added)).not.toContain('Confirm domain');
    const failed = await browser.submit(added, {}, `/${domain}/verify`);
    expect(textOf(failed.text)).toContain(`DNS has no TXT record named _samlgate.${domain}`);
    await dns.serve([`${record?.name}. TXT "${record?.value}"`]);
    const verified = await browser.submit(failed, {}, `/${domain}/verify`);
    expect(textOf(verified.text)).toContain(`${domain} is verified.`);
    expect((await stateOf())?.state).toBe('verified');
    const link = readLinks(verified.text, verified.url).find(({ href }) => href.endsWith(`/${domain}/remove`));
    await browser.submit(await browser.open(link?.href ?? ''), {}, '/remove');
    expect(await stateOf()).toBeUndefined();
  });

  it('shows the form again for a name that is no domain', async () => {
    const page = await olivia.browser.submit(await olivia.browser.open(ofOwner()), { domain: '192.0.2.1' }, '/domains');
    expect([page.status, page.code]).toEqual([400, 'validation_failed']);
  });

  it('lets only the operator confirm and transfer', async () => {
    await add(olivia.browser, ofOwner());
    const csrf = olivia.csrfToken;
    for (const action of ['confirm', 'transfer']) {
      const body = new URLSearchParams({ csrf, confirmation: domain });
      const page = await olivia.browser.request(ofOwner(`/${domain}/${action}`), { method: 'POST', body });
      expect([action, page.status, page.code]).toEqual([action, 403, 'forbidden']);
    }
    expect((await stateOf())?.state).toBe('pending');
    const confirmed = await operator.submit(await operator.open(ofOperator()), {}, `/${domain}/confirm`);
    expect(textOf(confirmed.text)).toContain('confirmed by the operator');
    expect((await stateOf())?.verified_by).toBe('operator');
    const other = await gateway.makeOrganization();
    const added = await add(operator, ofOperator('', other));
    const href = readLinks(added.text, added.url).find((each) => each.href.endsWith(`/${domain}/transfer`))?.href ?? '';
    const mistyped = await operator.submit(await operator.open(href), { confirmation: 'other.test' }, '/transfer');
    expect([mistyped.status, (await stateOf(other))?.state]).toEqual([400, 'pending']);
    await operator.submit(await operator.open(href), { confirmation: domain }, '/transfer');
    expect([(await stateOf(other))?.state, (await stateOf())?.state]).toEqual(['verified', 'unverified']);
  });

  it('warns when the record of a verified domain has been missing for 7 days', async () => {
    await add(olivia.browser, ofOwner());
    const record = (await stateOf())?.record;
    await dns.serve([`${record?.name}. TXT "${record?.value}"`]);
    await olivia.browser.submit(await olivia.browser.open(ofOwner()), {}, `/${domain}/verify`);
    await dns.serve([]);
    const checkAfter = async (days: number) => {
      aheadMs += days * DAY_MS;
      await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
      await operator.submit(await operator.open(ofOperator()), {}, `/${domain}/verify`);
      return textOf((await operator.open(ofOperator())).text);
    };
    expect(await checkAfter(1)).not.toContain('Publish it again before');
    expect(await checkAfter(8)).toContain(`DNS has had no verification record for ${domain} since`);
    expect((await stateOf())?.state).toBe('verified');
  });

  it('is closed to collaborators', async () => {
    const carl = await signedIn(gateway, acme, 'carl');
    expect((await carl.browser.open(ofOwner())).status).toBe(403);
    const page = await carl.browser.request(ofOwner(), { method: 'POST', body: new URLSearchParams({ csrf: carl.csrfToken, domain }) });
    expect(page.status).toBe(403);
    expect(await stateOf()).toBeUndefined();
  });

  it('warns that all sign-ins are refused if the email policy needs a domain and none is verified', async () => {
    const { slug } = await gateway.makeOrganization();
    await gateway.api('PATCH', `/organizations/${slug}`, { email_policy: 'verified_domains', domains: [`set.${domain}`] });
    const text = textOf((await operator.open(ofOperator('', { slug } as OrganizationJson))).text);
    expect(text).toContain('No domain is verified, so all sign-ins are refused.');
    expect(text).toContain(`set.${domain}`);
    const form = await operator.open(`${gateway.url}/console/operator/organizations/${slug}/change`);
    await operator.submit(form, { email_policy: 'any' }, '/change');
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toMatchObject({ email_policy: 'any', domains: [`set.${domain}`] });
  });
});
