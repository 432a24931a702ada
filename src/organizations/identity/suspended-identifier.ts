/** Recognizes a suspended member by an identifier, whatever connection, format or decision about accounts applies by now. */
import { hashOf } from '../../ids.ts';
import { describeSource, type IdentifierSource } from '../../saml/identifier/identifier.ts';
import { BEST_ATTRIBUTES, FURTHER_ATTRIBUTES } from '../../saml/identifier/identifier-attributes.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT } from '../../saml/names.ts';

/** Sources whose values no two directories share. Short ones, such as an employee number, are compared within one connection only. */
export const isGloballyUnique = (source: IdentifierSource): boolean =>
  'attribute' in source
    ? BEST_ATTRIBUTES.includes(source.attribute) || FURTHER_ATTRIBUTES.includes(source.attribute)
    : source.name_id === NAME_ID_EMAIL || source.name_id === NAME_ID_PERSISTENT;

/**
 * Returns whether the same value at two connections means the same user. An email address as NameID does not, because some identity
 * providers let users edit it.
 */
export const identifiesAcrossConnections = (source: IdentifierSource): boolean =>
  isGloballyUnique(source) && !('name_id' in source && source.name_id === NAME_ID_EMAIL);

/** Returns the index string of an identifier. Case is ignored, because a setting may have changed how the value is compared. */
export const suspendedIdentifierKey = (
  { source, value }: { readonly source: IdentifierSource; readonly value: string },
  connectionId: string | undefined,
): string => hashOf('suspended', describeSource(source), value.toLowerCase(), isGloballyUnique(source) ? '' : (connectionId ?? ''));
