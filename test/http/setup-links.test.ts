import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sign } from 'cookie-signature';
import { startSetupSession } from '../../src/auth/sessions/setup-sessions.ts';
import type { GatewayError } from '../../src/errors.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { signedIn as signIn } from '../support/signed-in.ts';

const DAY_MS = 86_400_000;
let aheadMs = 0;
let gateway: TestGateway;
let acme: TestOrganization;
let globex: TestOrganization;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
  acme = await makeTestOrganization(gateway);
  globex = await makeTestOrganization(gateway);
});

afterEach(() => {
  aheadMs = 0;
});

afterAll(() => gateway.stop());

interface NewLink {
  readonly id: string;
  readonly url: string;
  readonly expires_at: string;
}

interface ListedLink {
  readonly id: string;
  readonly state: string;
  readonly used_at: string | null;
}

const links = (slug = acme.slug) => `/organizations/${slug}/setup-links`;
const make = async (body: unknown = {}, slug = acme.slug): Promise<NewLink> => (await gateway.api<NewLink>('POST', links(slug), body)).body;
const listed = async (id: string): Promise<ListedLink | undefined> =>
  (await gateway.api<{ items: ListedLink[] }>('GET', links())).body.items.find((item) => item.id === id);

/** Opens the link and submits the form of its button Start. */
async function begin(url: string): Promise<HttpBrowser> {
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(url));
  return browser;
}

/** Marks a form as sent by a page of the gateway. */
const OURS = { 'sec-fetch-site': 'same-origin' };

const refusal = async (browser: HttpBrowser, url: string, body?: Record<string, string>) => {
  const page = await browser.request(url, body ? { method: 'POST', body: new URLSearchParams(body), headers: OURS } : {});
  return [page.status, page.code];
};

describe('setup links: the API', () => {
  it('creates a link with 256 random bits for seven days and stores only a hash', async () => {
    const made = await gateway.api<NewLink>('POST', links(), {});
    expect(made.status).toBe(201);
    expect(made.body.url).toMatch(new RegExp(`^${gateway.url}/setup/[\\w-]{43}$`));
    expect(Math.round((Date.parse(made.body.expires_at) - Date.now()) / DAY_MS)).toBe(7);
    const list = await gateway.api('GET', links());
    expect(JSON.stringify(list.body)).not.toContain(made.body.url.split('/').at(-1));
    expect(await listed(made.body.id)).toMatchObject({ state: 'open', used_at: null });
  });

  it.each([0, 31, 1.5, '7'])('refuses an expiry of %p days', async (days) => {
    const answer = await gateway.api<{ code: string }>('POST', links(), { expires_in_days: days });
    expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed']);
  });

  it('allows owners and the operator; the organization does not exist for members of others', async () => {
    const own = await gateway.makeOrganization();
    const olivia = await signIn(gateway, own, 'olivia');
    const carl = await signIn(gateway, own, 'carl');
    const made = await olivia.api<NewLink>('POST', links(own.slug), {});
    expect(made.status).toBe(201);
    for (const [method, path] of [
      ['POST', links(own.slug)],
      ['GET', links(own.slug)],
      ['DELETE', `${links(own.slug)}/${made.body.id}`],
    ] as const) {
      const body = method === 'POST' ? {} : undefined;
      expect((await carl.api<{ code: string }>(method, path, body)).body.code).toBe('forbidden');
      const ofOther = path.replace(own.slug, acme.slug);
      expect((await olivia.api<{ code: string }>(method, ofOther, body)).body.code).toBe('organization_unknown');
    }
  });

  it('does not find a link of another organization to revoke', async () => {
    const { id } = await make({}, globex.slug);
    const answer = await gateway.api<{ code: string }>('DELETE', `${links()}/${id}`);
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found']);
  });

  it('writes the audit trail', async () => {
    const { id, url } = await make();
    await begin(url);
    await gateway.api('DELETE', `${links()}/${id}`);
    const { body } = await gateway.api<{
      items: { event: string; actor: { kind: string; id?: string }; details?: { setup_link?: string } }[];
    }>('GET', `/organizations/${acme.slug}/audit`);
    const entries = body.items.filter(({ details }) => details?.setup_link === id);
    expect(entries.map(({ event, actor }) => [event, actor.kind])).toEqual([
      ['setup_link.revoked', 'operator'],
      ['setup_link.used', 'setup_link'],
      ['setup_link.created', 'operator'],
    ]);
  });
});

