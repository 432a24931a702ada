/**
 * Where things may stand in a response. Nothing is trusted here; the point is that only one reading is left.
 * @see saml-core §3.2.2, §5.4
 */
import { GatewayError } from '../../errors.ts';
import { ASSERTION, NAME_ID_ENTITY, PROTOCOL, XMLDSIG, XMLENC } from '../names.ts';
import { attributeOf, childElements, childrenNamed, isNamed, onlyChild, textOf, walk, type XmlElement } from '../xml/xml.ts';
import { type RunCheck, stopAtFirst } from './checks.ts';

/** A response as it came, cut up and unambiguous, but not verified. */
export interface UnverifiedResponse extends FoundSignatures {
  readonly unverifiedResponse: XmlElement;
  /** Absent in an answer that carries an error status, and where the assertion is encrypted. */
  readonly unverifiedAssertion: XmlElement | undefined;
  readonly encryptedAssertion: XmlElement | undefined;
}

const NCNAME = /^[\p{L}_][\p{L}\p{N}\p{M}_.\-·]*$/u;
/** Nearly all, and in a quarter of the time. */
const ASCII_NCNAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

const ambiguous = (detail: string) => new GatewayError('saml_structure_ambiguous', detail);
const malformed = (detail: string) => new GatewayError('saml_malformed', detail);

/** The signatures that may stand in a response. */
export interface FoundSignatures {
  readonly responseSignature: XmlElement | undefined;
  readonly assertionSignature: XmlElement | undefined;
}

/**
 * Holds a parsed response against the structure rules.
 * @throws saml_malformed, saml_structure_ambiguous
 */
export function readStructure(root: XmlElement, run: RunCheck = stopAtFirst): UnverifiedResponse {
  const elements = walk(root);
  run('response', () => requireResponse(root));
  const assertion = run('one_assertion', () => findAssertion(root, elements));
  const plain = assertion && isNamed(assertion, ASSERTION, 'Assertion') ? assertion : undefined;
  run('assertion_version', () => plain && requireVersionAndId(plain));
  run('unique_ids', () => requireUniqueIds(elements));
  const signatures = run('signature_places', () => findSignatures(root, plain, elements));
  return {
    unverifiedResponse: root,
    ...signatures,
    unverifiedAssertion: plain,
    encryptedAssertion: plain ? undefined : assertion,
  };
}

function requireResponse(root: XmlElement): void {
  if (!isNamed(root, PROTOCOL, 'Response')) throw malformed('The message is not a SAML 2.0 Response.');
  requireVersionAndId(root);
}

function findSignatures(root: XmlElement, assertion: XmlElement | undefined, elements: readonly XmlElement[]): FoundSignatures {
  const responseSignature = signatureAfterIssuer(root);
  const assertionSignature = assertion && signatureAfterIssuer(assertion);
  requireNoOtherSignature(elements, [responseSignature, assertionSignature]);
  return { responseSignature, assertionSignature };
}

/** An assertion out of an EncryptedAssertion, held against the same rules as one in plain, but not verified. */
export interface DecryptedAssertion {
  readonly assertion: XmlElement;
  readonly signature: XmlElement | undefined;
}

/**
 * Holds what was decrypted against the structure rules, as if it stood in the place of its EncryptedAssertion.
 * @param wrapper the EncryptedAssertion; the IDs of all that is around it count too
 * @throws saml_malformed, saml_structure_ambiguous
 */
export function readDecryptedStructure(root: XmlElement, wrapper: XmlElement): DecryptedAssertion {
  if (!isNamed(root, ASSERTION, 'Assertion')) throw malformed('What was encrypted is not an assertion.');
  requireVersionAndId(root);
  const elements = walk(root);
  if (assertionsAmong(elements, root).length > 1) throw ambiguous('There is more than one assertion.');
  requireUniqueIds([...walk(outermost(wrapper)), ...elements]);
  const signature = signatureAfterIssuer(root);
  requireNoOtherSignature(elements, [signature]);
  return { assertion: root, signature };
}

const outermost = (element: XmlElement): XmlElement => (element.parent ? outermost(element.parent) : element);

/** Version and ID of a Response or an Assertion. @throws saml_malformed */
export function requireVersionAndId(element: XmlElement): void {
  if (attributeOf(element, 'Version') !== '2.0') throw malformed(`The ${element.local} is not of version 2.0.`);
  if (attributeOf(element, 'ID') === undefined) throw malformed(`The ${element.local} has no ID.`);
}

/**
 * The text of the element's Issuer, or undefined where there is none.
 * @throws saml_structure_ambiguous for several; saml_issuer_unknown for an Issuer that is no entity (saml-core §8.3.6)
 */
export function issuerOf(element: XmlElement): string | undefined {
  const issuer = onlyChild(element, ASSERTION, 'Issuer', () => ambiguous('There is more than one Issuer.'));
  if (!issuer) return undefined;
  const format = attributeOf(issuer, 'Format');
  if (format !== undefined && format !== NAME_ID_ENTITY)
    throw new GatewayError('saml_issuer_unknown', 'The Issuer is not an entity identifier.');
  return textOf(issuer);
}

/** The one assertion, plain or encrypted. */
function findAssertion(root: XmlElement, elements: readonly XmlElement[]): XmlElement | undefined {
  const [assertion, ...more] = assertionsAmong(elements, root);
  if (more.length > 0) throw ambiguous('There is more than one assertion.');
  if (assertion && (assertion.parent !== root || assertion.uri !== ASSERTION)) {
    throw ambiguous('The assertion does not stand directly in the response.');
  }
  return assertion;
}

/**
 * Anything by that name, wherever it stands, in whatever namespace (SAML 1 among them): the second one is what signature
 * wrapping is made of.
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
    throw ambiguous('There is encrypted data where none may be.');
}

/** Only `ID` identifies: `Id`, `id` and `xml:id` are plain attributes here, as no reference is ever resolved through them. */
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

/** saml-core §5.4.1: at most one, a direct child, right after the Issuer (where there is one). */
export function signatureAfterIssuer(element: XmlElement): XmlElement | undefined {
  const signatures = childrenNamed(element, XMLDSIG, 'Signature');
  const [signature, ...more] = signatures;
  if (!signature) return undefined;
  if (more.length > 0) throw ambiguous('An element has two signatures.');
  const beginning = [...childrenNamed(element, ASSERTION, 'Issuer'), signature];
  const children = childElements(element);
  if (beginning.some((child, i) => child !== children[i])) throw ambiguous('A signature does not stand right after the Issuer.');
  return signature;
}

export function requireNoOtherSignature(elements: readonly XmlElement[], allowed: readonly (XmlElement | undefined)[]): void {
  for (const element of elements) {
    if (isNamed(element, XMLDSIG, 'Signature') && !allowed.includes(element)) throw ambiguous('There is a signature where none may be.');
  }
}
