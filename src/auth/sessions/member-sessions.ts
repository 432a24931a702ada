/**
 * Browser sessions: express-session on our store. The stored value says whose a session is; whether it is still good says
 * the member's record, so that ending it is one atomic write that every replica sees.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseCookie } from 'cookie';
import session from 'express-session';
import { codeOf } from '../../errors.ts';
import { newSecret, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';

/** What a session cookie stands for. */
export interface Login {
  readonly organizationId: string;
  readonly memberId: string;
  /** Of the {@link MemberSession} in the member's record. */
  readonly sessionId: string;
  readonly csrfToken: string;
  /** Absolute end, ms since 1970. */
  readonly endsAtMs: number;
  /** When the idle time was last renewed in the store. */
  readonly touchedAtMs: number;
}

declare module 'express-session' {
  interface SessionData {
    login?: Login;
  }
}

/** The idle time is renewed at most this often, so that a page is no write. */
const TOUCH_EVERY_MS = 60_000;

/** A session id: the organization, whose partition holds it, and 256 random bits. */
export const newSid = (organizationId: string): string => `${organizationId}.${newSecret()}`;

/** The step that writes a session; the store knows only a hash of its id. */
export function putSession(runtime: Runtime, sid: string, login: Login): Step {
  const leftSeconds = Math.floor((login.endsAtMs - runtime.now()) / 1000);
  const ttlSeconds = Math.max(1, Math.min(runtime.config.sessionIdleSeconds, leftSeconds));
  return { do: 'put', key: storeKey(sid), value: JSON.stringify(login), ttlSeconds };
}

const storeKey = (sid: string): string => `session:${sha256(sid)}`;

function partitionOf(sid: string): string | undefined {
  return /^(org_[0-9a-z]{20})\.[\w-]{43}$/.exec(sid)?.[1];
}

/** What a session id stands for; undefined where it stands for nothing (any more). @throws store_unavailable */
export async function readLogin({ store, now }: Runtime, sid: string): Promise<Login | undefined> {
  const partition = partitionOf(sid);
  const value = partition === undefined ? undefined : await store.peek(partition, storeKey(sid));
  const login = value === undefined ? undefined : (JSON.parse(value) as Login);
  return login && login.endsAtMs > now() ? login : undefined;
}

/** Renews the idle time, where that was not done a moment ago. No answer waits for Redis to do it; where the store is away, the next request does it. */
export function renewLogin(runtime: Runtime, sid: string, login: Login): void {
  const partition = partitionOf(sid);
  const nowMs = runtime.now();
  if (partition === undefined || nowMs - login.touchedAtMs < TOUCH_EVERY_MS) return;
  runtime.store.commit(partition, [putSession(runtime, sid, { ...login, touchedAtMs: nowMs })]).catch((error: unknown) => {
    runtime.log.warn({ code: codeOf(error) }, 'the idle time of a session was not renewed');
  });
}

const cookieName = ({ config }: Runtime): string => (config.isHttps ? '__Host-samlgate_session' : 'samlgate_session');

const cookieOptions = ({ config }: Runtime) => ({ httpOnly: true, sameSite: 'lax', secure: config.isHttps, path: '/' }) as const;

/** As express-session signs, so that it reads what a login has set. */
const signatureOf = (sid: string, key: string): string => createHmac('sha256', key).update(sid).digest('base64').replace(/=+$/, '');

/** What gives the browser a session that a commit has written. A login always makes a new one: an id from before it is worth nothing after. */
export function sessionCookie(runtime: Runtime, sid: string) {
  const [key = ''] = runtime.secrets.cookieKeys;
  return { name: cookieName(runtime), value: `s:${sid}.${signatureOf(sid, key)}`, options: cookieOptions(runtime) };
}

/** The session id of a Cookie header, if its signature (as express-session makes it) is good. For what is answered without Express. */
export function sidOfCookies(runtime: Runtime, header: string): string | undefined {
  const value = parseCookie(header)[cookieName(runtime)];
  const [, sid, signature] = /^s:(.+)\.([A-Za-z0-9+/]{43})$/.exec(value ?? '') ?? [];
  if (sid === undefined || signature === undefined) return undefined;
  const isGood = runtime.secrets.cookieKeys.some((key) => {
    return timingSafeEqual(Buffer.from(signatureOf(sid, key)), Buffer.from(signature));
  });
  return isGood ? sid : undefined;
}

type Callback<T = void> = (error?: unknown, value?: T) => void;

export class SessionStore extends session.Store {
  readonly #runtime: Runtime;

  constructor(runtime: Runtime) {
    super();
    this.#runtime = runtime;
  }

  override get(sid: string, callback: Callback<session.SessionData | null>): void {
    settle(this.#read(sid), callback);
  }

  async #read(sid: string): Promise<session.SessionData | null> {
    const login = await readLogin(this.#runtime, sid);
    return login ? { cookie: { originalMaxAge: null }, login } : null;
  }

  /** Only a login makes a session, in its own commit ({@link sessionCookie}); nobody changes one. */
  override set(_sid: string, _data: session.SessionData, callback?: Callback): void {
    callback?.();
  }

  override touch(sid: string, data: session.SessionData, callback?: Callback): void {
    if (data.login) renewLogin(this.#runtime, sid, data.login);
    callback?.();
  }

  override destroy(sid: string, callback?: Callback): void {
    const partition = partitionOf(sid);
    const done = partition === undefined ? Promise.resolve() : this.#runtime.store.commit(partition, [{ do: 'drop', key: storeKey(sid) }]);
    settle(
      done.then(() => undefined),
      callback,
    );
  }
}

function settle<T>(promise: Promise<T>, callback?: Callback<T>): void {
  promise.then(
    (value) => callback?.(undefined, value),
    (error) => callback?.(error),
  );
}

/** The session middleware, for the routes that know people. */
export function sessionMiddleware(runtime: Runtime): ReturnType<typeof session> {
  return session({
    name: cookieName(runtime),
    secret: [...runtime.secrets.cookieKeys],
    store: new SessionStore(runtime),
    genid: newSecret,
    resave: false,
    saveUninitialized: false,
    cookie: cookieOptions(runtime),
  });
}
