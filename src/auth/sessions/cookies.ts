/** The cookies of the gateway: one table of their names and attributes, and the functions that read, set and sign them. */
import type { IncomingMessage } from 'node:http';
import { parseCookie } from 'cookie';
import { sign, unsign } from 'cookie-signature';
import type { CookieOptions, Response } from 'express';
import type { Config } from '../../config.ts';
import type { Runtime } from '../../runtime.ts';
import { DAY_SECONDS } from '../../time.ts';

interface CookieRow {
  readonly name: string;
  readonly sameSite: 'strict' | 'lax' | 'none';
  /** Without it, the cookie lasts until the browser closes. */
  readonly maxAgeSeconds?: number;
  /** Default `/`. */
  readonly path?: string;
}

/** Every cookie is HttpOnly and, with an https base URL, Secure. */
export const COOKIES = {
  /** Session ID of a member. */
  member: { name: 'samlgate_session', sameSite: 'lax' },
  /**
   * ID of the organization of the member's session. The assertion consumer service cannot see the session cookie in a cross-site
   * POST, and asks the user if this cookie names another organization. Grants nothing.
   */
  signedInTo: { name: 'samlgate_signed_in', sameSite: 'none' },
  /** ID of a sign-in that waits for the user, because it may replace a session of another organization. */
  pendingSignIn: { name: 'samlgate_pending', sameSite: 'lax', maxAgeSeconds: 600 },
  /** Session ID of the operator. Strict: links on other sites never open the operator's pages with the session. */
  operator: { name: 'samlgate_operator', sameSite: 'strict', maxAgeSeconds: 3600 },
  /** Session ID of an IT administrator with a setup link. Lax, because the test sign-in returns from the identity provider's site. */
  setup: { name: 'samlgate_setup', sameSite: 'lax', maxAgeSeconds: DAY_SECONDS },
  /**
   * Nonce that binds sign-ins to this browser, renewed at each sign-in. The identity provider answers with a cross-site POST,
   * which brings a cookie only with SameSite=None.
   */
  signInNonce: { name: 'samlgate_login', sameSite: 'none', maxAgeSeconds: 30 * 60 },
  /** Result of a form, shown once by the next page. In the URL, other sites could forge it. */
  notice: { name: 'samlgate_notice', sameSite: 'lax', maxAgeSeconds: 60 },
  /** One-time key of a form, with which the next page finds the secret that it shows once. */
  formResult: { name: 'samlgate_form', sameSite: 'strict', maxAgeSeconds: 60 },
  /** Result of single logout, shown once by the page after it. */
  logoutOutcome: { name: 'samlgate_logout', sameSite: 'lax', maxAgeSeconds: 60, path: '/logout' },
  /** Slug of the organization used last in this browser. Not a secret: every sign-in URL contains it. */
  lastOrganization: { name: 'samlgate_organization', sameSite: 'lax', maxAgeSeconds: 90 * DAY_SECONDS },
} as const satisfies Record<string, CookieRow>;

export type CookieId = keyof typeof COOKIES;

/**
 * Returns the name of a cookie. With https it has the `__Host-` prefix, so that neither plain HTTP nor another host of the same
 * domain can set it. Browsers accept the prefix only with Secure and the path `/`.
 */
export function cookieName({ isHttps }: Config, id: CookieId): string {
  const { name, path = '/' }: CookieRow = COOKIES[id];
  return isHttps && path === '/' ? `__Host-${name}` : name;
}

/** Returns the attributes of a cookie without its lifetime, as needed to delete it. */
export function cookieAttributes({ isHttps }: Config, id: CookieId): CookieOptions {
  const { sameSite, path = '/' }: CookieRow = COOKIES[id];
  // Browsers ignore SameSite=None without Secure.
  return { httpOnly: true, secure: isHttps, sameSite: sameSite === 'none' && !isHttps ? 'lax' : sameSite, path };
}

export function readCookie({ config }: Runtime, request: IncomingMessage, id: CookieId): string | undefined {
  return parseCookie(request.headers.cookie ?? '')[cookieName(config, id)];
}

export function setCookie({ config }: Runtime, response: Response, id: CookieId, value: string): void {
  const { maxAgeSeconds }: CookieRow = COOKIES[id];
  const lifetime = maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds * 1000 };
  response.cookie(cookieName(config, id), value, { ...cookieAttributes(config, id), ...lifetime });
}

export function clearCookie({ config }: Runtime, response: Response, id: CookieId): void {
  response.clearCookie(cookieName(config, id), cookieAttributes(config, id));
}

/** Marks a signed value; express-session writes and expects it. */
const SIGNED = 's:';

/** Sets a signed cookie in the format of express-session, which can then read it. */
export function setSignedCookie(runtime: Runtime, response: Response, id: CookieId, value: string): void {
  setCookie(runtime, response, id, SIGNED + sign(value, runtime.secrets.cookieKeys[0]));
}

/** Returns the value of a signed cookie; undefined if the cookie is missing or its signature is invalid. */
export function readSignedCookie(runtime: Runtime, request: IncomingMessage, id: CookieId): string | undefined {
  const text = readCookie(runtime, request, id);
  if (text === undefined || !text.startsWith(SIGNED)) return undefined;
  for (const key of runtime.secrets.cookieKeys) {
    const value = unsign(text.slice(SIGNED.length), key);
    if (value !== false) return value;
  }
  return undefined;
}
