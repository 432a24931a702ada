/** Adds, verifies and removes the domains of an organization. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newDomainToken } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import { getOrganizationById, type Organization, updateOrganization } from '../organizations.ts';
import { noteQuotaUse, quotaExceeded, quotaOf } from '../quotas/quotas.ts';
import { afterCheck, claimsOf, type DomainClaim, findClaim, replaceClaim } from './domain-claims.ts';
import { claimVerifiedDomain, releaseVerifiedDomain } from './domain-holders.ts';
import { lookUpRecord } from './look-up-record.ts';
import { saveCheck } from './save-check.ts';
import { takeDomainFromHolder } from './transfer-domain.ts';

export interface DomainOf {
  readonly organizationId: string;
  /** As `normalizeDomain()` returns it. */
  readonly domain: string;
}

const noSuchDomain = () => new GatewayError('not_found', 'The organization has not added this domain. Add it first.');

const requireClaim = (organization: Organization, domain: string): DomainClaim => {
  const claim = findClaim(organization, domain);
  if (!claim) throw noSuchDomain();
  return claim;
};

/**
 * Adds a domain that the organization wants to verify. It has no effect and reserves nothing until then. Adding a domain twice
 * returns the first claim.
 * @throws quota_exceeded
 */
export async function addDomain(runtime: Runtime, actor: Actor, { organizationId, domain }: DomainOf): Promise<DomainClaim> {
  const claim: DomainClaim = { domain, token: newDomainToken(), addedAtMs: runtime.now() };
  const organization = await updateOrganization(runtime, actor, {
    organizationId,
    event: 'domain.added',
    details: { domain },
    change: (present) => {
      const claims = claimsOf(present);
      if (findClaim(present, domain)) return undefined;
      if (claims.length >= quotaOf(present, 'domains')) throw quotaExceeded(runtime, present, 'domains');
      return { ...present, domainClaims: [...claims, claim] };
    },
  });
  noteQuotaUse(runtime, organization, 'domains', claimsOf(organization).length);
  return requireClaim(organization, domain);
}

export interface DomainVerification extends DomainOf {
  /** The operator vouches for the domain, so DNS is not asked. */
  readonly isConfirmed?: boolean | undefined;
  /** The operator takes the domain from the organization that has it. */
  readonly isTransfer?: boolean | undefined;
}

/**
 * Verifies a domain by its record in DNS, or because the operator confirms it.
 * @throws conflict if DNS has no such record or does not answer, or if another organization has the domain; not_found, and
 *   forbidden if the caller is not the operator but confirms or transfers
 */
export async function verifyDomain(runtime: Runtime, actor: Actor, verification: DomainVerification): Promise<DomainClaim> {
  const { organizationId, domain, isConfirmed = false, isTransfer = false } = verification;
  if ((isConfirmed || isTransfer) && actor.kind !== 'operator') {
    throw new GatewayError('forbidden', 'Only the operator of this gateway can confirm or transfer a domain.');
  }
  const organization = await getOrganizationById(runtime.store, organizationId);
  if (!organization) throw new GatewayError('organization_unknown');
  const claim = requireClaim(organization, domain);
  // DNS comes first: only an owner who controls the domain learns whether another organization has it.
  if (!isConfirmed) await requireRecord(runtime, organizationId, claim);
  if (isTransfer) await takeDomainFromHolder(runtime, actor, { organizationId, domain });
  await claimVerifiedDomain(runtime, organizationId, claim);
  const verified = await saveProof(runtime, actor, { organizationId, claim, by: isConfirmed ? 'operator' : 'dns' });
  // Again, because the release of a former verification may have read the organization before this one was saved.
  await claimVerifiedDomain(runtime, organizationId, claim);
  return verified;
}

/** @throws conflict unless DNS has the record */
async function requireRecord(runtime: Runtime, organizationId: string, claim: DomainClaim): Promise<void> {
  const { result, problem } = await lookUpRecord(runtime, claim);
  if (result === 'found') return;
  if (claim.verifiedBy === 'dns') await saveCheck(runtime, organizationId, { claim, result });
  throw new GatewayError('conflict', `${claim.domain} could not be verified. ${problem}`);
}

interface Proof {
  readonly organizationId: string;
  readonly claim: DomainClaim;
  readonly by: 'dns' | 'operator';
}

/** Only a proof that changes the state is audited. */
async function saveProof(runtime: Runtime, actor: Actor, { organizationId, claim, by }: Proof): Promise<DomainClaim> {
  const { domain } = claim;
  const nowMs = runtime.now();
  // DNS does not undo the operator's confirmation, which lasts without a record.
  const isNewFor = ({ verifiedBy }: DomainClaim) => verifiedBy === undefined || (by === 'operator' && verifiedBy === 'dns');
  const isNew = isNewFor(claim);
  const organization = await updateOrganization(runtime, actor, {
    organizationId,
    event: isNew ? 'domain.verified' : undefined,
    details: { domain, by },
    change: (present) => {
      if (findClaim(present, domain)?.token !== claim.token) throw noSuchDomain();
      return replaceClaim(present, claim, (before) => {
        if (isNew && !isNewFor(before)) return undefined; // verified at the same time
        if (!isNew && isNewFor(before)) throw new GatewayError('conflict', `${domain} changed at the same time. Verify it again.`);
        const proven = by === 'dns' ? afterCheck(before, 'found', nowMs) : { ...before, provenAtMs: nowMs, missing: undefined };
        return isNew ? { ...proven, verifiedBy: by, verifiedAtMs: nowMs, lostAtMs: undefined } : proven;
      });
    },
  });
  return requireClaim(organization, domain);
}

/**
 * Removes a domain, verified or not. It no longer routes sign-ins, and `email_policy` no longer allows it. Members stay.
 * @throws not_found
 */
export async function removeDomain(runtime: Runtime, actor: Actor, { organizationId, domain }: DomainOf): Promise<void> {
  let removed: DomainClaim | undefined;
  await updateOrganization(runtime, actor, {
    organizationId,
    event: 'domain.removed',
    details: { domain },
    change: (present) => {
      removed = requireClaim(present, domain);
      return { ...present, domainClaims: claimsOf(present).filter((claim) => claim !== removed) };
    },
  });
  if (removed) await releaseVerifiedDomain(runtime.store, organizationId, removed);
}
