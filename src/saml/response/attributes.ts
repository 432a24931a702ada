import { GatewayError } from '../../errors.ts';
import { ASSERTION } from '../names.ts';
import { attributeOf, childElements, childrenNamed, isElement, textOf, type XmlElement } from '../xml/xml-tree.ts';

/**
 * Attribute values by Name. The values of repeated Attribute elements are joined. A value is undefined if it has markup inside and
 * cannot be read as text.
 */
export type Attributes = ReadonlyMap<string, readonly (string | undefined)[]>;

const malformed = (detail: string) => new GatewayError('saml_malformed', detail);

/**
 * Reads all attributes of an assertion. A Map, because attributes may be named `__proto__`.
 * @throws saml_malformed, saml_decryption_failed
 * @see saml-core §2.7.3
 */
export function readAttributes(assertion: XmlElement): Attributes {
  const attributes = new Map<string, (string | undefined)[]>();
  for (const statement of childrenNamed(assertion, ASSERTION, 'AttributeStatement')) {
    for (const attribute of childElements(statement)) {
      const name = nameOf(attribute);
      const values = attributes.get(name) ?? [];
      // eduPersonTargetedID contains an element by definition, so such a value is refused only when it is needed as text.
      for (const value of childrenNamed(attribute, ASSERTION, 'AttributeValue'))
        values.push(value.children.some(isElement) ? undefined : textOf(value));
      attributes.set(name, values);
    }
  }
  return attributes;
}

function nameOf(attribute: XmlElement): string {
  if (attribute.uri === ASSERTION && attribute.local === 'EncryptedAttribute') {
    const detail = 'The assertion contains an encrypted attribute, which is not supported.';
    throw new GatewayError('saml_decryption_failed', { detail, administratorDetail: `${detail} Encrypt the whole assertion instead.` });
  }
  if (attribute.uri !== ASSERTION || attribute.local !== 'Attribute')
    throw malformed('An AttributeStatement contains something other than attributes.');
  const name = attributeOf(attribute, 'Name');
  if (name === undefined || name === '') throw malformed('An attribute has no name.');
  return name;
}
