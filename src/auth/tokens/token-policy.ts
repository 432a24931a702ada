/** The rules of an organization for the credentials of its members, cached because every check needs them. */
import { BoundedCache } from '../../bounded-cache.ts';
import type { CliToken, Member } from '../../organizations/members.ts';
import { CREDENTIAL_RULES_LEASE_MS, getOrganizationById, type RevokingConnection } from '../../organizations/organizations.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { Lease } from '../../store/lease.ts';
import { DAY_MS } from '../../time.ts';

const MAX_ORGANIZATIONS = 10_000;

export interface TokenPolicy {
  readonly slug: string;
  /** CLI tokens expire this many days after they were created, even if their own expiry is later. */
  readonly maxDays: number | undefined;
  /** CLI tokens do not work while the member's last sign-in is longer ago than this many days. */
  readonly ssoWithinDays: number | undefined;
  /** Connections whose members are losing their credentials. */
  readonly revoking: readonly RevokingConnection[];
  /** Groups are renamed or deleted, so the records of their members may still have former roles. */
  readonly changesGroups: boolean;
}

const leasesOf = perRuntime(() => new BoundedCache<Lease<TokenPolicy | undefined>>(MAX_ORGANIZATIONS));

/** Returns the policy, or undefined if the organization does not exist. Returns a promise only if the policy must be read. */
export function tokenPolicyOf(runtime: Runtime, organizationId: string): TokenPolicy | undefined | Promise<TokenPolicy | undefined> {
  const leases = leasesOf(runtime);
  let lease = leases.get(organizationId);
  if (!lease) {
    lease = new Lease(CREDENTIAL_RULES_LEASE_MS, () => readPolicy(runtime, organizationId));
    leases.set(organizationId, lease);
  }
  return lease.current();
}

async function readPolicy({ store }: Runtime, organizationId: string): Promise<TokenPolicy | undefined> {
  const organization = await getOrganizationById(store, organizationId);
  return (
    organization && {
      slug: organization.slug,
      maxDays: organization.cliTokenMaxDays,
      ssoWithinDays: organization.cliTokenSsoWithinDays,
      revoking: organization.revokingConnections ?? [],
      changesGroups: organization.changesGroups ?? false,
    }
  );
}

/** Returns when a CLI token expires, by itself or by the policy, whichever is sooner. Undefined if it never expires. */
export function cliTokenEndMs(token: Pick<CliToken, 'createdAtMs' | 'expiresAtMs'>, policy: TokenPolicy): number | undefined {
  const policyEndMs = policy.maxDays === undefined ? undefined : token.createdAtMs + policy.maxDays * DAY_MS;
  if (token.expiresAtMs === undefined || policyEndMs === undefined) return token.expiresAtMs ?? policyEndMs;
  return Math.min(token.expiresAtMs, policyEndMs);
}

/** Returns whether the member must sign in again before CLI tokens work. */
export function isPaused(member: Member, policy: TokenPolicy, nowMs: number): boolean {
  return policy.ssoWithinDays !== undefined && nowMs - Date.parse(member.lastLoginAt ?? member.createdAt) > policy.ssoWithinDays * DAY_MS;
}
