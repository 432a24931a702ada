/**
 * Browser sessions: express-session on the gateway's store, for members, the operator and IT administrators with a setup link.
 *
 * The cookie holds a random session ID with a signature. The store holds the session under a hash of that ID. A sign-in writes its
 * session itself, in one commit with everything else that it changes, and sets the cookie ({@link setSignedCookie}). express-session
 * then reads, renews and destroys sessions; it never creates one, so a request without a valid session stores nothing and gets no
 * cookie.
 */
import type { IncomingMessage } from 'node:http';
import type { Request, RequestHandler } from 'express';
import session from 'express-session';
import { newSecret, sha256 } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';
import { cookieAttributes, cookieName, readSignedCookie } from './cookies.ts';

/** Describes one kind of session. */
export interface SessionKind<Value> {
  /** Names the cookie in the table of cookies and the property of `request.session`. */
  readonly name: 'member' | 'operator' | 'setup' | 'pendingSignIn';
  /** Differs for each kind, so that the cookie of one kind never finds a session of another. */
  readonly keyPrefix: string;
  /** Matches the partitions that hold sessions of this kind. */
  readonly partition: RegExp;
  /** Decides from the stored value alone. Members and setups are checked against the member's record and the setup link as well. */
  readonly isValid: (runtime: Runtime, value: Value) => boolean;
  /** Called at the end of every request that used the session. */
  readonly touch?: (runtime: Runtime, sid: string, value: Value) => void;
}

/**
 * Returns a new session ID: the partition that holds the session, and 256 random bits.
 * @param secret these bits, if the caller has drawn them together with others
 */
export const newSid = (partition: string, secret = newSecret()): string => `${partition}.${secret}`;

/** Returns the part of a session's key that comes from its ID. It does not reveal the ID. */
export const sidHashOf = (sid: string): string => sha256(sid);

/** Returns the key of a session in the store. @param sidHash see {@link sidHashOf} */
export const sessionKeyOf = <Value>({ keyPrefix }: SessionKind<Value>, sidHash: string): string => `${keyPrefix}:${sidHash}`;

/**
 * Returns the step that writes a session, to be committed in the partition of its ID.
 * @param sidHash see {@link sidHashOf}
 */
export function putSession<Value>(kind: SessionKind<Value>, sidHash: string, value: Value, ttlSeconds: number): Step {
  return { do: 'put', key: sessionKeyOf(kind, sidHash), value: JSON.stringify(value), ttlSeconds };
}

/** Returns the session with this ID; undefined if it does not exist or is no longer valid. @throws store_unavailable */
export async function readSession<Value>(runtime: Runtime, kind: SessionKind<Value>, sid: string): Promise<Value | undefined> {
  const place = placeOf(kind, sid);
  return place && readSessionAt(runtime, kind, place);
}

/** Like {@link readSession}, for a session whose ID is not known. @throws store_unavailable */
export async function readSessionAt<Value>(
  runtime: Runtime,
  kind: SessionKind<Value>,
  { partition, key }: SessionPlace,
): Promise<Value | undefined> {
  const text = await runtime.store.peek(partition, key);
  const value = text === undefined ? undefined : (JSON.parse(text) as Value);
  return value !== undefined && kind.isValid(runtime, value) ? value : undefined;
}

/** Where a session is in the store. Does not reveal its ID, so it may be stored elsewhere. */
export interface SessionPlace {
  readonly partition: string;
  readonly key: string;
}

/** Returns the place of a session in the store; undefined if this cannot be a session ID of this kind. */
export function placeOf<Value>(kind: SessionKind<Value>, sid: string): SessionPlace | undefined {
  const [, partition] = /^([\w-]+)\.[\w-]{43}$/.exec(sid) ?? [];
  if (partition === undefined || !kind.partition.test(partition)) return undefined;
  return { partition, key: sessionKeyOf(kind, sidHashOf(sid)) };
}

