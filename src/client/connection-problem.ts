/** Explains a failed connection: what happened, why, and what to do next. */
import { isLoopbackHost } from './loopback.ts';

export interface ConnectionProblem {
  /** What happened, as a sentence without a full stop. */
  readonly title: string;
  /** Why it happened, and what to do next. */
  readonly detail: string;
}

interface Context {
  readonly url: URL;
  /** Code of Node.js, OpenSSL or undici, such as `ECONNREFUSED`. */
  readonly code: string;
  readonly cause: NodeJS.ErrnoException & { readonly cert?: { readonly subjectaltname?: string; readonly subject?: { CN?: string } } };
}

type Explanation = (context: Context) => ConnectionProblem;
type Environment = Readonly<Record<string, string | undefined>>;

const EXTRA_CERTIFICATES = 'set NODE_EXTRA_CA_CERTS to the path of a PEM file with';

const connectionRefused: Explanation = ({ url, code }) => ({
  title: `The connection to the gateway at ${url.origin} was refused (${code})`,
  detail: `Nothing accepts connections on port ${portOf(url)} of ${url.hostname}. Start the gateway, or correct the URL.`,
});

const hostNotFound: Explanation = ({ url, code }) => ({
  title: `The host name ${url.hostname} was not found (${code})`,
  detail: 'DNS has no address for it. Correct the URL, or connect to the network or VPN in which the name exists.',
});

const lookupFailed: Explanation = ({ url, code }) => ({
  title: `The host name ${url.hostname} could not be looked up (${code})`,
  detail: 'The DNS server did not answer. Check the network connection, then try again.',
});

const connectionTimedOut: Explanation = ({ url, code }) => ({
  title: `The connection to the gateway at ${url.origin} timed out (${code})`,
  detail: 'The host does not answer. A firewall may drop the connection. Check the URL and the network connection, then try again.',
});

const networkUnreachable: Explanation = ({ url, code }) => ({
  title: `The network has no route to ${url.hostname} (${code})`,
  detail: 'Check the network or VPN connection, then try again.',
});

const connectionClosed: Explanation = ({ url, code }) => ({
  title: `The connection to the gateway at ${url.origin} was closed before the answer was complete (${code})`,
  detail: 'The gateway may have been restarted, or a proxy closed the connection. Try again.',
});

const selfSigned: Explanation = ({ url, code }) => ({
  title: `The gateway at ${url.origin} has a self-signed certificate (${code})`,
  detail: `Node.js does not trust it. If it is the certificate that you expect, ${EXTRA_CERTIFICATES} this certificate. Otherwise do not connect.`,
});

const issuerUnknown: Explanation = ({ url, code }) => ({
  title: `The certificate of the gateway at ${url.origin} was issued by an unknown certificate authority (${code})`,
  detail: `Node.js does not trust the issuer. If your company has its own certificate authority, or a proxy that inspects TLS, ${EXTRA_CERTIFICATES} its root certificate. If a public certificate authority issued it, the server must also send the intermediate certificates.`,
});

const certificateExpired: Explanation = ({ url, code }) => ({
  title: `The certificate of the gateway at ${url.origin} has expired (${code})`,
  detail: `The operator of the gateway must renew it. Also check this machine’s clock. Its time is ${new Date().toISOString()}.`,
});

const certificateNotYetValid: Explanation = ({ url, code }) => ({
  title: `The certificate of the gateway at ${url.origin} is not valid yet (${code})`,
  detail: `Check this machine’s clock. Its time is ${new Date().toISOString()}.`,
});

const hostNameMismatch: Explanation = ({ url, code, cause }) => ({
  title: `The certificate of the gateway at ${url.origin} is for another host name (${code})`,
  detail: `Expected ${url.hostname}, received ${namesOf(cause)}. Use a URL with a host name of the certificate, or ask the operator of the gateway for a certificate for ${url.hostname}.`,
});

const plainHttpServer: Explanation = ({ url, code }) => ({
  title: `The server at ${url.origin} does not use TLS (${code})`,
  detail: 'The port serves something else, most often plain http. Correct the URL or the port.',
});

const tlsFailed: Explanation = ({ url, code }) => ({
  title: `The TLS connection to the gateway at ${url.origin} failed (${code})`,
  detail: 'The server and Node.js found no TLS settings that both accept, or the certificate is invalid. Ask the operator of the gateway.',
});

const redirected: Explanation = ({ url }) => ({
  title: `The server at ${url.origin} redirects to another address`,
  detail: 'Redirects are not followed, because the token is for this address only. Use the final URL of the gateway.',
});

