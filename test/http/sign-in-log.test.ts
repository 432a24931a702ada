import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest, test } from '@jest/globals';
import type { z } from 'zod';
import { flushSignInLog, recordSignIn } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { listLogEntries, type SignInLogEntry, saveLogEntries } from '../../src/auth/sign-in-log/sign-in-log.ts';
import { GatewayError } from '../../src/errors.ts';
import { SIGN_IN_BUNDLE, type SIGN_IN_DETAILS, type SIGN_IN_PAGE } from '../../src/http/api/answer-shapes.ts';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { newTimeOrderedId } from '../../src/ids.ts';
import { HABITS } from '../../src/mock-idp/habits.ts';
import { resumeDeletions } from '../../src/organizations/deletion.ts';
import { getOrganization } from '../../src/organizations/directory.ts';
import { getMember, type Member } from '../../src/organizations/members.ts';
import { updateOrganization } from '../../src/organizations/organizations.ts';
import type { Step } from '../../src/store/store.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

let aheadMs = 0;
/** Stops the clock for tests that count minutes. */
let stoppedAtMs: number | undefined;
const now = () => (stoppedAtMs ?? Date.now()) + aheadMs;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({ now });
});
afterAll(() => gateway.stop());
afterEach(() => {
  jest.restoreAllMocks();
  stoppedAtMs = undefined;
});

type Listed = z.infer<typeof SIGN_IN_PAGE>;
type Details = z.infer<typeof SIGN_IN_DETAILS>;

const newOrganization = () => makeTestOrganization(gateway, now);
const list = async ({ slug }: TestOrganization, query = '', of = gateway) =>
  (await of.api<Listed>('GET', `/organizations/${slug}/sign-ins${query}`)).body;
const details = async ({ slug }: TestOrganization, id: string) =>
  (await gateway.api<Details>('GET', `/organizations/${slug}/sign-ins/${id}`)).body;
