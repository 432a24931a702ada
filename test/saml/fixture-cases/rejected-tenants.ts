/**
 * Rejected: a genuine response at the wrong organization. Two organizations of a gateway may use one identity provider that has the same
 * entityID and key for all its applications, like Entra ID and Google.
 */
import type { ErrorCode } from '../../../src/errors.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import { ACS_URL, BASE, ENTITY_ID, IDP, message, type Parts, REQUEST_ID, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

const OTHER = `${BASE}/saml/globex`;
const OTHER_IDP = 'https://idp.globex.test/metadata';

export function rejectedTenants({ rsa, second }: Keys): RejectedCase[] {
  const toOther = (xml: string, ...parts: readonly (readonly [string, string])[]) =>
    parts.reduce((text, [ours, theirs]) => text.replaceAll(ours, theirs), xml);
  const DESTINATION = [`Destination="${ACS_URL}"`, `Destination="${OTHER}/acs"`] as const;
  const RECIPIENT = [`Recipient="${ACS_URL}"`, `Recipient="${OTHER}/acs"`] as const;
  const AUDIENCE = [ENTITY_ID, `${OTHER}/metadata`] as const;
  const NO_DESTINATION = [` Destination="${ACS_URL}"`, ''] as const;
  const bad = (name: string, xml: string, code: ErrorCode, settings?: CaseSettings): RejectedCase => ({
    name: `tenant-${name}`,
    xml,
    code,
    ...(settings ? { settings } : {}),
  });
  const signed = (xml: string, ids: readonly string[] = ['_assertion1'], key = rsa.key) =>
    ids.reduce((text, id) => sign(text, key, { id }), xml);
  const good = message();
  const ofOther: Partial<Parts> = {
    responseIssuer: `<saml:Issuer>${OTHER_IDP}</saml:Issuer>`,
    assertionIssuer: `<saml:Issuer>${OTHER_IDP}</saml:Issuer>`,
  };
  const unsolicited = toOther(good, [` InResponseTo="${REQUEST_ID}"`, '']);
  const bothSigned = ['_assertion1', '_response1'];
  return [
    bad('message-for-other', signed(toOther(good, DESTINATION, RECIPIENT, AUDIENCE)), 'saml_destination_mismatch'),
    bad('message-for-other-unsolicited', signed(toOther(unsolicited, DESTINATION, RECIPIENT, AUDIENCE)), 'saml_destination_mismatch'),
    bad('message-for-other-all-signed', signed(toOther(good, DESTINATION, RECIPIENT, AUDIENCE), bothSigned), 'saml_destination_mismatch'),
    bad(
      'assertion-for-other-destination-rewritten',
      signed(toOther(good, DESTINATION, RECIPIENT, AUDIENCE)).replace(DESTINATION[1], DESTINATION[0]),
      'saml_recipient_mismatch',
    ),
    bad(
      'assertion-for-other-destination-removed',
      signed(toOther(good, DESTINATION, RECIPIENT, AUDIENCE)).replace(` ${DESTINATION[1]}`, ''),
      'saml_recipient_mismatch',
    ),
    bad(
      'signed-response-for-other-destination-rewritten',
      signed(toOther(good, DESTINATION, RECIPIENT, AUDIENCE), ['_response1']).replace(DESTINATION[1], DESTINATION[0]),
      'saml_signature_invalid',
    ),
    bad('audience-of-other-only', signed(toOther(good, AUDIENCE)), 'saml_audience_mismatch'),
    bad('recipient-of-other-only', signed(toOther(good, RECIPIENT)), 'saml_recipient_mismatch'),
    bad('destination-of-other-only', signed(toOther(good, DESTINATION)), 'saml_destination_mismatch'),
    bad('identity-provider-of-other', signed(message(ofOther), ['_assertion1'], second.key), 'saml_issuer_unknown'),
    bad('identity-provider-of-other-with-our-key', signed(message(ofOther)), 'saml_issuer_unknown'),
    bad('identity-provider-of-other-as-ours', signed(good, ['_assertion1'], second.key), 'saml_signature_invalid'),
    bad('key-of-other-on-response', signed(signed(good), ['_response1'], second.key), 'saml_signature_invalid'),
    bad('key-of-other-on-assertion', signed(signed(good, ['_assertion1'], second.key), ['_response1']), 'saml_signature_invalid'),
    bad(
      'response-of-ours-assertion-of-other',
      signed(message({ assertionIssuer: `<saml:Issuer>${OTHER_IDP}</saml:Issuer>` }), ['_assertion1'], second.key),
      'saml_signature_invalid',
    ),
    bad(
      'response-of-ours-signed-around-assertion-of-other',
      signed(message({ assertionIssuer: `<saml:Issuer>${OTHER_IDP}</saml:Issuer>` }), ['_response1']),
      'saml_issuer_unknown',
    ),
    bad(
      'response-of-other-assertion-of-ours',
      signed(message({ responseIssuer: `<saml:Issuer>${OTHER_IDP}</saml:Issuer>` })),
      'saml_issuer_unknown',
    ),
    bad('our-message-at-other', signed(good), 'saml_destination_mismatch', { entityId: `${OTHER}/metadata`, acsUrl: `${OTHER}/acs` }),
    bad('our-message-at-other-without-destination', signed(toOther(good, NO_DESTINATION)), 'saml_recipient_mismatch', {
      entityId: `${OTHER}/metadata`,
      acsUrl: `${OTHER}/acs`,
    }),
    bad('our-message-at-same-slug-of-other-gateway', signed(good), 'saml_destination_mismatch', {
      entityId: ENTITY_ID.replace('sso.', 'staging.'),
      acsUrl: ACS_URL.replace('sso.', 'staging.'),
    }),
    bad('after-change-of-identity-provider', signed(good), 'saml_issuer_unknown', { idpEntityId: OTHER_IDP, trusted: ['second'] }),
    bad('after-change-of-entity-id', signed(good), 'saml_issuer_unknown', { idpEntityId: `${IDP}/v2` }),
    bad('after-change-of-certificate', signed(good, bothSigned), 'saml_signature_invalid', { trusted: ['second'] }),
  ];
}
