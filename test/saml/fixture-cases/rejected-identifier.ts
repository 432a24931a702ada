/** Rejected: genuine responses that do not identify their user, or not as the connection is pinned. */
import type { IdentifierSource } from '../../../src/saml/identifier/identifier.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import { attribute, IDP, message, type Parts, sign } from './hand-made.ts';
import { EMAIL_FORMAT, nameId, PAIRWISE_ID, PERSISTENT, SUBJECT_ID, TRANSIENT, UNSPECIFIED, withAttributes } from './identifier-parts.ts';
import type { Keys } from './keys.ts';

type Row = readonly [name: string, parts: Partial<Parts>, settings?: CaseSettings];

const pinned = (identifier: IdentifierSource): CaseSettings => ({ identifier });
const BY_UID = pinned({ attribute: 'uid' });
const BY_PERSISTENT = pinned({ name_id: PERSISTENT });
const NIL = '<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>';

/** A source that is not there exactly once is never replaced by another one, whose owner may be another user. */
const CHANGED: readonly Row[] = [
  ['pinned-attribute-absent', withAttributes(), BY_UID],
  ['pinned-attribute-absent-beside-better-ones', withAttributes(attribute(SUBJECT_ID, 's@x'), attribute(PAIRWISE_ID, 'p@x')), BY_UID],
  ['pinned-attribute-empty', withAttributes(attribute('uid', '')), BY_UID],
  ['pinned-attribute-of-white-space', withAttributes(attribute('uid', ' &#10;')), BY_UID],
  ['pinned-attribute-nil', withAttributes(`<saml:Attribute Name="uid">${NIL}</saml:Attribute>`), BY_UID],
  ['pinned-attribute-without-values', withAttributes('<saml:Attribute Name="uid"/>'), BY_UID],
  ['pinned-attribute-with-two-values', withAttributes(attribute('uid', 'olivia', 'carl')), BY_UID],
  ['pinned-attribute-with-one-value-twice', withAttributes(attribute('uid', 'olivia', 'olivia')), BY_UID],
  ['pinned-attribute-in-two-elements', withAttributes(attribute('uid', 'olivia'), attribute('uid', 'carl')), BY_UID],
  ['pinned-attribute-in-upper-case', withAttributes(attribute('UID', 'olivia')), BY_UID],
  [
    'pinned-email-attribute-with-two-addresses',
    withAttributes(attribute('mail', 'a@acme.test', 'b@acme.test')),
    pinned({ attribute: 'mail' }),
  ],
  ['pinned-name-id-absent', { nameId: '' }, BY_PERSISTENT],
  ['pinned-name-id-empty', nameId('', PERSISTENT), BY_PERSISTENT],
  ['pinned-name-id-in-email-format', nameId('u-olivia', EMAIL_FORMAT), BY_PERSISTENT],
  ['pinned-name-id-in-unspecified-format', nameId('u-olivia', UNSPECIFIED), BY_PERSISTENT],
  ['pinned-name-id-without-format', nameId('u-olivia'), BY_PERSISTENT],
  ['pinned-name-id-transient', nameId('u-olivia', TRANSIENT), BY_PERSISTENT],
  ['pinned-unspecified-and-persistent', nameId('u-olivia', PERSISTENT), pinned({ name_id: UNSPECIFIED })],
  ['pinned-name-id-transient-is-never-one', nameId('_t', TRANSIENT), pinned({ name_id: TRANSIENT })],
  ['requested-format-and-another-one', nameId('u-olivia', EMAIL_FORMAT), { nameIdFormat: PERSISTENT }],
  ['requested-format-and-none', nameId('u-olivia'), { nameIdFormat: PERSISTENT }],
  [
    'requested-format-and-another-one-beside-pinned-attribute',
    { ...withAttributes(attribute('uid', 'olivia')), ...nameId('u-olivia', EMAIL_FORMAT) },
    { nameIdFormat: PERSISTENT, ...BY_UID },
  ],
];

const MISSING: readonly Row[] = [
  ['transient-only', nameId('_random', TRANSIENT)],
  ['transient-with-qualifiers', nameId('_random', TRANSIENT, IDP)],
  ['transient-beside-groups-and-email', { ...withAttributes(attribute('uid', 'olivia')), ...nameId('_random', TRANSIENT) }],
  ['name-id-of-white-space', nameId(' &#10;\t', PERSISTENT)],
  ['two-subject-ids-and-no-name-id', { ...withAttributes(attribute(SUBJECT_ID, 'a@x', 'b@x')), nameId: '' }],
  ['longer-than-the-limit', nameId('x'.repeat(901), PERSISTENT)],
];

export const rejectedIdentifiers = ({ identifier: key }: Keys): RejectedCase[] =>
  (
    [...CHANGED.map((row) => [row, 'saml_identifier_changed']), ...MISSING.map((row) => [row, 'saml_name_id_missing'])] as [
      Row,
      RejectedCase['code'],
    ][]
  ).map(([[name, parts, settings = {}], code]) => ({
    name: `identifier-${name}`,
    xml: sign(message(parts), key.key),
    settings: { trusted: ['identifier'], ...settings },
    code,
  }));
