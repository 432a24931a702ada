/**
 * Fetches metadata from a URL that an owner typed in. The URL is hostile until shown otherwise: it must not make the gateway
 * speak to what only the gateway can reach (server-side request forgery), tell the owner what is there, or hold the process.
 *
 * The host's name is resolved once, every address is held against {@link isPublicAddress}, and the connection goes to those
 * addresses and no others: a name that resolves anew between check and use (DNS rebinding) finds nobody asking. A redirect is
 * a new URL, and goes the same way.
 */
import { lookup as lookupCallback } from 'node:dns';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { RequestOptions } from 'node:https';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { GatewayError } from '../errors.ts';
import { isLoopbackHost } from '../saml/metadata/loopback-host.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** What the outside world is made of; all of it has a default. */
export interface FetchDependencies {
  /** All addresses of a host name. Never asked for IP addresses and loopback names. */
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>;
  /** Starts the request; must connect only where `options.lookup` says. */
  readonly request?: (url: URL, options: RequestOptions) => ClientRequest;
  /** For name resolution, connections, redirects and the whole body together. */
  readonly timeoutMs?: number;
  /** Whether URLs whose host is the computer itself are fetched. Default true, as for a gateway that is tried out. */
  readonly allowLoopback?: boolean;
}

const MAX_OCTETS = 1024 * 1024;
const MAX_REDIRECTS = 3;
const MAX_URL = 2048;
const DEFAULT_TIMEOUT_MS = 5000;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

const invalid = (detail: string, cause?: unknown) => new GatewayError('idp_metadata_invalid', { detail, cause });

/**
 * One sentence for a name that does not exist, a name that leads inside, and an address that is inside: it must not tell
 * which names and addresses a network has.
 */
const refusedHost = (cause?: unknown) =>
  invalid('The host of the metadata URL can’t be found, or its address is not a public one. Upload the metadata as a file instead.', cause);

/**
 * Fetches the octets behind a metadata URL: https, or http on the computer itself; no more than 1 MiB, 5 seconds and
 * 3 redirects. What was fetched is never part of an error.
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
    // A body that only the end of the connection delimits looks whole when the time cuts it off.
    controller.signal.throwIfAborted();
    return octets;
  } catch (error) {
    if (controller.signal.aborted) throw invalid(`The metadata URL did not answer in full within ${timeoutMs / 1000} seconds.`, error);
    throw error instanceof GatewayError ? error : connectionFailed(error);
  } finally {
    clearTimeout(timer);
    controller.abort(); // nothing of the exchange outlives the answer
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

/** @throws idp_metadata_invalid for anything but https, or http on the computer itself */
function readUrl(text: string, base?: URL): URL {
  const url = text.length <= MAX_URL ? URL.parse(text, base?.href) : null;
  if (!url || url.href.length > MAX_URL)
    throw invalid('The metadata URL, or where it redirects to, is not an absolute URL of at most 2048 characters.');
  if (url.username !== '' || url.password !== '') throw invalid('The metadata URL must not have a user name or password in it.');
  const isAllowed = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (!isAllowed) throw invalid('The metadata URL, and whatever it redirects to, must begin with https://.');
  return url;
}

function redirectTarget(from: URL, location: string | undefined): URL {
  if (location === undefined) throw invalid('The metadata URL redirects without saying where to.');
  const to = readUrl(location, from);
  if (from.protocol === 'https:' && to.protocol !== 'https:') throw invalid('The metadata URL redirects from https to http.');
  // Only who typed the URL may mean the computer itself; a server out there may not.
  if (isLoopbackHost(to.hostname) && !isLoopbackHost(from.hostname)) throw refusedHost();
  return to;
}

