import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditStep } from '../../src/audit.ts';
import type { HttpBrowser, Page } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type Link, readLinks, textOf } from '../support/html.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const START = Date.parse('2026-03-01T10:00:00Z');
const DAY = 86_400_000;

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let carl: SignedIn;
let nowMs = START;

/** Writes an entry as the gateway does. */
const write = (event: 'login.refused' | 'member.suspended', more: object = {}) =>
  gateway.runtime.store.commit(acme.id, [auditStep(nowMs, { kind: 'anonymous', address: '192.0.2.7', requestId: 'req-1' }, event, more)]);

beforeAll(async () => {
  gateway = await startGateway({ now: () => nowMs });
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
  carl = await signedIn(gateway, acme, 'carl');
  for (let i = 0; i < 230; i++) {
    nowMs += 1000;
    await write('login.refused', { code: 'saml_expired', details: { n: i } });
  }
  nowMs = START + 3 * DAY;
  await write('member.suspended', { member_id: carl.id });
  nowMs += 60_000;
  olivia = await signedIn(gateway, acme, 'olivia');
});

afterAll(() => gateway.stop());

const browserOpen = (browser: HttpBrowser, path: string): Promise<Page> => browser.open(`${gateway.url}/console${path}`);
const trail = (query = ''): Promise<Page> => browserOpen(olivia.browser, `/audit${query}`);
const eventsOf = ({ text }: Page): string[] =>
  [...text.matchAll(/<div class="sub"><code>([\w.]+)<\/code>/g)].map(([, event = '']) => event);

describe('console: audit trail page', () => {
  it('lists event, time, member, actor and address, newest first', async () => {
    const text = textOf((await trail('?event=member.suspended')).text);
    expect(text).toContain('A member was suspended');
    expect(text).toContain('4 Mar 2026, 10:00 UTC');
    expect(text).toMatch(/carl@okta\.acme\.example by an unknown user from 192\.0\.2\.7/);
    expect(eventsOf(await trail()).slice(0, 2)).toEqual(['login.accepted', 'member.suspended']);
  });

  it('pages through all entries, each once, and keeps the filter', async () => {
    const seen: string[] = [];
    for (let page: Page | undefined = await trail('?event=login.refused'); page; ) {
      seen.push(...[...page.text.matchAll(/<bdi>n: (\d+)<\/bdi>/g)].map(([, n = '']) => n));
      const next: Link | undefined = readLinks(page.text, page.url).find(({ text }) => text.startsWith('Next page'));
      if (next) expect(next.href).toContain('event=login.refused');
      page = next && (await olivia.browser.open(next.href));
    }
    expect(seen).toEqual(Array.from({ length: 230 }, (_, i) => String(229 - i)));
  });

  it.each([
    ['the email address of a member', () => '?member=CARL%40okta.acme.example', ['member.suspended', 'login.accepted', 'member.created']],
    ['the ID of a member', () => `?member=${carl.id}`, ['member.suspended', 'login.accepted', 'member.created']],
    ['a member and an event', () => `?member=${carl.id}&event=member.created`, ['member.created']],
    ['a start date', () => '?from=2026-03-04', ['login.accepted', 'member.suspended']],
    ['one day and an event', () => '?from=2026-03-04&to=2026-03-04&event=member.suspended', ['member.suspended']],
    ['an end date, which includes the whole day', () => '?to=2026-03-01&event=login.accepted', ['login.accepted', 'login.accepted']],
    ['days without entries', () => '?from=2026-03-02&to=2026-03-03', []],
  ])('filters by %s', async (_what, query, events) => {
    const page = await trail(query());
    expect(page.status).toBe(200);
    expect(eventsOf(page)).toEqual(events);
  });

  it.each([
    ['?event=no.such.event', 'No event has this name'],
    ['?event=constructor', 'No event has this name'],
    ['?from=yesterday', 'Enter dates like 2026-03-04'],
    ['?to=2026-13-45', 'Enter dates like 2026-03-04'],
    ['?member=nobody%40example.com', 'No member has this email address'],
    ['?member=usr_nobody', 'No entries'],
    ['?member=%00', 'No entries'],
  ])('shows no entries for %s and says why', async (query, words) => {
    const page = await trail(query);
    expect([page.status, eventsOf(page)]).toEqual([200, []]);
    expect(textOf(page.text)).toContain(words);
  });

  it('escapes markup and control characters in entries', async () => {
    nowMs += 1000;
    await write('login.refused', { details: { reason: '<script>alert(1)</script>\u202e' } });
    const { text } = await trail('?event=login.refused');
    expect(text).toContain('reason: &lt;script>alert(1)&lt;/script>⟨U+202E⟩');
    expect(text).not.toContain('<script>alert');
  });
});

describe('console: audit trail downloads', () => {
  // Compares bytes, as a browser saves them.
  const download = async (query: string) => {
    const response = await fetch(`${gateway.url}/console/audit/download?${query}`, { headers: { cookie: olivia.cookie } });
    return {
      status: response.status,
      headers: response.headers,
      text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(await response.arrayBuffer()),
    };
  };

  it('sends JSON Lines with every matching entry of all pages, in the format of the API', async () => {
    const file = await download('format=jsonl&event=login.refused&to=2026-03-01');
    expect(file.status).toBe(200);
    expect(file.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    expect(file.headers.get('content-disposition')).toBe(`attachment; filename="audit-${acme.slug}-2026-03-04.jsonl"`);
    const entries = file.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { details: { n: number } });
    expect(entries.map(({ details }) => details.n)).toEqual(Array.from({ length: 230 }, (_, i) => 229 - i));
    const { body } = await gateway.api<{ items: object[] }>('GET', `/organizations/${acme.slug}/audit?event=member.suspended`);
    expect(JSON.parse((await download('format=jsonl&event=member.suspended')).text)).toEqual(body.items[0]);
  });

  it('sends CSV with a header and one record for each entry, every cell quoted', async () => {
    const file = await download('format=csv&event=login.refused&to=2026-03-01');
    expect(file.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    const lines = file.text.split('\r\n');
    expect(lines[0]).toBe(
      '\ufeff"id","at","event","member_id","actor_kind","actor_id","actor_email","address","request_id","code","details"',
    );
    expect(lines).toHaveLength(232);
    expect(lines[1]).toMatch(
      /^"aud_\w+","2026-03-01T10:03:50\.000Z","login\.refused","","anonymous","","","192\.0\.2\.7","req-1","saml_expired","\{""n"":229\}"$/,
    );
  });

  it('refuses an invalid filter and an unknown format', async () => {
    for (const query of ['format=csv&event=no.such.event', 'format=xlsx', 'format=csv&from=soon']) {
      const page = await trail(`/download?${query}`);
      expect([query, page.status, page.code]).toEqual([query, 400, 'validation_failed']);
    }
  });

  it('refuses collaborators', async () => {
    carl = await signedIn(gateway, acme, 'carl');
    const page = await browserOpen(carl.browser, '/audit/download?format=jsonl');
    expect([page.status, page.code]).toEqual([403, 'forbidden']);
  });
});
