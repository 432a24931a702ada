import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { requireDefaultConnection } from '../../src/organizations/connections/connections.ts';
import { findMetadataWarnings } from '../../src/organizations/connections/identity-providers.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { callWithSession, newSession } from '../support/session-calls.ts';

let gateway: TestGateway;
let victim: TestOrganization;
let attacker: TestOrganization;

beforeAll(async () => {
  gateway = await startGateway();
  // Both have the entityID of Okta's example metadata.
  victim = await makeTestOrganization(gateway);
  attacker = await makeTestOrganization(gateway);
});
afterAll(() => gateway.stop());

interface Answer {
  readonly entity_id: string;
  readonly warnings: readonly { readonly code: string; readonly text: string }[];
}

const path = () => `/organizations/${attacker.slug}/identity-provider`;
const codesOf = ({ warnings }: Answer): string[] => warnings.map(({ code }) => code);
const SHARED = 'Another organization of this gateway';

describe('an entityID that another organization uses', () => {
  it('is a warning for the operator in the API', async () => {
    const { body } = await gateway.api<Answer>('GET', path());
    expect(codesOf(body)).toContain('entity_id_shared');
    const saved = await gateway.api<Answer>('PUT', path(), attacker.metadata);
    expect(codesOf(saved.body)).toContain('entity_id_shared');
    const changed = await gateway.api<Answer>('PATCH', path(), { clock_skew_seconds: 100 });
    expect(codesOf(changed.body)).toContain('entity_id_shared');
  });

  it('is a warning for the operator in the console', async () => {
    const browser = new HttpBrowser();
    await browser.submit(await browser.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    const page = await browser.open(`${gateway.url}/console/operator/organizations/${attacker.slug}/single-sign-on`);
    const preview = await browser.submit(await browser.open(`${page.url}/steps/metadata`), { metadata: victim.metadata });
    for (const { text } of [page, preview]) expect(textOf(text)).toContain(SHARED);
  });

  it('is not revealed to an owner by any operation of the API', async () => {
    const { browser } = await newSession(gateway, attacker, 'olivia');
    const calls: [string, unknown?, string?][] = [
      ['GET'],
      ['PUT', { metadata_xml: victim.metadata }, '?dry_run=true'],
      ['PUT', { metadata_xml: victim.metadata }],
      ['PATCH', { clock_skew_seconds: 120 }],
      ['PUT', { metadata_xml: attacker.metadata }],
    ];
    for (const [method, body, query = ''] of calls) {
      const answer = await callWithSession(gateway, browser, method, `${path()}${query}`, body);
      expect([method, answer.status]).toEqual([method, 200]);
      expect(answer.body.entity_id).toBe(OKTA_ISSUER);
      expect(codesOf(answer.body as unknown as Answer)).not.toContain('entity_id_shared');
      expect(JSON.stringify(answer.body)).not.toContain(SHARED);
      expect(JSON.stringify(answer.body)).not.toContain(victim.slug);
    }
  });

  it('is not revealed to an owner by the API of connections', async () => {
    const third = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, third, 'olivia');
    const root = `/organizations/${third.slug}/connections`;
    const metadata_xml = third.metadata.replaceAll(OKTA_ISSUER, 'https://shared.example/idp');
    await gateway.api('POST', `/organizations/${victim.slug}/connections`, { name: 'Other', metadata_xml });
    const planned = await callWithSession(gateway, browser, 'POST', `${root}?dry_run=true`, { name: 'Other', metadata_xml });
    const created = await callWithSession(gateway, browser, 'POST', root, { name: 'Other', metadata_xml });
    const { id } = created.body as { id: string };
    const read = await callWithSession(gateway, browser, 'GET', `${root}/${id}`);
    expect([planned.status, created.status, read.status]).toEqual([201, 201, 200]);
    for (const { body } of [planned, created, read]) {
      expect((body as unknown as Answer).entity_id).toBe('https://shared.example/idp');
      expect(codesOf(body as unknown as Answer)).not.toContain('entity_id_shared');
    }
    const list = await callWithSession(gateway, browser, 'GET', root);
    expect(JSON.stringify(list.body)).not.toContain('entity_id_shared');
    const { body } = await gateway.api<Answer>('GET', `${root}/${id}`);
    expect(codesOf(body)).toContain('entity_id_shared');
  });

  it('is not revealed to an owner in the console', async () => {
    const { browser } = await newSession(gateway, attacker, 'olivia');
    const page = await browser.open(`${gateway.url}/console/single-sign-on`);
    const preview = await browser.submit(await browser.open(`${page.url}/steps/metadata`), { metadata: victim.metadata });
    expect(textOf(preview.text)).toContain(`Entity ID ${OKTA_ISSUER}`);
    for (const { text } of [page, preview, await browser.open(`${gateway.url}/console`)]) expect(textOf(text)).not.toContain(SHARED);
  });

  it('is not revealed by a setup link', async () => {
    const link = await gateway.api<{ url: string }>('POST', `/organizations/${attacker.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    const page = await browser.submit(await browser.open(link.body.url));
    const setup = await browser.open(`${gateway.url}/setup/single-sign-on`);
    const preview = await browser.submit(await browser.open(`${setup.url}/steps/metadata`), { metadata: victim.metadata });
    expect(textOf(preview.text)).toContain(`Entity ID ${OKTA_ISSUER}`);
    for (const { text } of [page, setup, preview]) expect(textOf(text)).not.toContain(SHARED);
  });

  it('is not looked up for an owner, so that the time of the answer is the same', async () => {
    const { store, now } = gateway.runtime;
    const organization = await getOrganizationById(store, attacker.id);
    if (!organization) throw new Error('the organization does not exist');
    const at = { organization, connection: requireDefaultConnection(organization) };
    const unreadable = new Proxy(store, {
      get: () => {
        throw new Error('the store was read');
      },
    });
    const warnings = await findMetadataWarnings({ store: unreadable, now }, at, { isOperator: false });
    expect(warnings.map(({ code }) => code)).not.toContain('entity_id_shared');
    await expect(findMetadataWarnings({ store: unreadable, now }, at, { isOperator: true })).rejects.toThrow('the store was read');
  });
});