async function get(url: URL, dependencies: FetchDependencies, signal: AbortSignal): Promise<IncomingMessage> {
  const addresses = await resolveOnce(url.hostname, dependencies, signal);
  // Not imported: a gateway that never fetches metadata shall not carry all that these two bring along.
  const { request: startRequest } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const start = dependencies.request ?? startRequest;
  return await new Promise((resolve, reject) => {
    const request = start(url, {
      method: 'GET',
      // A connection of its own, without the global agent: that one may go through a proxy, which would resolve the name itself.
      agent: false,
      lookup: pinnedTo(addresses),
      signal,
      // Whatever NODE_TLS_REJECT_UNAUTHORIZED says. Server name and Host header stay those of the URL.
      rejectUnauthorized: true,
      maxHeaderSize: 16 * 1024,
      headers: {
        accept: 'application/samlmetadata+xml, application/xml, text/xml',
        'accept-encoding': 'identity',
        'user-agent': 'samlgate',
      },
    });
    request.once('response', resolve);
    // Stays for the whole exchange: an error without listener would end the process.
    request.on('error', reject);
    request.once('upgrade', (_response, socket) => {
      socket.destroy();
      reject(invalid('The metadata URL answers with another protocol.'));
    });
    request.end();
  });
}

/** @throws idp_metadata_invalid where not every address of the host is public */
async function resolveOnce(hostname: string, dependencies: FetchDependencies, signal: AbortSignal): Promise<readonly ResolvedAddress[]> {
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const family = isIP(literal);
  if (isLoopbackHost(hostname)) {
    if (dependencies.allowLoopback === false) throw refusedHost();
    // Never looked up: no resolver and no hosts file may send these names elsewhere (RFC 6761 §6.3).
    return family === 0 ? LOOPBACK : [{ address: literal, family }];
  }
  const addresses = family === 0 ? await lookedUp(hostname, dependencies.lookup ?? lookupAll, signal) : [{ address: literal, family }];
  if (addresses.length === 0 || !addresses.every(({ address }) => isPublicAddress(address))) throw refusedHost();
  return addresses;
}

const LOOPBACK: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

const lookupAll = (hostname: string): Promise<ResolvedAddress[]> => promisify(lookupCallback)(hostname, { all: true });

/** A lookup can't be called off, so it is left behind when the time is over. */
async function lookedUp(
  hostname: string,
  lookup: NonNullable<FetchDependencies['lookup']>,
  signal: AbortSignal,
): Promise<readonly ResolvedAddress[]> {
  const { promise: timeIsOver, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([lookup(hostname), timeIsOver]);
  } catch (cause) {
    throw refusedHost(cause);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Answers every question of the socket with the checked addresses. */
const pinnedTo =
  (addresses: readonly ResolvedAddress[]): LookupFunction =>
  (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family);
  };

async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  try {
    if (response.statusCode !== 200) throw invalid(`The metadata URL answers with HTTP status ${response.statusCode ?? 0} instead of 200.`);
    if ((response.headers['content-encoding'] ?? 'identity') !== 'identity')
      throw invalid('The metadata URL answers with compressed content.');
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

const tooLarge = () => invalid('What is behind the metadata URL is larger than 1 MiB.');

const TLS_FAILURES = /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO)/;

function connectionFailed(cause: unknown): GatewayError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  if (TLS_FAILURES.test(code)) {
    return invalid(
      'The TLS certificate or connection of the metadata URL can’t be trusted (unknown issuer, other name, or expired).',
      cause,
    );
  }
  return invalid('The metadata URL can’t be reached, or its server broke off.', cause);
}

/** IANA's special-purpose registry: what is not global, what only relays, documentation, and what no server on the internet has. */
const NOT_PUBLIC = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], // this network; 0.0.0.0 connects to the computer itself
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier-grade NAT; Alibaba Cloud’s instance metadata
  ['127.0.0.0', 8],
  ['168.63.129.16', 32], // Azure’s host agent, on an address that looks public
  ['169.254.0.0', 16], // link-local; the instance metadata of most clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24], // IETF protocol assignments; Oracle Cloud’s
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
 * IPv6 the other way round: only 2000::/3 is given out. That leaves out ::1, ::, IPv4-mapped and -compatible, NAT64
 * (64:ff9b::/96), unique local, link-local, site-local and multicast addresses without naming them.
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
 * Whether an address belongs to a host on the internet, and to nothing that only this computer or its network can reach.
 * @param ip IPv4 in dotted decimal, or IPv6 without brackets and zone; anything else is not public
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
export function isPublicAddress(ip: string): boolean {
  if (isIPv4(ip)) return !NOT_PUBLIC.check(ip, 'ipv4');
  return isIP(ip) === 6 && !ip.includes('%') && GLOBAL_UNICAST.check(ip, 'ipv6') && !NOT_PUBLIC.check(ip, 'ipv6');
}
