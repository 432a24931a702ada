/** The tree that the parser returns, and the functions that read it. */
import { GatewayError } from '../../errors.ts';

export const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
export const XMLNS_NAMESPACE = 'http://www.w3.org/2000/xmlns/';

export interface XmlAttribute {
  readonly prefix: string;
  readonly local: string;
  /** Empty for an attribute without prefix. */
  readonly uri: string;
  readonly value: string;
}

export interface XmlElement {
  readonly prefix: string;
  readonly local: string;
  readonly uri: string;
  /** Does not include namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  /** Namespace declarations on this element itself, as prefix (empty for the default namespace) to URI. */
  readonly declarations: ReadonlyMap<string, string>;
  readonly children: readonly (XmlElement | string)[];
  readonly parent: XmlElement | undefined;
}

export const isElement = (node: XmlElement | string): node is XmlElement => typeof node !== 'string';

export const isNamed = (element: XmlElement, uri: string, local: string): boolean => element.local === local && element.uri === uri;

export const childElements = (element: XmlElement): XmlElement[] => element.children.filter(isElement);

export function childrenNamed(element: XmlElement, uri: string, local: string): XmlElement[] {
  const found: XmlElement[] = [];
  for (const child of element.children) if (isElement(child) && isNamed(child, uri, local)) found.push(child);
  return found;
}

/**
 * Returns the only child with this name, or undefined.
 * @throws the error of `onSeveral` if there are several
 */
export function onlyChild(element: XmlElement, uri: string, local: string, onSeveral: () => GatewayError): XmlElement | undefined {
  const found = childrenNamed(element, uri, local);
  if (found.length > 1) throw onSeveral();
  return found[0];
}

/** Returns the value of an attribute without namespace. */
export function attributeOf(element: XmlElement, local: string): string | undefined {
  for (const attribute of element.attributes) if (attribute.local === local && attribute.uri === '') return attribute.value;
  return undefined;
}

/**
 * Returns the whole text of an element.
 * @throws saml_malformed if it has a child element, because a reader that used only a part of the text would see another value
 */
export function textOf(element: XmlElement): string {
  const [first, ...more] = element.children;
  if (first === undefined) return '';
  if (more.length > 0 || typeof first !== 'string') throw new GatewayError('saml_malformed', 'A value contains an element.');
  return first;
}

/** Returns this element and all elements inside it, in document order. */
export function walk(element: XmlElement, found: XmlElement[] = []): XmlElement[] {
  found.push(element);
  for (const child of element.children) if (isElement(child)) walk(child, found);
  return found;
}
