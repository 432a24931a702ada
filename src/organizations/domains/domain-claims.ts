/**
 * The domains that an organization claims, and whether it has verified them. The claims are part of the organization's record, so
 * that a sign-in is judged by them and by its other settings at the same moment.
 */
import { DAY_MS, HOUR_MS, toIsoTime } from '../../time.ts';
import { emailDomain } from './domain-name.ts';

export interface DomainClaim {
  /** As {@link normalizeDomain} returns it. */
  readonly domain: string;
  /** 128 random bits that the verification record contains. Other organizations have other tokens for the same domain. */
  readonly token: string;
  readonly addedAtMs: number;
  /** Undefined while the domain is not verified. */
  readonly verifiedBy?: 'dns' | 'operator' | undefined;
  readonly verifiedAtMs?: number | undefined;
  /** When DNS last had the record, or when the operator confirmed the domain. */
  readonly provenAtMs?: number | undefined;
  /** The last check of a domain that DNS verified. */
  readonly lastCheck?: { readonly atMs: number; readonly result: RecordCheck } | undefined;
  /** When checks found no record, the first and the last time in a row. Checks without an answer do not count. */
  readonly missing?: { readonly sinceMs: number; readonly untilMs: number } | undefined;
  /** When a verified domain became unverified. */
  readonly lostAtMs?: number | undefined;
}

/** Whether DNS has the record; `unknown` if no server answered. */
export type RecordCheck = 'found' | 'missing' | 'unknown';

export type DomainState = 'pending' | 'verified' | 'unverified';

/** An organization, as far as its domains matter. */
interface DomainOwner {
  readonly domainClaims?: readonly DomainClaim[] | undefined;
  readonly emailPolicy?: EmailPolicy | undefined;
}

/** `verified_domains` refuses sign-ins with an email address in another domain. */
export type EmailPolicy = 'any' | 'verified_domains';

const WARN_AFTER_MS = 7 * DAY_MS;
const LOSE_AFTER_MS = 30 * DAY_MS;
/** Time until the next check if no DNS server answered. */
const RETRY_AFTER_MS = HOUR_MS;

export const recordName = (domain: string): string => `_samlgate.${domain}`;
export const recordValue = (token: string): string => `samlgate-verification=${token}`;

/** `pending` was never verified; `unverified` was verified before. Neither has any effect. */
export function domainState({ verifiedBy, lostAtMs }: DomainClaim): DomainState {
  if (verifiedBy !== undefined) return 'verified';
  return lostAtMs === undefined ? 'pending' : 'unverified';
}

export const claimsOf = ({ domainClaims = [] }: DomainOwner): readonly DomainClaim[] => domainClaims;

export const findClaim = (organization: DomainOwner, domain: string): DomainClaim | undefined =>
  claimsOf(organization).find((claim) => claim.domain === domain);

export const hasVerifiedDomain = (organization: DomainOwner, domain: string): boolean =>
  findClaim(organization, domain)?.verifiedBy !== undefined;

/** Whether a domain is verified, and its proof is not older than `sinceMs`. */
export function wasDomainProvenSince(organization: DomainOwner, domain: string, sinceMs: number): boolean {
  const claim = findClaim(organization, domain);
  return claim?.verifiedBy !== undefined && claim.provenAtMs !== undefined && claim.provenAtMs >= sinceMs;
}

/** Whether the email policy of the organization allows this address. A subdomain of a verified domain is another domain. */
export function isEmailAllowed(organization: DomainOwner, email: string): boolean {
  if ((organization.emailPolicy ?? 'any') === 'any') return true;
  const domain = emailDomain(email);
  return domain !== undefined && hasVerifiedDomain(organization, domain);
}

/** Whether the record of a verified domain has been missing for 7 days. */
export const isRecordOverdue = ({ verifiedBy, missing }: DomainClaim): boolean =>
  verifiedBy === 'dns' && missing !== undefined && missing.untilMs - missing.sinceMs >= WARN_AFTER_MS;

/** Returns when the record of a verified domain is checked again. Undefined for domains that need no record. */
export function checkDueAtMs({ verifiedBy, verifiedAtMs = 0, lastCheck }: DomainClaim): number | undefined {
  if (verifiedBy !== 'dns') return undefined;
  return (lastCheck?.atMs ?? verifiedAtMs) + (lastCheck?.result === 'unknown' ? RETRY_AFTER_MS : DAY_MS);
}

/** Returns when the first domain is checked again. If none needs a check, after a day, because a verification may just be running. */
export const nextCheckAtMs = (organization: DomainOwner, nowMs: number): number =>
  Math.min(nowMs + DAY_MS, ...claimsOf(organization).flatMap((claim) => checkDueAtMs(claim) ?? []));

/** Returns a sentence for the owners if the record has been missing for too long. */
export function domainWarning(claim: DomainClaim): string | undefined {
  if (!isRecordOverdue(claim) || !claim.missing) return undefined;
  const { sinceMs } = claim.missing;
  const [since, until] = [sinceMs, sinceMs + LOSE_AFTER_MS].map((ms) => toIsoTime(ms).slice(0, 10));
  return `DNS has had no verification record for ${claim.domain} since ${since}. Publish it again before ${until}, or the domain becomes unverified.`;
}

/**
 * Returns a claim that DNS verified after a check. A domain is lost only if a check finds no record 30 days after the first that
 * found none, without one in between that found it. A check without an answer proves nothing.
 */
export function afterCheck(claim: DomainClaim, result: RecordCheck, nowMs: number): DomainClaim {
  const checked: DomainClaim = { ...claim, lastCheck: { atMs: nowMs, result } };
  if (result === 'unknown') return checked;
  if (result === 'found') return { ...checked, provenAtMs: nowMs, missing: undefined };
  const missing = { sinceMs: claim.missing?.sinceMs ?? nowMs, untilMs: nowMs };
  return missing.untilMs - missing.sinceMs >= LOSE_AFTER_MS ? asLost(checked, nowMs) : { ...checked, missing };
}

export function asLost({ verifiedBy, verifiedAtMs, provenAtMs, missing, ...claim }: DomainClaim, nowMs: number): DomainClaim {
  return { ...claim, lostAtMs: nowMs };
}

/** Replaces a claim of the list. Returns undefined if it was removed, or removed and added again. */
export function replaceClaim<Owner extends DomainOwner>(
  organization: Owner,
  { domain, token }: DomainClaim,
  change: (claim: DomainClaim) => DomainClaim | undefined,
): Owner | undefined {
  const before = findClaim(organization, domain);
  const after = before?.token === token ? change(before) : undefined;
  if (!after) return undefined;
  return { ...organization, domainClaims: claimsOf(organization).map((claim) => (claim === before ? after : claim)) };
}
