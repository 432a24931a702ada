/** A sign-in to one organization in a browser that is signed in to another. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
/** The organization that the user works in. */
let acme: TestOrganization;
/** An organization that the attacker manages, with its own identity provider. */
let evil: TestOrganization;
let aheadMs = 0;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
  const now = () => Date.now() + aheadMs;
  acme = await makeTestOrganization(gateway, now);
  evil = await makeTestOrganization(gateway, now);
});
afterAll(() => gateway.stop());

/** Cookies with SameSite=None. Over https, browsers send only these with the cross-site POST of an identity provider. */
const CROSS_SITE_COOKIES = ['samlgate_login', 'samlgate_signed_in'];

/** Posts a response as a page of another site does: without the session cookie. The browser stores the cookies of the answer. */
async function postFromOtherSite(browser: HttpBrowser, organization: TestOrganization, xml: string, relayState?: string): Promise<Page> {
  const request = new HttpBrowser();
  for (const name of CROSS_SITE_COOKIES) {
    const cookie = browser.cookie(name);
    if (cookie) request.setCookie(gateway.url, name, cookie.value);
  }
  const page = await organization.post(request, xml, relayState);
  for (const { name, value } of request.cookies) browser.setCookie(gateway.url, name, value);
  return page;
}

const open = (browser: HttpBrowser, page: Page) => browser.request(page.location ?? '');

/** Returns the email address and the organization of the session, or the status of the refusal. */
async function whoami(browser: HttpBrowser): Promise<unknown> {
  const { status, text } = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  if (status !== 200) return status;
  const { user, organization } = JSON.parse(text) as { user: { email: string }; organization: { slug: string } };
  return `${user.email} ${organization.slug}`;
}

const OLIVIA = 'olivia@okta.acme.example';
const CARL = 'carl@okta.acme.example';

const givesSession = ({ headers }: Page): boolean => headers.getSetCookie().some((cookie) => cookie.startsWith('samlgate_session='));
const ask = (page: Page) => [page.status, textOf(page.text).includes('Switch organizations?')];
const continueUrl = (organization: TestOrganization) => `${gateway.url}/saml/${organization.slug}/continue`;

async function victim(): Promise<HttpBrowser> {
  const browser = new HttpBrowser();
  expect((await acme.signIn(browser, 'olivia')).status).toBe(303);
  return browser;
}

