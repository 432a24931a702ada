/** Where a login may lead. An open redirect after a login is a phishing tool, so anything in doubt becomes `/console`. */
export const DEFAULT_RETURN_TO = '/console';

const SIGN_IN_PATHS = /^\/(?:saml|login|logout|setup)(?:\/|$)/i;

/**
 * A path on the gateway, or a URL on the organization's allow-list (same origin, and the path of the entry or below it).
 * @returns a path beginning with one `/`, or an absolute URL
 */
export function safeReturnTo(wanted: string | undefined, baseUrl: string, allowedReturnUrls: readonly string[]): string {
  if (wanted === undefined || wanted === '' || wanted.length > 2048) return DEFAULT_RETURN_TO;
  // Browsers strip tab and line breaks and read `\` as `/`; such text has no honest use here.
  if (/[\p{Cc}\\\s]/u.test(wanted)) return DEFAULT_RETURN_TO;
  if (wanted.startsWith('/')) {
    if (wanted.startsWith('//') || !URL.canParse(wanted, baseUrl)) return DEFAULT_RETURN_TO;
    const url = new URL(wanted, baseUrl);
    // A sign-in that leads into another sign-in could end at an identity provider of anybody's choice.
    if (SIGN_IN_PATHS.test(url.pathname)) return DEFAULT_RETURN_TO;
    return url.origin === baseUrl && !url.pathname.startsWith('//') ? `${url.pathname}${url.search}${url.hash}` : DEFAULT_RETURN_TO;
  }
  if (!URL.canParse(wanted)) return DEFAULT_RETURN_TO;
  const url = new URL(wanted);
  const allowed = allowedReturnUrls.some((entry) => isWithin(url, new URL(entry)));
  return allowed && url.username === '' && url.password === '' ? url.href : DEFAULT_RETURN_TO;
}

function isWithin(url: URL, entry: URL): boolean {
  if (url.origin === 'null' || url.origin !== entry.origin) return false;
  // An encoded slash or dot may be a separator to the application behind it.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return false;
  const root = entry.pathname.endsWith('/') ? entry.pathname : `${entry.pathname}/`;
  return url.pathname === entry.pathname || url.pathname.startsWith(root);
}
