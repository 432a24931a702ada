/**
 * Fetches metadata from a URL that an owner entered. The URL may be an attack. It must not make the gateway connect to hosts that
 * only the gateway can reach (server-side request forgery), reveal which hosts exist there, or block the process.
 *
 * The host name is resolved once, {@link isPublicAddress} checks every address, and the connection can only use these addresses.
 * So a name that resolves to another address after the check (DNS rebinding) has no effect. A redirect is a new URL and passes
 * the same checks.
 */
import { lookup as lookupCallback } from 'node:dns';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { isLoopbackHost } from '../../saml/metadata/loopback-host.ts';
import { nextTurn } from '../../store/next-turn.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** Access to the network. Each part has a default. */
export interface FetchDependencies {
  /** Returns all addresses of a host name. Not called for IP addresses and loopback names. */
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>;
  /** Starts the request. It must connect only to the addresses that `options.lookup` returns. */
  readonly request?: (url: URL, options: RequestOptions) => ClientRequest;
  /** Limits name resolution, connections, redirects and the whole body together. */
  readonly timeoutMs?: number;
  /** Allows URLs on a loopback host, for development. Default: true. */
  readonly allowLoopback?: boolean;
}

const MAX_OCTETS = 1024 * 1024;
const MAX_REDIRECTS = 3;
const MAX_URL = 2048;
const DEFAULT_TIMEOUT_MS = 5000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Fetches that owners of one organization start at a time, on each gateway. Each holds a request with its body open. */
const MAX_CONCURRENT_FETCHES = 2;

const fetchCountsOf = perRuntime(() => new Map<string, number>());

/** Runs a fetch that an owner or a setup link starts. @throws rate_limited if as many already run for the organization */
export async function limitFetches<T>(runtime: Runtime, organizationId: string, fetch: () => Promise<T>): Promise<T> {
  const counts = fetchCountsOf(runtime);
  const running = counts.get(organizationId) ?? 0;
  if (running >= MAX_CONCURRENT_FETCHES) {
    runtime.metrics.limited.inc({ limit: 'metadata_fetches' });
    throw new GatewayError('rate_limited', {
      detail: 'The gateway is already fetching metadata for this organization. Try again when that is done.',
      retryAfterSeconds: DEFAULT_TIMEOUT_MS / 1000,
    });
  }
  counts.set(organizationId, running + 1);
  try {
    return await fetch();
  } finally {
    const left = (counts.get(organizationId) ?? 1) - 1;
    if (left > 0) counts.set(organizationId, left);
    else counts.delete(organizationId);
  }
}

const invalid = (detail: string, cause?: unknown) => new GatewayError('idp_metadata_invalid', { detail, cause });

/**
 * The same text for a name that does not exist, a name of a private address and a private address, so that it does not reveal
 * which names and addresses the gateway's network has.
 */
const hostRefused = (cause?: unknown) =>
  invalid('The host of the metadata URL was not found, or its address is not public. Upload the metadata as a file instead.', cause);

/**
 * Fetches a metadata document over https, or over http from a loopback host. At most 1 MiB, 5 seconds and 3 redirects are
 * allowed. Errors never contain fetched content.
 *
 * @example
 * const { metadata } = readIdpMetadata(await fetchMetadata('https://idp.example.com/metadata'), { nowMs: Date.now() });
 * @throws idp_metadata_invalid
 */
export async function fetchMetadata(url: string, dependencies: FetchDependencies = {}): Promise<Uint8Array> {
  const timeoutMs = dependencies.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const octets = await followRedirects(readUrl(url), dependencies, controller.signal);
    // Several documents that arrive at the same time are then read in several turns of the event loop.
    await nextTurn();
    // A body without Content-Length ends with the connection. If the timeout closed it, the body only looks complete.
    controller.signal.throwIfAborted();
    return octets;
  } catch (error) {
    if (controller.signal.aborted)
      throw invalid(`The metadata URL did not send a complete response within ${timeoutMs / 1000} seconds.`, error);
    throw error instanceof GatewayError ? error : connectionFailed(error);
  } finally {
    clearTimeout(timer);
    controller.abort(); // close connections and lookups that are still open
  }
}

async function followRedirects(start: URL, dependencies: FetchDependencies, signal: AbortSignal): Promise<Uint8Array> {
  let url = start;
  for (let redirects = 0; ; redirects++) {
    const response = await get(url, dependencies, signal);
    if (!REDIRECTS.has(response.statusCode ?? 0)) return await readBody(response);
    response.destroy();
    if (redirects === MAX_REDIRECTS) throw invalid(`The metadata URL redirects more than ${MAX_REDIRECTS} times.`);
    url = redirectTarget(url, response.headers.location);
  }
}

/** @throws idp_metadata_invalid for anything but https, or http on a loopback host */
function readUrl(text: string, base?: URL): URL {
  const url = text.length <= MAX_URL ? URL.parse(text, base?.href) : null;
  if (!url || url.href.length > MAX_URL)
    throw invalid('The metadata URL, or the URL that it redirects to, is not an absolute URL of at most 2048 characters.');
  if (url.username !== '' || url.password !== '')
    throw invalid('The metadata URL, and every URL that it redirects to, must not contain a user name or password.');
  const isAllowed = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (!isAllowed) throw invalid('The metadata URL, and every URL that it redirects to, must begin with https://.');
  return url;
}

function redirectTarget(from: URL, location: string | undefined): URL {
  if (location === undefined) throw invalid('The metadata URL redirects without a Location header.');
  const to = readUrl(location, from);
  if (from.protocol === 'https:' && to.protocol !== 'https:') throw invalid('The metadata URL redirects from https to http.');
  // Only the owner who entered the URL may choose a loopback host; a server elsewhere may not.
  if (isLoopbackHost(to.hostname) && !isLoopbackHost(from.hostname)) throw hostRefused();
  return to;
}

