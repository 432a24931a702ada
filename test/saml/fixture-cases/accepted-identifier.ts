/** Accepted: what identifies the user, automatically or as pinned. Two responses are of one user only if `statement.identifier` is equal. */
import type { Identifier, IdentifierSetting } from '../../../src/saml/identifier/identifier.ts';
import type { AcceptedCase, CaseSettings } from './case.ts';
import { attribute, ENTITY_ID, IDP, message, OLIVIA, type Parts, sign } from './hand-made.ts';
import {
  EMAIL_FORMAT,
  ENTITY,
  EPPN,
  nameId,
  OBJECT_ID,
  PAIRWISE_ID,
  PERSISTENT,
  SUBJECT_ID,
  TRANSIENT,
  UNIQUE_ID,
  UNSPECIFIED,
  withAttributes,
} from './identifier-parts.ts';
import type { Keys } from './keys.ts';

type Row = readonly [
  name: string,
  parts: Partial<Parts>,
  identifier: Omit<Identifier, 'formerForms'>,
  /** The identifier as former versions stored it. */
  identity: readonly string[],
  settings?: CaseSettings,
];

const byNameId = (name_id: string, value: string, isFolded = false) => ({ source: { name_id }, value, isFolded });
const byAttribute = (name: string, value: string, isFolded = false) => ({ source: { attribute: name }, value, isFolded });
const pinned = (identifier: IdentifierSetting): CaseSettings => ({ identifier });
const persistent = (value: string, nameQualifier = '', spNameQualifier = '') => ['NameID', value, nameQualifier, spNameQualifier];

