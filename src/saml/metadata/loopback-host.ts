/**
 * Returns whether the host of a URL is this computer by its spelling alone: `localhost`, a name below it, 127.0.0.0/8 or ::1.
 * No name is resolved.
 * @param hostname from `URL.hostname`, which normalizes every spelling of an IPv4 address
 * @see RFC 6761 §6.3
 */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname) || /^(?:.+\.)?localhost\.?$/.test(hostname);
}