async function get(url: URL, dependencies: FetchDependencies, signal: AbortSignal): Promise<IncomingMessage> {
  const addresses = await resolveOnce(url.hostname, dependencies, signal);
  // Loaded on first use, because most gateways never fetch metadata.
  const { request: startRequest } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const start = dependencies.request ?? startRequest;
  return await new Promise((resolve, reject) => {
    const request = start(url, {
      method: 'GET',
      // Uses its own connection, because the global agent may use a proxy, which would resolve the name again.
      agent: false,
      lookup: lookupOf(addresses),
      signal,
      // Overrides NODE_TLS_REJECT_UNAUTHORIZED. The server name and the Host header are those of the URL.
      rejectUnauthorized: true,
      maxHeaderSize: 16 * 1024,
      headers: {
        accept: 'application/samlmetadata+xml, application/xml, text/xml',
        'accept-encoding': 'identity',
        'user-agent': 'samlgate',
      },
    });
    request.once('response', resolve);
    // For the whole exchange, because an error without a listener would end the process.
    request.on('error', reject);
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(invalid('The server of the metadata URL switched to another protocol.'));
    });
    request.end();
  });
}

/** @throws idp_metadata_invalid if the host has an address that is not public */
async function resolveOnce(hostname: string, dependencies: FetchDependencies, signal: AbortSignal): Promise<readonly ResolvedAddress[]> {
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const family = isIP(literal);
  if (isLoopbackHost(hostname)) {
    if (dependencies.allowLoopback === false) throw hostRefused();
    // Not looked up, so that no resolver and no hosts file can redirect these names (RFC 6761 §6.3).
    return family === 0 ? LOOPBACK : [{ address: literal, family }];
  }
  const addresses = family === 0 ? await lookUp(hostname, dependencies.lookup ?? lookupAll, signal) : [{ address: literal, family }];
  if (addresses.length === 0 || !addresses.every(({ address }) => isPublicAddress(address))) throw hostRefused();
  return addresses;
}

const LOOPBACK: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

const lookupAll = (hostname: string): Promise<ResolvedAddress[]> => promisify(lookupCallback)(hostname, { all: true });

/** Looks up a name until the signal aborts. Lookups cannot be cancelled, so a slow one is ignored after that. */
async function lookUp(
  hostname: string,
  lookup: NonNullable<FetchDependencies['lookup']>,
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([lookup(hostname), aborted]);
  } catch (cause) {
    throw hostRefused(cause);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Returns a lookup function for the socket that always returns the checked addresses. */
const lookupOf =
  (addresses: readonly ResolvedAddress[]): LookupFunction =>
  (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family);
  };

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  try {
    if (response.statusCode !== 200) throw invalid(`The metadata URL returned HTTP status ${response.statusCode ?? 0} instead of 200.`);
    if ((response.headers['content-encoding'] ?? 'identity') !== 'identity')
      throw invalid('The metadata URL returned compressed content, which is not supported.');
    if (Number(response.headers['content-length'] ?? 0) > MAX_OCTETS) throw tooLarge();
    const chunks: Buffer[] = [];
    let octets = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets > MAX_OCTETS) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    response.destroy();
  }
}

const tooLarge = () => invalid('The document at the metadata URL is larger than 1 MiB.');

const TLS_FAILURES = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO)/;

function connectionFailed(cause: unknown): GatewayError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  if (TLS_FAILURES.test(code)) {
    return invalid(
      'The TLS certificate of the metadata URL is not trusted (unknown issuer, another host name, or expired), or the TLS connection failed.',
      cause,
    );
  }
  return invalid('The metadata URL can’t be reached, or its server closed the connection.', cause);
}

/** IANA's special-purpose registries: addresses that are not global, relays, documentation, and addresses that no internet server has. */
const NOT_PUBLIC = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], // this network; 0.0.0.0 connects to this host
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier-grade NAT; instance metadata of Alibaba Cloud
  ['127.0.0.0', 8],
  ['168.63.129.16', 32], // host agent of Azure, on an address that looks public
  ['169.254.0.0', 16], // link-local; instance metadata of most clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24], // IETF protocol assignments; instance metadata of Oracle Cloud
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15], // benchmarking
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
] as const)
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv4');

/**
 * For IPv6 it is the other way round: only 2000::/3 is in use. That excludes ::1, ::, IPv4-mapped and IPv4-compatible, NAT64
 * (64:ff9b::/96), unique local, link-local, site-local and multicast addresses without listing them.
 */
const GLOBAL_UNICAST = new BlockList();
GLOBAL_UNICAST.addSubnet('2000::', 3, 'ipv6');
for (const [network, prefix] of [
  ['2001::', 23], // IETF protocol assignments; Teredo, ORCHID, benchmarking
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4, which holds any IPv4 address
  ['3fff::', 20], // documentation
] as const)
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv6');

/**
 * Returns whether an address belongs to a host on the internet, and not to one that only this host or its network can reach.
 * @param ip IPv4 in dotted decimal, or IPv6 without brackets and zone; anything else is not public
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
export function isPublicAddress(ip: string): boolean {
  if (isIPv4(ip)) return !NOT_PUBLIC.check(ip, 'ipv4');
  return isIP(ip) === 6 && !ip.includes('%') && GLOBAL_UNICAST.check(ip, 'ipv6') && !NOT_PUBLIC.check(ip, 'ipv6');
}