/** Returns the last sign-in with all details. */
const last = async (organization: TestOrganization) => details(organization, (await list(organization)).items[0]?.id ?? '');
const memberNamed = async ({ slug }: TestOrganization, name: string) => {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${slug}/members?query=${name}`);
  return body.items[0];
};
const verdict = ({ status, code }: Page) => [status, code];
const failures = ({ checks }: Details) => Object.fromEntries(checks.filter((c) => c.outcome === 'failed').map((c) => [c.name, c.code]));
const outcomes = ({ checks }: Details, ...names: string[]) => names.map((name) => checks.find((c) => c.name === name)?.outcome);
const wrongAudience = { values: { audiences: [['https://other.example']] } };

describe('the sign-in log: entries', () => {
  it('stores member, role with its reason, groups and attribute names of an accepted sign-in', async () => {
    const acme = await newOrganization();
    const browser = new HttpBrowser();
    expect((await acme.signIn(browser)).status).toBe(303);
    const [first, ...more] = (await list(acme)).items;
    const olivia = await memberNamed(acme, 'olivia');
    expect(more).toEqual([]);
    expect(first).toEqual({
      id: expect.stringMatching(/^att_/),
      at: expect.any(String),
      kind: 'login',
      outcome: 'accepted',
      code: null,
      request_id: browser.history.at(-1)?.headers.get('x-request-id'),
      address: '127.0.0.1',
      member_id: olivia?.id,
      subject: 'olivia@okta.acme.example',
      verified: true,
      examined: false,
    });
    expect(await details(acme, first?.id ?? '')).toMatchObject({
      ...first,
      role: 'owner',
      role_group: 'platform-admins',
      groups: ['platform-admins', 'engineering'],
      groups_state: 'present',
      attribute_names: ['email', 'firstName', 'lastName', 'groups'],
      identity_provider_kind: 'okta',
      checks: [],
      structure: null,
    });
  });

  it('stores every check of a refused sign-in with expected and received values and the setting to change', async () => {
    const acme = await newOrganization();
    const refused = await acme.signIn(new HttpBrowser(), 'olivia', {
      values: { audiences: [['https://other.example']], destination: 'https://other.example/acs' },
    });
    expect(refused.code).toBe('saml_destination_mismatch');
    const found = await last(acme);
    expect(found).toMatchObject({
      outcome: 'refused',
      code: 'saml_destination_mismatch',
      title: 'The SAML response was sent to a different address',
      wanted: acme.acsUrl,
      got: 'https://other.example/acs',
      request_id: refused.headers.get('x-request-id'),
      verified: true,
      examined: true,
      groups: ['platform-admins', 'engineering'],
      certificates: [
        { part: 'response', expired: false, fingerprint_sha256: expect.stringMatching(/^[0-9A-F:]{95}$/) },
        { part: 'assertion', expired: false, fingerprint_sha256: expect.any(String) },
      ],
      clock_offset_seconds: expect.any(Number),
    });
    expect(failures(found)).toEqual({ destination: 'saml_destination_mismatch', audience: 'saml_audience_mismatch' });
    expect(found.checks.find(({ name }) => name === 'audience')).toEqual({
      name: 'audience',
      title: 'The audience of the assertion is the service provider of this organization',
      outcome: 'failed',
      code: 'saml_audience_mismatch',
      detail: null,
      wanted: `${gateway.url}/saml/${acme.slug}/metadata`,
      got: 'https://other.example',
      unsigned: false,
      hint: { key: 'saml_audience_mismatch.okta', text: expect.stringContaining('Audience URI') },
    });
    // The response was refused before the checks that need the store.
    expect(outcomes(found, 'request', 'member', 'once', 'role')).toEqual(Array(4).fill('not_reached'));
    expect(Math.abs(found.clock_offset_seconds ?? 99)).toBeLessThan(30);
  });

  it('stores no personal data of the response except the groups and whom it names', async () => {
    const acme = await newOrganization();
    await acme.post(new HttpBrowser(), acme.respond(wrongAudience));
    const { groups: _groups, subject, ...found } = await last(acme);
    expect(subject).toBe('olivia@okta.acme.example');
    expect(found.structure?.length).toBeGreaterThan(40);
    expect(JSON.stringify(found)).not.toMatch(/olivia|okafor|platform-admins/i);
  });

  it('stores groups and the user only if a signature covers them', async () => {
    const acme = await newOrganization();
    const changed = acme.respond().replaceAll('platform-admins', 'made-up');
    expect((await acme.post(new HttpBrowser(), changed)).code).toBe('saml_signature_invalid');
    expect(await last(acme)).toMatchObject({
      verified: false,
      examined: true,
      groups: null,
      subject: null,
      member_id: null,
      certificates: [],
    });
  });

  it('shows how far a genuine response came: request, member, once, role', async () => {
    const acme = await newOrganization();
    const browser = new HttpBrowser();
    const { relayState, requestId } = await acme.start(browser);
    const xml = acme.respond({ inResponseTo: requestId });
    expect((await acme.post(new HttpBrowser(), xml, relayState)).code).toBe('saml_login_not_started_here');
    let found = await last(acme);
    expect(outcomes(found, 'request', 'member', 'once', 'role')).toEqual(['failed', 'not_reached', 'not_reached', 'not_reached']);
    expect(found.member_id).toBeNull(); // the user is not a member yet

    expect((await acme.post(browser, xml, relayState)).status).toBe(303);
    expect((await acme.post(new HttpBrowser(), xml, relayState)).code).toBe('saml_replayed');
    found = await last(acme);
    const olivia = await memberNamed(acme, 'olivia');
    expect(outcomes(found, 'request', 'member', 'once', 'role')).toEqual(['passed', 'passed', 'failed', 'not_reached']);
    expect(found.member_id).toBe(olivia?.id);

    const noEmail = acme.respond({ user: 'carl', values: { attributes: [], nameId: { value: 'c-1', format: HABITS.okta.nameIdFormat } } });
    expect((await acme.post(browser, noEmail)).code).toBe('saml_email_missing');
    found = await last(acme);
    expect(failures(found)).toEqual({ email: 'saml_email_missing' });
    expect(outcomes(found, 'request', 'member', 'once', 'role')).toEqual(['passed', 'not_reached', 'not_reached', 'not_reached']);

    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules: [], default_role: 'none', allow_no_owner: true });
    expect((await acme.post(browser, acme.respond())).code).toBe('saml_role_denied');
    expect(outcomes(await last(acme), 'request', 'member', 'once', 'role')).toEqual(['passed', 'passed', 'passed', 'failed']);
  });

  it.each([
    ['sent no groups', [], 'did not send your groups', 'no groups attribute', 'Add a groups attribute'],
    [
      'sent a link instead of the groups',
      [{ name: 'http://schemas.microsoft.com/claims/groups.link', values: ['https://graph.example'] }],
      'in more groups than your identity provider sends',
      'sent a link instead of the groups',
      'limit the groups to those assigned',
    ],
    [
      'sent groups without a rule',
      [{ name: 'groups', values: ['nobody'] }],
      'None of the groups that your identity provider sent',
      'No role rule matches',
      'Assign the user to a group',
    ],
    [
      'sent only empty groups',
      [{ name: 'groups', values: ['', ''] }],
      'did not send your groups',
      'no groups attribute',
      'Add a groups attribute',
    ],
    [
      'sent a group that differs from that of a rule by a line break',
      [{ name: 'groups', values: ['nobody', 'platform-admins\n'] }],
      'None of the groups that your identity provider sent',
      'The group "platform-admins⏎" differs from the group of a rule only by white space',
      'Assign the user to a group',
    ],
  ])('tells user and owner apart why there is no role if the identity provider %s', async (_case, groups, forUser, detail, advice) => {
    const acme = await newOrganization();
    const rules = [{ group: 'platform-admins', role: 'owner' }];
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules, default_role: 'none' });
    const attributes = [{ name: 'email', values: ['olivia@acme.example'] }, ...groups];
    const page = await acme.signIn(new HttpBrowser(), 'olivia', { values: { attributes } as never });
    expect(verdict(page)).toEqual([403, 'saml_role_denied']);
    expect(page.text).toContain(forUser);
    expect(page.text).not.toContain(advice);
    expect(await last(acme)).toMatchObject({
      title: 'The user has no role in this organization',
      detail: expect.stringContaining(detail),
      advice: expect.stringContaining(advice),
    });
  });

  it('stores the code of an unreadable response and the size of a large one', async () => {
    const acme = await newOrganization();
    const form = (body: string) =>
      new HttpBrowser().request(acme.acsUrl, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect((await form('SAMLResponse=%%%')).code).toBe('saml_malformed');
    expect(await last(acme)).toMatchObject({ code: 'saml_malformed', examined: false, verified: false, message_octets: null, checks: [] });
    const large = acme.respond({ values: { sessionIndex: 'x'.repeat(120_000), audiences: [['urn:other']] } });
    expect((await acme.post(new HttpBrowser(), large)).code).toBe('saml_audience_mismatch');
    expect(await last(acme)).toMatchObject({ code: 'saml_audience_mismatch', examined: false, message_octets: Buffer.byteLength(large) });
  });

  it('stores as many groups as fit, each unabridged', async () => {
    const acme = await newOrganization();
    const values = Array.from({ length: 700 }, (_, i) => `group number ${i}`);
    const attributes = [
      { name: 'email', nameFormat: 'urn:x', values: ['olivia@acme.example'] },
      { name: 'groups', nameFormat: 'urn:x', values },
    ];
    expect((await acme.signIn(new HttpBrowser(), 'olivia', { values: { attributes } as never })).status).toBe(303);
    const { groups, groups_omitted: omitted } = await last(acme);
    expect(groups?.length).toBeGreaterThan(300);
    expect([groups, (groups?.length ?? 0) + omitted]).toEqual([values.slice(0, groups?.length), 700]);
  });

  it('encrypts entries and the list in the store', async () => {
    const acme = await newOrganization();
    await acme.signIn(new HttpBrowser());
    const { id } = await last(acme);
    const { store } = gateway.runtime;
    const entry = await store.peek(acme.id, `sign-in:${id}`);
    expect(entry).toMatch(/^[\w-]{16}\.[\w-]{100,}$/);
    const log = await store.find(acme.id, { name: 'sign_in_log', indexes: { all: () => [''] }, unique: {} }, 'all', { limit: 5 });
    expect(log.items.map(({ value }) => value)).toEqual([{ sealed: expect.stringMatching(/^[\w-]{16}\.[\w-]{100,}$/) }]);
    // An entry of one organization cannot be read in another.
    const other = await newOrganization();
    await store.commit(other.id, [{ do: 'put', key: `sign-in:${id}`, value: entry ?? '', ttlSeconds: 60 }]);
    expect((await gateway.api('GET', `/organizations/${other.slug}/sign-ins/${id}`)).status).toBe(404);
  });
});

describe('the sign-in log: lists', () => {
  it('sorts entries, filters them by outcome and code, and pages through them', async () => {
    const acme = await newOrganization();
    for (const options of [{}, wrongAudience, {}, { values: { destination: 'urn:x' } }, {}]) {
      await acme.post(new HttpBrowser(), acme.respond(options));
      aheadMs += 1000;
    }
    const codesOf = ({ items }: Listed) => items.map(({ code }) => code);
    const all = await list(acme);
    expect(codesOf(all)).toEqual([null, 'saml_destination_mismatch', null, 'saml_audience_mismatch', null]);
    expect(all.items.map(({ at }) => at)).toEqual(
      all.items
        .map(({ at }) => at)
        .toSorted()
        .reverse(),
    );
    expect(codesOf(await list(acme, '?outcome=accepted'))).toEqual([null, null, null]);
    expect(codesOf(await list(acme, '?outcome=refused'))).toEqual(['saml_destination_mismatch', 'saml_audience_mismatch']);
    expect(codesOf(await list(acme, '?code=saml_audience_mismatch'))).toEqual(['saml_audience_mismatch']);
    const pages: Listed[] = [];
    let cursor = '';
    do {
      pages.push(await list(acme, `?limit=2${cursor}`));
      cursor = `&cursor=${pages.at(-1)?.next_cursor}`;
    } while (pages.at(-1)?.next_cursor !== null);
    expect(pages.map(({ items }) => items.length)).toEqual([2, 2, 1]);
    expect(pages.flatMap(({ items }) => items)).toEqual(all.items);
  });

  test.each(['cursor=x', 'cursor=att_', 'outcome=maybe', 'code=none', 'limit=0'])('rejects ?%s', async (query) => {
    const { slug } = await newOrganization();
    const { status, body } = await gateway.api('GET', `/organizations/${slug}/sign-ins?${query}`);
    expect([status, body.code]).toEqual([400, 'validation_failed']);
  });

  it('answers 404 for a sign-in of another organization', async () => {
    const [acme, other] = [await newOrganization(), await newOrganization()];
    await acme.signIn(new HttpBrowser());
    const { id } = await last(acme);
    for (const path of [id, `${id}/bundle`, 'att_x', '..%2Flog']) {
      const { status, body } = await gateway.api('GET', `/organizations/${other.slug}/sign-ins/${path}`);
      expect([status, body.code]).toEqual([404, 'not_found']);
    }
  });
});

describe('the sign-in log: support bundle', () => {
  it('contains checks and structure, and nothing that identifies the user', async () => {
    const acme = await newOrganization();
    const message = 'AADSTS50105: The signed in user "Olivia Okafor" (olivia@okta.acme.example) is not assigned.';
    await acme.signIn(new HttpBrowser());
    const responder = 'urn:oasis:names:tc:SAML:2.0:status:Responder';
    const page = await acme.post(new HttpBrowser(), acme.respond({ values: { status: { code: responder, message } } }));
    expect(page.code).toBe('saml_status_not_success');
    const { id, detail } = await last(acme);
    expect(detail).toContain('Olivia'); // owners see the text of the identity provider unchanged
    const { headers, body } = await gateway.api('GET', `/organizations/${acme.slug}/sign-ins/${id}/bundle`);
    expect(headers.get('content-disposition')).toBe(`attachment; filename="samlgate-${id}.json"`);
    expect(SIGN_IN_BUNDLE.parse(body)).toMatchObject({
      format: 'samlgate-sign-in-1',
      service_provider: { acs_url: acme.acsUrl },
      sign_in: {
        id,
        code: 'saml_status_not_success',
        request_id: page.headers.get('x-request-id'),
        detail: expect.stringContaining('AADSTS50105'),
        groups_sent: 2,
      },
    });
    const text = JSON.stringify(body);
    expect(text).not.toMatch(/olivia|okafor|@|platform-admins|127\.0\.0\.1|usr_/i);
    expect(text).toContain('with AADSTS50105');

    const audiences = [['https://acme.example/olivia@acme.example']];
    await acme.post(new HttpBrowser(), acme.respond({ values: { audiences } }));
    const mismatch = await last(acme);
    expect(mismatch.got).toBe(audiences[0]?.[0]);
    const other = await gateway.api<z.infer<typeof SIGN_IN_BUNDLE>>('GET', `/organizations/${acme.slug}/sign-ins/${mismatch.id}/bundle`);
    expect(other.body.sign_in.got).toBe('(an email address)');
    expect(JSON.stringify(other.body)).not.toMatch(/olivia|@/);
  });
});

describe('the sign-in log: limits', () => {
  it('examines a few forged responses per minute and keeps every genuine entry', async () => {
    stoppedAtMs = Date.now();
    const acme = await newOrganization();
    await acme.signIn(new HttpBrowser());
    const genuine = acme.respond(wrongAudience);
    const forged = acme.respond().replaceAll('platform-admins', 'made-up');
    for (let i = 0; i < 30; i++) expect((await acme.post(new HttpBrowser(), forged)).code).toBe('saml_signature_invalid');
    const replay = acme.respond();
    await acme.post(new HttpBrowser(), replay);
    expect((await acme.post(new HttpBrowser(), replay)).code).toBe('saml_replayed');
    const counts = async () => {
      const { items } = await list(acme, '?limit=200');
      return Object.fromEntries([...Map.groupBy(items, ({ code }) => code ?? 'accepted')].map(([code, all]) => [code, all.length]));
    };
    expect(await counts()).toEqual({ accepted: 2, saml_replayed: 1, saml_signature_invalid: 20 });
    // The next minute has its own allowance. The log keeps only 40 entries without a valid signature.
    for (let minute = 0; minute < 2; minute++) {
      aheadMs += MINUTE_MS;
      for (let i = 0; i < 21; i++) await acme.post(new HttpBrowser(), forged);
    }
    expect((await acme.post(new HttpBrowser(), genuine)).code).toBe('saml_audience_mismatch');
    expect(await counts()).toEqual({ accepted: 2, saml_replayed: 1, saml_audience_mismatch: 1, saml_signature_invalid: 40 });
    const dropped = await gateway.runtime.metrics.signInRecords.get();
    expect(dropped.values.find(({ labels }) => labels.outcome === 'too_many')?.value).toBeGreaterThanOrEqual(12);
  });

  const entry = (changes: Partial<SignInLogEntry>): SignInLogEntry => {
    const atMs = now();
    const base = {
      id: newTimeOrderedId('att', atMs),
      atMs,
      kind: 'login',
      outcome: 'accepted',
      isVerified: true,
      isExamined: false,
    } as const;
    return { ...base, idpKind: 'other', attributeNames: [], ...changes };
  };

  it('keeps the first accepted sign-ins of a busy moment, and every refused one', async () => {
    const acme = await newOrganization();
    await acme.signIn(new HttpBrowser());
    await flushSignInLog(gateway.runtime);
    const organization = await getOrganization(gateway.runtime.store, acme.slug);
    const { value: member } = await getMember(gateway.runtime.store, acme.id, (await memberNamed(acme, 'olivia'))?.id ?? '');
    const error = new GatewayError('saml_malformed');
    const addresses = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`);
    const note = (address: string, result: { member: Member } | { error: GatewayError }) => {
      const response = {
        actor: { kind: 'anonymous', address } as const,
        connection: undefined,
        unverifiedXml: undefined,
        assertion: undefined,
      };
      recordSignIn(gateway.runtime, organization, { ...response, ...result });
    };
    for (const address of addresses) note(address, { member });
    note('192.0.2.100', { error });
    const { items } = await list(acme, '?limit=200');
    expect(items.map(({ code }) => code)).toEqual(['saml_malformed', ...Array(51).fill(null)]);
    expect(items.slice(1, -1).map(({ address }) => address)).toEqual(addresses.slice(0, 50).toReversed());
  });

  it('keeps the last entries of each class, 200 in all, and deletes the others', async () => {
    const acme = await newOrganization();
    const kinds = [{}, { outcome: 'refused' }, { outcome: 'refused', isVerified: false }, { kind: 'test' }] as const;
    const saved: SignInLogEntry[] = [];
    for (let round = 0; round < 4; round++) {
      for (const kind of kinds) {
        const batch = Array.from({ length: 25 }, () => entry(kind));
        saved.push(...batch);
        await saveLogEntries(gateway.runtime, acme.id, batch);
      }
    }
    const { items } = await listLogEntries(gateway.runtime, acme.id, { limit: 500 });
    const lastOf = (fits: (one: SignInLogEntry) => boolean, count: number) =>
      saved
        .filter(fits)
        .slice(-count)
        .map(({ id }) => id);
    const expected = [
      ...lastOf((one) => one.kind === 'login' && one.outcome === 'accepted', 70),
      ...lastOf((one) => one.outcome === 'refused' && one.isVerified, 60),
      ...lastOf((one) => !one.isVerified, 40),
      ...lastOf((one) => one.kind === 'test', 30),
    ];
    expect(items.map(({ id }) => id).toSorted()).toEqual(expected.toSorted());
    expect(items).toHaveLength(200);
    const left = await Promise.all(saved.map(({ id }) => gateway.runtime.store.peek(acme.id, `sign-in:${id}`)));
    expect(left.filter((value) => value !== undefined)).toHaveLength(200);
  });

  it('shortens a large structure', async () => {
    const acme = await newOrganization();
    const row = {
      depth: 1,
      name: 'n'.repeat(100),
      attributes: Array.from({ length: 10 }, () => ({ name: 'a'.repeat(90), shown: 'b'.repeat(200) })),
    };
    const structure = Array.from({ length: 300 }, () => row);
    const large = entry({ outcome: 'refused', isExamined: true, examination: { checks: [], verifiedBy: [], structure } });
    await saveLogEntries(gateway.runtime, acme.id, [large]);
    const value = await gateway.runtime.store.peek(acme.id, `sign-in:${large.id}`);
    expect(value?.length).toBeLessThan(46_000);
    expect((await details(acme, large.id)).structure?.length).toBeLessThan(20);
  });

  it('deletes entries after SAMLGATE_SIGN_IN_LOG_DAYS', async () => {
    const acme = await newOrganization();
    await acme.signIn(new HttpBrowser());
    const { id } = await last(acme);
    aheadMs += 7 * DAY_MS - MINUTE_MS;
    expect((await list(acme)).items).toHaveLength(1);
    aheadMs += 2 * MINUTE_MS;
    expect((await list(acme)).items).toEqual([]);
    expect((await gateway.api('GET', `/organizations/${acme.slug}/sign-ins/${id}`)).status).toBe(404);
  });

  it('deletes the log with the organization, and writes nothing afterwards', async () => {
    const acme = await newOrganization();
    await acme.signIn(new HttpBrowser());
    const { id } = await last(acme);
    await acme.signIn(new HttpBrowser());
    await gateway.api('DELETE', `/organizations/${acme.slug}`);
    await flushSignInLog(gateway.runtime);
    await resumeDeletions(gateway.runtime);
    const { store } = gateway.runtime;
    expect(await store.peek(acme.id, `sign-in:${id}`)).toBeUndefined();
    const log = await store.find(acme.id, { name: 'sign_in_log', indexes: { all: () => [''] }, unique: {} }, 'all', { limit: 5 });
    expect(log.items).toEqual([]);
  });

  it('counts entries that could not be written, without affecting the sign-in', async () => {
    const acme = await newOrganization();
    const { store, metrics } = gateway.runtime;
    const commit = store.commit.bind(store);
    const isLog = (step: Step) => 'key' in step && step.key.startsWith('sign-in:');
    jest.spyOn(store, 'commit').mockImplementation(async (partition, steps, options) => {
      if (steps.some(isLog)) throw new GatewayError('store_unavailable');
      return commit(partition, steps, options);
    });
    const failed = async () => (await metrics.signInRecords.get()).values.find(({ labels }) => labels.outcome === 'failed')?.value ?? 0;
    const before = await failed();
    expect((await acme.signIn(new HttpBrowser())).status).toBe(303);
    expect((await acme.post(new HttpBrowser(), acme.respond(wrongAudience))).code).toBe('saml_audience_mismatch');
    await flushSignInLog(gateway.runtime);
    expect((await failed()) - before).toBe(2);
    jest.restoreAllMocks();
    expect((await list(acme)).items).toEqual([]);
  });

  it('stores nothing if the log is turned off', async () => {
    const quiet = await startGateway({ environment: { SAMLGATE_SIGN_IN_LOG_DAYS: '0' } });
    try {
      const acme = await makeTestOrganization(quiet);
      expect((await acme.signIn(new HttpBrowser())).status).toBe(303);
      expect((await acme.post(new HttpBrowser(), acme.respond(wrongAudience))).code).toBe('saml_audience_mismatch');
      expect((await list(acme, '', quiet)).items).toEqual([]);
    } finally {
      await quiet.stop();
    }
  });

  it('writes pending entries when the gateway stops, for other replicas to read', async () => {
    const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64') };
    const [one, two] = [await startGateway({ store: 'redis', environment }), await startGateway({ store: 'redis', environment })];
    const running = [one, two];
    try {
      const acme = await makeTestOrganization(one);
      const elsewhere: TestOrganization = { ...acme, acsUrl: acme.acsUrl.replace(one.url, two.url) };
      const write = async ({ runtime }: TestGateway) => {
        for (let i = 0; i < 20; i++) await saveLogEntries(runtime, acme.id, [entry({})]);
      };
      await Promise.all([write(one), write(two)]);
      expect((await list(elsewhere, '', two)).items).toHaveLength(40);
      await acme.post(new HttpBrowser(), acme.respond());
      await running.shift()?.stop();
      const { items } = await list(elsewhere, '', two);
      expect(items).toHaveLength(41);
      expect(items.filter(({ request_id: id }) => id !== null)).toHaveLength(1);
    } finally {
      for (const each of running) await each.stop();
    }
  });
});