describe('setup links: single use', () => {
  it('keeps the link valid when it is opened and uses it up when the setup starts', async () => {
    const { id, url } = await make();
    for (let looks = 0; looks < 3; looks++) expect((await new HttpBrowser().open(url)).status).toBe(200);
    expect((await listed(id))?.state).toBe('open');
    const browser = await begin(url);
    expect(browser.history.at(-1)?.url).toMatch(/\/setup\/single-sign-on\/steps\/\w+$/);
    expect((await listed(id))?.state).toBe('used');
    expect(await refusal(new HttpBrowser(), url)).toEqual([404, 'not_found']);
    expect(await refusal(new HttpBrowser(), url, {})).toEqual([404, 'not_found']);
  });

  it('continues the setup if the link is opened again in the browser that started it', async () => {
    const { id, url } = await make();
    const browser = await begin(url);
    const again = await browser.open(url);
    expect([again.status, new URL(again.url).pathname]).toEqual([200, '/setup/single-sign-on/steps/done']);
    // The form of a start page that stayed open in another tab.
    expect((await browser.request(url, { method: 'POST', headers: OURS })).location).toBe(`${gateway.url}/setup/single-sign-on/steps`);
    const other = await make();
    const globexSetup = await begin((await make({}, globex.slug)).url);
    // A session of another link neither uses up an open link nor leads around it.
    expect((await browser.request(other.url)).status).toBe(200);
    expect((await listed(other.id))?.state).toBe('open');
    expect(await refusal(globexSetup, url)).toEqual([404, 'not_found']);
    await gateway.api('DELETE', `${links()}/${id}`);
    expect(await refusal(browser, url)).toEqual([404, 'not_found']);
  });

  it('asks for a new link after the user has ended the setup', async () => {
    const { url } = await make();
    const browser = await begin(url);
    await browser.submit(await browser.open(`${gateway.url}/setup/single-sign-on`), {}, '/setup/leave');
    expect(await refusal(browser, url)).toEqual([404, 'not_found']);
  });

  it('accepts one of many concurrent starts', async () => {
    const { url } = await make();
    const secret = url.split('/').at(-1) ?? '';
    const starts = Array.from({ length: 12 }, () => startSetupSession(gateway.runtime, { kind: 'anonymous' }, secret));
    const codes = (await Promise.allSettled(starts)).map((result) =>
      result.status === 'rejected' ? (result.reason as GatewayError).code : 'in',
    );
    expect(codes.sort()).toEqual(['in', ...Array.from({ length: 11 }, () => 'not_found')]);
  });

  it('limits the open links of an organization, and deletes closed ones', async () => {
    const { slug } = await gateway.makeOrganization();
    const post = () => gateway.api<{ id?: string; code?: string }>('POST', links(slug), {});
    const stored = async () => {
      let count = 0;
      let cursor: string | null = null;
      do {
        const page: { items: unknown[]; next_cursor: string | null } = (
          await gateway.api<{ items: unknown[]; next_cursor: string | null }>(
            'GET',
            `${links(slug)}?limit=200${cursor === null ? '' : `&cursor=${cursor}`}`,
          )
        ).body;
        count += page.items.length;
        cursor = page.next_cursor;
      } while (cursor !== null);
      return count;
    };
    for (let i = 0; i < 130; i++) {
      const { body } = await post();
      await gateway.api('DELETE', `${links(slug)}/${body.id}`);
    }
    expect(await stored()).toBeLessThanOrEqual(101);
    for (let i = 0; i < 100; i++) expect((await post()).status).toBe(201);
    const refused = await post();
    expect([refused.status, refused.body.code]).toEqual([403, 'quota_exceeded']);
    await Promise.all(Array.from({ length: 20 }, post));
    expect(await stored()).toBeLessThanOrEqual(200);
    // Expired links make room.
    aheadMs = 8 * DAY_MS;
    expect((await post()).status).toBe(201);
    aheadMs = 40 * DAY_MS;
    const long = await gateway.api<{ id: string }>('POST', links(slug), { expires_in_days: 30 });
    // The link of day 8 expired less than 30 days ago.
    expect([long.status, await stored()]).toEqual([201, 2]);
  });

  it('rejects an expired, revoked or unknown link', async () => {
    const late = await make({ expires_in_days: 2 });
    const revoked = await make();
    await gateway.api('DELETE', `${links()}/${revoked.id}`);
    expect(await refusal(new HttpBrowser(), revoked.url)).toEqual([404, 'not_found']);
    expect(await refusal(new HttpBrowser(), revoked.url, {})).toEqual([404, 'not_found']);
    expect(await refusal(new HttpBrowser(), `${gateway.url}/setup/${'A'.repeat(43)}`)).toEqual([404, 'not_found']);
    aheadMs = 2 * DAY_MS + 1000;
    expect(await refusal(new HttpBrowser(), late.url)).toEqual([404, 'not_found']);
    expect(await refusal(new HttpBrowser(), late.url, {})).toEqual([404, 'not_found']);
  });

  it('tells the user of a used link and of an ended setup to ask for a new link', async () => {
    const { id, url } = await make();
    const browser = await begin(url);
    const used = textOf((await new HttpBrowser().request(url)).text);
    expect(used).toContain('This setup link is invalid, expired or already used');
    expect(used).toContain('Otherwise, ask the person who sent it for a new one.');
    expect(used).not.toContain('Check the address');
    await gateway.api('DELETE', `${links()}/${id}`);
    const ended = textOf((await browser.request(`${gateway.url}/setup/single-sign-on`)).text);
    expect(ended).toContain('This setup has ended');
    expect(ended).toContain('Ask the person who sent you the setup link for a new one.');
    expect(ended).not.toContain('Sign in and try again');
  });

  it('refuses a start that another site sent', async () => {
    const { id, url } = await make();
    const page = await new HttpBrowser().request(url, { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } });
    expect([page.status, page.code]).toEqual([403, 'forbidden']);
    expect((await listed(id))?.state).toBe('open');
  });

  it('ends the link and its setup when the organization is deleted', async () => {
    const gone = await makeTestOrganization(gateway);
    const open = await make({}, gone.slug);
    const browser = await begin((await make({}, gone.slug)).url);
    expect((await browser.open(`${gateway.url}/setup/single-sign-on`)).status).toBe(200);
    await gateway.api('DELETE', `/organizations/${gone.slug}`);
    expect(await refusal(new HttpBrowser(), open.url)).toEqual([404, 'not_found']);
    expect(await refusal(browser, `${gateway.url}/setup/single-sign-on`)).toEqual([401, 'unauthenticated']);
  });
});

