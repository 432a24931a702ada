import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { sign } from 'cookie-signature';
import { COOKIES, type CookieId, cookieAttributes, cookieName, readSignedCookie } from '../../src/auth/sessions/cookies.ts';
import type { Config } from '../../src/config.ts';
import type { Runtime } from '../../src/runtime.ts';

const config = (isHttps: boolean) => ({ isHttps }) as Config;

/** The attributes as browsers need them: name with https, SameSite with https, SameSite without, path, lifetime in seconds. */
const EXPECTED: Readonly<Record<CookieId, readonly [string, string, string, string, number | undefined]>> = {
  member: ['__Host-samlgate_session', 'lax', 'lax', '/', undefined],
  signedInTo: ['__Host-samlgate_signed_in', 'none', 'lax', '/', undefined],
  pendingSignIn: ['__Host-samlgate_pending', 'lax', 'lax', '/', 600],
  operator: ['__Host-samlgate_operator', 'strict', 'strict', '/', 3600],
  setup: ['__Host-samlgate_setup', 'lax', 'lax', '/', 86_400],
  signInNonce: ['__Host-samlgate_login', 'none', 'lax', '/', 1800],
  notice: ['__Host-samlgate_notice', 'lax', 'lax', '/', 60],
  formResult: ['__Host-samlgate_form', 'strict', 'strict', '/', 60],
  logoutOutcome: ['samlgate_logout', 'lax', 'lax', '/logout', 60],
  lastOrganization: ['__Host-samlgate_organization', 'lax', 'lax', '/', 7_776_000],
};

describe('the table of cookies', () => {
  it.each(Object.keys(EXPECTED) as CookieId[])('gives %s its attributes', (id) => {
    const [name, sameSite, sameSiteWithoutTls, path, maxAgeSeconds] = EXPECTED[id];
    expect([cookieName(config(true), id), cookieName(config(false), id)]).toEqual([name, name.replace('__Host-', '')]);
    expect(cookieAttributes(config(true), id)).toEqual({ httpOnly: true, secure: true, sameSite, path });
    expect(cookieAttributes(config(false), id)).toEqual({ httpOnly: true, secure: false, sameSite: sameSiteWithoutTls, path });
    const row = COOKIES[id];
    expect('maxAgeSeconds' in row ? row.maxAgeSeconds : undefined).toBe(maxAgeSeconds);
  });
});

describe('signed cookies', () => {
  const runtime = { config: config(true), secrets: { cookieKeys: ['current', 'previous'] } } as unknown as Runtime;
  const read = (cookie: string) => readSignedCookie(runtime, { headers: { cookie } } as IncomingMessage, 'member');
  const signed = (key: string) => encodeURIComponent(`s:${sign('value', key)}`);

  it('are accepted with the current and the previous key, and with no other', () => {
    expect(['current', 'previous', 'other', ''].map((key) => read(`__Host-samlgate_session=${signed(key)}`))).toEqual([
      'value',
      'value',
      undefined,
      undefined,
    ]);
  });

  it('are read only under the name with the __Host- prefix if the base URL has https', () => {
    expect(read(`samlgate_session=${signed('current')}`)).toBeUndefined();
  });
});