/** Returns the session of a request that express-session has not seen. @throws store_unavailable */
export async function readRequestSession<Value>(
  runtime: Runtime,
  kind: SessionKind<Value>,
  request: IncomingMessage,
): Promise<{ readonly sid: string; readonly value: Value } | undefined> {
  const sid = readSignedCookie(runtime, request, kind.name);
  const value = sid === undefined ? undefined : await readSession(runtime, kind, sid);
  return sid === undefined || value === undefined ? undefined : { sid, value };
}

/**
 * The kind of session that each request has. express-session keeps the first session of a request, so a second kind would silently
 * read, renew and destroy a session of the first.
 */
const kindOfRequest = new WeakMap<IncomingMessage, string>();

/**
 * Returns the middleware that puts the session of a request into `request.session`, under the name of its kind.
 * @throws TypeError if the request has passed the middleware of another kind
 */
export function sessionMiddleware<Value>(runtime: Runtime, kind: SessionKind<Value>): RequestHandler {
  const middleware = session({
    name: cookieName(runtime.config, kind.name),
    secret: [...runtime.secrets.cookieKeys],
    store: new SessionStore(runtime, kind),
    genid: newSecret,
    resave: false,
    saveUninitialized: false,
    cookie: cookieAttributes(runtime.config, kind.name),
  });
  return (request, response, next) => {
    const present = kindOfRequest.get(request) ?? kind.name;
    if (present !== kind.name) throw new TypeError(`a request with a ${present} session cannot have a ${kind.name} session as well`);
    kindOfRequest.set(request, kind.name);
    middleware(request, response, next);
  };
}

/** Reads the session of a request again, after a wait during which it may have ended. @throws store_unavailable */
export async function reloadSession<Value>(runtime: Runtime, kind: SessionKind<Value>, request: Request): Promise<void> {
  const current = await readRequestSession(runtime, kind, request);
  Object.assign(request.session, { [kind.name]: current?.value });
}

/** Ends the session of a request. Without a session it does nothing. @throws store_unavailable */
export function destroySession({ session }: { readonly session: session.Session }): Promise<void> {
  return new Promise((resolve, reject) => {
    session.destroy((error: unknown) => (error ? reject(error) : resolve()));
  });
}

type Callback<T = void> = (error?: unknown, value?: T) => void;

class SessionStore<Value> extends session.Store {
  readonly #runtime: Runtime;
  readonly #kind: SessionKind<Value>;

  constructor(runtime: Runtime, kind: SessionKind<Value>) {
    super();
    this.#runtime = runtime;
    this.#kind = kind;
  }

  override get(sid: string, callback: Callback<session.SessionData | null>): void {
    settle(this.#read(sid), callback);
  }

  async #read(sid: string): Promise<session.SessionData | null> {
    const value = await readSession(this.#runtime, this.#kind, sid);
    return value === undefined ? null : { cookie: { originalMaxAge: null }, [this.#kind.name]: value };
  }

  /** Does nothing: only a sign-in creates a session, in its own commit, and no request changes one. */
  override set(_sid: string, _data: session.SessionData, callback?: Callback): void {
    callback?.();
  }

  override touch(sid: string, data: session.SessionData, callback?: Callback): void {
    const value = data[this.#kind.name] as Value | undefined;
    if (value !== undefined) this.#kind.touch?.(this.#runtime, sid, value);
    callback?.();
  }

  override destroy(sid: string, callback?: Callback): void {
    settle(this.#destroy(sid), callback);
  }

  async #destroy(sid: string): Promise<void> {
    const place = placeOf(this.#kind, sid);
    if (place) await this.#runtime.store.commit(place.partition, [{ do: 'drop', key: place.key }]);
  }
}

function settle<T>(promise: Promise<T>, callback?: Callback<T>): void {
  promise.then(
    (value) => callback?.(undefined, value),
    (error: unknown) => callback?.(error),
  );
}
