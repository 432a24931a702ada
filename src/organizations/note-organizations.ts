/**
 * Brings the directory up to date with the organizations. Entries of older versions lack dates, and a crash or a failed change can
 * leave an entry that differs from its organization.
 */
import type { Runtime } from '../runtime.ts';
import { GLOBAL } from '../store/store.ts';
import { DAY_SECONDS } from '../time.ts';
import { noteIfKnown, organizationIds } from './directory.ts';
import { getOrganizationById } from './organizations.ts';

const CLAIM = 'directory-notes';
const DONE = 'directory-notes:done';
/** If a replica crashes, another one starts after that. Entries that are up to date cost two reads only. */
const CLAIM_SECONDS = 600;

/** Compares all directory entries with their organizations, once a day on one of the replicas. */
export async function noteOrganizationsDaily({ store }: Runtime): Promise<void> {
  if ((await store.peek(GLOBAL, DONE)) !== undefined) return;
  if (!(await store.commit(GLOBAL, [{ do: 'claim', key: CLAIM, ttlSeconds: CLAIM_SECONDS }])).ok) return;
  for await (const id of organizationIds(store)) {
    const organization = await getOrganizationById(store, id);
    if (organization) await noteIfKnown(store, organization);
  }
  await store.commit(GLOBAL, [{ do: 'put', key: DONE, value: '', ttlSeconds: DAY_SECONDS }]);
}
