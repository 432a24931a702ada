import type { KeyObject } from 'node:crypto';
import type { VerificationKey } from '../crypto/signature.ts';

/** The expected values and the policy that a response is checked against. URLs and entityIDs are compared as exact strings, without white space around them. */
export interface ResponseSettings {
  /** The entityID of this organization's service provider: the expected audience. */
  readonly entityId: string;
  /** The ACS URL of this organization: the expected destination and recipient. */
  readonly acsUrl: string;
  /** The entityID of the organization's identity provider: the expected issuer. */
  readonly idpEntityId: string;
  /** The keys of the configured certificates. A KeyInfo in the response never adds a key. */
  readonly keys: readonly VerificationKey[];
  /**
   * The organization's private RSA keys, current and former. Every key is tried, so keep the list short. May be empty for a
   * response for which `mayBeEncrypted` returns false.
   */
  readonly decryptionKeys: readonly KeyObject[];
  readonly requireSignedAssertion: boolean;
  readonly requireSignedResponse: boolean;
  readonly requireEncryptedAssertion: boolean;
  /** 0–300, applied in both directions. */
  readonly clockSkewSeconds: number;
  /** The accepted AuthnContextClassRefs. Empty accepts any. */
  readonly authnContext: readonly string[];
}

/** The largest possible `clockSkewSeconds`: an administrator may raise the setting while an assertion is still valid. */
export const MAX_CLOCK_SKEW_MS = 300_000;
