import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sign } from 'cookie-signature';
import express, { type ErrorRequestHandler } from 'express';
import { readSession, type SessionKind, sessionMiddleware } from '../../src/auth/sessions/browser-sessions.ts';
import { MEMBER_SESSION } from '../../src/auth/sessions/member-sessions.ts';
import { OPERATOR_SESSION } from '../../src/auth/sessions/operator-sessions.ts';
import { SETUP_SESSION } from '../../src/auth/sessions/setup-sessions.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { signedIn } from '../support/signed-in.ts';

interface Kind {
  readonly cookie: string;
  readonly kind: SessionKind<unknown>;
  /** A page that needs a session of this kind, and the answer without one. */
  readonly page: string;
  readonly refused: number;
}

const KINDS = {
  member: { cookie: 'samlgate_session', kind: MEMBER_SESSION as SessionKind<unknown>, page: '/console', refused: 303 },
  operator: { cookie: 'samlgate_operator', kind: OPERATOR_SESSION as SessionKind<unknown>, page: '/console/operator', refused: 303 },
  setup: { cookie: 'samlgate_setup', kind: SETUP_SESSION as SessionKind<unknown>, page: '/setup/single-sign-on', refused: 401 },
} as const satisfies Record<string, Kind>;

type KindName = keyof typeof KINDS;
const NAMES = Object.keys(KINDS) as KindName[];
const OTHERS = NAMES.flatMap((from) => NAMES.filter((to) => to !== from).map((to) => [from, to] as const));

let gateway: TestGateway;
let acme: OrganizationJson;
let browsers: Record<KindName, HttpBrowser>;

const signInAsOperator = async (browser: HttpBrowser): Promise<Page> =>
  browser.submit(await browser.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });

async function startSetup(): Promise<HttpBrowser> {
  const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(body.url));
  return browser;
}

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  const operator = new HttpBrowser();
  await signInAsOperator(operator);
  browsers = { member: (await signedIn(gateway, acme, 'olivia')).browser, operator, setup: await startSetup() };
});

afterAll(() => gateway.stop());

const cookieValue = (name: KindName): string => browsers[name].cookie(KINDS[name].cookie)?.value ?? '';

/** Returns the session ID in a cookie, without the signature. */
const sidOf = (name: KindName): string =>
  decodeURIComponent(cookieValue(name))
    .replace(/^s:/, '')
    .replace(/\.[^.]*$/, '');

async function statusWith(name: KindName, value: string): Promise<number> {
  const browser = new HttpBrowser();
  browser.setCookie(gateway.url, KINDS[name].cookie, value);
  return (await browser.request(`${gateway.url}${KINDS[name].page}`)).status;
}

describe('session cookies', () => {
  it.each(NAMES)('of the kind %s open a page with the right signature and are rejected with any other', async (name) => {
    const sid = sidOf(name);
    const [key] = gateway.runtime.secrets.cookieKeys;
    const signed = (text: string, secret: string) => encodeURIComponent(`s:${sign(text, secret)}`);
    const signature = sign(sid, key).slice(sid.length + 1);
    expect(await statusWith(name, cookieValue(name))).toBe(200);
    expect(await statusWith(name, signed(sid, key))).toBe(200);
    const otherSid = sid.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
    for (const value of [
      signed(sid, randomBytes(32).toString('base64url')),
      signed(sid, ''),
      encodeURIComponent(`s:${sid}.${signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))}`),
      encodeURIComponent(`s:${sid}.${signature.slice(1)}`),
      encodeURIComponent(`s:${otherSid}.${signature}`),
      encodeURIComponent(`s:${sid}.`),
      encodeURIComponent(`s:${sid}`),
      encodeURIComponent(`${sid}.${signature}`),
      sid,
      signed(otherSid, key),
    ]) {
      expect([value, await statusWith(name, value)]).toEqual([value, KINDS[name].refused]);
    }
  });

  it.each(OTHERS)('of the kind %s are rejected as a session of the kind %s', async (from, to) => {
    expect(await statusWith(to, cookieValue(from))).toBe(KINDS[to].refused);
    expect(await readSession(gateway.runtime, KINDS[from].kind, sidOf(from))).toBeDefined();
    expect(await readSession(gateway.runtime, KINDS[to].kind, sidOf(from))).toBeUndefined();
  });

  it.each(['operator', 'setup'] as const)('of the kind %s do not authenticate at the API or at /auth/verify', async (name) => {
    const cookie = `samlgate_session=${cookieValue(name)}; ${KINDS[name].cookie}=${cookieValue(name)}`;
    for (const path of ['/api/v1/me', '/auth/verify']) {
      expect([path, (await fetch(`${gateway.url}${path}`, { headers: { cookie } })).status]).toEqual([path, 401]);
    }
  });

  it('are never set for a request without a session, and nothing is stored for it', async () => {
    const commit = jest.spyOn(gateway.runtime.store, 'commit');
    try {
      for (const path of ['/console', '/console/operator', '/setup/single-sign-on', '/device', '/api/v1/me', '/auth/verify', '/logout']) {
        for (const cookie of ['', ...NAMES.map((name) => `${KINDS[name].cookie}=s%3Ax.y`)]) {
          const response = await fetch(`${gateway.url}${path}`, { headers: { cookie }, redirect: 'manual' });
          expect([path, response.headers.getSetCookie()]).toEqual([path, []]);
        }
      }
      expect(commit).not.toHaveBeenCalled();
    } finally {
      commit.mockRestore();
    }
  });
});

