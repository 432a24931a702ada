/** Signature wrapping keeps the signed assertion or response somewhere in the message and adds one with other content. */
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, XMLDSIG, XMLENC } from '../../../src/saml/names.ts';
import { cut, type ElementSpan, inserted, localName, replaced, scan } from './markup.ts';
import { BINDINGS, inside, type Mutations, pickElement, without } from './mutation.ts';
import type { Random } from './random.ts';

/** Returns a copy with other users, usually with another ID and without the signature, whose place would be rejected. */
function evilTwin(random: Random, text: string, element: ElementSpan): string {
  let twin = cut(text, element)
    .replace(/\b(?:olivia|carl|nina|ada|oscar)\b/gi, 'mallory')
    .replace(/>engineering</g, '>platform-admins<');
  if (!random.chance(4)) twin = twin.replace(/ ID="[^"]*"/, random.pick([' ID="_evil"', ' ID="_evil"', '', ' Id="_evil"']));
  if (!random.chance(4)) twin = withoutSignature(twin);
  return twin;
}

function withoutSignature(text: string): string {
  const [signature] = scan(text).elements.filter(({ name }) => localName(name) === 'Signature');
  return signature ? without(text, signature) : text;
}

export const WRAPPING: Mutations = {
  evilBeside: (random, text) => {
    const signed = pickElement(random, text, 'Assertion');
    if (!signed) return text;
    return inserted(text, random.chance(2) ? signed.start : signed.end, evilTwin(random, text, signed));
  },
  evilAnywhere: (random, text) => {
    const signed = pickElement(random, text, 'Assertion');
    return signed ? inside(random, text, evilTwin(random, text, signed)) : text;
  },
  signedInEvil: (random, text) => {
    const signed = pickElement(random, text, 'Assertion', 'Response');
    return signed ? replaced(text, signed, inside(random, evilTwin(random, text, signed), cut(text, signed))) : text;
  },
  evilInSigned: (random, text) => {
    const signed = pickElement(random, text, 'Assertion', 'Response');
    return signed ? replaced(text, signed, inside(random, cut(text, signed), evilTwin(random, text, signed))) : text;
  },
  signedInSignatureOfEvil: (random, text) => {
    const signed = pickElement(random, text, 'Assertion', 'Response');
    const signature = signed && scan(cut(text, signed)).elements.find(({ name }) => localName(name) === 'Signature');
    if (!signed || !signature) return text;
    const original = random.chance(2) ? withoutSignature(cut(text, signed)) : cut(text, signed);
    const holder = inserted(
      cut(cut(text, signed), signature),
      signature.close.start - signature.start,
      `<ds:Object ${BINDINGS}>${original}</ds:Object>`,
    );
    const evil = withoutSignature(evilTwin(random, text, signed));
    const issuerEnd = /<\/(?:[^\s<>:]+:)?Issuer>/.exec(evil);
    return replaced(text, signed, inserted(evil, issuerEnd ? issuerEnd.index + issuerEnd[0].length : evil.indexOf('>') + 1, holder));
  },
};

export const SIGNATURES: Mutations = {
  moveSignature: (random, text) => {
    const signature = pickElement(random, text, 'Signature');
    return signature ? inside(random, without(text, signature), cut(text, signature)) : text;
  },
  copySignature: (random, text) => {
    const signature = pickElement(random, text, 'Signature');
    return signature ? inside(random, text, cut(text, signature)) : text;
  },
  deleteSignature: (random, text) => {
    const signature = pickElement(random, text, 'Signature');
    return signature ? without(text, signature) : text;
  },
  signatureOfAnother: (random, text, others) => {
    const signature = pickElement(random, text, 'Signature');
    const other = random.pick(others);
    const theirs = pickElement(random, other, 'Signature');
    return signature && theirs ? replaced(text, signature, cut(other, theirs)) : text;
  },
  assertionOfAnother: (random, text, others) => {
    const assertion = pickElement(random, text, 'Assertion', 'EncryptedAssertion');
    const other = random.pick(others);
    const theirs = pickElement(random, other, 'Assertion', 'EncryptedAssertion');
    return assertion && theirs ? replaced(text, assertion, cut(other, theirs)) : text;
  },
  swapIds: (_, text) => {
    const [one, other] = [...text.matchAll(/ ID="([^"]*)"/g)].map((match) => match[1] as string);
    if (one === undefined || other === undefined) return text;
    return text.replaceAll(/"(#?)([^"]*)"/g, (same, hash, id) =>
      id === one ? `"${hash}${other}"` : id === other ? `"${hash}${one}"` : same,
    );
  },
  moveReference: (random, text) => {
    const ids = [...text.matchAll(/ ID="([^"]*)"/g)].map((match) => match[1] as string);
    return text.replace(/ URI="[^"]*"/, ` URI="${random.pick([...ids.map((id) => `#${id}`), '', '#', '#xpointer(/)', '#_evil'])}"`);
  },
  algorithm: (random, text) => {
    const attribute = random.pickAny(scan(text).attributes.filter(({ name }) => name === 'Algorithm'));
    if (!attribute) return text;
    const uris = [
      '',
      EXCLUSIVE_C14N,
      `${EXCLUSIVE_C14N}WithComments`,
      ENVELOPED_SIGNATURE,
      'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
      `${XMLDSIG}rsa-sha1`,
      `${XMLDSIG}sha1`,
      `${XMLDSIG}hmac-sha1`,
      `${XMLDSIG}base64`,
      'http://www.w3.org/TR/1999/REC-xslt-19991116',
      'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
      `${XMLENC}aes128-cbc`,
      `${XMLENC}rsa-1_5`,
    ];
    return replaced(text, attribute.value, random.pick(uris));
  },
};
