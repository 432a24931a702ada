/** From the environment to one frozen Config. Every problem is told in one message, so that a start is mended in one go. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { z } from 'zod';

/** How tokens are signed (RFC 7518 §3.1, RFC 8037). */
export const TOKEN_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

export interface Config {
  /** An origin: scheme, host and port. */
  readonly baseUrl: string;
  readonly isHttps: boolean;
  readonly listen: { readonly host: string; readonly port: number };
  readonly store: string;
  /** 32 octets or more. */
  readonly secret: Buffer;
  readonly previousSecret: Buffer | undefined;
  readonly operatorToken: string;
  readonly secondOpinion: boolean;
  readonly rateLimits: boolean;
  readonly trustProxy: boolean | number | string;
  readonly logLevel: string;
  /** Idle and absolute end of a browser session. */
  readonly sessionIdleSeconds: number;
  readonly sessionAbsoluteSeconds: number;
  /** Of the keys that are made from now on. */
  readonly tokenAlgorithm: TokenAlgorithm;
  /** 0: only by command. */
  readonly keyRotationDays: number;
  /** How long sign-in attempts are kept for who looks for a reason; 0: none is. */
  readonly signInLogDays: number;
}

export interface Variable {
  readonly name: string;
  readonly byDefault: string;
  readonly meaning: string;
  readonly example: string;
}

const variable = (name: string, byDefault: string, meaning: string, example: string): Variable => ({ name, byDefault, meaning, example });

/** The whole table, as `samlgate serve --help` and the README show it. */
export const VARIABLES: readonly Variable[] = [
  variable(
    'SAMLGATE_BASE_URL',
    'http://localhost:8080',
    'public URL; every absolute URL comes from it, never from the Host header',
    'https://sso.example.com',
  ),
  variable('SAMLGATE_LISTEN', '127.0.0.1:8080', 'address and port to listen on', '0.0.0.0:8080'),
  variable(
    'SAMLGATE_STORE',
    'sqlite:./data/samlgate.db',
    'sqlite:PATH, redis://…, rediss://…, redis+cluster://h1:p,h2:p, redis+sentinel://h1:p,h2:p/NAME',
    'redis://redis.internal:6379',
  ),
  variable(
    'SAMLGATE_SECRET',
    'made and kept beside the SQLite file (mode 0600)',
    'master secret (32 bytes or more, base64) that wraps private keys at rest and signs cookies; required with Redis',
    'the output of: openssl rand -base64 32',
  ),
  variable(
    'SAMLGATE_SECRET_PREVIOUS',
    'none',
    'the former secret while it is being replaced; keys are rewrapped at the start',
    'the former value of SAMLGATE_SECRET',
  ),
  variable(
    'SAMLGATE_OPERATOR_TOKEN',
    'made on first start, kept beside the SQLite file (mode 0600)',
    'bearer token of the operator; required with Redis',
    'the output of: openssl rand -hex 32',
  ),
  variable(
    'SAMLGATE_SECOND_OPINION',
    'off',
    'node-saml: every response that samlgate accepts must be accepted by @node-saml/node-saml too',
    'node-saml',
  ),
  variable('SAMLGATE_RATE_LIMITS', 'on', 'off where something in front limits already (and for load tests)', 'off'),
  variable('SAMLGATE_TRUST_PROXY', 'off', 'Express “trust proxy” value', 'loopback'),
  variable('SAMLGATE_LOG_LEVEL', 'info', 'pino level; logs are JSON lines on stdout', 'debug'),
  variable('SAMLGATE_SESSION_IDLE_MINUTES', '480', 'a browser session ends after this long without a request', '60'),
  variable('SAMLGATE_SESSION_MAX_MINUTES', '1440', 'a browser session ends this long after the login, whatever happens', '720'),
  variable(
    'SAMLGATE_TOKEN_ALGORITHM',
    'ES256',
    'ES256, RS256 or EdDSA, for token signing keys that are made from now on (the present key goes on until the next rotation)',
    'RS256',
  ),
  variable('SAMLGATE_KEY_ROTATION_DAYS', '90', 'the token signing key is rotated when it is this old; 0: only by command', '30'),
  variable(
    'SAMLGATE_SIGN_IN_LOG_DAYS',
    '7',
    'the last sign-in attempts of an organization are kept this long, encrypted, for who looks for a reason; 0: none is kept',
    '30',
  ),
];

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** A start that can't be: one line for each problem, each naming its variable, what is wrong and an example. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const text = (name: string) =>
  z
    .string()
    .trim()
    .prefault(VARIABLES.find((entry) => entry.name === name)?.byDefault ?? '');
