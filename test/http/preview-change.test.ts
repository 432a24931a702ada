import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { startSetup } from '../support/setup.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let path: string;
let domain: string;
let nowMs = Date.now();
const olivia = new HttpBrowser();
beforeAll(async () => {
  gateway = await startGateway({ now: () => nowMs });
  acme = await makeTestOrganization(gateway, () => nowMs);
  domain = `${newSlug()}.example`;
  const root = `/organizations/${acme.slug}`;
  await gateway.api('POST', `${root}/domains`, { domain });
  await gateway.api('POST', `${root}/domains/${domain}/verify`, { confirm: true });
  const signIn = (id: string, email: string, groups: string[] = [], browser = new HttpBrowser()) =>
    acme.signIn(browser, 'olivia', {
      values: {
        nameId: { value: id, format: NAME_ID_PERSISTENT },
        attributes: [
          { name: 'email', values: [email] },
          { name: 'groups', values: groups },
        ],
      },
    });
  await signIn('olivia', `olivia@${domain}`, ['platform-admins'], olivia);
  await signIn('carl', `carl@${domain}`);
  await signIn('one', `team@${domain}`);
  await signIn('two', `Team@${domain}`);
  await signIn('else', 'else@elsewhere.example');
  const { body } = await gateway.api<{ id: string }>('GET', `${root}/identity-provider`);
  path = `/api/v1${root}/connections/${body.id}/preview-change`;
});
afterAll(() => gateway.stop());

const preview = async (body: object) => (await gateway.api<Record<string, unknown>>('POST', path.slice(7), body)).body;
const OLIVIA_ATTRIBUTES = (domain: string) => [
  { name: 'email', values: [`olivia@${domain}`] },
  { name: 'groups', values: ['platform-admins'] },
];
const lineOf = (line: number, old_identifier: string, new_identifier: string, email: string | null, result: string) => ({
  ...{ line, old_identifier, new_identifier, email, result },
});
const TABLE = 'old_identifier,new_identifier\ncarl,carl\none,two\ntwo,x\nelse,else\nelse,y\n';

describe('a preview of a change of the identity provider', () => {
  it.each([
    ['keep', { matching: 4, ambiguous: 1, new: 0 }],
    ['link_by_email', { matching: 1, ambiguous: 4, new: 0 }],
    ['new_accounts', { matching: 0, ambiguous: 0, new: 5 }],
  ])('counts the members for %s, like a dry run', async (on_new_entity_id, counts) => {
    const none = { is_partial: false, problems: [], lines: [] };
    expect(await preview({ on_new_entity_id })).toEqual({ ...counts, recently_signed_in: 5, recent: counts, ...none });
    const other = acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
    const query = `?dry_run=true&on_new_entity_id=${on_new_entity_id}&link_until=${new Date(nowMs + 1000).toISOString()}`;
    const dryRun = await gateway.api('PUT', `/organizations/${acme.slug}/identity-provider${query}`, other);
    expect(dryRun.body).toMatchObject({ members: counts, replacement: null, change: null });
  });

  it('compares a table with the members, and reports users who would become another member', async () => {
    expect(await preview({ on_new_entity_id: 'keep', identifiers_csv: TABLE })).toEqual({
      matching: 2,
      ambiguous: 0,
      new: 3,
      recently_signed_in: 5,
      recent: { matching: 2, ambiguous: 0, new: 3 },
      is_partial: false,
      problems: [
        { line: 3, problem: 'other_member' },
        { line: 6, problem: 'duplicate_old' },
      ],
      lines: [
        lineOf(3, 'one', 'two', `team@${domain}`, 'other_member'),
        lineOf(6, 'else', 'y', 'else@elsewhere.example', 'duplicate_old'),
        lineOf(4, 'two', 'x', `Team@${domain}`, 'new'),
        lineOf(2, 'carl', 'carl', `carl@${domain}`, 'matching'),
        lineOf(5, 'else', 'else', 'else@elsewhere.example', 'matching'),
      ],
    });
    expect(await preview({ on_new_entity_id: 'link_by_email', identifiers_csv: TABLE })).toMatchObject({ code: 'validation_failed' });
    expect(await preview({ on_new_entity_id: 'keep', identifiers_csv: 'a' })).toMatchObject({ code: 'validation_failed' });
  });

  it('takes a table from an owner whose sign-in is less than 10 minutes old only', async () => {
    const me = await olivia.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
    const { csrf_token } = JSON.parse(me.text) as { csrf_token: string };
    const send = (body: object) =>
      olivia.request(`${gateway.url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', 'x-samlgate-csrf': csrf_token, 'sec-fetch-site': 'same-origin' },
      });
    const withTable = { on_new_entity_id: 'keep', identifiers_csv: TABLE };
    expect((await send(withTable)).status).toBe(200);
    nowMs += 10 * 60_000;
    expect(await send(withTable)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await send({ on_new_entity_id: 'keep' })).status).toBe(200);
    expect((await preview(withTable)).problems).toHaveLength(2);
  });

  it('compares one table of an organization at a time, and none of a client that left while it waited', async () => {
    const rows = Array.from({ length: 40_000 }, (_, n) => `old${n},new${n}\n`).join('');
    const long = { on_new_entity_id: 'keep', identifiers_csv: `old_identifier,new_identifier\n${rows}` };
    const limited = async () => {
      const { values } = await gateway.runtime.metrics.limited.get();
      return values.find(({ labels }) => labels.limit === 'requests_at_once')?.value ?? 0;
    };
    const before = await limited();
    const ended: string[] = [];
    const running = ['first', 'second', 'third'].map(async (name) => {
      expect(await preview(long)).toMatchObject({ matching: expect.any(Number) });
      ended.push(name);
    });
    const waitForEnds = async (count: number) => {
      while (ended.length < count) await sleep(1);
    };
    await waitForEnds(1);
    const client = new AbortController();
    const left = fetch(`${gateway.url}${path}`, {
      method: 'POST',
      body: JSON.stringify({ on_new_entity_id: 'keep', identifiers_csv: TABLE }),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.operatorToken}` },
      signal: client.signal,
    });
    await waitForEnds(2);
    client.abort();
    await expect(left).rejects.toThrow('aborted');
    await Promise.all(running);
    expect(await limited()).toBe(before + 1);
  });

  it('counts the members of each outcome who signed in during the last 30 days', async () => {
    nowMs += 31 * 86_400_000;
    await acme.signIn(new HttpBrowser(), 'olivia', {
      values: { nameId: { value: 'olivia', format: NAME_ID_PERSISTENT }, attributes: OLIVIA_ATTRIBUTES(domain) },
    });
    expect(await preview({ on_new_entity_id: 'keep' })).toMatchObject({
      recently_signed_in: 1,
      recent: { matching: 0, ambiguous: 1, new: 0 },
    });
  });
});