describe('setup links: the setup', () => {
  it('connects the identity provider of its organization and names the link in the audit trail', async () => {
    const fresh = await makeTestOrganization(gateway);
    await gateway.api('DELETE', `/organizations/${fresh.slug}/identity-provider`);
    const { id, url } = await make({}, fresh.slug);
    const browser = await begin(url);
    const page = await browser.open(`${gateway.url}/setup/single-sign-on`);
    expect(page.text).toContain(`data-copy="${fresh.acsUrl}"`);
    expect(textOf(page.text)).toContain('No identity provider yet');
    const step = await browser.open(`${gateway.url}/setup/single-sign-on/steps/metadata`);
    const preview = await browser.submit(step, { metadata: fresh.metadata });
    const saved = await browser.submit(preview, {}, '/save');
    expect(textOf(saved.text)).toContain('The identity provider is saved.');
    const settings = await browser.open(`${gateway.url}/setup/single-sign-on/settings`);
    expect((await browser.submit(settings, { idp_initiated: 'reject' })).url).toBe(`${gateway.url}/setup/single-sign-on`);
    const { body } = await gateway.api<Record<string, unknown>>('GET', `/organizations/${fresh.slug}/identity-provider`);
    expect(body).toMatchObject({ entity_id: OKTA_ISSUER, idp_initiated: 'reject' });
    const audit = await gateway.api<{ items: { event: string; actor: { kind: string; id: string } }[] }>(
      'GET',
      `/organizations/${fresh.slug}/audit?event=identity_provider.changed`,
    );
    expect(audit.body.items[0]?.actor).toMatchObject({ kind: 'setup_link', id });
  });

  it('opens nothing but single sign-on', async () => {
    const browser = await begin((await make()).url);
    const page = await browser.open(`${gateway.url}/setup/single-sign-on`);
    const csrf = page.forms[0]?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    expect(csrf).toMatch(/^[\w-]{43}$/);
    expect(page.text).not.toContain('/setup-links');
    for (const path of ['/console', '/console/single-sign-on', '/console/members', '/console/operator']) {
      expect([path, (await browser.request(`${gateway.url}${path}`)).status]).toEqual([path, 303]);
    }
    for (const path of ['/setup/members', '/setup/audit', '/setup/roles', '/setup/single-sign-on/setup-links', '/setup/setup-links']) {
      expect([path, ...(await refusal(browser, `${gateway.url}${path}`))]).toEqual([path, 404, 'not_found']);
      expect([path, ...(await refusal(browser, `${gateway.url}${path}`, { csrf }))]).toEqual([path, 404, 'not_found']);
    }
    const api = await browser.request(`${gateway.url}/api/v1/organizations/${acme.slug}/identity-provider`, {
      headers: { accept: 'application/json' },
    });
    expect([api.status, api.code]).toEqual([401, 'unauthenticated']);
  });

  it.each(['preview', 'save', 'settings', 'test'])(
    'refuses the form %s without the CSRF token and with that of another setup',
    async (form) => {
      const browser = await begin((await make()).url);
      const other = await begin((await make({}, globex.slug)).url);
      const foreign = (await other.open(`${gateway.url}/setup/single-sign-on`)).forms[0]?.fields[0]?.value ?? '';
      expect(foreign).toMatch(/^[\w-]{43}$/);
      for (const csrf of ['', foreign]) {
        expect(await refusal(browser, `${gateway.url}/setup/single-sign-on/${form}`, { csrf })).toEqual([403, 'forbidden']);
      }
      expect(await refusal(browser, `${gateway.url}/setup/leave`, { csrf: foreign })).toEqual([403, 'forbidden']);
    },
  );

  it('binds its cookie to this site and to its organization', async () => {
    const browser = await begin((await make()).url);
    const cookie = browser.cookie('samlgate_setup');
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'lax', path: '/' });
    const [, secret] = cookie?.value.split('.') ?? [];
    const signed = (organizationId: string) =>
      encodeURIComponent(`s:${sign(`${organizationId}.${secret}`, gateway.runtime.secrets.cookieKeys[0])}`);
    browser.setCookie(gateway.url, 'samlgate_setup', signed(acme.id));
    expect((await browser.request(`${gateway.url}/setup/single-sign-on`)).status).toBe(200);
    browser.setCookie(gateway.url, 'samlgate_setup', signed(globex.id));
    expect(await refusal(browser, `${gateway.url}/setup/single-sign-on`)).toEqual([401, 'unauthenticated']);
  });

  it('ends after 24 hours, when its link is revoked and when the user finishes it', async () => {
    const url = `${gateway.url}/setup/single-sign-on`;
    const aged = await begin((await make({ expires_in_days: 30 })).url);
    const link = await make();
    const revoked = await begin(link.url);
    const left = await begin((await make()).url);
    const page = await left.open(url);
    const kept = left.cookie('samlgate_setup')?.value ?? '';
    expect(textOf((await left.submit(page, {}, '/leave')).text)).toContain('The setup has ended');
    left.setCookie(gateway.url, 'samlgate_setup', kept);
    expect(await refusal(left, url)).toEqual([401, 'unauthenticated']);
    await gateway.api('DELETE', `${links()}/${link.id}`);
    expect(await refusal(revoked, url)).toEqual([401, 'unauthenticated']);
    aheadMs = DAY_MS - 60_000;
    expect((await aged.request(url)).status).toBe(200);
    aheadMs = DAY_MS + 1000;
    expect(await refusal(aged, url)).toEqual([401, 'unauthenticated']);
  });
});

