import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { HABIT_NAMES } from '../../src/mock-idp/habits.ts';
import { HttpBrowser, signIn } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

const lines: Record<string, unknown>[] = [];
const log = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway({ log, environment: { SAMLGATE_SECOND_OPINION: 'node-saml' } });
  acme = await makeTestOrganization(gateway);
});
afterAll(() => gateway.stop());

const counted = async (outcome: string): Promise<number> => {
  const { text } = await new HttpBrowser().request(`${gateway.url}/metrics`);
  return Number(new RegExp(`^samlgate_second_opinions_total\\{outcome="${outcome}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
};
const alarms = () => lines.filter(({ level }) => level === 50);

describe('SAMLGATE_SECOND_OPINION=node-saml', () => {
  it.each(HABIT_NAMES)('accepts sign-ins of %s and counts the agreement', async (habit) => {
    const { slug } = await gateway.makeOrganization(undefined, habit);
    const before = await counted('agreed');
    const { page } = await signIn(new HttpBrowser(), gateway.loginUrl(slug), 'olivia');
    expect([page.status, page.url]).toEqual([200, `${gateway.url}/console`]);
    expect(await counted('agreed')).toBe(before + 1);
    expect(alarms()).toEqual([]);
  });

  it('refuses a response that only the gateway’s own verifier accepts, claims nothing and raises an alarm', async () => {
    const browser = new HttpBrowser();
    // node-saml requires an IssueInstant on the assertion; the gateway does not read it.
    const xml = acme.respond({ values: { assertionIssueInstant: undefined, assertionId: '_without-instant' } });
    for (const times of [1, 2]) {
      const page = await acme.post(browser, xml);
      expect([page.status, page.code]).toEqual([400, 'saml_structure_ambiguous']);
      expect(page.text).toContain('Two independent verifiers disagree about this SAML response');
      expect(await counted('refused')).toBe(times); // the second copy is not a replay
    }
    expect(browser.cookie('samlgate_session')).toBeUndefined();
    expect(alarms()).toHaveLength(2);
    expect(alarms()[0]).toMatchObject({
      organization: acme.slug,
      assertion: '_without-instant',
      kind: 'refused',
      about: 'Error parsing IssueInstant',
      msg: expect.stringContaining('ALARM'),
    });
    // Lines of the audit trail name members.
    expect(JSON.stringify(lines.filter(({ audit }) => audit !== true))).not.toContain('olivia@okta.acme.example');
  });

  it('is not asked about a response that the gateway refuses', async () => {
    const before = [await counted('agreed'), await counted('refused'), await counted('differs')];
    const page = await acme.post(new HttpBrowser(), acme.respond({ values: { audiences: [['https://other.example']] } }));
    expect(page.code).toBe('saml_audience_mismatch');
    expect([await counted('agreed'), await counted('refused'), await counted('differs')]).toEqual(before);
  });

  it('is not asked if the operator has not turned it on', async () => {
    const plain = await startGateway();
    const organization = await makeTestOrganization(plain);
    const page = await organization.post(new HttpBrowser(), organization.respond({ values: { assertionIssueInstant: undefined } }));
    expect(page.status).toBe(303);
    await plain.stop();
  });
});
