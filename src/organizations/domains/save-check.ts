import type { AuditEvent } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import { noteDomainsDue } from '../directory.ts';
import { updateOrganization } from '../organizations.ts';
import { afterCheck, type DomainClaim, isRecordOverdue, nextCheckAtMs, type RecordCheck, replaceClaim } from './domain-claims.ts';
import { releaseVerifiedDomain } from './domain-holders.ts';

const ACTOR = { kind: 'gateway' } as const;

/** A check of the record of a domain that DNS verified. */
export interface CheckedDomain {
  readonly claim: DomainClaim;
  readonly result: RecordCheck;
}

/** Returns the audit event of a check, if it changes more than the time of the check. */
function eventOf(before: DomainClaim, after: DomainClaim): AuditEvent | undefined {
  if (before.verifiedBy === 'dns' && after.verifiedBy === undefined) return 'domain.unverified';
  return isRecordOverdue(after) && !isRecordOverdue(before) ? 'domain.record_missing' : undefined;
}

/** Saves the result of a check. If the domain is lost, it no longer routes sign-ins, and another organization can verify it. */
export async function saveCheck(runtime: Runtime, organizationId: string, { claim, result }: CheckedDomain): Promise<void> {
  const nowMs = runtime.now();
  const { domain } = claim;
  const event = eventOf(claim, afterCheck(claim, result, nowMs));
  const saved = await updateOrganization(runtime, ACTOR, {
    organizationId,
    event,
    details: { domain },
    change: (present) =>
      replaceClaim(present, claim, (before) => {
        const after = afterCheck(before, result, nowMs);
        // An operator's confirmation or another check that was saved first wins.
        return before.verifiedBy === 'dns' && eventOf(before, after) === event ? after : undefined;
      }),
  });
  const { slug } = saved;
  await noteDomainsDue(runtime.store, organizationId, nextCheckAtMs(saved, nowMs));
  if (event === 'domain.unverified') {
    await releaseVerifiedDomain(runtime.store, organizationId, claim);
    runtime.log.warn({ organization: slug, domain }, 'a domain is no longer verified because its DNS record was missing for 30 days');
  } else if (isRecordOverdue(afterCheck(claim, result, nowMs))) {
    runtime.log.warn({ organization: slug, domain }, 'the DNS record of a verified domain has been missing for 7 days or more');
  }
}

/** Saves all checks that only change times in one write, and each other check in its own write with its audit entry. */
export async function saveChecks(runtime: Runtime, organizationId: string, checks: readonly CheckedDomain[]): Promise<void> {
  const nowMs = runtime.now();
  const isQuiet = ({ claim, result }: CheckedDomain): boolean => {
    const after = afterCheck(claim, result, nowMs);
    return eventOf(claim, after) === undefined && !isRecordOverdue(after);
  };
  const quiet = checks.filter(isQuiet);
  if (quiet.length > 0) {
    const saved = await updateOrganization(runtime, ACTOR, {
      organizationId,
      change: (organization) =>
        quiet.reduce(
          (present, { claim, result }) =>
            replaceClaim(present, claim, (before) => (before.verifiedBy === 'dns' ? afterCheck(before, result, nowMs) : undefined)) ??
            present,
          organization,
        ),
    });
    await noteDomainsDue(runtime.store, organizationId, nextCheckAtMs(saved, nowMs));
  }
  for (const check of checks) if (!quiet.includes(check)) await saveCheck(runtime, organizationId, check);
}
