/**
 * Reads the metadata of an identity provider: its entity ID, its endpoints and the keys that it signs with.
 *
 * A signature on the metadata is not verified, because no key is trusted before the metadata is. Metadata is trusted because
 * an owner of the organization or the operator uploaded it while signed in, or because it was fetched over https. With or
 * without a signature, uploading metadata decides which users can sign in to the organization.
 */
import { GatewayError } from '../../errors.ts';
import { type Certificate, eachOnce, endCertificates, judgeKey, readCertificates } from './certificates.ts';
import type { IdpMetadata, MetadataWarning } from './idp-metadata.ts';
import { chooseIdentityProvider, parseMetadata } from './idp-metadata-entities.ts';
import { readMetadataFile } from './idp-metadata-file.ts';
import { CERTIFICATE_CHAIN_IGNORED, lintIdpMetadata } from './idp-metadata-lint.ts';
import {
  readEndpoints,
  readNameIdFormats,
  readSigningCertificates,
  readValidUntil,
  readWantAuthnRequestsSigned,
} from './idp-metadata-role.ts';
import { invalidMetadata, readEntityId, readUrl } from './idp-metadata-values.ts';

export interface ReadOptions {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The exact entity ID to choose. Required if the metadata describes several identity providers. */
  readonly entityId?: string | undefined;
}

export interface ReadMetadata {
  readonly metadata: IdpMetadata;
  readonly warnings: MetadataWarning[];
}

/** An identity provider without a metadata file, in the field names of the JSON API. */
export interface ManualIdp {
  readonly entity_id: string;
  /** Used with the HTTP-Redirect binding, which every current identity provider supports. */
  readonly sso_url: string;
  /** PEM with one or more certificates, base64 of one without PEM lines, or base64-encoded PEM. Explanatory text around PEM is ignored. */
  readonly certificates: readonly string[];
  /** Used with the HTTP-Redirect binding. */
  readonly slo_url?: string | undefined;
}

/**
 * Reads a metadata document.
 * @param input the file or its text, at most 1 MiB of UTF-8, with or without a byte order mark
 * @throws idp_metadata_invalid with a detail that names the mistake, or the kind of file that it is instead; payload_too_large
 * @see saml-metadata §2.3, §2.4.1–§2.4.3
 */
export function readIdpMetadata(input: Uint8Array | string, { nowMs, entityId }: ReadOptions): ReadMetadata {
  const text = readMetadataFile(input);
  return asMetadataErrors(() => {
    const chosen = chooseIdentityProvider(parseMetadata(text), { entityId, nowMs });
    const validUntil = readValidUntil(chosen.descriptor, nowMs);
    const documentWarnings: MetadataWarning[] = [];
    const metadata: IdpMetadata = {
      entityId: chosen.entityId,
      ...readEndpoints(chosen.descriptor, documentWarnings),
      signingCertificates: readSigningCertificates(chosen.descriptor, documentWarnings),
      wantAuthnRequestsSigned: readWantAuthnRequestsSigned(chosen.descriptor, documentWarnings),
      nameIdFormats: readNameIdFormats(chosen.descriptor, documentWarnings),
      ...(validUntil === undefined ? {} : { validUntil }),
      ...(documentWarnings.length === 0 ? {} : { documentWarnings }),
    };
    requireUsable(metadata);
    return { metadata, warnings: lintIdpMetadata(metadata, nowMs) };
  });
}

/**
 * Reads values that were entered manually, with the same checks as a document.
 * @throws idp_metadata_invalid
 */
export function readManualIdp(values: ManualIdp, nowMs: number): ReadMetadata {
  const redirect = readUrl(values.sso_url, 'sso_url');
  const logout = values.slo_url === undefined ? undefined : readUrl(values.slo_url, 'slo_url');
  // A text with a chain is a signing certificate and its issuers, as in a KeyDescriptor.
  const chains = readCertificates(values.certificates).map(eachOnce);
  const trusted = chains.flatMap(endCertificates);
  const hasIssuers = trusted.length < chains.flat().length;
  const metadata: IdpMetadata = {
    entityId: readEntityId(values.entity_id, 'entity_id'),
    singleSignOn: { redirect },
    singleLogout: logout === undefined ? {} : { redirect: { location: logout } },
    signingCertificates: eachOnce(trusted),
    wantAuthnRequestsSigned: false,
    nameIdFormats: [],
    ...(hasIssuers ? { documentWarnings: [CERTIFICATE_CHAIN_IGNORED] } : {}),
  };
  requireUsable(metadata);
  return { metadata, warnings: lintIdpMetadata(metadata, nowMs) };
}

/** The XML parser throws the codes of SAML messages. In metadata they become `idp_metadata_invalid` with the same detail. */
function asMetadataErrors<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    if (error.code === 'saml_dtd_forbidden') {
      throw invalidMetadata(
        'The metadata has a document type declaration (DOCTYPE), which SAML never uses. Download the metadata again and upload it unchanged.',
        error,
      );
    }
    if (error.code === 'saml_malformed') throw invalidMetadata(error.facts.detail ?? 'The metadata can’t be read.', error);
    throw error;
  }
}

/**
 * Refuses metadata with which no sign-in could succeed.
 * @throws idp_metadata_invalid if there is no sign-in endpoint for browsers, or no certificate whose key sign-in accepts
 */
function requireUsable({ singleSignOn, signingCertificates }: IdpMetadata): void {
  if (singleSignOn.redirect === undefined && singleSignOn.post === undefined) {
    throw invalidMetadata(
      'The metadata has no SingleSignOnService with the HTTP-Redirect or the HTTP-POST binding. Turn on one of them at the identity provider.',
    );
  }
  if (signingCertificates.length === 0) {
    throw invalidMetadata(
      'There is no signing certificate, so no sign-in could be verified. Download the metadata again, or add the certificate.',
    );
  }
  if (!signingCertificates.some(hasAcceptedKey)) {
    throw invalidMetadata(
      'No signing certificate has an accepted key. Accepted keys are RSA with at least 2048 bits and ECDSA on P-256, P-384 or P-521. Create a new signing certificate at the identity provider.',
    );
  }
}

const hasAcceptedKey = (certificate: Certificate): boolean => judgeKey(certificate) === 'accepted';
