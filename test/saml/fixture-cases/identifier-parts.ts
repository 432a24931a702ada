/** Parts of the cases about identifiers. */
import { attribute, type Parts } from './hand-made.ts';

export const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
export const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';
export const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
export const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
export const ENTITY = 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity';
export const OBJECT_ID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
export const SUBJECT_ID = 'urn:oasis:names:tc:SAML:attribute:subject-id';
export const PAIRWISE_ID = 'urn:oasis:names:tc:SAML:attribute:pairwise-id';
export const UNIQUE_ID = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.13';
export const EPPN = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.6';

export function nameId(value: string, format?: string, nameQualifier?: string, spNameQualifier?: string): Pick<Parts, 'nameId'> {
  const attributes = Object.entries({ Format: format, NameQualifier: nameQualifier, SPNameQualifier: spNameQualifier })
    .map(([name, text]) => (text === undefined ? '' : ` ${name}="${text}"`))
    .join('');
  return { nameId: `<saml:NameID${attributes}>${value}</saml:NameID>` };
}

/** Adds attributes to those that every user has. */
export const withAttributes = (...more: string[]): Pick<Parts, 'attributes'> => ({
  attributes:
    attribute('email', 'olivia@acme.test') +
    attribute('displayName', 'Olivia Owner') +
    attribute('groups', 'platform-admins', 'engineering') +
    more.join(''),
});
