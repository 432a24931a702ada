/** Reads the configuration from environment variables. Reports all problems in one message, so that one restart is enough to fix them. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import path from 'node:path';
import { z } from 'zod';
import {
  DEFAULT_STORE,
  findExposure,
  findFileProblems,
  findSecretFile,
  SECRET_FILE,
  STORE_URL,
  STORE_URL_FORMS,
} from './store-location.ts';

/** The algorithms that tokens are signed with (RFC 7518 §3.1, RFC 8037). */
export const TOKEN_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

export interface Config {
  /** The public origin: scheme, host and port. */
  readonly baseUrl: string;
  readonly isHttps: boolean;
  readonly listen: { readonly host: string; readonly port: number };
  readonly store: string;
  /** At least 32 bytes. */
  readonly secret: Buffer;
  readonly previousSecret: Buffer | undefined;
  /** The file beside the SQLite file that holds a secret, and whether that is the one in use. */
  readonly secretFile: { readonly path: string; readonly isCurrent: boolean } | undefined;
  readonly operatorToken: string;
  readonly secondOpinion: boolean;
  readonly rateLimits: boolean;
  readonly trustProxy: boolean | number | string;
  readonly logLevel: string;
  /** A browser session ends after this time without a request. */
  readonly sessionIdleSeconds: number;
  /** A browser session ends this long after the sign-in. */
  readonly sessionAbsoluteSeconds: number;
  /** The algorithm of new signing keys. */
  readonly tokenAlgorithm: TokenAlgorithm;
  /** 0 turns automatic rotation off. */
  readonly keyRotationDays: number;
  /** 0 keeps audit entries until there are too many. */
  readonly auditDays: number;
  /** Adds organizations to the metrics of sign-ins. */
  readonly metricsByOrganization: boolean;
  /** 0 turns the sign-in log off. */
  readonly signInLogDays: number;
  /** How long a connection may stay idle between requests. */
  readonly keepAliveSeconds: number;
  /** Undefined: the DNS servers of the system. */
  readonly dnsServers: readonly string[] | undefined;
}

export interface Variable {
  readonly name: string;
  readonly defaultValue: string;
  readonly description: string;
  readonly example: string;
}

const variable = (name: string, defaultValue: string, description: string, example: string): Variable => ({
  name,
  defaultValue,
  description,
  example,
});

