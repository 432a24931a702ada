import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { h } from 'preact';
import { AUDIT_EVENTS, type AuditEntry, type AuditEvent, auditStep } from '../../src/audit.ts';
import { type AuditNames, AuditSentence } from '../../src/console/audit/audit-sentence.tsx';
import { renderPage } from '../../src/console/layout.tsx';
import { downloadLines } from '../../src/http/console/audit/audit-download.ts';
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
const eventsOf = ({ text }: Page): string[] => [...text.matchAll(/<summary><code>([\w.]+)<\/code>/g)].map(([, event = '']) => event);

describe('console: audit trail page', () => {
  it('lists event, time, member, actor and address, newest first', async () => {
    const text = textOf((await trail('?event=member.suspended')).text);
    expect(text).toContain('An unknown user suspended Carl Čapek');
    expect(text).toContain('1 minute ago 4 Mar 2026, 10:00 UTC');
    expect(text).toMatch(/carl@okta\.acme\.example .* 192\.0\.2\.7/);
    expect(eventsOf(await trail()).slice(0, 2)).toEqual(['login.accepted', 'member.suspended']);
  });

  it('pages through all entries, each once, and keeps the filter', async () => {
    const seen: string[] = [];
    for (let page: Page | undefined = await trail('?event=login.refused'); page; ) {
      seen.push(...[...page.text.matchAll(/&quot;n&quot;: (\d+)\n/g)].map(([, n = '']) => n));
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
    expect(text).toContain('&quot;reason&quot;: &quot;&lt;script>alert(1)&lt;/script>⟨U+202E⟩&quot;');
    expect(text).not.toContain('<script>alert');
  });

  it('tells what changed in the role mapping, and by whom', async () => {
    const rules = [{ group: 'platform-admins', role: 'owner' }];
    await olivia.api('PUT', `/organizations/${acme.slug}/role-mapping`, {
      rules: [...rules, { group: 'staff', role: 'collaborator' }],
      default_role: 'collaborator',
    });
    await olivia.api('PUT', `/organizations/${acme.slug}/role-mapping`, { rules, default_role: 'collaborator' });
    const text = textOf((await trail('?event=role_mapping.changed')).text);
    expect(text).toContain('Olivia Okafor changed role mapping: without staff → collaborator , default role collaborator');
    expect(text).toContain('Olivia Okafor changed role mapping: staff → collaborator , default role collaborator');
  });

  it('offers the events by their titles', async () => {
    expect((await trail()).text).toContain('<option value="role_mapping.changed">Role mapping changed</option>');
  });
});

describe('audit sentences', () => {
  const events = Object.keys(AUDIT_EVENTS) as AuditEvent[];
  const names = { members: new Map(), connections: new Map() };
  const render = (entry: Partial<AuditEntry>, known: AuditNames = names): string =>
    renderPage(
      h(
        'div',
        {},
        h(AuditSentence, {
          entry: { id: 'aud_1', at: '2026-03-01T10:00:00.000Z', event: 'logout', actor: { kind: 'gateway' }, ...entry },
          names: known,
          membersPath: '/console/members',
        }),
      ),
    ).replace(/^<!doctype html><div>|<\/div>$/g, '');

  it('has a title of its own and a sentence without gaps for every event, also without any details', () => {
    expect(new Set(events.map((event) => AUDIT_EVENTS[event].title)).size).toBe(events.length);
    for (const event of events) {
      const sentence = render({ event, member_id: 'usr_1' });
      expect([event, sentence]).toEqual([event, expect.stringMatching(/^[A-Z<u][^[\]{}]{10,}$/)]);
      expect([event, sentence]).toEqual([event, expect.not.stringMatching(/undefined|unknown /)]);
    }
  });

  it.each([
    ['markup', '<img src=x onerror=alert(1)>'],
    ['bidirectional characters', '\u202egnissap\u2066'],
    ['64 kB', 'x'.repeat(65_536)],
    ['a lone surrogate', '\ud800'.repeat(200)],
    ['a placeholder', '{actor}[{member}]'],
    ['the name of a prototype', 'constructor'],
  ])('keeps %s in any value inert', (_what, hostile) => {
    for (const event of events) {
      const own = [...AUDIT_EVENTS[event].sentence.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [name, hostile]);
      const rules = [{ group: hostile, role: hostile }, null, 7, hostile, { __proto__: null }];
      for (const details of [Object.fromEntries(own), { rules, added: rules, changes: { [hostile]: 1 }, fields: [hostile, {}, null] }]) {
        const html = render({ event, code: hostile, member_id: hostile, actor: { kind: 'member', id: hostile, email: hostile }, details });
        expect(html.length).toBeLessThan(4000);
        expect(html).not.toMatch(/<(?!\/?(?:bdi|a)\b)|[\u202e\u2066\ud800]|function |native code/);
      }
    }
    const named = { members: new Map([['usr_1', { name: hostile, email: hostile }]]), connections: new Map([['con_1', hostile]]) };
    const html = render({ event: 'member.suspended', member_id: 'usr_1', details: { connection: 'con_1' } }, named);
    expect(html).toMatch(/^The gateway suspended <a href="\/console\/members\/usr_1"><bdi>/);
  });

  it('names changed settings in words, not by the names of fields', () => {
    const changes = { idpInitiated: 'reject', signRequests: true };
    expect(render({ event: 'identity_provider.settings_changed', details: { changes } })).toMatch(
      /: <bdi>sign-ins that start at the identity provider, sign requests<\/bdi>$/,
    );
    expect(render({ event: 'organization.changed', details: { fields: ['name', 'allowedReturnUrls'] } })).toContain(
      'name, allowed return URLs',
    );
  });

  it('shows the code of an event that a later version wrote', () => {
    for (const event of ['later.event', 'constructor', '__proto__']) {
      expect(render({ event: event as AuditEvent })).toBe(`<bdi>${event}</bdi>`);
    }
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

  it('writes many lines at a time', async () => {
    const entry: AuditEntry = { id: 'aud_1', at: '2026-03-01T10:00:00Z', event: 'login.refused', actor: { kind: 'anonymous' } };
    async function* entries() {
      for (let n = 0; n < 1000; n++) yield entry;
    }
    const pieces: string[] = [];
    for await (const piece of downloadLines('jsonl', entries())) pieces.push(piece);
    expect(pieces.join('').trimEnd().split('\n')).toHaveLength(1000);
    expect(pieces.length).toBeLessThan(50);
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
