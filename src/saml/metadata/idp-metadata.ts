import type { Certificate } from './certificates.ts';

/** The endpoint for logout messages. Responses go to `responseLocation` if the metadata has one. */
export interface LogoutEndpoint {
  readonly location: string;
  readonly responseLocation?: string;
}

/** The part of an identity provider's metadata that samlgate uses, as plain data that survives JSON. */
export interface IdpMetadata {
  readonly entityId: string;
  /** URLs by binding, spelled as in the metadata, because a request's Destination repeats them. Contains at least one. */
  readonly singleSignOn: { readonly redirect?: string; readonly post?: string };
  readonly singleLogout: { readonly redirect?: LogoutEndpoint; readonly post?: LogoutEndpoint };
  /** Without duplicates, in the order of the metadata. At least one has a key that sign-in accepts. */
  readonly signingCertificates: readonly Certificate[];
  readonly wantAuthnRequestsSigned: boolean;
  readonly nameIdFormats: readonly string[];
  /** RFC 3339, UTC. The earliest of all dates that apply. */
  readonly validUntil?: string;
}
