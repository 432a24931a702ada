/** Validates return URLs. An open redirect after a sign-in is a phishing tool, so every doubtful URL becomes `/console`. */
export const DEFAULT_RETURN_TO = '/console';

const SIGN_IN_PATHS = /^\/(?:saml|login|logout|setup)(?:\/|$)/i;

/**
 * Accepts a page of the gateway, as a path or as an absolute URL, or a URL on the organization's allow-list (the origin of an entry,
 * and its path or one below it).
 * @returns a path that begins with exactly one `/`, or an absolute URL of another origin
 */
export function safeReturnTo(requested: string | undefined, baseUrl: string, allowedReturnUrls: readonly string[]): string {
  if (requested === undefined || requested === '' || requested.length > 2048) return DEFAULT_RETURN_TO;
  // Browsers strip tabs and line breaks and read `\` as `/`. No legitimate URL needs them.
  if (/[\p{Cc}\\\s]/u.test(requested)) return DEFAULT_RETURN_TO;
  if (requested.startsWith('//')) return DEFAULT_RETURN_TO;
  // Only a path is relative to the base URL. With a base, `http:x` would be a path too.
  const url = requested.startsWith('/') ? URL.parse(requested, baseUrl) : URL.parse(requested);
  if (url?.username !== '' || url.password !== '') return DEFAULT_RETURN_TO;
  // A blob: URL has the origin of the URL inside it.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return DEFAULT_RETURN_TO;
  // Before the allow-list, so that an entry for the gateway itself does not lift the exclusions.
  if (url.origin === baseUrl) return pathAtGateway(url);
  return allowedReturnUrls.some((entry) => isWithin(url, new URL(entry))) ? url.href : DEFAULT_RETURN_TO;
}

function pathAtGateway({ pathname, search, hash }: URL): string {
  // A sign-in that continues with another one could end at an identity provider of an attacker's choice.
  if (SIGN_IN_PATHS.test(pathname) || pathname.startsWith('//')) return DEFAULT_RETURN_TO;
  return `${pathname}${search}${hash}`;
}

function isWithin(url: URL, entry: URL): boolean {
  if (url.origin === 'null' || url.origin !== entry.origin) return false;
  // The application may decode a slash or a dot and leave the allowed path.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return false;
  const root = entry.pathname.endsWith('/') ? entry.pathname : `${entry.pathname}/`;
  return url.pathname === entry.pathname || url.pathname.startsWith(root);
}