const unknownFailure: Explanation = ({ url, code }) => ({
  title: `The request to the gateway at ${url.origin} failed (${code})`,
  detail: 'Check the URL and that the gateway is running.',
});

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: connectionRefused,
  ENOTFOUND: hostNotFound,
  EAI_AGAIN: lookupFailed,
  ETIMEDOUT: connectionTimedOut,
  UND_ERR_CONNECT_TIMEOUT: connectionTimedOut,
  EHOSTUNREACH: networkUnreachable,
  ENETUNREACH: networkUnreachable,
  ENETDOWN: networkUnreachable,
  ECONNRESET: connectionClosed,
  EPIPE: connectionClosed,
  UND_ERR_SOCKET: connectionClosed,
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  SELF_SIGNED_CERT_IN_CHAIN: issuerUnknown,
  UNABLE_TO_GET_ISSUER_CERT: issuerUnknown,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: issuerUnknown,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: issuerUnknown,
  CERT_HAS_EXPIRED: certificateExpired,
  CERT_NOT_YET_VALID: certificateNotYetValid,
  ERR_TLS_CERT_ALTNAME_INVALID: hostNameMismatch,
  ERR_SSL_WRONG_VERSION_NUMBER: plainHttpServer,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: plainHttpServer,
};

/** Failures that a request through a proxy would not have, or that the proxy itself causes. */
const MAY_NEED_PROXY: ReadonlySet<Explanation> = new Set([
  connectionRefused,
  hostNotFound,
  lookupFailed,
  connectionTimedOut,
  networkUnreachable,
  connectionClosed,
]);

/**
 * Explains why `fetch` rejected.
 * @param error what `fetch` threw; its `cause` has the code of the failure
 * @param environment read for HTTP_PROXY, HTTPS_PROXY, NO_PROXY and NODE_USE_ENV_PROXY
 */
export function explainConnectionError(url: string, error: unknown, environment: Environment = process.env): ConnectionProblem {
  const context = contextOf(url, error);
  const explain = explanationFor(context);
  const problem = explain(context);
  const advice = MAY_NEED_PROXY.has(explain) ? proxyAdvice(context.url, environment) : undefined;
  return advice === undefined ? problem : { ...problem, detail: `${problem.detail} ${advice}` };
}

function contextOf(url: string, error: unknown): Context {
  const cause = ((error as Error).cause ?? error) as Context['cause'];
  return { url: new URL(url), code: cause.code ?? (cause.message || cause.name), cause };
}

function explanationFor({ code, cause }: Context): Explanation {
  if (Object.hasOwn(EXPLANATIONS, code)) return EXPLANATIONS[code] ?? unknownFailure;
  if (isRedirect(cause)) return redirected;
  return /^(ERR_SSL_|ERR_TLS_|CERT_)/.test(code) ? tlsFailed : unknownFailure;
}

/** Checks whether fetch failed because of a redirect, for which undici has no code. */
export function isRedirect(error: unknown): boolean {
  const { cause, message } = Object(error) as { readonly cause?: unknown; readonly message?: unknown };
  return message === 'unexpected redirect' || (cause !== undefined && isRedirect(cause));
}

/** Explains a request that got no complete answer within `timeoutMs`. */
export function explainTimeout(url: string, timeoutMs: number, environment: Environment = process.env): ConnectionProblem {
  const address = new URL(url);
  const advice = proxyAdvice(address, environment);
  return {
    title: `The gateway at ${address.origin} did not answer within ${timeoutMs / 1000} seconds`,
    detail: `It may be overloaded, or a firewall drops the connection. Check the URL, then try again.${advice === undefined ? '' : ` ${advice}`}`,
  };
}

/** Node.js ignores the proxy variables unless NODE_USE_ENV_PROXY is set. */
function proxyAdvice(url: URL, environment: Environment): string | undefined {
  const name = proxyVariable(url, environment);
  if (name === undefined) return undefined;
  const isUsed = environment.NODE_USE_ENV_PROXY === '1' || process.execArgv.includes('--use-env-proxy');
  return isUsed
    ? `The request went through the proxy that ${name} names. Check the proxy, or add ${url.hostname} to NO_PROXY.`
    : `${name} is set, but Node.js uses it only if NODE_USE_ENV_PROXY=1 is also set. If the gateway is reached through the proxy, set it (Node.js 22.21, 24 or newer).`;
}

/** Name of the variable whose proxy applies to this URL; undefined for this machine and for hosts in NO_PROXY. */
function proxyVariable({ protocol, hostname }: URL, environment: Environment): string | undefined {
  if (isLoopbackHost(hostname) || isExcluded(hostname, environment.no_proxy || environment.NO_PROXY || '')) return undefined;
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  return [name.toLowerCase(), name].find((each) => environment[each]);
}

function isExcluded(hostname: string, noProxy: string): boolean {
  return noProxy.split(/[\s,]+/).some((entry) => {
    const domain = entry
      .toLowerCase()
      .replace(/^\*?\./, '')
      .replace(/:\d+$/, '');
    return entry === '*' || (domain !== '' && (hostname === domain || hostname.endsWith(`.${domain}`)));
  });
}

const portOf = ({ port, protocol }: URL): string => port || (protocol === 'https:' ? '443' : '80');

function namesOf({ cert }: Context['cause']): string {
  const names = cert?.subjectaltname?.replace(/(?:DNS|IP Address):/g, '') ?? cert?.subject?.CN;
  return names || 'a certificate without host names';
}