const minutes = (name: string) =>
  text(name)
    .transform(Number)
    .pipe(z.int('is not a whole number').min(1, 'must be 1 or more').max(43_200, 'must be 43200 (30 days) or less'));
const days = (name: string, max: number) =>
  text(name)
    .transform(Number)
    .pipe(z.int('is not a whole number').min(0, 'must be 0 (never) or more').max(max, `must be ${max} or less`));
const base64Secret = z
  .string()
  .trim()
  .refine((value) => /^[A-Za-z0-9+/_-]+=*$/.test(value) && Buffer.from(value, 'base64').length >= 32, 'must be 32 bytes or more in base64')
  .transform((value) => Buffer.from(value, 'base64'));
const bearerToken = z
  .string()
  .trim()
  .regex(/^[A-Za-z0-9._~+/=-]{24,512}$/, 'must have 24 to 512 characters of letters, digits and . _ ~ + / = -');

const SHAPE = z.object({
  SAMLGATE_BASE_URL: text('SAMLGATE_BASE_URL').transform(parseBaseUrl),
  SAMLGATE_LISTEN: text('SAMLGATE_LISTEN').transform(parseListen),
  SAMLGATE_STORE: text('SAMLGATE_STORE').pipe(
    z
      .string()
      .regex(
        /^(sqlite:.+|rediss?:\/\/.+|rediss?\+cluster:\/\/.+|rediss?\+sentinel:\/\/.+\/.+)$/,
        'is none of sqlite:PATH, redis://…, rediss://…, redis+cluster://…, redis+sentinel://…/NAME',
      ),
  ),
  SAMLGATE_SECRET: base64Secret.optional(),
  SAMLGATE_SECRET_PREVIOUS: base64Secret.optional(),
  SAMLGATE_OPERATOR_TOKEN: bearerToken.optional(),
  SAMLGATE_SECOND_OPINION: text('SAMLGATE_SECOND_OPINION').pipe(z.enum(['off', 'node-saml'], 'is neither off nor node-saml')),
  SAMLGATE_RATE_LIMITS: text('SAMLGATE_RATE_LIMITS').pipe(z.enum(['on', 'off'], 'is neither on nor off')),
  SAMLGATE_TRUST_PROXY: text('SAMLGATE_TRUST_PROXY').transform(parseTrustProxy),
  SAMLGATE_LOG_LEVEL: text('SAMLGATE_LOG_LEVEL').pipe(z.enum(LOG_LEVELS, `is none of ${LOG_LEVELS.join(', ')}`)),
  SAMLGATE_SESSION_IDLE_MINUTES: minutes('SAMLGATE_SESSION_IDLE_MINUTES'),
  SAMLGATE_SESSION_MAX_MINUTES: minutes('SAMLGATE_SESSION_MAX_MINUTES'),
  SAMLGATE_TOKEN_ALGORITHM: text('SAMLGATE_TOKEN_ALGORITHM').pipe(z.enum(TOKEN_ALGORITHMS, `is none of ${TOKEN_ALGORITHMS.join(', ')}`)),
  SAMLGATE_KEY_ROTATION_DAYS: days('SAMLGATE_KEY_ROTATION_DAYS', 3650),
  SAMLGATE_SIGN_IN_LOG_DAYS: days('SAMLGATE_SIGN_IN_LOG_DAYS', 90),
});

/**
 * Reads and checks the environment; with SQLite makes the secret and the operator token where they are missing.
 * @throws ConfigError with every problem
 */