/** All variables. `samlgate serve --help` and the documentation show this table. */
export const VARIABLES: readonly Variable[] = [
  variable(
    'SAMLGATE_BASE_URL',
    'http://localhost:8080',
    'Public URL of the gateway. All absolute URLs start with it; the Host header is ignored.',
    'https://sso.example.com',
  ),
  variable('SAMLGATE_LISTEN', '127.0.0.1:8080', 'Address and port to listen on.', '0.0.0.0:8080'),
  variable(
    'SAMLGATE_STORE',
    DEFAULT_STORE,
    'URL of the store: sqlite:PATH, redis://…, rediss://…, redis+cluster://h1:p,h2:p or redis+sentinel://h1:p,h2:p/NAME.',
    'redis://redis.internal:6379',
  ),
  variable(
    'SAMLGATE_SECRET',
    'created on first start in a file beside the SQLite file (mode 0600)',
    'Master secret (32 bytes or more, base64). Encrypts private keys at rest and signs cookies. Required with Redis.',
    'the output of: openssl rand -base64 32',
  ),
  variable(
    'SAMLGATE_SECRET_PREVIOUS',
    'none',
    'Former master secret, while it is being replaced. On start, the gateway encrypts all keys with the new one.',
    'the former value of SAMLGATE_SECRET',
  ),
  variable(
    'SAMLGATE_OPERATOR_TOKEN',
    'created on first start in a file beside the SQLite file (mode 0600)',
    'Bearer token of the operator. Required with Redis.',
    'the output of: openssl rand -hex 32',
  ),
  variable(
    'SAMLGATE_SECOND_OPINION',
    'off',
    'node-saml: @node-saml/node-saml must also accept every response that samlgate accepts.',
    'node-saml',
  ),
  variable('SAMLGATE_RATE_LIMITS', 'on', 'off disables rate limits. Only for load tests, or behind a proxy that limits requests.', 'off'),
  variable(
    'SAMLGATE_TRUST_PROXY',
    'off',
    'Proxies whose X-Forwarded-* headers are trusted: off, the number of proxies, or addresses (like “trust proxy” in Express).',
    'loopback',
  ),
  variable('SAMLGATE_LOG_LEVEL', 'info', 'Least severe level to log. Logs are JSON lines on stdout.', 'debug'),
  variable('SAMLGATE_SESSION_IDLE_MINUTES', '480', 'Browser sessions end after this many minutes without a request.', '60'),
  variable('SAMLGATE_SESSION_MAX_MINUTES', '1440', 'Browser sessions end this many minutes after the sign-in.', '720'),
  variable(
    'SAMLGATE_TOKEN_ALGORITHM',
    'ES256',
    'Algorithm of new token signing keys: ES256, RS256 or EdDSA. The active key stays until the next rotation.',
    'RS256',
  ),
  variable(
    'SAMLGATE_KEY_ROTATION_DAYS',
    '90',
    'Age in days at which the token signing key is rotated. 0 turns automatic rotation off.',
    '30',
  ),
  variable(
    'SAMLGATE_AUDIT_DAYS',
    '400',
    'Days that audit entries are stored, at most 1,000,000 per organization unless its quota differs. 0 limits only their number.',
    '3650',
  ),
  variable('SAMLGATE_METRICS_ORGANIZATIONS', 'off', 'on adds the label organization to the metrics of sign-ins.', 'on'),
  variable('SAMLGATE_SIGN_IN_LOG_DAYS', '7', 'Days that the sign-in log keeps attempts (encrypted). 0 turns the log off.', '30'),
  variable(
    'SAMLGATE_KEEP_ALIVE_SECONDS',
    '75',
    'Seconds that an idle HTTP connection stays open. Must exceed the idle time of the proxy’s connections, or requests fail with 502.',
    '120',
  ),
  variable(
    'SAMLGATE_DNS_SERVERS',
    'those of the system',
    'DNS servers that verify domains: ADDRESS or ADDRESS:PORT, separated by commas.',
    '192.0.2.53,[2001:db8::53]:5353',
  ),
];

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The configuration is invalid. The message has one line for each problem, with the variable, the problem and an example. */
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
    .prefault(VARIABLES.find((entry) => entry.name === name)?.defaultValue ?? '');
const minutes = (name: string) =>
  text(name)
    .transform(Number)
    .pipe(z.int('must be a whole number').min(1, 'must be 1 or more').max(43_200, 'must be 43200 (30 days) or less'));
const days = (name: string, max: number) =>
  text(name)
    .transform(Number)
    .pipe(z.int('must be a whole number').min(0, 'must be 0 (off) or more').max(max, `must be ${max} or less`));
const seconds = (name: string) =>
  text(name).transform(Number).pipe(z.int('must be a whole number').min(1, 'must be 1 or more').max(3600, 'must be 3600 (1 hour) or less'));
const base64Secret = z
  .string()
  .trim()
  .refine((value) => /^[A-Za-z0-9+/_-]+=*$/.test(value) && Buffer.from(value, 'base64').length >= 32, 'must be 32 bytes or more in base64')
  .transform((value) => Buffer.from(value, 'base64'));
const bearerToken = z
  .string()
  .trim()
  .regex(/^[A-Za-z0-9._~+/=-]{24,512}$/, 'must have 24 to 512 characters; letters, digits and . _ ~ + / = - are allowed');

