/**
 * Checks where elements may appear in a response, before anything is verified. Only responses with a single possible reading pass.
 * @see saml-core §3.2.2, §3.3.3, §5.4
 */
import { GatewayError } from '../../errors.ts';
import { ASSERTION, NAME_ID_ENTITY, PROTOCOL, XMLDSIG, XMLENC } from '../names.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, walk, type XmlElement } from '../xml/xml-tree.ts';

const NCNAME = /^[\p{L}_][\p{L}\p{N}\p{M}_.\-·]*$/u;
/** Matches nearly all IDs, in a quarter of the time. */
const ASCII_NCNAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const malformed = (detail: string) => new GatewayError('saml_malformed', detail);

/** The signatures that a response may contain. Nothing is verified yet. */
export interface FoundSignatures {
  readonly response: XmlElement | undefined;
  readonly assertion: XmlElement | undefined;
}

export const isResponse = (element: XmlElement): boolean => isNamed(element, PROTOCOL, 'Response');

/** @throws saml_malformed */
export function requireResponse(root: XmlElement): void {
  if (!isResponse(root)) throw malformed('The root element is not a SAML 2.0 Response.');
  requireVersionAndId(root);
}

/** At most the length of IDs that the gateway creates, with room. No quantifier follows another one that can match the same text. */
const IN_RESPONSE_TO = /\sInResponseTo\s?=\s?["']([\w.-]{1,128})["']/;

/**
 * Returns the request ID that the beginning of a response names, without parsing the response. Anyone can have written it.
 * @returns undefined if no readable InResponseTo is in the first 8192 characters
 */
export const unverifiedInResponseTo = (unverifiedXml: string): string | undefined => IN_RESPONSE_TO.exec(unverifiedXml.slice(0, 8192))?.[1];

/** Checks the Version and the ID of a plain assertion. @throws saml_malformed */
export function requireAssertionVersion(assertion: XmlElement | undefined): void {
  if (assertion && isPlain(assertion)) requireVersionAndId(assertion);
}

const isPlain = (assertion: XmlElement): boolean => isNamed(assertion, ASSERTION, 'Assertion');

/** Checks the Version and the ID of a Response or an Assertion. @throws saml_malformed */
export function requireVersionAndId(element: XmlElement): void {
  if (attributeOf(element, 'Version') !== '2.0') throw malformed(`The ${element.local} does not have version 2.0.`);
  if (attributeOf(element, 'ID') === undefined) throw malformed(`The ${element.local} has no ID.`);
}

/**
 * Finds the signatures of the response and of a plain assertion.
 * @throws saml_structure_ambiguous for a signature anywhere else
 */
export function findSignatures(root: XmlElement, assertion: XmlElement | undefined, elements: readonly XmlElement[]): FoundSignatures {
  const signatures: FoundSignatures = {
    response: signatureAfterIssuer(root),
    assertion: assertion && isPlain(assertion) ? signatureAfterIssuer(assertion) : undefined,
  };
  requireNoOtherSignature(elements, [signatures.response, signatures.assertion]);
  return signatures;
}

/** A decrypted assertion that passed the structure checks. Nothing is verified yet. */
export interface DecryptedAssertion {
  readonly unverifiedAssertion: XmlElement;
  readonly signature: XmlElement | undefined;
}

/**
 * Checks the structure of a decrypted element as if it had arrived in the place of its EncryptedAssertion.
 * @param wrapper the EncryptedAssertion. The IDs of the whole response around it must also be unique.
 * @throws saml_malformed, saml_structure_ambiguous
 */
export function readDecryptedStructure(root: XmlElement, wrapper: XmlElement): DecryptedAssertion {
  if (!isPlain(root)) throw malformed('The decrypted element is not an assertion.');
  requireVersionAndId(root);
  const elements = walk(root);
  if (assertionsAmong(elements, root).length > 1) throw ambiguous('There is more than one assertion.');
  requireUniqueIds([...walk(outermost(wrapper)), ...elements]);
  const signature = signatureAfterIssuer(root);
  requireNoOtherSignature(elements, [signature]);
  return { unverifiedAssertion: root, signature };
}

const outermost = (element: XmlElement): XmlElement => (element.parent ? outermost(element.parent) : element);

/**
 * Returns the text of the element's Issuer without the white space around it, or undefined if it has none.
 * @throws saml_structure_ambiguous for several; saml_issuer_unknown for an Issuer that is not an entity (saml-core §8.3.6)
 */
export function issuerOf(element: XmlElement): string | undefined {
  const issuer = onlyChild(element, ASSERTION, 'Issuer', () => ambiguous('There is more than one Issuer.'));
  if (!issuer) return undefined;
  const format = attributeOf(issuer, 'Format');
  if (format !== undefined && format !== NAME_ID_ENTITY)
    throw new GatewayError('saml_issuer_unknown', 'The Issuer is not an entity identifier.');
  return trimXmlSpace(textOf(issuer));
}

/** Finds the only assertion, plain or encrypted. @throws saml_structure_ambiguous */
export function findAssertion(root: XmlElement, elements: readonly XmlElement[]): XmlElement | undefined {
  const [assertion, ...more] = assertionsAmong(elements, root);
  if (more.length > 0) throw ambiguous('There is more than one assertion.');
  if (assertion && (assertion.parent !== root || assertion.uri !== ASSERTION)) {
    throw ambiguous('The assertion is not a direct child of the response.');
  }
  return assertion;
}

/**
 * Finds all elements with the local name of an assertion, at any depth and in any namespace, SAML 1 included: signature wrapping
 * needs a second assertion.
 */
function assertionsAmong(elements: readonly XmlElement[], root: XmlElement): XmlElement[] {
  const found: XmlElement[] = [];
  for (const element of elements) {
    if (element.local === 'Assertion' || element.local === 'EncryptedAssertion') found.push(element);
    else if (element.local === 'Response' && element !== root) throw ambiguous('There is a response inside the response.');
    else if (element.local === 'EncryptedData' && element.uri === XMLENC) requirePlaceOfEncryptedData(element);
  }
  return found;
}

const ENCRYPTED_PLACES: ReadonlySet<string> = new Set(['EncryptedAssertion', 'EncryptedID', 'EncryptedAttribute']);

function requirePlaceOfEncryptedData(element: XmlElement): void {
  const { parent } = element;
  if (!parent || parent.uri !== ASSERTION || !ENCRYPTED_PLACES.has(parent.local))
    throw ambiguous('The response has encrypted data where SAML does not allow it.');
}

/**
 * Checks that each `ID` is an NCName and occurs once. `Id`, `id` and `xml:id` are ordinary attributes, because no reference is
 * ever resolved through them.
 * @throws saml_malformed, saml_structure_ambiguous
 */
export function requireUniqueIds(elements: readonly XmlElement[]): void {
  const seen = new Set<string>();
  for (const element of elements) {
    const id = attributeOf(element, 'ID');
    if (id === undefined) continue;
    if (!ASCII_NCNAME.test(id) && !NCNAME.test(id)) throw malformed('An ID is not an NCName.');
    if (seen.has(id)) throw ambiguous('Two elements have the same ID.');
    seen.add(id);
  }
}

/**
 * Finds the signature of an element: at most one, a direct child, immediately after the Issuer if there is one.
 * @throws saml_structure_ambiguous
 * @see saml-core §2.3.3, §3.2.2 (the sequence of children), §5.4.1 (enveloped signatures)
 */
export function signatureAfterIssuer(element: XmlElement): XmlElement | undefined {
  const signatures = childrenNamed(element, XMLDSIG, 'Signature');
  const [signature, ...more] = signatures;
  if (!signature) return undefined;
  if (more.length > 0) throw ambiguous('An element has two signatures.');
  const beginning = [...childrenNamed(element, ASSERTION, 'Issuer'), signature];
  const children = childElements(element);
  if (beginning.some((child, i) => child !== children[i])) throw ambiguous('A signature does not follow immediately after the Issuer.');
  return signature;
}

/** @throws saml_structure_ambiguous */
export function requireNoOtherSignature(elements: readonly XmlElement[], allowed: readonly (XmlElement | undefined)[]): void {
  for (const element of elements) {
    if (isNamed(element, XMLDSIG, 'Signature') && !allowed.includes(element))
      throw ambiguous('The response has a signature where SAML does not allow it.');
  }
}
