import type { Store } from '../../store/store.ts';
import { DAY_MS } from '../../time.ts';
import { organizationsWithCertificateEnd } from '../directory.ts';
import type { Connection, Organization } from '../organizations.ts';

/** A signing certificate of an organization's identity provider that expires soon or has expired. */
export interface ExpiringCertificate {
  readonly organization: Organization;
  readonly connection: Connection;
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
    for (const connection of organization.connections) {
      const certificates = connection.metadata.signingCertificates;
      const expiring = certificates.filter(({ notAfter }) => Date.parse(notAfter) < untilMs);
      const successors = certificates.length - expiring.length;
      for (const { fingerprintSha256, subject, notAfter } of expiring) {
        found.push({ organization, connection, fingerprintSha256, subject, endsAtMs: Date.parse(notAfter), successors });
      }
    }
  }
  return found.sort((a, b) => a.endsAtMs - b.endsAtMs);
}

const SOON_MS = 30 * DAY_MS;

/**
 * Returns how many days are left until the first active connection has no valid certificate, and how many connections have fewer
 * than 30 days left. Ignores certificates that have already been replaced. Reads at most 200 organizations.
 */
export async function summarizeCertificates(
  store: Store,
  nowMs: number,
): Promise<{ readonly daysLeft: number; readonly expiring: number }> {
  let firstMs = Number.POSITIVE_INFINITY;
  let expiring = 0;
  let organizations = 0;
  for await (const organization of organizationsWithCertificateEnd(store, Number.POSITIVE_INFINITY)) {
    const ends = organization.connections.flatMap(({ state, metadata: { signingCertificates } }) =>
      state === 'active' && signingCertificates.length > 0
        ? [Math.max(...signingCertificates.map(({ notAfter }) => Date.parse(notAfter)))]
        : [],
    );
    firstMs = Math.min(firstMs, ...ends);
    expiring += ends.filter((endMs) => endMs - nowMs < SOON_MS).length;
    const all = organization.connections.flatMap(({ metadata }) =>
      metadata.signingCertificates.map(({ notAfter }) => Date.parse(notAfter)),
    );
    // The organizations are sorted by the end of their first certificate, so no later one can change the result.
    if (Math.min(...all) > Math.max(firstMs, nowMs + SOON_MS) || ++organizations >= MAX_ORGANIZATIONS) break;
  }
  return { daysLeft: (firstMs - nowMs) / DAY_MS, expiring };
}