const SHAPE = z.object({
  SAMLGATE_BASE_URL: text('SAMLGATE_BASE_URL').transform(parseBaseUrl),
  SAMLGATE_LISTEN: text('SAMLGATE_LISTEN').transform(parseListen),
  SAMLGATE_STORE: text('SAMLGATE_STORE').pipe(z.string().regex(STORE_URL, `must be ${STORE_URL_FORMS}`)),
  SAMLGATE_SECRET: base64Secret.optional(),
  SAMLGATE_SECRET_PREVIOUS: base64Secret.optional(),
  SAMLGATE_OPERATOR_TOKEN: bearerToken.optional(),
  SAMLGATE_SECOND_OPINION: text('SAMLGATE_SECOND_OPINION').pipe(z.enum(['off', 'node-saml'], 'must be off or node-saml')),
  SAMLGATE_RATE_LIMITS: text('SAMLGATE_RATE_LIMITS').pipe(z.enum(['on', 'off'], 'must be on or off')),
  SAMLGATE_METRICS_ORGANIZATIONS: text('SAMLGATE_METRICS_ORGANIZATIONS').pipe(z.enum(['on', 'off'], 'must be on or off')),
  SAMLGATE_TRUST_PROXY: text('SAMLGATE_TRUST_PROXY').transform(parseTrustProxy),
  SAMLGATE_LOG_LEVEL: text('SAMLGATE_LOG_LEVEL').pipe(z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`)),
  SAMLGATE_SESSION_IDLE_MINUTES: minutes('SAMLGATE_SESSION_IDLE_MINUTES'),
  SAMLGATE_SESSION_MAX_MINUTES: minutes('SAMLGATE_SESSION_MAX_MINUTES'),
  SAMLGATE_TOKEN_ALGORITHM: text('SAMLGATE_TOKEN_ALGORITHM').pipe(
    z.enum(TOKEN_ALGORITHMS, `must be one of ${TOKEN_ALGORITHMS.join(', ')}`),
  ),
  SAMLGATE_KEY_ROTATION_DAYS: days('SAMLGATE_KEY_ROTATION_DAYS', 3650),
  SAMLGATE_AUDIT_DAYS: days('SAMLGATE_AUDIT_DAYS', 36_500),
  SAMLGATE_SIGN_IN_LOG_DAYS: days('SAMLGATE_SIGN_IN_LOG_DAYS', 90),
  SAMLGATE_KEEP_ALIVE_SECONDS: seconds('SAMLGATE_KEEP_ALIVE_SECONDS'),
  SAMLGATE_DNS_SERVERS: z.string().transform(parseDnsServers).optional(),
});

/**
 * Reads and validates the environment. With SQLite, creates the master secret and the operator token if they are missing.
 * @throws ConfigError with all problems
 */
export function readConfig(environment: Environment): Config {
  const given = Object.fromEntries(VARIABLES.map(({ name }) => [name, environment[name]?.trim() || undefined]));
  const parsed = SHAPE.safeParse(given);
  const problems = (parsed.error?.issues ?? []).map((issue) => problem(String(issue.path[0]), issue.message));
  const store = given.SAMLGATE_STORE ?? DEFAULT_STORE;
  const database = store.startsWith('sqlite:') ? store.slice('sqlite:'.length) : undefined;
  const directory = database === undefined ? undefined : path.dirname(database);
  if (database !== undefined) problems.push(...findFileProblems(database, given.SAMLGATE_SECRET !== undefined));
  for (const name of ['SAMLGATE_SECRET', 'SAMLGATE_OPERATOR_TOKEN']) {
    if (directory === undefined && given[name] === undefined) problems.push(problem(name, 'is required unless the store is SQLite'));
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const value = parsed.data;
  const secret = value.SAMLGATE_SECRET ?? readOrCreateSecret(directory, SECRET_FILE, 'base64', base64Secret);
  return Object.freeze({
    baseUrl: value.SAMLGATE_BASE_URL.href,
    isHttps: value.SAMLGATE_BASE_URL.isHttps,
    listen: value.SAMLGATE_LISTEN,
    store: value.SAMLGATE_STORE,
    secret,
    previousSecret: value.SAMLGATE_SECRET_PREVIOUS,
    secretFile: findSecretFile(directory, secret),
    operatorToken: value.SAMLGATE_OPERATOR_TOKEN ?? readOrCreateSecret(directory, 'operator-token', 'hex', bearerToken),
    secondOpinion: value.SAMLGATE_SECOND_OPINION === 'node-saml',
    rateLimits: value.SAMLGATE_RATE_LIMITS === 'on',
    trustProxy: value.SAMLGATE_TRUST_PROXY,
    logLevel: value.SAMLGATE_LOG_LEVEL,
    sessionIdleSeconds: value.SAMLGATE_SESSION_IDLE_MINUTES * 60,
    sessionAbsoluteSeconds: value.SAMLGATE_SESSION_MAX_MINUTES * 60,
    tokenAlgorithm: value.SAMLGATE_TOKEN_ALGORITHM,
    keyRotationDays: value.SAMLGATE_KEY_ROTATION_DAYS,
    auditDays: value.SAMLGATE_AUDIT_DAYS,
    metricsByOrganization: value.SAMLGATE_METRICS_ORGANIZATIONS === 'on',
    signInLogDays: value.SAMLGATE_SIGN_IN_LOG_DAYS,
    keepAliveSeconds: value.SAMLGATE_KEEP_ALIVE_SECONDS,
    dnsServers: value.SAMLGATE_DNS_SERVERS,
  });
}

/** Decodes a master secret. `name` is the variable or the file that it comes from. @throws ConfigError */
export function decodeSecret(name: string, given: string): Buffer {
  const decoded = base64Secret.safeParse(given);
  if (!decoded.success) throw new ConfigError([`${name} ${decoded.error.issues[0]?.message}.`]);
  return decoded.data;
}

function problem(name: string, message: string): string {
  return `${name} ${message}. Example: ${VARIABLES.find((entry) => entry.name === name)?.example ?? ''}`;
}

type Context = z.RefinementCtx<string>;

function parseBaseUrl(given: string, context: Context): { href: string; isHttps: boolean } {
  const refuse = (message: string) => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  if (!URL.canParse(given)) return refuse('must be an absolute URL');
  const url = new URL(given);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return refuse('must start with https:// (or http:// for development)');
  if (url.username || url.password || url.search || url.hash) return refuse('must not contain a user name, a query or a fragment');
  if (url.pathname !== '/') return refuse('must not contain a path, because the gateway needs a host name of its own');
  return { href: url.origin, isHttps: url.protocol === 'https:' };
}

function parseListen(given: string, context: Context): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(given);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port <= 65_535) return { host, port };
  context.addIssue({ code: 'custom', message: 'must be ADDRESS:PORT' });
  return z.NEVER;
}

/** The names of address ranges in Express. `true` is not supported: it would let every client choose the address for rate limits and audit. */
const PROXY_RANGES: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

function parseTrustProxy(given: string, context: Context): boolean | number | string {
  if (given === 'off') return false;
  if (/^\d{1,2}$/.test(given)) return Number(given);
  const isRange = (text: string) => {
    const [address = '', bits, ...more] = text.split('/');
    return (
      isIP(address) !== 0 &&
      more.length === 0 &&
      // A prefix of length 0 would be the same as `true`.
      (bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128)))
    );
  };
  if (given.split(',').every((part) => PROXY_RANGES.has(part.trim()) || isRange(part.trim()))) return given;
  context.addIssue({
    code: 'custom',
    message: 'must be off, a number of proxies, or a list of addresses (like 10.0.0.0/8), loopback, linklocal and uniquelocal',
  });
  return z.NEVER;
}

function parseDnsServers(given: string, context: Context): readonly string[] {
  const servers = given.split(',').map((part) => part.trim());
  const isServer = (text: string): boolean => {
    const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
    const port = Number(match?.[3] ?? 53);
    return isIP(text) !== 0 || ((isIP(match?.[1] ?? '') === 6 || isIP(match?.[2] ?? '') === 4) && port >= 1 && port <= 65_535);
  };
  if (servers.every(isServer)) return servers;
  context.addIssue({ code: 'custom', message: 'must be a list of addresses, each with or without a port' });
  return z.NEVER;
}

/** Reads a secret from a file beside the SQLite file, and creates the file on first start. `wx` lets one of two concurrent starts create it. */
function readOrCreateSecret<T>(directory: string | undefined, name: string, encoding: 'base64' | 'hex', shape: z.ZodType<T>): T {
  if (directory === undefined) throw new ConfigError([`${name} cannot be stored without SQLite`]);
  const file = path.join(directory, name);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${randomBytes(32).toString(encoding)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new ConfigError([`${file} cannot be written (${code}). Give the gateway write access to the directory`]);
  }
  const exposure = findExposure(file, '600');
  if (exposure.length > 0) throw new ConfigError(exposure);
  const stored = shape.safeParse(readFileSync(file, 'utf8'));
  if (!stored.success)
    throw new ConfigError([
      `${file} ${stored.error.issues[0]?.message}. Restore it from a backup. Without it, the keys in the store are lost`,
    ]);
  return stored.data;
}
