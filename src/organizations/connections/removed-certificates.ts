/** Certificates that an administrator removed. Metadata that is fetched without an administrator never brings them back. */
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import type { Connection } from '../organizations.ts';

/** Bounds the organization's record. Metadata has a handful of certificates, so administrators rarely reach it. */
const MAX_REMOVED = 100;

const fingerprintsOf = ({ signingCertificates }: IdpMetadata): string[] =>
  signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256);

/**
 * Returns the fingerprints of removed certificates after an administrator saved metadata. Saving a certificate again lifts its
 * removal.
 * @param before the connection as it was, or a new one
 */
export function removedCertificatesAfter(before: Connection, saved: IdpMetadata): readonly string[] {
  const present = new Set(fingerprintsOf(saved));
  const removed = new Set([...(before.removedCertificates ?? []), ...fingerprintsOf(before.metadata)]);
  return [...removed].filter((fingerprint) => !present.has(fingerprint)).slice(-MAX_REMOVED);
}

/** Returns fetched metadata without the certificates that an administrator removed. */
export function withoutRemovedCertificates({ removedCertificates = [] }: Connection, fetched: IdpMetadata): IdpMetadata {
  const signingCertificates = fetched.signingCertificates.filter(
    ({ fingerprintSha256 }) => !removedCertificates.includes(fingerprintSha256),
  );
  return { ...fetched, signingCertificates };
}
