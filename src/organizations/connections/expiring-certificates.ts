import type { Store } from '../../store/store.ts';
import { organizationsWithCertificateEnd } from '../directory.ts';
import type { Organization } from '../organizations.ts';

/** A signing certificate of an organization's identity provider that expires soon or has expired. */
export interface ExpiringCertificate {
  readonly organization: Organization;
  readonly fingerprintSha256: string;
  readonly subject: string;
  readonly endsAtMs: number;
  /** The number of other certificates of this identity provider that stay valid, as during a rollover. */
  readonly successors: number;
}

const MAX_ORGANIZATIONS = 200;

/**
 * Returns the certificates of identity providers that expire before `untilMs`, soonest first: those of the first 200 organizations. It
 * reads only organizations with such a certificate.
 */
export async function findExpiringCertificates(store: Store, untilMs: number): Promise<ExpiringCertificate[]> {
  const found: ExpiringCertificate[] = [];
  let organizations = 0;
  for await (const organization of organizationsWithCertificateEnd(store, untilMs)) {
    if (++organizations > MAX_ORGANIZATIONS) break;
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