export function readConfig(environment: Environment): Config {
  const given = Object.fromEntries(VARIABLES.map(({ name }) => [name, environment[name]?.trim() || undefined]));
  const parsed = SHAPE.safeParse(given);
  const problems = (parsed.error?.issues ?? []).map((issue) => problem(String(issue.path[0]), issue.message));
  const store = given.SAMLGATE_STORE ?? 'sqlite:./data/samlgate.db';
  const directory = store.startsWith('sqlite:') ? path.dirname(store.slice('sqlite:'.length)) : undefined;
  for (const name of ['SAMLGATE_SECRET', 'SAMLGATE_OPERATOR_TOKEN']) {
    if (directory === undefined && given[name] === undefined) problems.push(problem(name, 'is required where the store is not SQLite'));
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const value = parsed.data;
  return Object.freeze({
    baseUrl: value.SAMLGATE_BASE_URL.href,
    isHttps: value.SAMLGATE_BASE_URL.isHttps,
    listen: value.SAMLGATE_LISTEN,
    store: value.SAMLGATE_STORE,
    secret: value.SAMLGATE_SECRET ?? keptSecret(directory, 'secret', 'base64', base64Secret),
    previousSecret: value.SAMLGATE_SECRET_PREVIOUS,
    operatorToken: value.SAMLGATE_OPERATOR_TOKEN ?? keptSecret(directory, 'operator-token', 'hex', bearerToken),
    secondOpinion: value.SAMLGATE_SECOND_OPINION === 'node-saml',
    rateLimits: value.SAMLGATE_RATE_LIMITS === 'on',
    trustProxy: value.SAMLGATE_TRUST_PROXY,
    logLevel: value.SAMLGATE_LOG_LEVEL,
    sessionIdleSeconds: value.SAMLGATE_SESSION_IDLE_MINUTES * 60,
    sessionAbsoluteSeconds: value.SAMLGATE_SESSION_MAX_MINUTES * 60,
    tokenAlgorithm: value.SAMLGATE_TOKEN_ALGORITHM,
    keyRotationDays: value.SAMLGATE_KEY_ROTATION_DAYS,
    signInLogDays: value.SAMLGATE_SIGN_IN_LOG_DAYS,
  });
}

function problem(name: string, what: string): string {
  return `${name} ${what}. Example: ${VARIABLES.find((entry) => entry.name === name)?.example ?? ''}`;
}

type Context = z.RefinementCtx<string>;

function parseBaseUrl(given: string, context: Context): { href: string; isHttps: boolean } {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  if (!URL.canParse(given)) return refuse('is not an absolute URL');
  const url = new URL(given);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse('must begin with https:// (or http:// for development)');
  if (url.username || url.password || url.search || url.hash) return refuse('must not have a user, a query or a fragment');
  if (url.pathname !== '/') return refuse('must have no path: the gateway needs a host name of its own');
  return { href: url.origin, isHttps: url.protocol === 'https:' };
}

function parseListen(given: string, context: Context): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port <= 65_535) return { host, port };
  context.addIssue({ code: 'custom', message: 'is not ADDRESS:PORT' });
  return z.NEVER;
}

/** Express's names for address ranges; there is no `true`, with which anybody could choose the address that limits and audit entries see. */
const PROXY_RANGES: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

function parseTrustProxy(given: string, context: Context): boolean | number | string {
  if (given === 'off') return false;
  if (/^\d{1,2}$/.test(given)) return Number(given);
  const isRange = (text: string) => {
    const [address = '', bits, ...more] = text.split('/');
    return (
      isIP(address) !== 0 &&
      more.length === 0 &&
      // A range of everything would be `true` by another name.
      (bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128)))
    );
  };
  if (given.split(',').every((part) => PROXY_RANGES.has(part.trim()) || isRange(part.trim()))) return given;
  context.addIssue({
    code: 'custom',
    message: 'is neither off, a number of proxies, nor a list of addresses (10.0.0.0/8), loopback, linklocal, uniquelocal',
  });
  return z.NEVER;
}

/** The content of a file beside the SQLite file, made on the first start. Two first starts at once end with one value: `wx` lets one win. */
function keptSecret<T>(directory: string | undefined, name: string, encoding: 'base64' | 'hex', shape: z.ZodType<T>): T {
  if (directory === undefined) throw new ConfigError([`there is no place to keep ${name}`]);
  const file = path.join(directory, name);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${randomBytes(32).toString(encoding)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new ConfigError([`${file} can't be written (${code}). Give the gateway a directory that it may write to`]);
  }
  const mode = statSync(file).mode & 0o777;
  if (mode & 0o077) throw new ConfigError([`${file} can be read by others (mode ${mode.toString(8)}). Run: chmod 600 ${file}`]);
  const kept = shape.safeParse(readFileSync(file, 'utf8'));
  if (!kept.success)
    throw new ConfigError([
      `${file} ${kept.error.issues[0]?.message}. Restore it from a backup; without it the keys in the store are lost`,
    ]);
  return kept.data;
}