describe('a test sign-in', () => {
  let acme: TestOrganization;
  let owner: HttpBrowser;
  beforeAll(async () => {
    acme = await newOrganization();
    owner = new HttpBrowser();
    await acme.signIn(owner);
  });

  const loginUrl = ({ slug } = acme) => `${gateway.url}/saml/${slug}/login?test=1`;

  async function start(browser: HttpBrowser, url = loginUrl()): Promise<{ relayState: string; requestId: string }> {
    return startedBy(await browser.request(url));
  }

  /** Runs a test sign-in and returns its result. */
  async function runTest(options: Parameters<TestOrganization['respond']>[0] = {}): Promise<Details> {
    const { relayState, requestId } = await start(owner);
    const page = await acme.post(owner, acme.respond({ inResponseTo: requestId, ...options }), relayState);
    expect([page.status, page.location]).toEqual([303, expect.stringMatching(`^${gateway.url}/console/sign-ins/att_`)]);
    return details(acme, page.location?.split('/').at(-1) ?? '');
  }

  it('runs every check of a sign-in and creates no session', async () => {
    const session = owner.cookie('samlgate_session')?.value;
    const members = async () => (await gateway.api('GET', `/organizations/${acme.slug}/members`)).body;
    const before = await members();
    aheadMs += MINUTE_MS; // so that a sign-in would change last_login_at
    const result = await runTest({ user: 'carl' });
    expect(result).toMatchObject({
      kind: 'test',
      outcome: 'accepted',
      code: null,
      started_by: (await memberNamed(acme, 'olivia'))?.id,
      member_id: null,
      role: 'collaborator',
      role_group: null,
      groups: ['engineering'],
      verified: true,
      examined: true,
    });
    expect(new Set(result.checks.map(({ outcome }) => outcome))).toEqual(new Set(['passed']));
    expect(outcomes(result, 'request', 'member', 'once', 'role')).toEqual(Array(4).fill('passed'));
    expect(await members()).toEqual(before);
    expect(owner.cookie('samlgate_session')?.value).toBe(session);
    const { body } = await gateway.api<{ items: Record<string, unknown>[] }>('GET', `/organizations/${acme.slug}/audit?limit=1`);
    expect(body.items[0]).toMatchObject({ event: 'login.tested', details: { outcome: 'accepted', sign_in: result.id } });
  });

  it('shows the member, the role and the rule that gives it', async () => {
    expect(await runTest()).toMatchObject({
      member_id: (await memberNamed(acme, 'olivia'))?.id,
      role: 'owner',
      role_group: 'platform-admins',
    });
  });

  it('shows a refusal', async () => {
    const refused = await runTest({ values: { audiences: [['urn:other']], destination: 'urn:other' } });
    expect(refused).toMatchObject({ outcome: 'refused', code: 'saml_destination_mismatch', wanted: acme.acsUrl, got: 'urn:other' });
    expect(failures(refused)).toEqual({ destination: 'saml_destination_mismatch', audience: 'saml_audience_mismatch' });
    expect(outcomes(refused, 'request', 'member', 'once', 'role')).toEqual(Array(4).fill('not_reached'));
  });

  it('shows an authentication from before the request, if the organization requires a new one', async () => {
    const path = `/organizations/${acme.slug}/identity-provider`;
    await gateway.api('PATCH', path, { force_authn: true });
    const values = { authnInstant: new Date(now() - 60 * MINUTE_MS).toISOString() };
    expect(failures(await runTest({ values }))).toEqual({ request: 'saml_authn_context_mismatch' });
    await gateway.api('PATCH', path, { force_authn: false });
    expect(failures(await runTest({ values }))).toEqual({});
  });

  it('shows a missing role, a suspension and a used assertion', async () => {
    const mapping = (default_role: string) =>
      gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, {
        rules: [{ group: 'platform-admins', role: 'owner' }],
        default_role,
      });
    await mapping('none');
    expect(failures(await runTest({ user: 'carl' }))).toEqual({ role: 'saml_role_denied' });
    await mapping('collaborator');
    await acme.signIn(new HttpBrowser(), 'carl');
    const carl = await memberNamed(acme, 'carl');
    await gateway.api('PATCH', `/organizations/${acme.slug}/members/${carl?.id}`, { suspended: true });
    expect(failures(await runTest({ user: 'carl' }))).toEqual({ member: 'member_suspended' });
    const values = { assertionId: '_used' };
    expect(failures(await runTest({ values }))).toEqual({});
    const again = await runTest({ values });
    expect([failures(again), again.code]).toEqual([{ once: 'saml_replayed' }, 'saml_replayed']);
  });

  it('consumes the assertion', async () => {
    const { relayState, requestId } = await start(owner);
    const values = { assertionId: '_consumed' };
    expect((await acme.post(owner, acme.respond({ inResponseTo: requestId, values }), relayState)).status).toBe(303);
    expect(verdict(await acme.post(new HttpBrowser(), acme.respond({ values })))).toEqual([400, 'saml_replayed']);
  });

  it('has one result, in the browser that started it, and never leads to a session', async () => {
    const { relayState, requestId } = await start(owner);
    const xml = acme.respond({ inResponseTo: requestId });
    const other = new HttpBrowser();
    expect(verdict(await acme.post(other, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    await acme.start(other); // now with a nonce of its own
    expect(verdict(await acme.post(other, xml, relayState))).toEqual([400, 'saml_login_not_started_here']);
    expect((await acme.post(owner, xml, relayState)).status).toBe(303);
    expect(verdict(await acme.post(owner, xml, relayState))).toEqual([400, 'saml_replayed']);
    expect(verdict(await acme.post(owner, acme.respond({ inResponseTo: requestId }), relayState))).toEqual([
      400,
      'saml_in_response_to_unknown',
    ]);
    expect(other.cookie('samlgate_session')).toBeUndefined();
  });

  it('is recognized by its request, whatever the RelayState says', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const session = browser.cookie('samlgate_session')?.value;
    const signIn = await acme.start(browser);
    for (const relayState of [undefined, '', '/console', signIn.relayState, signIn.requestId]) {
      const { requestId } = await start(browser);
      const page = await acme.post(browser, acme.respond({ user: 'carl', inResponseTo: requestId }), relayState);
      expect(page.location).toMatch(/\/console\/sign-ins\/att_/);
    }
    expect(browser.cookie('samlgate_session')?.value).toBe(session);
    expect(await memberNamed(acme, 'olivia')).toBeDefined();
  });

  it('is never the answer to a sign-in, whatever the RelayState says', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const test = await start(browser);
    const { requestId } = await acme.start(browser, '/console?from=sign-in');
    const page = await acme.post(browser, acme.respond({ inResponseTo: requestId }), test.relayState);
    expect(page.location).toBe(`${gateway.url}/console?from=sign-in`);
    expect((await list(acme)).items[0]).toMatchObject({ kind: 'login', outcome: 'accepted' });
  });

  it('creates no session if only the signed part of the response names its request', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser);
    const session = browser.cookie('samlgate_session')?.value;
    const { requestId } = await start(browser);
    // The reference hides the ID from everything that reads the response without parsing it.
    const hidden = acme
      .respond({ inResponseTo: requestId, signing: { response: false, assertion: true } })
      .replaceAll(`InResponseTo="${requestId}"`, `InResponseTo="&#95;${requestId.slice(1)}"`);
    expect(verdict(await acme.post(browser, hidden))).toEqual([400, 'saml_in_response_to_unknown']);
    expect(browser.cookie('samlgate_session')?.value).toBe(session);
  });

  it('has no result if its connection was disabled meanwhile', async () => {
    const other = await newOrganization();
    const browser = new HttpBrowser();
    await other.signIn(browser);
    const { requestId } = await start(browser, loginUrl(other));
    await updateOrganization(
      gateway.runtime,
      { kind: 'operator' },
      {
        organizationId: other.id,
        change: (before) => ({ ...before, connections: before.connections.map((connection) => ({ ...connection, state: 'disabled' })) }),
      },
    );
    expect(verdict(await other.post(browser, other.respond({ inResponseTo: requestId })))).toEqual([400, 'saml_issuer_unknown']);
  });

  it('can be started only by an owner of the organization', async () => {
    const collaborator = new HttpBrowser();
    await acme.signIn(collaborator, 'nina');
    expect(verdict(await collaborator.request(loginUrl()))).toEqual([403, 'forbidden']);
    expect(verdict(await new HttpBrowser().request(loginUrl()))).toEqual([401, 'unauthenticated']);
    const other = await newOrganization();
    expect(verdict(await owner.request(loginUrl(other)))).toEqual([404, 'organization_unknown']);
  });

  it('works while other responses are not examined, because too many were refused', async () => {
    const limiting = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    try {
      const other = await makeTestOrganization(limiting);
      const browser = new HttpBrowser();
      await other.signIn(browser);
      const { relayState, requestId } = await start(browser, `${limiting.url}/saml/${other.slug}/login?test=1`);
      const codes = new Set<string | undefined>();
      for (let i = 0; i < LIMITS.refusals_by_address.points + 10; i++) codes.add((await other.post(new HttpBrowser(), '<a/>')).code);
      expect([...codes]).toEqual(['saml_malformed', 'rate_limited']);
      expect((await other.post(browser, other.respond({ inResponseTo: requestId }), relayState)).status).toBe(303);
      const { items } = await list(other, '?limit=200', limiting);
      expect(new Set(items.map(({ code }) => code))).toEqual(new Set([null, 'saml_malformed']));
      const audit = await limiting.api<{ items: object[]; unsigned_refusals: object[] }>(
        'GET',
        `/organizations/${other.slug}/audit?event=login.refused`,
      );
      expect(audit.body.items).toEqual([]);
      const malformed = { kind: 'sign_in', code: 'saml_malformed', last_hour: LIMITS.refusals_by_address.points };
      expect(audit.body.unsigned_refusals).toContainEqual(expect.objectContaining(malformed));
    } finally {
      await limiting.stop();
    }
  });

  it('is listed with the sign-ins', async () => {
    const { id } = await runTest();
    expect((await list(acme)).items[0]).toMatchObject({ id, kind: 'test' });
  });
});
