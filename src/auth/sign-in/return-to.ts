/** Validates return URLs. An open redirect after a sign-in is a phishing tool, so every doubtful URL becomes `/console`. */
export const DEFAULT_RETURN_TO = '/console';

const SIGN_IN_PATHS = /^\/(?:saml|login|logout|setup)(?:\/|$)/i;

/**
 * Accepts a path at the gateway, or a URL on the organization's allow-list (the origin of an entry, and its path or one below it).
 * @returns a path that begins with exactly one `/`, or an absolute URL
 */
export function safeReturnTo(requested: string | undefined, baseUrl: string, allowedReturnUrls: readonly string[]): string {
  if (requested === undefined || requested === '' || requested.length > 2048) return DEFAULT_RETURN_TO;
  // Browsers strip tabs and line breaks and read `\` as `/`. No legitimate URL needs them.
  if (/[\p{Cc}\\\s]/u.test(requested)) return DEFAULT_RETURN_TO;
  if (requested.startsWith('/')) {
    if (requested.startsWith('//') || !URL.canParse(requested, baseUrl)) return DEFAULT_RETURN_TO;
    const url = new URL(requested, baseUrl);
    // A sign-in that continues with another one could end at an identity provider of an attacker's choice.
    if (SIGN_IN_PATHS.test(url.pathname)) return DEFAULT_RETURN_TO;
    return url.origin === baseUrl && !url.pathname.startsWith('//') ? `${url.pathname}${url.search}${url.hash}` : DEFAULT_RETURN_TO;
  }
  if (!URL.canParse(requested)) return DEFAULT_RETURN_TO;
  const url = new URL(requested);
  const allowed = allowedReturnUrls.some((entry) => isWithin(url, new URL(entry)));
  return allowed && url.username === '' && url.password === '' ? url.href : DEFAULT_RETURN_TO;
}

function isWithin(url: URL, entry: URL): boolean {
  if (url.origin === 'null' || url.origin !== entry.origin) return false;
  // The application may decode a slash or a dot and leave the allowed path.
  if (/%2e|%2f|%5c/i.test(url.pathname)) return false;
  const root = entry.pathname.endsWith('/') ? entry.pathname : `${entry.pathname}/`;
  return url.pathname === entry.pathname || url.pathname.startsWith(root);
}
