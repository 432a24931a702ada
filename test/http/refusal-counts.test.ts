import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { readAudit } from '../../src/audit-trail/read-audit.ts';
import { flushRefusalCounts, REFUSAL_COUNT_DAYS, summarizeRefusals } from '../../src/audit-trail/refusal-counts.ts';
import { reportWrongOperatorToken } from '../../src/auth/sessions/operator-sessions.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { GLOBAL } from '../../src/store/store.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

const HOUR = 3_600_000;

interface Trail {
  readonly items: readonly { readonly event: string; readonly code?: string }[];
  readonly unsigned_refusals: readonly {
    readonly kind: string;
    readonly code: string;
    readonly last_hour: number;
    readonly last_day: number;
    readonly last_week: number;
  }[];
}

describe.each(['sqlite', 'redis'] as const)('refusals without an audit entry with %s', (store) => {
  const lines: Record<string, unknown>[] = [];
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  let gateway: TestGateway;
  let acme: TestOrganization;

  beforeAll(async () => {
    const log = pino({ level: 'info', base: null }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    gateway = await startGateway({ store, now, log });
  });
  afterAll(() => gateway.stop());

  const newOrganization = async () => {
    acme = await makeTestOrganization(gateway, now);
  };
  const trail = async (query = '?event=login.refused&limit=200') =>
    (await gateway.api<Trail>('GET', `/organizations/${acme.slug}/audit${query}`)).body;
  const post = async (xml: string) => (await acme.post(new HttpBrowser(), xml)).code;

  it('are counted by code, and never get an audit entry', async () => {
    await newOrganization();
    const key = await createSelfSignedCertificate({ commonName: 'test only', days: 10, nowMs: Date.now(), rsaBits: 2048 });
    for (let i = 0; i < 3; i++) expect(await post('<a/>')).toBe('saml_malformed');
    for (let i = 0; i < 2; i++) expect(await post(acme.respond({ key }))).toBe('saml_signature_invalid');
    const { items, unsigned_refusals } = await trail();
    expect(items).toEqual([]);
    expect(unsigned_refusals).toEqual([
      { kind: 'sign_in', code: 'saml_malformed', last_hour: 3, last_day: 3, last_week: 3 },
      { kind: 'sign_in', code: 'saml_signature_invalid', last_hour: 2, last_day: 2, last_week: 2 },
    ]);
  });

  it('write one log line for each code and minute, however many there are', async () => {
    await newOrganization();
    await Promise.all(Array.from({ length: 40 }, () => post('<a/>')));
    await flushRefusalCounts(gateway.runtime);
    const counted = lines.filter((line) => line.audit === true && line.event === 'refusals.counted' && line.organization_id === acme.id);
    expect(counted.length).toBeLessThanOrEqual(3);
    expect(counted.reduce((sum, { count }) => sum + Number(count), 0)).toBe(40);
    expect(counted[0]).toMatchObject({ kind: 'sign_in', code: 'saml_malformed' });
  });

  it('audit a genuine response that is refused once, and count its copies', async () => {
    await newOrganization();
    const xml = acme.respond();
    expect(await post(xml)).toBeUndefined();
    for (let i = 0; i < 5; i++) expect(await post(xml)).toBe('saml_replayed');
    const foreign = acme.respond({ values: { audiences: [['https://other.example']] } });
    for (let i = 0; i < 5; i++) expect(await post(foreign)).toBe('saml_audience_mismatch');
    const { items, unsigned_refusals } = await trail();
    expect(items.map(({ code }) => code)).toEqual(['saml_audience_mismatch', 'saml_replayed']);
    expect(unsigned_refusals.map(({ code, last_hour }) => [code, last_hour]).sort()).toEqual([
      ['saml_audience_mismatch', 4],
      ['saml_replayed', 4],
    ]);
  });

  it('include single logout messages', async () => {
    await newOrganization();
    const url = acme.acsUrl.replace(/acs$/, 'slo');
    const body = new URLSearchParams({ SAMLRequest: Buffer.from('<a/>').toString('base64') });
    const { code } = await new HttpBrowser().request(url, { method: 'POST', body });
    const { items, unsigned_refusals } = await trail('?limit=200');
    expect(items.filter(({ event }) => event.startsWith('log'))).toEqual([]);
    expect(unsigned_refusals).toEqual([{ kind: 'logout', code, last_hour: 1, last_day: 1, last_week: 1 }]);
  });

  it(`expire after ${REFUSAL_COUNT_DAYS} days, so that a flood leaves nothing behind`, async () => {
    await newOrganization();
    const counts = async () =>
      (await trail()).unsigned_refusals.map(({ last_hour, last_day, last_week }) => [last_hour, last_day, last_week]);
    const hours = async () =>
      (await gateway.runtime.store.find(acme.id, { name: 'refusal-counts', indexes: {}, unique: {} }, 'time', { limit: 200 })).items.length;
    await post('<a/>');
    expect(await counts()).toEqual([[1, 1, 1]]);
    aheadMs += 2 * HOUR;
    expect(await counts()).toEqual([[0, 1, 1]]);
    aheadMs += 24 * HOUR;
    await post('<a/>');
    expect(await counts()).toEqual([[1, 1, 2]]);
    expect(await hours()).toBe(2);
    aheadMs += (REFUSAL_COUNT_DAYS * 24 + 1) * HOUR;
    expect(await counts()).toEqual([]);
    await post('<a/>');
    expect(await counts()).toEqual([[1, 1, 1]]);
    expect(await hours()).toBe(1);
  });

  it('count guesses of the operator token in the trail of the gateway', async () => {
    const sign = (token: string, browser: HttpBrowser) =>
      browser.request(`${gateway.url}/console/operator/sign-in`, {
        method: 'POST',
        body: new URLSearchParams({ token }),
        headers: { 'sec-fetch-site': 'same-origin' },
      });
    expect((await sign('x'.repeat(64), new HttpBrowser())).status).toBe(401);
    const operator = new HttpBrowser();
    expect((await sign(gateway.operatorToken, operator)).status).toBe(303);
    const { text } = await operator.request(`${gateway.url}/console/operator/audit`);
    expect(textOf(text)).toMatch(/Operator sign-in unauthenticated 1 1 1/);
  });

  it('list a wrong operator token with its address once an hour, in the console and as a bearer token', async () => {
    const entries = async () => {
      const { items } = await readAudit(gateway.runtime.store, GLOBAL, { event: 'operator.sign_in_refused', limit: 100 });
      return items.map(({ value }) => value);
    };
    const counted = async () =>
      (await summarizeRefusals(gateway.runtime, GLOBAL)).find(({ kind }) => kind === 'operator_sign_in')?.lastHour ?? 0;
    const call = async (authorization: string, path = '/api/v1/organizations') =>
      (await fetch(gateway.url + path, { headers: { authorization, 'x-forwarded-for': '192.0.2.9' } })).status;
    // An hour later. The clock of the store is not the one of the test.
    aheadMs += 3_600_001;
    const slots = Array.from({ length: 32 }, (_, i) => ({ do: 'drop', key: `operator-refused:${i}` }) as const);
    await gateway.runtime.store.commit(GLOBAL, slots);
    const [listed, before] = [await entries(), await counted()];
    for (let i = 0; i < 3; i++) expect(await call(`Bearer ${'x'.repeat(64)}`)).toBe(401);
    const introspected = fetch(`${gateway.url}/oauth/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: 'x' }),
      headers: { authorization: `Bearer ${'y'.repeat(64)}` },
    });
    expect((await introspected).status).toBe(401);
    // Tokens of members, other schemes, and the credentials of services behind forward authentication are no guesses.
    for (const authorization of ['Bearer a.b.c', 'Basic eDp5']) expect(await call(authorization)).toBe(401);
    for (const more of [-1, 1]) expect(await call(`Bearer ${'x'.repeat(gateway.operatorToken.length + more)}`, '/auth/verify')).toBe(401);
    expect(await counted()).toBe(before + 4);
    expect(await call(`Bearer ${'x'.repeat(gateway.operatorToken.length)}`, '/auth/verify')).toBe(401);
    expect(await counted()).toBe(before + 5);
    const added = (await entries()).filter(({ id }) => listed.every((former) => former.id !== id));
    expect(added.map(({ actor, code, details }) => ({ actor: { ...actor, requestId: '' }, code, details }))).toEqual([
      { actor: { kind: 'anonymous', address: '127.0.0.1', requestId: '' }, code: 'unauthenticated', details: { through: 'bearer_token' } },
    ]);
    expect(lines).toContainEqual(expect.objectContaining({ audit: true, event: 'operator.sign_in_refused' }));
    // No number of addresses adds more than 32 entries an hour.
    for (let i = 0; i < 400; i++) {
      const actor = { kind: 'anonymous', address: `2001:db8::${i.toString(16)}` } as const;
      await reportWrongOperatorToken(gateway.runtime, actor, 'bearer_token');
    }
    expect((await entries()).length - listed.length).toBe(32);
  });

  it('are not stored for an organization that was deleted', async () => {
    await newOrganization();
    await post('<a/>');
    expect((await gateway.api('DELETE', `/organizations/${acme.slug}`)).status).toBe(204);
    await flushRefusalCounts(gateway.runtime);
    expect(
      (await gateway.runtime.store.find(acme.id, { name: 'refusal-counts', indexes: {}, unique: {} }, 'time', { limit: 1 })).items,
    ).toEqual([]);
  });
});
