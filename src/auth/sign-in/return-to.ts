/** Validates return URLs. An open redirect after a sign-in is a phishing tool, so every doubtful URL becomes `/console`. */
export const DEFAULT_RETURN_TO = '/console';

/**
 * The longest return URL in characters, percent-encoded. It travels in the query of redirects, and proxies refuse headers of more
 * than 4 kB by default.
 */
const MAX_ENCODED_LENGTH = 2048;
/** The longest return URL that a started sign-in keeps. */
const MAX_LENGTH = 1400;

const SIGN_IN_PATHS = /^\/(?:saml|login|logout|setup)(?:\/|$)/i;

/** Returns the requested URL, or undefined if it is too long for the query of a redirect. */
export function shortReturnTo(requested: string | undefined): string | undefined {
  // Most characters become longer, so the first check keeps the second one cheap.
  if (requested === undefined || requested.length > MAX_ENCODED_LENGTH) return undefined;
  return new URLSearchParams([['', requested]]).toString().length > MAX_ENCODED_LENGTH ? undefined : requested;
}

/**
 * Accepts a page of the gateway, as a path or as an absolute URL, or a URL on the organization's allow-list (the origin of an entry,
 * and its path or one below it).
 * @returns a path that begins with exactly one `/`, or an absolute URL of another origin
 */
export function safeReturnTo(requested: string | undefined, baseUrl: string, allowedReturnUrls: readonly string[]): string {
  const url = allowedUrl(shortReturnTo(requested), baseUrl, allowedReturnUrls);
  // Some characters grow only when the URL is parsed.
  return url === undefined || url.length > MAX_LENGTH ? DEFAULT_RETURN_TO : url;
}

function allowedUrl(requested: string | undefined, baseUrl: string, allowedReturnUrls: readonly string[]): string | undefined {
  if (requested === undefined || requested === '') return undefined;
  // Browsers strip tabs and line breaks and read `\` as `/`. No legitimate URL needs them.
  if (/[\p{Cc}\\\s]/u.test(requested)) return undefined;
  if (requested.startsWith('//')) return undefined;
  // Only a path is relative to the base URL. With a base, `http:x` would also be a path.
  const url = requested.startsWith('/') ? URL.parse(requested, baseUrl) : URL.parse(requested);
  if (url?.username !== '' || url.password !== '') return undefined;
  // A blob: URL has the origin of the URL inside it.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined;
  // Before the allow-list, so that an entry for the gateway itself does not lift the exclusions.
  if (url.origin === baseUrl) return pathAtGateway(url);
  return allowedReturnUrls.some((entry) => isWithin(url, new URL(entry))) ? url.href : undefined;
}

function pathAtGateway({ pathname, search, hash }: URL): string | undefined {
  // A sign-in that continues with another one could end at an identity provider of an attacker's choice.
  if (SIGN_IN_PATHS.test(pathname) || pathname.startsWith('//')) return undefined;
  return `${pathname}${search}${hash}`;
}

function isWithin(url: URL, entry: URL): boolean {
  if (url.origin === 'null' || url.origin !== entry.origin) return false;
  // The application may decode a slash or a dot and leave the allowed path.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return false;
  const root = entry.pathname.endsWith('/') ? entry.pathname : `${entry.pathname}/`;
  return url.pathname === entry.pathname || url.pathname.startsWith(root);
}