describe('session IDs', () => {
  it('are new at each sign-in of the operator, whatever cookie the browser had before', async () => {
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_operator', cookieValue('operator'));
    await browser.submit(await browser.open(`${gateway.url}/console/operator/sign-in`), { token: gateway.operatorToken });
    const first = browser.cookie('samlgate_operator')?.value;
    await browser.submit(await browser.open(`${gateway.url}/console/operator/sign-in`), { token: gateway.operatorToken });
    const second = browser.cookie('samlgate_operator')?.value;
    expect(new Set([cookieValue('operator'), first, second]).size).toBe(3);
  });

  it('are new at each setup, whatever cookie the browser had before', async () => {
    const { body } = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    const browser = new HttpBrowser();
    browser.setCookie(gateway.url, 'samlgate_setup', cookieValue('setup'));
    await browser.submit(await browser.open(body.url));
    expect(browser.cookie('samlgate_setup')?.value).not.toBe(cookieValue('setup'));
    expect(await statusWith('setup', browser.cookie('samlgate_setup')?.value ?? '')).toBe(200);
  });
});

describe('a browser with several sessions', () => {
  it('never reaches the pages of members below the operator’s pages', async () => {
    const { browser } = await signedIn(gateway, acme, 'olivia');
    await signInAsOperator(browser);
    expect((await browser.request(`${gateway.url}/console`)).text).toContain('olivia@');
    const page = await browser.request(`${gateway.url}/console/operator/no-such-page`);
    expect([page.status, page.code]).toEqual([404, 'not_found']);
    expect(page.text).toContain('href="/console/operator"');
  });

  it('keeps the other sessions when the operator signs out', async () => {
    const { browser } = await signedIn(gateway, acme, 'olivia');
    const home = await signInAsOperator(browser);
    await browser.submit(home, {}, '/sign-out');
    expect(browser.cookie('samlgate_operator')).toBeUndefined();
    expect((await browser.request(`${gateway.url}/console`)).status).toBe(200);
  });
});

describe('sessionMiddleware', () => {
  it('refuses to give one request sessions of two kinds', async () => {
    const app = express();
    app.get('/same', sessionMiddleware(gateway.runtime, MEMBER_SESSION), sessionMiddleware(gateway.runtime, MEMBER_SESSION));
    app.get('/two', sessionMiddleware(gateway.runtime, MEMBER_SESSION), sessionMiddleware(gateway.runtime, OPERATOR_SESSION));
    app.use((_request, response) => void response.status(204).end());
    app.use(((error, _request, response, _next) => void response.status(500).send(error.name)) as ErrorRequestHandler);
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const cookie = `samlgate_session=${cookieValue('member')}; samlgate_operator=${cookieValue('operator')}`;
    expect((await fetch(`${url}/same`, { headers: { cookie } })).status).toBe(204);
    const refused = await fetch(`${url}/two`, { headers: { cookie } });
    expect([refused.status, await refused.text()]).toEqual([500, 'TypeError']);
    server.close();
  });
});
