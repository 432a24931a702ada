/**
 * Checks every day that verified domains still have their record in DNS. A record that was missing for 7 days is a warning; after
 * 30 days the domain is unverified. Domains that the operator confirmed need no record.
 */
import type { Runtime } from '../../runtime.ts';
import { noteDomainsDue, organizationsWithDueDomains } from '../directory.ts';
import type { Organization } from '../organizations.ts';
import { checkDueAtMs, claimsOf, type DomainClaim, nextCheckAtMs } from './domain-claims.ts';
import { lookUpRecord } from './look-up-record.ts';
import { saveChecks } from './save-check.ts';

/** Longer than the look-ups of one organization. If this replica crashes, another one checks after that. */
const CLAIM_SECONDS = 300;

/** Organizations at a time. One whose DNS servers are silent takes several seconds and must not hold up the others. */
const CONCURRENCY = 20;

/** Checks the domains of all organizations that are due. Only one replica does it for an organization. */
export async function recheckDueDomains(runtime: Runtime): Promise<void> {
  const organizations = organizationsWithDueDomains(runtime);
  const work = async () => {
    for await (const organization of organizations) await recheckIfDue(runtime, organization);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

async function recheckIfDue(runtime: Runtime, organization: Organization): Promise<void> {
  const { store, log, now } = runtime;
  const due = claimsOf(organization).filter((claim) => (checkDueAtMs(claim) ?? Number.POSITIVE_INFINITY) <= now());
  if (due.length === 0) return noteDomainsDue(store, organization.id, nextCheckAtMs(organization, now()));
  const claim = { do: 'claim', key: 'domain-check', ttlSeconds: CLAIM_SECONDS } as const;
  if (!(await store.commit(organization.id, [claim])).ok) return;
  try {
    await recheck(runtime, organization, due);
  } catch (error) {
    // A failure for one organization must not keep the others from being checked.
    const name = error instanceof Error ? error.name : 'unknown';
    log.error({ organization: organization.slug, name }, 'domains could not be checked');
  }
}

async function recheck(runtime: Runtime, { id }: Organization, due: readonly DomainClaim[]): Promise<void> {
  const checks = await Promise.all(due.map(async (claim) => ({ claim, result: (await lookUpRecord(runtime, claim)).result })));
  await saveChecks(runtime, id, checks);
}
