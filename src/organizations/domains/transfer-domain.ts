import type { Actor } from '../../audit.ts';
import type { Runtime } from '../../runtime.ts';
import { GLOBAL } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DIRECTORY } from '../directory.ts';
import { updateOrganization } from '../organizations.ts';
import { asLost, findClaim, replaceClaim } from './domain-claims.ts';
import { findDomainHolder } from './domain-holders.ts';

/**
 * Takes a domain from the organization that has it, whether verified or set by the operator. Its claim stays, unverified.
 * @param to the organization that gets the domain; nothing happens if it already has the domain
 */
export async function takeDomainFromHolder(
  runtime: Runtime,
  actor: Actor,
  { organizationId: to, domain }: { readonly organizationId: string; readonly domain: string },
): Promise<void> {
  const { store, now } = runtime;
  const holder = await findDomainHolder(runtime, domain);
  if (!holder || holder.id === to) return;
  await updateOrganization(runtime, actor, {
    organizationId: holder.id,
    event: 'domain.transferred',
    details: { domain },
    change: (present) => {
      const claim = findClaim(present, domain);
      const rest = { ...present, domains: present.domains.filter((each) => each !== domain) };
      if (claim?.verifiedBy === undefined) return rest;
      return replaceClaim(rest, claim, (before) => asLost(before, now()));
    },
  });
  await updateRecord(store, {
    partition: GLOBAL,
    collection: DIRECTORY,
    id: holder.id,
    change: (entry) => ({
      ...entry,
      domains: entry.domains.filter((each) => each !== domain),
      verifiedDomains: entry.verifiedDomains?.filter((held) => held.domain !== domain),
    }),
    replicated: true,
  });
}
