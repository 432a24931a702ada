/** The verdict of @node-saml/node-saml with the settings of a case. It reads the time from `Date`. */
import { type Profile, SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import type { ResponseSettings } from '../../../src/saml/response/response-settings.ts';

/** @returns the user that it reads, or undefined if it refuses the response */
export async function nodeSamlVerdict(
  octets: Uint8Array,
  settings: Omit<ResponseSettings, 'keys' | 'decryptionKeys'>,
  certificatePems: readonly string[],
): Promise<Profile | undefined> {
  const judge = new SAML({
    idpCert: [...certificatePems],
    issuer: settings.entityId,
    audience: settings.entityId,
    idpIssuer: settings.idpEntityId,
    callbackUrl: settings.acsUrl,
    wantAssertionsSigned: settings.requireSignedAssertion,
    wantAuthnResponseSigned: settings.requireSignedResponse,
    acceptedClockSkewMs: settings.clockSkewSeconds * 1000,
    validateInResponseTo: ValidateInResponseTo.never,
  });
  try {
    const { profile } = await judge.validatePostResponseAsync({ SAMLResponse: Buffer.from(octets).toString('base64') });
    return profile ?? undefined;
  } catch {
    return undefined;
  }
}
