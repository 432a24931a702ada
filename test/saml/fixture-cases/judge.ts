/** Runs a case through everything between the decoded form field and the role. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { type ErrorCode, GatewayError } from '../../../src/errors.ts';
import { decideRole, type Role } from '../../../src/organizations/role-mapping.ts';
import { refusalFactsOf } from '../../../src/saml/explain/refusal-facts.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../../src/saml/response/attribute-mapping.ts';
import type { PersonContext } from '../../../src/saml/response/checks.ts';
import { readPerson } from '../../../src/saml/response/person.ts';
import { acceptResponse, type VerifiedAssertion } from '../../../src/saml/response/response.ts';
import { MAX_CLOCK_SKEW_MS, type ResponseSettings } from '../../../src/saml/response/response-settings.ts';
import { decodeUtf8 } from '../../../src/saml/xml/xml.ts';
import type { Statement, WrittenSettings } from './case.ts';
import type { ExpectedPerson } from './hand-made.ts';

export type Outcome = { code: ErrorCode; detail: string | undefined } | { person: ExpectedPerson; role: Role; statement: Statement };

/** Converts the settings of a case for {@link judge}. */
export function responseSettingsOf(
  settings: WrittenSettings,
  pemOf: (file: string) => string,
  decryptionKeys: readonly KeyObject[],
): ResponseSettings {
  const { certificates, nowMs: _, attributeMapping: __, roleMapping: ___, identifier: ____, nameIdFormat: _____, ...rest } = settings;
  const keys = certificates.map((file) => {
    const { publicKey, fingerprint256, validTo } = new X509Certificate(pemOf(file));
    return { key: publicKey, fingerprint: fingerprint256, notAfterMs: Date.parse(validTo) };
  });
  return { ...rest, keys, decryptionKeys };
}

/** Converts the settings of a case for `readPerson()`. */
export const personContextOf = ({ attributeMapping, identifier = 'auto', nameIdFormat, ...settings }: WrittenSettings): PersonContext => ({
  identifier,
  nameIdFormat,
  attributeMapping: { ...DEFAULT_ATTRIBUTE_MAPPING, ...attributeMapping },
  idpEntityId: settings.idpEntityId,
  entityId: settings.entityId,
});

/**
 * Returns the outcome of a case.
 * @param pemOf returns the certificate with this file name
 * @param decryptionKeys the gateway's keys; empty for a written case, because no private key is written
 * @throws every error that is not a GatewayError: no response may cause one
 */
export function judge(
  octets: Uint8Array,
  settings: WrittenSettings,
  pemOf: (file: string) => string,
  decryptionKeys: readonly KeyObject[] = [],
): Outcome {
  const { certificates, nowMs, roleMapping } = settings;
  const fileOf = (fingerprint: string) =>
    certificates.find((file) => new X509Certificate(pemOf(file)).fingerprint256 === fingerprint) ?? fingerprint;
  try {
    const assertion = acceptResponse(decodeUtf8(octets), responseSettingsOf(settings, pemOf, decryptionKeys), nowMs);
    const { identifier, ...person } = readPerson(assertion, personContextOf(settings));
    const { role } = decideRole(roleMapping, person.groups, { connectionId: undefined, isDefault: true });
    if (role === 'none') return { code: 'saml_role_denied', detail: undefined }; // like a sign-in
    const { formerForms, ...identified } = identifier;
    const identity = formerForms[0] ?? '';
    return { person: { identity, ...person }, role, statement: { ...statementOf(assertion, settings, fileOf), identifier: identified } };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { code: error.code, detail: refusalFactsOf(error).detail };
  }
}

const instant = (ms: number): string => new Date(ms).toISOString();

function statementOf(
  assertion: VerifiedAssertion,
  { clockSkewSeconds }: WrittenSettings,
  fileOf: (fingerprint: string) => string,
): Omit<Statement, 'identifier'> {
  const { sessionNotOnOrAfterMs } = assertion;
  return {
    assertionId: assertion.assertionId,
    inResponseTo: assertion.inResponseTo ?? null,
    // With the clock skew of the case. A claim is kept for the largest possible one.
    acceptableUntil: instant(assertion.acceptableUntilMs - MAX_CLOCK_SKEW_MS + clockSkewSeconds * 1000),
    nameId: assertion.nameId ?? null,
    sessionIndex: assertion.sessionIndex ?? null,
    sessionNotOnOrAfter: sessionNotOnOrAfterMs === undefined ? null : instant(sessionNotOnOrAfterMs),
    authnContextClassRef: assertion.authnContextClassRef ?? null,
    expiredCertificates: assertion.expiredCertificates.map(fileOf),
  };
}
