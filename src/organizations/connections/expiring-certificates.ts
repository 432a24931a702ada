import type { Store } from '../../store/store.ts';
import { organizationIds } from '../directory.ts';
import { getOrganizationById, type Organization } from '../organizations.ts';

/** A signing certificate of an organization's identity provider that expires soon or has expired. */
export interface ExpiringCertificate {
  readonly organization: Organization;
  readonly fingerprintSha256: string;
  readonly subject: string;
  readonly endsAtMs: number;
  /** The number of other certificates of this identity provider that stay valid, as during a rollover. */
  readonly successors: number;
}

/**
 * Returns the certificates of all identity providers that expire before `untilMs`, soonest first. It reads every organization, so it
 * is meant for pages of the operator.
 */
export async function findExpiringCertificates(store: Store, untilMs: number): Promise<ExpiringCertificate[]> {
  const found: ExpiringCertificate[] = [];
  for await (const id of organizationIds(store)) {
    const organization = await getOrganizationById(store, id);
    if (!organization) continue;
    for (const { metadata } of organization.connections) {
      const certificates = metadata.signingCertificates;
      const expiring = certificates.filter(({ notAfter }) => Date.parse(notAfter) < untilMs);
      const successors = certificates.length - expiring.length;
      for (const { fingerprintSha256, subject, notAfter } of expiring) {
        found.push({ organization, fingerprintSha256, subject, endsAtMs: Date.parse(notAfter), successors });
      }
    }
  }
  return found.sort((a, b) => a.endsAtMs - b.endsAtMs);
}