const ROWS: readonly Row[] = [
  // The same value in another format is another user.
  ['format-persistent', nameId('olivia', PERSISTENT), byNameId(PERSISTENT, 'olivia'), persistent('olivia')],
  ['format-unspecified', nameId('olivia', UNSPECIFIED), byNameId(UNSPECIFIED, 'olivia'), ['NameID', 'olivia']],
  ['format-absent-is-unspecified', nameId('olivia'), byNameId(UNSPECIFIED, 'olivia'), ['NameID', 'olivia']],
  ['format-email', nameId('olivia', EMAIL_FORMAT), byNameId(EMAIL_FORMAT, 'olivia', true), ['NameID', 'olivia']],
  ['format-entity', nameId('olivia', ENTITY), byNameId(ENTITY, 'olivia'), ['NameID', 'olivia']],
  ['format-of-a-product', nameId('olivia', 'urn:x:employee'), byNameId('urn:x:employee', 'olivia'), ['NameID', 'olivia']],
  [
    'format-in-upper-case-is-another',
    nameId('olivia', PERSISTENT.toUpperCase()),
    byNameId(PERSISTENT.toUpperCase(), 'olivia'),
    ['NameID', 'olivia'],
  ],
  // saml-core §8.3.7: qualifiers that name the parties of the sign-in are the same as absent ones.
  ['qualifiers-absent', nameId('u', PERSISTENT), byNameId(PERSISTENT, 'u'), persistent('u')],
  ['qualifiers-of-both-parties', nameId('u', PERSISTENT, IDP, ENTITY_ID), byNameId(PERSISTENT, 'u'), persistent('u', IDP, ENTITY_ID)],
  ['qualifier-of-the-identity-provider', nameId('u', PERSISTENT, IDP), byNameId(PERSISTENT, 'u'), persistent('u', IDP)],
  [
    'qualifiers-of-others',
    nameId('u', PERSISTENT, 'https://other.example', 'https://another.example'),
    { ...byNameId(PERSISTENT, 'u'), qualifiers: ['https://other.example', 'https://another.example'] },
    persistent('u', 'https://other.example', 'https://another.example'),
  ],
  [
    'qualifiers-exchanged-are-others',
    nameId('u', PERSISTENT, ENTITY_ID, IDP),
    { ...byNameId(PERSISTENT, 'u'), qualifiers: [ENTITY_ID, IDP] },
    persistent('u', ENTITY_ID, IDP),
  ],
  // Only the letters A to Z fold, and only in these.
  [
    'folding-email-name-id',
    nameId('Olivia@ACME.test', EMAIL_FORMAT),
    byNameId(EMAIL_FORMAT, 'olivia@acme.test', true),
    ['NameID', 'Olivia@ACME.test'],
  ],
  [
    'folding-email-name-id-of-other-scripts',
    nameId('\u0130\u212a\u00c9Olivia@acme.test', EMAIL_FORMAT),
    byNameId(EMAIL_FORMAT, '\u0130\u212a\u00c9olivia@acme.test', true),
    ['NameID', '\u0130\u212a\u00c9Olivia@acme.test'],
  ],
  [
    'folding-subject-id',
    withAttributes(attribute(SUBJECT_ID, 'Olivia@ACME')),
    byAttribute(SUBJECT_ID, 'olivia@acme', true),
    [SUBJECT_ID, 'Olivia@ACME'],
  ],
  [
    'folding-pairwise-id',
    withAttributes(attribute(PAIRWISE_ID, 'ABC@ACME')),
    byAttribute(PAIRWISE_ID, 'abc@acme', true),
    [PAIRWISE_ID, 'ABC@ACME'],
  ],
  ['folding-none-in-persistent', nameId('Olivia', PERSISTENT), byNameId(PERSISTENT, 'Olivia'), persistent('Olivia')],
  ['folding-none-in-unspecified', nameId('Olivia@ACME.test'), byNameId(UNSPECIFIED, 'Olivia@ACME.test'), ['NameID', 'Olivia@ACME.test']],
  ['folding-none-in-object-identifier', withAttributes(attribute(OBJECT_ID, 'AbC')), byAttribute(OBJECT_ID, 'AbC'), [OBJECT_ID, 'AbC']],
  [
    'folding-none-in-a-chosen-attribute',
    withAttributes(attribute('uid', 'Olivia')),
    byAttribute('uid', 'Olivia'),
    ['uid', 'Olivia'],
    pinned({ attribute: 'uid' }),
  ],
  [
    'folding-email-attribute-as-chosen',
    withAttributes(attribute('mail', ' Olivia@ACME.test\n')),
    byAttribute('mail', 'olivia@acme.test', true),
    ['mail', 'Olivia@ACME.test'],
    pinned({ attribute: 'mail' }),
  ],
  // The automatic order.
  [
    'automatic-attribute-before-name-id',
    { ...withAttributes(attribute(EPPN, 'e@x'), attribute(UNIQUE_ID, 'u@x'), attribute(PAIRWISE_ID, 'p@x')), ...nameId('n', PERSISTENT) },
    byAttribute(PAIRWISE_ID, 'p@x', true),
    [PAIRWISE_ID, 'p@x'],
  ],
  [
    'automatic-name-id-before-unique-id',
    { ...withAttributes(attribute(EPPN, 'e@x'), attribute(UNIQUE_ID, 'u@x')), ...nameId('n', PERSISTENT) },
    byNameId(PERSISTENT, 'n'),
    persistent('n'),
  ],
  [
    'automatic-unique-id-before-principal-name',
    { ...withAttributes(attribute(EPPN, 'E@x'), attribute(UNIQUE_ID, 'U@x')), ...nameId('_t', TRANSIENT) },
    byAttribute(UNIQUE_ID, 'u@x', true),
    [UNIQUE_ID, 'U@x'],
  ],
  [
    'automatic-principal-name-beside-transient',
    { ...withAttributes(attribute(EPPN, 'E@x')), ...nameId('_t', TRANSIENT) },
    byAttribute(EPPN, 'e@x', true),
    [EPPN, 'E@x'],
  ],
  [
    'automatic-name-id-if-attribute-has-two-values',
    withAttributes(attribute(SUBJECT_ID, 'a@x', 'b@x')),
    byNameId(PERSISTENT, 'u-olivia'),
    persistent('u-olivia'),
  ],
  // A pinned source is read, whatever else arrives.
  [
    'pinned-attribute-before-better-ones',
    withAttributes(attribute(SUBJECT_ID, 's@x'), attribute('uid', 'olivia')),
    byAttribute('uid', 'olivia'),
    ['uid', 'olivia'],
    pinned({ attribute: 'uid' }),
  ],
  [
    'pinned-attribute-beside-transient',
    { ...withAttributes(attribute('uid', 'olivia')), ...nameId('_t', TRANSIENT) },
    byAttribute('uid', 'olivia'),
    ['uid', 'olivia'],
    pinned({ attribute: 'uid' }),
  ],
  [
    'pinned-name-id-beside-better-attribute',
    { ...withAttributes(attribute(SUBJECT_ID, 's@x')), ...nameId('n', PERSISTENT) },
    byNameId(PERSISTENT, 'n'),
    persistent('n'),
    pinned({ name_id: PERSISTENT }),
  ],
  ['pinned-unspecified-and-format-absent', nameId('n'), byNameId(UNSPECIFIED, 'n'), ['NameID', 'n'], pinned({ name_id: UNSPECIFIED })],
  ['requested-format', nameId('n', PERSISTENT), byNameId(PERSISTENT, 'n'), persistent('n'), { nameIdFormat: PERSISTENT }],
];

export const acceptedIdentifiers = ({ identifier: key }: Keys): AcceptedCase[] =>
  ROWS.map(([name, parts, identifier, identity, settings = {}]) => ({
    name: `identifier-${name}`,
    xml: sign(message(parts), key.key),
    settings: { trusted: ['identifier'], ...settings },
    person: { ...OLIVIA, identity: JSON.stringify(identity) },
    statement: { identifier },
  }));
