import { domainToASCII } from 'node:url';

/** A DNS name has at most 253 characters (RFC 1035 §2.3.4), and the verification record adds `_samlgate.` to the domain. */
const MAX_LENGTH = 243;
/** Refuses what URL parsing would cut off or decode: slashes, percent signs, invisible characters, other dots. */
const CHARACTERS = /^[\p{L}\p{M}\p{N}.-]+$/u;
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
/** At least two labels. The last one has a letter, so that IP addresses are no domains. */
const DOMAIN = new RegExp(`^(?:${LABEL}\\.)+(?=[^.]*[a-z])${LABEL}$`);

/**
 * Returns a domain in lower case, in ASCII (`bücher.example` becomes `xn--bcher-kva.example`, UTS #46) and without a trailing dot.
 * @returns undefined if the text is no domain with at least two labels
 */
export function normalizeDomain(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed.length > 1024 || !CHARACTERS.test(trimmed)) return undefined;
  const domain = domainToASCII(trimmed).replace(/\.$/, '');
  return domain.length <= MAX_LENGTH && DOMAIN.test(domain) ? domain : undefined;
}

/** Returns the domain of an email address. */
export const emailDomain = (email: string): string | undefined => normalizeDomain(email.slice(email.lastIndexOf('@') + 1));
