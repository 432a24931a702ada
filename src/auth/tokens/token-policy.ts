/** What an organization asks of its CLI tokens, as every check needs it. */
import { BoundedCache } from '../../bounded-cache.ts';
import type { CliToken, Member } from '../../organizations/members.ts';
import { getOrganizationById } from '../../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { Lease } from '../../store/lease.ts';
import { DAY_MS } from '../../time.ts';

/** A changed policy holds on every replica after this long at the latest. */
const POLICY_LEASE_MS = 2000;
const MAX_ORGANIZATIONS = 10_000;

export interface TokenPolicy {
  readonly slug: string;
  /** A CLI token ends this long after it was made, whatever it says itself. */
  readonly maxDays: number | undefined;
  /** A CLI token pauses while its member's last login is longer ago. */
  readonly ssoWithinDays: number | undefined;
}

const leasesOf = perRuntime(() => new BoundedCache<Lease<TokenPolicy | undefined>>(MAX_ORGANIZATIONS));

/** @returns undefined where there is no such organization (any more) */
export function tokenPolicyOf(runtime: Runtime, organizationId: string): TokenPolicy | undefined | Promise<TokenPolicy | undefined> {
  const leases = leasesOf(runtime);
  let lease = leases.get(organizationId);
  if (!lease) {
    lease = new Lease(POLICY_LEASE_MS, () => readPolicy(runtime, organizationId));
    leases.set(organizationId, lease);
  }
  return lease.current();
}

async function readPolicy({ store }: Runtime, organizationId: string): Promise<TokenPolicy | undefined> {
  const organization = await getOrganizationById(store, organizationId);
  return (
    organization && { slug: organization.slug, maxDays: organization.cliTokenMaxDays, ssoWithinDays: organization.cliTokenSsoWithinDays }
  );
}

/** When a CLI token ends: by itself or by the policy, whichever is sooner. */
export function cliTokenEndMs(token: Pick<CliToken, 'createdAtMs' | 'expiresAtMs'>, policy: TokenPolicy): number | undefined {
  const byPolicy = policy.maxDays === undefined ? undefined : token.createdAtMs + policy.maxDays * DAY_MS;
  if (token.expiresAtMs === undefined || byPolicy === undefined) return token.expiresAtMs ?? byPolicy;
  return Math.min(token.expiresAtMs, byPolicy);
}

/** Whether this member must sign in again before a CLI token works. */
export function isPaused(member: Member, policy: TokenPolicy, nowMs: number): boolean {
  return policy.ssoWithinDays !== undefined && nowMs - Date.parse(member.lastLoginAt) > policy.ssoWithinDays * DAY_MS;
}
