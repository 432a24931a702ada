/** Rejected: signature wrapping. The signed element is still in the response, but another one is in its expected place. */
import type { ErrorCode } from '../../../src/errors.ts';
import type { RejectedCase } from './case.ts';
import { cut, evilAssertion, into } from './evil-assertion.ts';
import { ACS_URL, attribute, DSIG, EVERYTHING, message, REQUEST_ID, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

/** Every element of {@link EVERYTHING} that could hide another one. The first Issuer belongs to the response. */
const HIDING_PLACES = [
  ...['saml:Issuer', 'samlp:Extensions', 'x:note'],
  ...['samlp:Status', 'samlp:StatusCode', 'samlp:StatusMessage', 'samlp:StatusDetail', 'x:detail'],
  ...['ds:Signature', 'ds:SignedInfo', 'ds:CanonicalizationMethod', 'ds:SignatureMethod'],
  ...['ds:Reference', 'ds:Transforms', 'ds:Transform', 'ds:DigestMethod', 'ds:DigestValue', 'ds:SignatureValue'],
  ...['ds:KeyInfo', 'ds:KeyName', 'ds:X509Data', 'ds:X509Certificate', 'ds:KeyValue', 'ds:RSAKeyValue', 'ds:Modulus'],
  ...['saml:Subject', 'saml:NameID', 'saml:SubjectConfirmation', 'saml:SubjectConfirmationData', 'x:more'],
  ...['saml:Conditions', 'saml:AudienceRestriction', 'saml:Audience', 'saml:OneTimeUse', 'saml:ProxyRestriction'],
  ...['saml:Advice', 'saml:AssertionIDRef', 'saml:AssertionURIRef'],
  ...['saml:AuthnStatement', 'saml:SubjectLocality', 'saml:AuthnContext', 'saml:AuthnContextClassRef', 'saml:AuthnContextDecl', 'x:by'],
  ...['saml:AuthenticatingAuthority', 'saml:AttributeStatement', 'saml:Attribute', 'saml:AttributeValue'],
] as const;

/** Hides a forged assertion in a genuine response, and the signed assertion in a forged response. */
export function rejectedHiding({ rsa }: Keys): RejectedCase[] {
  const keyInfo =
    '<ds:KeyInfo><ds:KeyName>k</ds:KeyName><ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus></ds:RSAKeyValue></ds:KeyValue><ds:X509Data><ds:X509Certificate>AQAB</ds:X509Certificate></ds:X509Data></ds:KeyInfo>';
  const good = sign(message(EVERYTHING), rsa.key, { keyInfo });
  const [, assertion] = cut(good, 'saml:Assertion');
  const [, signature] = cut(good, 'ds:Signature');
  const evil = good.replace('ID="_assertion1"', 'ID="_evil"').replace('olivia@acme.test', 'mallory@evil.test');
  return HIDING_PLACES.flatMap((place): RejectedCase[] => {
    const name = place.replace(':', '-').toLowerCase();
    const code = 'saml_structure_ambiguous';
    return [
      { name: `hiding-evil-in-${name}`, xml: into(good, place, evilAssertion()), code },
      { name: `hiding-signed-in-${name}-of-evil`, xml: into(evil, place, assertion.replace(signature, '')), code },
    ];
  });
}

/** The eight wrapping attacks of Somorovsky et al. (On Breaking SAML, 2012), and more hiding places. */
export function rejectedWrapping({ rsa, rogue }: Keys): RejectedCase[] {
  const bad = (name: string, xml: string, code: ErrorCode = 'saml_structure_ambiguous'): RejectedCase => ({
    name: `wrapping-${name}`,
    xml,
    code,
  });
  const responseSigned = sign(message(), rsa.key, { id: '_response1' });
  const assertionSigned = sign(message(), rsa.key);
  const [beforeA, assertion, afterA] = cut(assertionSigned, 'saml:Assertion');
  const [, responseSignature] = cut(responseSigned, 'ds:Signature');
  const [, assertionSignature] = cut(assertionSigned, 'ds:Signature');
  const [, rogueSignature] = cut(sign(message(), rogue.key), 'ds:Signature');
  const evilEverything = sign(message({ ...EVERYTHING, responseAttributes: `ID="_evilresponse" Version="2.0"` }), rogue.key, {
    keyInfo: '<ds:KeyInfo/>',
  });
  const bareResponse = responseSigned.replace(responseSignature, '');
  const bareAssertion = assertion.replace(assertionSignature, '');
  const evilResponse = (signature: string, more = '') =>
    message({
      responseAttributes: `ID="_evilresponse" Version="2.0" Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`,
      extensions: signature,
      assertion: evilAssertion(),
      after: more,
    });
  const inSignature = (signature: string, content: string) =>
    signature.replace('</ds:Signature>', `<ds:Object>${content}</ds:Object></ds:Signature>`);
  return [
    bad('xsw1-signed-response-in-signature-object', evilResponse(inSignature(responseSignature, bareResponse))),
    bad('xsw2-signature-before-signed-response', evilResponse(responseSignature + bareResponse)),
    bad('xsw3-evil-assertion-first', beforeA + evilAssertion() + assertion + afterA),
    bad('xsw4-signed-assertion-in-evil', beforeA + evilAssertion().replace('</saml:Assertion>', `${assertion}</saml:Assertion>`) + afterA),
    bad(
      'xsw5-signature-in-evil-signed-last',
      beforeA + evilAssertion('_assertion1', assertionSignature) + bareAssertion.replace('_assertion1', '_moved') + afterA,
    ),
    bad(
      'xsw6-signed-assertion-in-evil-signature',
      beforeA + evilAssertion('_evil', assertionSignature.replace('</ds:Signature>', `${bareAssertion}</ds:Signature>`)) + afterA,
    ),
    bad(
      'xsw7-evil-in-extensions',
      assertionSigned.replace('<samlp:Status>', `<samlp:Extensions>${evilAssertion()}</samlp:Extensions><samlp:Status>`),
    ),
    bad('xsw8-signed-in-object-of-evil', beforeA + evilAssertion('_evil', inSignature(assertionSignature, bareAssertion)) + afterA),
    bad('same-id-evil-first', beforeA + evilAssertion('_assertion1') + assertion + afterA),
    bad('same-id-evil-last', beforeA + assertion + evilAssertion('_assertion1') + afterA),
    bad('signature-of-child-on-parent', sign(message(), rsa.key, { id: '_response1', reference: 'URI="#_assertion1"' })),
    bad(
      'response-signature-moved-into-assertion',
      responseSigned
        .replace(responseSignature, '')
        .replace(`</saml:Issuer><saml:Subject>`, `</saml:Issuer>${responseSignature}<saml:Subject>`),
    ),
    bad(
      'assertion-signature-moved-into-response',
      assertionSigned.replace(assertionSignature, '').replace('<samlp:Status>', `${assertionSignature}<samlp:Status>`),
    ),
    bad(
      'signature-in-status',
      assertionSigned
        .replace(assertionSignature, '')
        .replace('</samlp:Status>', `<samlp:StatusDetail>${assertionSignature}</samlp:StatusDetail></samlp:Status>`),
    ),
    bad(
      'signature-beside-assertion',
      assertionSigned.replace(assertionSignature, '').replace('</saml:Assertion>', `</saml:Assertion>${assertionSignature}`),
    ),
    bad(
      'signature-in-subject',
      assertionSigned.replace(assertionSignature, '').replace('</saml:Subject>', `${assertionSignature}</saml:Subject>`),
    ),
    bad('signature-last-in-assertion', sign(message(), rsa.key, { place: 'last' })),
    bad('signature-before-issuer', sign(message(), rsa.key, { place: 'first' })),
    bad('signature-last-in-response', sign(message(), rsa.key, { id: '_response1', place: 'last' })),
    bad('two-signatures-in-assertion', assertionSigned.replace(assertionSignature, assertionSignature + assertionSignature)),
    bad('two-signatures-in-response', responseSigned.replace(responseSignature, responseSignature + responseSignature)),
    bad(
      'third-signature-in-extensions',
      assertionSigned.replace('<samlp:Status>', `<samlp:Extensions>${assertionSignature}</samlp:Extensions><samlp:Status>`),
    ),
    bad(
      'signature-in-attribute-value',
      sign(message({ attributes: attribute('email', '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>') }), rsa.key),
    ),
    bad('signature-before-signature-of-rogue', assertionSigned.replace(assertionSignature, assertionSignature + rogueSignature)),
    bad('signature-of-rogue-before-signature', assertionSigned.replace(assertionSignature, rogueSignature + assertionSignature)),
    bad('look-alike-before-signature', assertionSigned.replace(assertionSignature, `<Signature xmlns="urn:x"/>${assertionSignature}`)),
    bad('foreign-element-before-signature', assertionSigned.replace(assertionSignature, `<x xmlns="urn:x"/>${assertionSignature}`)),
    bad(
      'signature-after-subject',
      assertionSigned.replace(assertionSignature, '').replace('</saml:Subject>', `</saml:Subject>${assertionSignature}`),
    ),
    bad(
      'signature-after-status',
      responseSigned.replace(responseSignature, '').replace('</samlp:Status>', `</samlp:Status>${responseSignature}`),
    ),
    bad('signature-inside-issuer', into(beforeA + assertion.replace(assertionSignature, '') + afterA, 'saml:Issuer', assertionSignature)),
    bad(
      'signature-wrapped-in-foreign-element',
      assertionSigned.replace(assertionSignature, `<x:y xmlns:x="urn:x">${assertionSignature}</x:y>`),
    ),
    bad('response-signature-with-two-issuers', responseSigned.replace('<saml:Issuer>', '<saml:Issuer>x</saml:Issuer><saml:Issuer>')),
    bad('signature-in-other-namespace', assertionSigned.replaceAll(DSIG, DSIG.replace('2000', '2001')), 'saml_signature_missing'),
    bad('signature-in-namespace-without-hash', assertionSigned.replaceAll(DSIG, DSIG.slice(0, -1)), 'saml_signature_missing'),
    bad(
      'signature-without-namespace',
      assertionSigned.replace(`<ds:Signature xmlns:ds="${DSIG}"`, '<ds:Signature xmlns:ds="urn:x"'),
      'saml_signature_missing',
    ),
    bad('signature-in-other-case', assertionSigned.replaceAll('ds:Signature', 'ds:signature'), 'saml_signature_missing'),
    bad('signature-in-comment', assertionSigned.replace(assertionSignature, `<!--${assertionSignature}-->`), 'saml_signature_missing'),
    bad('signed-in-comment-evil-beside', `${beforeA + evilAssertion('_assertion1')}<!--${assertion}-->${afterA}`, 'saml_signature_missing'),
    bad('signature-in-cdata', assertionSigned.replace(assertionSignature, `<![CDATA[${assertionSignature}]]>`), 'saml_signature_missing'),
    ...['Id', 'id', 'xml:id', 'AssertionID'].map((attribute) =>
      bad(
        `evil-with-signed-id-in-${attribute.replace(':', '-').replace('Id', 'capital-id').toLowerCase()}`,
        beforeA + evilAssertion('_evil', assertionSignature).replace('ID="_evil"', `ID="_evil" ${attribute}="_assertion1"`) + afterA,
      ),
    ),
    ...['samlp:Extensions', 'samlp:Status', 'samlp:StatusDetail', 'saml:Advice', 'saml:AttributeValue', 'saml:Subject', 'ds:KeyInfo'].map(
      (place) => bad(`signed-response-in-${place.replace(':', '-').toLowerCase()}`, into(evilEverything, place, responseSigned)),
    ),
    bad('unsigned-around-signed-changes-id', assertionSigned.replace('ID="_assertion1"', 'ID="_assertion2"')),
    bad('unsigned-evil-alone', message({ assertion: evilAssertion() }), 'saml_signature_missing'),
    bad('evil-with-signature-of-good', beforeA + evilAssertion('_assertion1', assertionSignature) + afterA, 'saml_signature_invalid'),
  ];
}
