/** Writes every audit entry to the log as well, so that log shipping keeps what the audit trail deletes after a time. */
import { AUDIT, AUDIT_EVENTS, auditJson, type StoredAuditEntry, toAuditEntry } from '../audit.ts';
import type { Runtime } from '../runtime.ts';
import { afterCommit } from '../store/after-commit.ts';
import { GLOBAL } from '../store/store.ts';
import { noteAuditEntries } from './trim-audit.ts';

/**
 * Logs the entries of each commit from now on. Call it once, when the gateway starts. If a failover undoes a commit that no replica has
 * acknowledged, its line stays in the log; if the store does not answer, its entry may be in the audit trail without a line.
 */
export function logAuditEntries(runtime: Runtime): void {
  afterCommit(runtime.store, (partition, steps) => {
    let count = 0;
    for (const step of steps) {
      if (step.do !== 'insert' || step.collection.name !== AUDIT.name) continue;
      count++;
      if (!runtime.log.isLevelEnabled('info')) continue;
      const entry = toAuditEntry({ id: step.id, value: step.value as StoredAuditEntry });
      const organization = partition === GLOBAL ? {} : { organization_id: partition };
      runtime.log.info({ audit: true, ...organization, ...auditJson(entry) }, AUDIT_EVENTS[entry.event].description);
    }
    if (count > 0) noteAuditEntries(runtime, partition, count);
  });
}
