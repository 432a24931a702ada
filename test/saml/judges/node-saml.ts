/** The verdict of @node-saml/node-saml, with options that fit the settings of a case. It has a clock of its own: `Date`. */
import { type Profile, SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import type { ResponseSettings } from '../../../src/saml/response/response-settings.ts';

/**
 * @returns what it says about the person, or undefined where it refuses
 */
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
