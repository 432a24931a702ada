/** Lists all cases. Add one line here for each new file of cases. */
import { acceptedEncrypted } from './accepted-encrypted.ts';
import { acceptedIdentifiers } from './accepted-identifier.ts';
import { acceptedAddressing, acceptedSubject, acceptedTime } from './accepted-meaning.ts';
import { acceptedEmail, acceptedGroups, acceptedIdentity, acceptedNames } from './accepted-person.ts';
import { acceptedMockIdps, acceptedProducts } from './accepted-products.ts';
import { acceptedAlgorithms, acceptedKeys, acceptedSignatures } from './accepted-signature.ts';
import { acceptedSpelling } from './accepted-spelling.ts';
import type { AcceptedCase, RejectedCase } from './case.ts';
import type { Keys } from './keys.ts';
import { rejectedCiphertexts, rejectedCompanions, rejectedEncryption, rejectedPlaintexts } from './rejected-encrypted.ts';
import { rejectedGroups } from './rejected-groups.ts';
import { rejectedIdentifiers } from './rejected-identifier.ts';
import { rejectedAddressing, rejectedPerson, rejectedSubject, rejectedTime } from './rejected-meaning.ts';
import { rejectedAlgorithms, rejectedSignature } from './rejected-signature.ts';
import { rejectedStructure, rejectedXml } from './rejected-structure.ts';
import { rejectedTenants } from './rejected-tenants.ts';
import { rejectedHiding, rejectedWrapping } from './rejected-wrapping.ts';

export const acceptedCases = (keys: Keys): AcceptedCase[] =>
  [
    acceptedProducts,
    acceptedMockIdps,
    acceptedSpelling,
    acceptedAlgorithms,
    acceptedKeys,
    acceptedSignatures,
    acceptedAddressing,
    acceptedTime,
    acceptedSubject,
    acceptedIdentity,
    acceptedIdentifiers,
    acceptedEmail,
    acceptedNames,
    acceptedGroups,
    acceptedEncrypted,
  ].flatMap((make) => make(keys));

export const rejectedCases = (keys: Keys): RejectedCase[] =>
  [
    rejectedXml,
    rejectedStructure,
    rejectedWrapping,
    rejectedHiding,
    rejectedSignature,
    rejectedAlgorithms,
    rejectedAddressing,
    rejectedTenants,
    rejectedTime,
    rejectedSubject,
    rejectedPerson,
    rejectedIdentifiers,
    rejectedGroups,
    rejectedCiphertexts,
    rejectedPlaintexts,
    rejectedCompanions,
    rejectedEncryption,
  ].flatMap((make) => make(keys));
