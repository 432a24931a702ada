/** Responses that wait for their turn, and the responses to tests, which take turns like all others. */
import { request as sendRequest } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { turnsOf } from '../../src/http/limits/verification-turns.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';

describe.each(['on', 'off'])('responses that wait, with rate limits %s', (rateLimits) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  const owner = new HttpBrowser();
  beforeAll(async () => {
    gateway = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: rateLimits } });
    acme = await makeTestOrganization(gateway);
    await acme.signIn(owner);
  });
  afterAll(() => gateway.stop());

  const startTest = async () => startedBy(await owner.request(`${gateway.url}/saml/${acme.slug}/login?test=1`)).requestId;
  const until = async (isDone: () => boolean) => {
    for (let i = 0; i < 200 && !isDone(); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(isDone()).toBe(true);
  };
  /** Takes the turn of another organization, so that all responses wait. */
  const holdTurn = () => turnsOf(gateway.runtime).take({ organizationId: 'other', address: '1', octets: 1, client: new PassThrough() });
  const waiting = () => turnsOf(gateway.runtime).waitingOctets;

  it('are dropped when their client disconnects, whatever their form held', async () => {
    const end = await holdTurn();
    const form = new URLSearchParams({ SAMLResponse: Buffer.from(acme.respond()).toString('base64'), RelayState: 'x'.repeat(500_000) });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    for (let i = 0; i < 3; i++) {
      const request = sendRequest(acme.acsUrl, { method: 'POST', headers });
      request.on('error', () => {});
      request.end(form.toString());
      await until(() => waiting() > 500_000);
      request.destroy();
      await until(() => waiting() === 0);
    }
    end();
    // Nothing of them was examined, and the next one is.
    expect((await acme.post(new HttpBrowser(), acme.respond())).status).toBe(303);
  });

  it('include those to tests', async () => {
    const requestId = await startTest();
    const end = await holdTurn();
    const answer = acme.post(owner, acme.respond({ inResponseTo: requestId }));
    await until(() => waiting() > 0);
    end();
    expect((await answer).location).toContain('/console/sign-ins/');
  });

  it('include copies of the response to a test, of which only one is examined as its result', async () => {
    const requestId = await startTest();
    const end = await holdTurn();
    const xml = acme.respond({ inResponseTo: requestId });
    const answers = Array.from({ length: 5 }, () => acme.post(owner, xml));
    await until(() => waiting() > 5 * 4096);
    end();
    const outcomes = await Promise.all(answers);
    expect(outcomes.filter(({ location }) => location?.includes('/console/sign-ins/')).length).toBe(1);
    // Depends on whether the test had its result when they arrived.
    const codes = outcomes.flatMap(({ location, code }) => (location === undefined ? [code] : []));
    expect(codes.length).toBe(4);
    for (const code of codes) expect(['saml_in_response_to_unknown', 'saml_replayed']).toContain(code);
  });
});
