import { ASSERTION } from '../names.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { parseXml } from '../xml/xml.ts';
import { attributeOf, childrenNamed, isElement, type XmlElement } from '../xml/xml-tree.ts';

/**
 * Reads the Issuer of a message before it is verified, only to select the keys that it is verified with.
 * @returns the Issuer of the message, or of its only plain assertion if the message has none; undefined if both are missing
 * @throws saml_malformed, saml_dtd_forbidden
 */
export function unverifiedIssuerOf(unverifiedXml: string): string | undefined {
  const root = parseXml(unverifiedXml);
  const [assertion, ...others] = childrenNamed(root, ASSERTION, 'Assertion');
  return issuerIn(root) ?? (assertion && others.length === 0 ? issuerIn(assertion) : undefined);
}

/**
 * Reads the Destination of a message before it is verified, only to decide whether its keys are worth a fetch.
 * @throws saml_malformed, saml_dtd_forbidden
 */
export function unverifiedDestinationOf(unverifiedXml: string): string | undefined {
  const destination = attributeOf(parseXml(unverifiedXml), 'Destination');
  return destination === undefined ? undefined : trimXmlSpace(destination);
}

function issuerIn(parent: XmlElement): string | undefined {
  const [issuer, ...others] = childrenNamed(parent, ASSERTION, 'Issuer');
  if (!issuer || others.length > 0 || issuer.children.some(isElement)) return undefined;
  return trimXmlSpace(issuer.children.join(''));
}