const sessionsOf = async (organization: TestOrganization, email: string): Promise<number> => {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${organization.slug}/members?email=${email}`);
  const stored = await gateway.runtime.store.get(organization.id, { name: 'member', indexes: {}, unique: {} }, body.items[0]?.id ?? '');
  return (stored?.value as { sessions: unknown[] } | undefined)?.sessions.length ?? 0;
};

describe('a sign-in to another organization', () => {
  /** Ways in which an attacker brings a response of the own organization to the ACS. */
  const ATTACKS: Readonly<Record<string, (browser: HttpBrowser) => Promise<Page>>> = {
    'a response that the attacker’s identity provider sends unasked': (browser) =>
      postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }), '/console?attack'),
    'a response that a same-site page sends': (browser) => evil.post(browser, evil.respond({ user: 'carl' }), '/console?attack'),
    'a link to the attacker’s sign-in': async (browser) => {
      const { requestId, relayState } = await evil.start(browser, '/console?attack');
      return postFromOtherSite(browser, evil, evil.respond({ user: 'carl', inResponseTo: requestId }), relayState);
    },
    'a link to the attacker’s sign-in, whose response is kept until the user has signed in': async (browser) => {
      const other = new HttpBrowser();
      const nonce = browser.cookie('samlgate_login');
      other.setCookie(gateway.url, 'samlgate_login', nonce?.value ?? '');
      const { requestId, relayState } = await evil.start(other, '/console?attack'); // without a session
      return postFromOtherSite(browser, evil, evil.respond({ user: 'carl', inResponseTo: requestId }), relayState);
    },
  };

  it.each(Object.entries(ATTACKS))('asks before it replaces the session: %s', async (_name, attack) => {
    const browser = await victim();
    const answer = await attack(browser);
    expect([answer.status, answer.location, givesSession(answer)]).toEqual([303, continueUrl(evil), false]);
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
    const page = await open(browser, answer);
    expect(ask(page)).toEqual([200, true]);
    for (const text of [acme.slug, evil.slug, OLIVIA, CARL]) expect(textOf(page.text)).toContain(text);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    // Opening the page again, as a reload does, changes nothing.
    expect(ask(await open(browser, answer))).toEqual([200, true]);
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);

    const stayed = await browser.submit(page, { answer: 'stay' });
    expect([stayed.url, await whoami(browser)]).toEqual([`${gateway.url}/console`, `${OLIVIA} ${acme.slug}`]);
    expect([await sessionsOf(evil, CARL), browser.cookie('samlgate_pending')]).toEqual([0, undefined]);
    // The page and the response are used up.
    expect((await browser.open(continueUrl(evil))).url).toBe(`${gateway.url}/console`);
    expect((await browser.submit(page, { answer: 'switch' })).url).toBe(`${gateway.url}/console`);
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
  });

  it.each(Object.entries(ATTACKS))('replaces the session when the user confirms: %s', async (_name, attack) => {
    const browser = await victim();
    const former = new HttpBrowser();
    former.setCookie(gateway.url, 'samlgate_session', browser.cookie('samlgate_session')?.value ?? '');
    const page = await open(browser, await attack(browser));
    const next = await browser.submit(page, { answer: 'switch' });
    expect([next.url, await whoami(browser)]).toEqual([`${gateway.url}/console?attack`, `${CARL} ${evil.slug}`]);
    expect(await whoami(former)).toBe(401);
  });

  it('refuses an answer that another site sends, or that belongs to another sign-in', async () => {
    const browser = await victim();
    const page = await open(browser, await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' })));
    const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const post = (fields: Record<string, string>, headers: Record<string, string>) =>
      browser.request(continueUrl(evil), { method: 'POST', body: new URLSearchParams({ answer: 'switch', ...fields }), headers });
    const sameOrigin = { 'sec-fetch-site': 'same-origin' };
    for (const [fields, headers] of [
      [{ csrf }, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
      [{ csrf }, { 'sec-fetch-site': 'same-site' }],
      [{ csrf: 'x'.repeat(43) }, sameOrigin],
    ] as const) {
      expect((await post(fields, headers)).code).toBe('forbidden');
    }
    expect((await post({}, sameOrigin)).code).toBe('validation_failed');
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
    expect((await post({ csrf }, sameOrigin)).status).toBe(303);
    expect(await whoami(browser)).toBe(`${CARL} ${evil.slug}`);
  });

  it('is bound to the browser that posted the response, and ends after ten minutes', async () => {
    const browser = await victim();
    const answer = await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }));
    const stranger = new HttpBrowser();
    expect((await stranger.request(answer.location ?? '')).location).toBe(`${gateway.url}/console`);
    expect(await whoami(stranger)).toBe(401);
    // The cookie cannot be used as session cookie, nor at the continuation of another organization.
    const thief = new HttpBrowser();
    thief.setCookie(gateway.url, 'samlgate_session', browser.cookie('samlgate_pending')?.value ?? '');
    expect(await whoami(thief)).toBe(401);
    expect((await browser.request(continueUrl(acme))).location).toBe(`${gateway.url}/console`);
    const again = await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }));
    aheadMs += 10 * 60_000;
    expect((await open(browser, again)).location).toBe(`${gateway.url}/console`);
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
  });

  it('grants nothing when the member was suspended while the page was open', async () => {
    const browser = await victim();
    const page = await open(browser, await postFromOtherSite(browser, evil, evil.respond({ user: 'nina' })));
    const { body } = await gateway.api<{ items: { id: string; email: string }[] }>('GET', `/organizations/${evil.slug}/members?query=nina`);
    const path = `/organizations/${evil.slug}/members/${body.items[0]?.id}`;
    await gateway.api('PATCH', path, { suspended: true });
    await browser.submit(page, { answer: 'switch' });
    expect(String(await whoami(browser))).not.toContain(evil.slug);
    await gateway.api('PATCH', path, { suspended: false });
    expect(String(await whoami(browser))).not.toContain(evil.slug);
  });
});

describe('a sign-in that replaces no session of another organization', () => {
  const direct = (page: Page) => [page.status, page.location, givesSession(page)];

  it('gets the session cookie with the answer of the ACS', async () => {
    const [fresh, same] = [new HttpBrowser(), await victim()];
    for (const browser of [fresh, same]) {
      expect(direct(await postFromOtherSite(browser, acme, acme.respond({ user: 'carl' }), '/console?x'))).toEqual([
        303,
        `${gateway.url}/console?x`,
        true,
      ]);
      expect(await whoami(browser)).toBe(`${CARL} ${acme.slug}`);
    }
  });

  it('continues without a question when the other session has ended', async () => {
    const ends: readonly ((browser: HttpBrowser) => Promise<unknown>)[] = [
      async (browser) => {
        const { user } = JSON.parse((await browser.request(`${gateway.url}/api/v1/me`)).text) as { user: { id: string } };
        const path = `/organizations/${acme.slug}/members/${user.id}`;
        expect((await gateway.api('PATCH', path, { suspended: true })).status).toBe(200);
        await gateway.api('PATCH', path, { suspended: false });
      },
      async () => {
        aheadMs += 25 * 3_600_000;
      },
    ];
    for (const end of ends) {
      const browser = new HttpBrowser();
      await acme.signIn(browser, 'nina');
      await end(browser);
      const answer = await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }), '/console?x');
      expect([answer.location, givesSession(answer)]).toEqual([continueUrl(evil), false]);
      const page = await open(browser, answer);
      expect([page.status, page.location]).toEqual([303, `${gateway.url}/console?x`]);
      expect(await whoami(browser)).toBe(`${CARL} ${evil.slug}`);
    }
  });

  it('gets the session cookie with the answer of the ACS after the user has signed out', async () => {
    const browser = await victim();
    const home = await browser.open(`${gateway.url}/console`);
    await browser.submit(home, {}, '/logout');
    expect(await whoami(browser)).toBe(401);
    expect(direct(await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }), '/console?x'))[2]).toBe(true);
  });
});

describe('reload, double click and back button during the question', () => {
  it('returns to the page when the response is sent again, and signs in after the user has confirmed', async () => {
    const browser = await victim();
    const xml = evil.respond({ user: 'carl' });
    const first = await postFromOtherSite(browser, evil, xml, '/console?x');
    const again = await postFromOtherSite(browser, evil, xml, '/console?x');
    expect([again.status, again.location, again.headers.getSetCookie()]).toEqual([303, continueUrl(evil), []]);
    const page = await open(browser, first);
    const form = new URLSearchParams({ csrf: /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '', answer: 'switch' });
    const click = () => browser.request(continueUrl(evil), { method: 'POST', body: form, headers: { 'sec-fetch-site': 'same-origin' } });
    const clicks = await Promise.all([click(), click()]);
    expect(clicks.map(({ status, location }) => [status, location])).toEqual(Array(2).fill([303, `${gateway.url}/console?x`]));
    expect(await whoami(browser)).toBe(`${CARL} ${evil.slug}`);
    expect(await sessionsOf(evil, CARL)).toBeGreaterThan(0);
    // Reload of the response, then the back button to the page.
    const reloaded = await postFromOtherSite(browser, evil, xml, '/console?x');
    expect([reloaded.status, reloaded.location]).toEqual([303, `${gateway.url}/console?x`]);
    expect((await browser.request(continueUrl(evil))).location).toBe(`${gateway.url}/console`);
    expect(await whoami(browser)).toBe(`${CARL} ${evil.slug}`);
  });

  it('rejects the response after the user has declined, and in another browser', async () => {
    const browser = await victim();
    const xml = evil.respond({ user: 'carl' });
    const page = await open(browser, await postFromOtherSite(browser, evil, xml));
    expect((await postFromOtherSite(new HttpBrowser(), evil, xml)).code).toBe('saml_replayed');
    await browser.submit(page, { answer: 'stay' });
    expect((await postFromOtherSite(browser, evil, xml)).code).toBe('saml_replayed');
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
  });
});

describe('a response that another site posts over plain http, where it brings no cookie', () => {
  /** Like {@link postFromOtherSite}, without the cookies that need https for SameSite=None. */
  const postWithoutCookies = async (browser: HttpBrowser, organization: TestOrganization, origin: string): Promise<Page> => {
    const request = new HttpBrowser();
    const body = new URLSearchParams({ SAMLResponse: Buffer.from(organization.respond({ user: 'carl' })).toString('base64') });
    const page = await request.request(organization.acsUrl, { method: 'POST', body, headers: { origin } });
    for (const { name, value } of request.cookies) browser.setCookie(gateway.url, name, value);
    return page;
  };

  it.each(['https://idp.example', 'null'])('does not silently replace the session of another organization (Origin %s)', async (origin) => {
    const browser = await victim();
    const answer = await postWithoutCookies(browser, evil, origin);
    expect([answer.location, givesSession(answer)]).toEqual([continueUrl(evil), false]);
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
    const page = await open(browser, answer);
    expect(ask(page)).toEqual([200, true]);
    await browser.submit(page, { answer: 'stay' });
    expect(await whoami(browser)).toBe(`${OLIVIA} ${acme.slug}`);
  });

  it('signs in without a question if there is no such session', async () => {
    for (const browser of [new HttpBrowser(), await victim()]) {
      const answer = await postWithoutCookies(browser, acme, 'https://idp.example');
      expect((await open(browser, answer)).status).toBe(303);
      expect(await whoami(browser)).toBe(`${CARL} ${acme.slug}`);
    }
  });
});

describe('a session from before the upgrade', () => {
  it.each(['/console', '/device'])('is recognized by the assertion consumer service after a visit to %s', async (page) => {
    const browser = new HttpBrowser();
    const session = (await victim()).cookie('samlgate_session')?.value ?? '';
    browser.setCookie(gateway.url, 'samlgate_session', session);
    expect((await browser.request(gateway.url + page)).status).toBe(200);
    expect(browser.cookie('samlgate_signed_in')?.value).toBe(acme.id);
    const answer = await postFromOtherSite(browser, evil, evil.respond({ user: 'carl' }));
    expect([answer.location, givesSession(answer)]).toEqual([continueUrl(evil), false]);
  });
});
