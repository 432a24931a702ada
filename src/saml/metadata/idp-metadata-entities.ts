/** Finds the identity provider in a metadata document, which may describe many entities. */
import type { GatewayError } from '../../errors.ts';
import { METADATA, PROTOCOL } from '../names.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { attributeOf, childElements, childrenNamed, isNamed, type XmlElement } from '../xml/xml-tree.ts';
import { validUntilMs } from './idp-metadata-role.ts';
import { invalidMetadata, readEntityId } from './idp-metadata-values.ts';
import { parseMetadataXml } from './metadata-xml.ts';

const MAX_LISTED = 10;

/**
 * Parses a metadata document.
 * @throws saml_malformed, saml_dtd_forbidden; idp_metadata_invalid for the file of a whole federation
 */
export function parseMetadata(text: string): XmlElement {
  try {
    return parseMetadataXml(text);
  } catch (error) {
    // The parser's limits suit a single entity, so the file of a federation exceeds them.
    const entities = text.match(/<(?:[\w.-]{1,40}:)?EntityDescriptor\s/g) ?? [];
    if (entities.length <= MAX_LISTED) throw error;
    throw invalidMetadata(
      'This looks like the metadata of a whole federation, which is too large. Upload the metadata of your identity provider alone.',
      error,
    );
  }
}

export interface ChosenIdentityProvider {
  readonly entityId: string;
  /** The IDPSSODescriptor for SAML 2.0. */
  readonly descriptor: XmlElement;
}

export interface Choice {
  /** The exact entity ID to choose. Required if the document describes several identity providers. */
  readonly entityId: string | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

/**
 * Returns the only identity provider of the document, or the one with the given entity ID.
 * @throws idp_metadata_invalid
 * @see saml-metadata §2.3.1
 */
export function chooseIdentityProvider(root: XmlElement, { entityId, nowMs }: Choice): ChosenIdentityProvider {
  const entities = entitiesIn(root);
  const providers = entities.filter((entity) => saml2Descriptors(entity).length > 0);
  if (providers.length === 0) throw noIdentityProvider(entities);
  const byEntityId = Map.groupBy(providers, (entity) => trimXmlSpace(attributeOf(entity, 'entityID') ?? ''));
  const ids = [...byEntityId.keys()];
  if (entityId === undefined && ids.length > 1) {
    throw invalidMetadata(
      `The metadata describes ${ids.length} identity providers. Choose one by its entity ID (entity_id): ${listEntityIds(ids)}`,
    );
  }
  const [chosenId = ''] = entityId === undefined ? ids : [entityId];
  const descriptions = byEntityId.get(chosenId);
  if (!descriptions) {
    throw invalidMetadata(`The metadata has no identity provider with this entity ID. It describes these: ${listEntityIds(ids)}`);
  }
  return { entityId: readEntityId(chosenId, 'The entityID'), descriptor: chooseDescriptor(descriptions, nowMs) };
}

/**
 * Returns the descriptor of the only description that has not expired. Federations keep the previous description of an identity
 * provider beside the new one until its validUntil. Keys are never combined.
 */
function chooseDescriptor(descriptions: readonly XmlElement[], nowMs: number): XmlElement {
  const descriptors = descriptions.map(onlySaml2Descriptor);
  const [first] = descriptors;
  if (first && descriptors.length === 1) return first;
  const [valid = first, ...others] = descriptors.filter((descriptor) => validUntilMs(descriptor) > nowMs);
  if (valid && others.length === 0) return valid;
  throw invalidMetadata(
    `The metadata describes this entity ID more than once, and ${others.length + 1} of the descriptions are valid now (validUntil), so they contradict each other. Upload the metadata of your identity provider alone.`,
  );
}

function onlySaml2Descriptor(entity: XmlElement): XmlElement {
  const [descriptor, ...more] = saml2Descriptors(entity);
  if (descriptor && more.length === 0) return descriptor;
  throw invalidMetadata('The identity provider has several IDPSSODescriptors for SAML 2.0. Upload metadata with exactly one.');
}

function entitiesIn(root: XmlElement): XmlElement[] {
  if (isNamed(root, METADATA, 'EntityDescriptor')) return [root];
  if (!isNamed(root, METADATA, 'EntitiesDescriptor')) {
    throw invalidMetadata(
      'This XML is not SAML 2.0 metadata, because its root element is neither EntityDescriptor nor EntitiesDescriptor of the SAML metadata namespace. Download the metadata of the identity provider again.',
    );
  }
  const inside = childElements(root).filter(
    (child) => isNamed(child, METADATA, 'EntityDescriptor') || isNamed(child, METADATA, 'EntitiesDescriptor'),
  );
  return inside.flatMap(entitiesIn);
}

/**
 * Only IDPSSODescriptors are read. Entra ID and ADFS repeat certificates in RoleDescriptors for WS-Federation, and a key of one
 * protocol must not be trusted in another.
 */
function saml2Descriptors(entity: XmlElement): XmlElement[] {
  return childrenNamed(entity, METADATA, 'IDPSSODescriptor').filter((descriptor) =>
    (attributeOf(descriptor, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(PROTOCOL),
  );
}

function noIdentityProvider(entities: readonly XmlElement[]): GatewayError {
  const has = (local: string) => entities.some((entity) => childrenNamed(entity, METADATA, local).length > 0);
  if (has('IDPSSODescriptor')) {
    return invalidMetadata('The identity provider in this metadata supports only protocols older than SAML 2.0. Turn on SAML 2.0 there.');
  }
  if (has('SPSSODescriptor')) {
    return invalidMetadata('This is the metadata of a service provider (an application). Upload the metadata of the identity provider.');
  }
  if (has('RoleDescriptor')) {
    return invalidMetadata('This metadata is for WS-Federation only. Download the metadata for SAML-based sign-on and upload that.');
  }
  return invalidMetadata('The metadata describes no identity provider (IDPSSODescriptor). Upload the metadata of the identity provider.');
}

/** Entity IDs are input, so they are clipped and stripped of everything that could be markup, a control character or layout. */
function listEntityIds(ids: readonly string[]): string {
  const listed = ids.slice(0, MAX_LISTED).map((id) => id.replaceAll(/[\p{C}\p{Z}<>&"'`]/gu, '').slice(0, 100));
  return `${listed.join(', ')}${ids.length > MAX_LISTED ? ', …' : ''}`;
}
