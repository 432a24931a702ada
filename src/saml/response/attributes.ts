import { GatewayError } from '../../errors.ts';
import { ASSERTION } from '../names.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { attributeOf, childElements, childrenNamed, isElement, textOf, type XmlElement } from '../xml/xml-tree.ts';

/**
 * Attribute values by Name. The values of repeated Attribute elements are joined. Empty values are left out, so that an attribute
 * without a value has an empty list. A value is undefined if it has markup inside and cannot be read as
 * text.
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
      for (const value of childrenNamed(attribute, ASSERTION, 'AttributeValue')) {
        // eduPersonTargetedID contains an element by definition, so such a value is refused only when it is needed as text.
        if (!isEmpty(value)) values.push(value.children.some(isElement) ? undefined : textOf(value));
      }
      attributes.set(name, values);
    }
  }
  return attributes;
}

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

const isNil = ({ attributes }: XmlElement): boolean =>
  attributes.some(({ uri, local, value }) => uri === XSI && local === 'nil' && ['true', '1'].includes(trimXmlSpace(value)));

const isBlank = ({ children }: XmlElement): boolean => children.every((child) => typeof child === 'string' && trimXmlSpace(child) === '');

/** A nil value may contain no text, but formatters add line breaks. */
const isEmpty = (value: XmlElement): boolean => value.children.every((child) => child === '') || (isNil(value) && isBlank(value));

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