describe('setup links: in the console', () => {
  it('lets an owner create a link, shows it once and revokes it', async () => {
    const browser = new HttpBrowser();
    await acme.signIn(browser, 'olivia');
    const page = await browser.open(`${gateway.url}/console/single-sign-on`);
    const made = await browser.submit(page, { expires_in_days: '14' });
    const url = /data-copy="([^"]+\/setup\/[\w-]{43})"/.exec(made.text)?.[1] ?? '';
    expect((await new HttpBrowser().open(url)).status).toBe(200);
    const list = await browser.open(`${gateway.url}/console/single-sign-on`);
    expect(list.text).not.toContain(url.split('/').at(-1));
    expect(textOf(list.text)).toContain('olivia@okta.acme.example not used yet');
    const after = await browser.submit(list, {}, '/revoke');
    expect(textOf(after.text)).toContain('The setup link is revoked');
    expect(await refusal(new HttpBrowser(), url)).toEqual([404, 'not_found']);
  });

  it('refuses collaborators and forms without the CSRF token', async () => {
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl');
    const olivia = new HttpBrowser();
    await acme.signIn(olivia, 'olivia');
    for (const browser of [carl, olivia]) {
      for (const path of ['setup-links', 'setup-links/lnk_x/revoke']) {
        expect(await refusal(browser, `${gateway.url}/console/single-sign-on/${path}`, { expires_in_days: '7' })).toEqual([
          403,
          'forbidden',
        ]);
      }
    }
  });
});
