/** Reads NameIDs, plain or encrypted, in responses and in logout messages. */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../../errors.ts';
import { decryptAndParse, readEncryptedElement } from '../crypto/decryption.ts';
import { ASSERTION, NAME_ID_UNSPECIFIED } from '../names.ts';
import { attributeOf, isNamed, onlyChild, textOf, walk, type XmlElement } from '../xml/xml-tree.ts';

export interface NameId {
  readonly value: string;
  readonly format: string;
  readonly nameQualifier?: string;
  readonly spNameQualifier?: string;
}

const several = (name: string) => () => new GatewayError('saml_structure_ambiguous', `There is more than one ${name}.`);

/**
 * Reads the NameID or EncryptedID of a signed element.
 * @returns undefined if the element has neither
 * @throws the errors of {@link openNameIdElement}
 */
export function openNameId(parent: XmlElement, decryptionKeys: readonly KeyObject[]): NameId | undefined {
  const nameId = openNameIdElement(parent, decryptionKeys);
  return nameId && readNameId(nameId);
}

/**
 * Returns the NameID element of a signed element, decrypted if it is an EncryptedID. An element with both could name two users,
 * so it is refused.
 * @returns undefined if the element has neither
 * @throws saml_structure_ambiguous, saml_malformed, saml_algorithm_forbidden, saml_dtd_forbidden, saml_decryption_failed
 * @see saml-core §2.2.3, §2.2.4
 */
export function openNameIdElement(parent: XmlElement, decryptionKeys: readonly KeyObject[]): XmlElement | undefined {
  const encrypted = onlyChild(parent, ASSERTION, 'EncryptedID', several('EncryptedID'));
  const plain = onlyChild(parent, ASSERTION, 'NameID', several('NameID'));
  if (encrypted && plain) throw several('NameID')();
  return encrypted ? openEncryptedId(encrypted, decryptionKeys) : plain;
}

/** Reads a NameID element. An absent Format means unspecified (saml-core §2.2.2). */
export function readNameId(nameId: XmlElement): NameId {
  const nameQualifier = attributeOf(nameId, 'NameQualifier');
  const spNameQualifier = attributeOf(nameId, 'SPNameQualifier');
  return {
    value: textOf(nameId),
    format: attributeOf(nameId, 'Format') ?? NAME_ID_UNSPECIFIED,
    ...(nameQualifier === undefined ? {} : { nameQualifier }),
    ...(spNameQualifier === undefined ? {} : { spNameQualifier }),
  };
}

/** A signature covers the ciphertext, so the exact reason of a failure is safe to report. */
function openEncryptedId(encryptedId: XmlElement, decryptionKeys: readonly KeyObject[]): XmlElement {
  const nameId = decryptAndParse(readEncryptedElement(encryptedId), decryptionKeys);
  if (!isNamed(nameId, ASSERTION, 'NameID')) throw new GatewayError('saml_malformed', 'The content of an EncryptedID is not a NameID.');
  return nameId;
}

/** Whether an EncryptedID occurs anywhere in the element. */
export const hasEncryptedId = (element: XmlElement): boolean => walk(element).some((each) => isNamed(each, ASSERTION, 'EncryptedID'));
