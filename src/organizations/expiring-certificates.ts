import type { Store } from '../store/store.ts';
import { organizationIds } from './directory.ts';
import { getOrganizationById, type Organization } from './organizations.ts';

/** A certificate that signs what an organization's identity provider sends, and when it ends. */
export interface ExpiringCertificate {
  readonly organization: Organization;
  readonly fingerprintSha256: string;
  readonly subject: string;
  readonly endsAtMs: number;
  /** Others of the same identity provider that live on: a rollover under way. */
  readonly successors: number;
}

/** Certificates of identity providers that end before `untilMs` or have ended, soonest first. Reads every organization: for the operator. */
export async function findExpiringCertificates(store: Store, untilMs: number): Promise<ExpiringCertificate[]> {
  const found: ExpiringCertificate[] = [];
  for await (const id of organizationIds(store)) {
    const organization = await getOrganizationById(store, id);
    if (!organization) continue;
    const certificates = organization.identityProvider?.metadata.signingCertificates ?? [];
    const ending = certificates.filter(({ notAfter }) => Date.parse(notAfter) < untilMs);
    const successors = certificates.length - ending.length;
    for (const { fingerprintSha256, subject, notAfter } of ending) {
      found.push({ organization, fingerprintSha256, subject, endsAtMs: Date.parse(notAfter), successors });
    }
  }
  return found.sort((a, b) => a.endsAtMs - b.endsAtMs);
}