describe('the comparison of identifiers in the console', () => {
  const other = () => acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
  const signInOwner = async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser, 'olivia', {
      values: { nameId: { value: 'olivia', format: NAME_ID_PERSISTENT }, attributes: OLIVIA_ATTRIBUTES(domain) },
    });
    return browser;
  };
  const previewOf = async (browser: HttpBrowser) =>
    browser.submit(await browser.open(`${gateway.url}/console/single-sign-on/steps/metadata`), { metadata: other() }, '/preview');

  function compare(browser: HttpBrowser, page: Page, fields: Readonly<Record<string, string | Blob>>): Promise<Page> {
    const body = new FormData();
    for (const { name, value, type } of page.forms.find(({ action }) => action.endsWith('/save'))?.fields ?? []) {
      if (type === 'hidden') body.append(name, value);
    }
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    return browser.request(page.url.replace(/\/(preview|compare)$/, '/compare'), { method: 'POST', body, from: page });
  }

  it('shows what each line means for its member before an owner decides, and saves nothing', async () => {
    const owner = await signInOwner();
    const before = await preview({ on_new_entity_id: 'keep' });
    const shown = await compare(owner, await previewOf(owner), { identifiers_csv: TABLE });
    expect(shown.status).toBe(200);
    expect(textOf(shown.text)).toContain('2 accounts kept automatically');
    expect(textOf(shown.text)).toMatch(/3 one two team@\S+ Would get the account of another member/);
    expect(textOf(shown.text)).toMatch(/2 carl carl carl@\S+ Keeps the account/);
    expect(await preview({ on_new_entity_id: 'keep' })).toEqual(before);
    // The page carries the metadata, so that another table can be compared, and the change can be saved.
    const again = await compare(owner, shown, { identifiers_file: new Blob(['old_identifier,new_identifier\nnew,new\n']) });
    expect(textOf(again.text)).toContain('No member has the old identifier');
    const saved = await owner.submit(again, { on_new_entity_id: 'keep' }, '/save');
    expect(textOf(saved.text)).toContain('The metadata is saved as a draft');
  });

  it.each([
    ['with another header', 'a,b\n', 'the first line must be old_identifier,new_identifier'],
    ['that is not UTF-8', new Uint8Array([0xff, 0xfe, 0x00]), 'must be UTF-8'],
    ['of more than 1 MiB', `old_identifier,new_identifier\n${'a,b\n'.repeat(262_144)}`, 'may have at most 1 MiB'],
  ])('explains a table %s', async (_case, content, reason) => {
    const owner = await signInOwner();
    const shown = await compare(owner, await previewOf(owner), { identifiers_file: new Blob([content]) });
    expect(shown.status).toBeGreaterThanOrEqual(400);
    expect(textOf(shown.text)).toContain(`Table of identifiers: ${reason}`);
  });

  it('needs a session that is less than 10 minutes old', async () => {
    const owner = await signInOwner();
    const page = await previewOf(owner);
    nowMs += 10 * 60_000;
    const shown = await compare(owner, page, { identifiers_csv: TABLE });
    expect(shown.status).toBe(403);
    expect(textOf(shown.text)).toContain('Sign in again in the browser first');
    expect(textOf(shown.text)).not.toContain('Keeps the account');
  });

  it('is refused to the holder of a setup link', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const step = await setup.browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`);
    const page = await setup.browser.submit(step, { metadata: other() }, '/preview');
    expect(textOf(page.text)).not.toContain('Compare a table');
    const refused = await compare(setup.browser, page, { identifiers_csv: TABLE });
    expect(refused).toMatchObject({ status: 403, code: 'forbidden' });
    expect(textOf(refused.text)).toContain('Only owners and the operator can compare identifiers.');
  });
});
