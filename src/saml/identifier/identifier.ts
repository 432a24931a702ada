/**
 * Reads what identifies the user of an assertion: the attribute or NameID to which the connection is pinned, or, before anything is
 * pinned, the first lasting identifier in a fixed order. The format of a NameID is part of the identifier.
 */
import { GatewayError } from '../../errors.ts';
import { NAME_ID_EMAIL, NAME_ID_ENCRYPTED, NAME_ID_PERSISTENT, NAME_ID_TRANSIENT, NAME_ID_UNSPECIFIED } from '../names.ts';
import type { AttributeMapping } from '../response/attribute-mapping.ts';
import type { Attributes } from '../response/attributes.ts';
import type { NameId } from '../response/name-id.ts';
import { shown, shownNames } from '../shown-text.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import {
  BEST_ATTRIBUTES,
  FURTHER_ATTRIBUTES,
  foldsCase,
  isBlank,
  isEmailAttribute,
  MAX_IDENTIFIER_LENGTH,
  offeredAttributes,
} from './identifier-attributes.ts';

/** The part of an assertion that identifies users. The API has the same shape. */
export type IdentifierSource = { readonly attribute: string } | { readonly name_id: string };

/** The setting `identifier` of a connection. `auto` until a sign-in pins what it used. */
export type IdentifierSetting = 'auto' | IdentifierSource;

export interface IdentifierSettings {
  readonly identifier: IdentifierSetting;
  /** The NameID format that the gateway requests. Another one is refused. */
  readonly nameIdFormat: string | undefined;
  readonly attributeMapping: AttributeMapping;
  readonly idpEntityId: string;
  /** The identity provider that members of earlier versions came from, if it has been replaced and its members were kept. */
  readonly formerIdpEntityId?: string | undefined;
  /** The entityID of this organization's service provider. */
  readonly entityId: string;
}

/** The parts of an assertion that can identify its user. */
export interface Subject {
  readonly attributes: Attributes;
  readonly nameId: NameId | undefined;
}

/** What identifies a user. Two sign-ins are of one user only if source, value, folding and qualifiers are equal. */
export interface Identifier {
  readonly source: IdentifierSource;
  /** With the letters A to Z in lower case if {@link isFolded}. */
  readonly value: string;
  readonly isFolded: boolean;
  /** NameQualifier and SPNameQualifier of a persistent NameID. Empty if they name the identity provider and the gateway. */
  readonly qualifiers?: readonly [string, string];
  /**
   * The forms in which versions without formats and folding knew this user. The first one is what the assertion has, unchanged.
   */
  readonly formerForms: readonly string[];
}

/**
 * @throws saml_name_id_missing if nothing identifies the user; saml_identifier_changed if the pinned source has no single value or the
 *   NameID has another format than requested; saml_malformed if a value has markup inside
 * @see saml-core §8.3, saml-subject-id-attr §3.3, §3.4
 */
export function readIdentifier(subject: Subject, settings: IdentifierSettings): Identifier {
  requireRequestedFormat(subject.nameId, settings.nameIdFormat);
  const { identifier } = settings;
  if (identifier === 'auto') {
    for (const source of automaticSources(subject)) {
      const found = readSource(source, subject, settings);
      if (found) return withinLimit(found);
    }
    throw nothingLasting(subject);
  }
  const pinned = readSource(identifier, subject, settings);
  if (!pinned) throw sourceChanged(identifier, subject);
  return withinLimit(pinned);
}

/**
 * Returns all identifiers of the assertion, whatever the connection is pinned to: those of the automatic order, and those that an
 * administrator could choose. An attribute with markup in a value identifies no user, and must not refuse those who are identified by
 * another one.
 */
export const readAllIdentifiers = (subject: Subject, settings: IdentifierSettings): Identifier[] =>
  [...automaticSources(subject), ...offeredSources(subject, settings)]
    .filter((source, at, all) => all.findIndex((other) => isSameSource(source, other)) === at)
    .filter((source) => 'name_id' in source || !subject.attributes.get(source.attribute)?.includes(undefined))
    .map((source) => readSource(source, subject, settings))
    .filter((found) => found !== undefined);

/** A form in which versions without formats and folding may have known a user. */
export interface FormerForm {
  readonly source: IdentifierSource;
  readonly form: string;
}

/**
 * Returns the forms in which earlier versions may have known the user of the assertion at an identity provider, by all identifiers.
 * They recognize suspended members, but never identify a user, because a persistent NameID has a form for each possible qualifier.
 * @param formerIdpEntityId the entityID of that identity provider, even if its connection has another one now
 */
export const readFormerForms = (subject: Subject, settings: IdentifierSettings, formerIdpEntityId: string): FormerForm[] =>
  readAllIdentifiers(subject, settings).flatMap(({ source, formerForms }) => {
    const isPersistent = 'name_id' in source && source.name_id === NAME_ID_PERSISTENT;
    const forms = isPersistent && subject.nameId ? anyPersistentForms(subject.nameId, settings, formerIdpEntityId) : formerForms;
    return forms.map((form) => ({ source, form }));
  });

const offeredSources = ({ attributes }: Subject, { attributeMapping }: IdentifierSettings): IdentifierSource[] =>
  offeredAttributes(attributes, attributeMapping).map((attribute) => ({ attribute }));

const automaticSources = ({ nameId }: Subject): IdentifierSource[] => [
  ...BEST_ATTRIBUTES.map((attribute) => ({ attribute })),
  ...(nameId ? [{ name_id: nameId.format }] : []),
  ...FURTHER_ATTRIBUTES.map((attribute) => ({ attribute })),
];

/** @returns undefined if the source is absent, empty, transient, or has several values */
function readSource(source: IdentifierSource, { attributes, nameId }: Subject, settings: IdentifierSettings): Identifier | undefined {
  if ('name_id' in source) return nameId?.format === source.name_id ? identifierOfNameId(nameId, settings) : undefined;
  const { attribute } = source;
  const isEmail = isEmailAttribute(attribute, settings.attributeMapping);
  const sent = readOnlyValue(attributes, attribute, { allowsDuplicates: isEmail });
  if (sent === undefined) return undefined;
  const isFolded = isEmail || foldsCase(attribute);
  const value = isEmail ? trimXmlSpace(sent) : sent;
  return { source, value: isFolded ? foldCase(value) : value, isFolded, formerForms: formerForms(source, sent, isFolded) };
}

function identifierOfNameId(nameId: NameId, settings: IdentifierSettings): Identifier | undefined {
  const { format, value: sent } = nameId;
  if (format === NAME_ID_TRANSIENT || isBlank(sent)) return undefined;
  const source = { name_id: format };
  if (format === NAME_ID_PERSISTENT) return { source, value: sent, isFolded: false, ...persistentParts(nameId, settings) };
  const isFolded = format === NAME_ID_EMAIL;
  const value = isFolded ? foldCase(trimXmlSpace(sent)) : sent;
  return { source, value, isFolded, formerForms: formerForms(source, sent, isFolded) };
}

/**
 * A persistent NameID is unique only together with its qualifiers. Absent ones mean the two parties of the sign-in. Earlier versions
 * kept the qualifiers as they were sent, so a user may be known with or without them.
 * @see saml-core §8.3.7
 */
function persistentParts(
  nameId: NameId,
  { idpEntityId, formerIdpEntityId = idpEntityId, entityId }: IdentifierSettings,
): Pick<Identifier, 'qualifiers' | 'formerForms'> {
  const sent = [nameId.nameQualifier ?? '', nameId.spNameQualifier ?? ''] as const;
  const present = spellingsOf(sent[0], idpEntityId);
  // A qualifier that means the identity provider itself was the name of the former one.
  const names = present.includes('') ? [...new Set([...present, formerIdpEntityId])] : present;
  const spNames = spellingsOf(sent[1], entityId);
  const qualifiers = [sent[0] === idpEntityId ? '' : sent[0], sent[1] === entityId ? '' : sent[1]] as const;
  return {
    ...(qualifiers.join('') === '' ? {} : { qualifiers }),
    formerForms: persistentForms(nameId, names, spNames),
  };
}

const persistentForms = ({ value }: NameId, names: readonly string[], spNames: readonly string[]): string[] =>
  names.flatMap((name) => spNames.map((spName) => JSON.stringify(['NameID', value, name, spName])));

/** Returns the forms with the qualifiers as they were sent, without qualifiers, and with the former and the present parties. */
function anyPersistentForms(nameId: NameId, { idpEntityId, entityId }: IdentifierSettings, formerIdpEntityId: string): string[] {
  const names = new Set([nameId.nameQualifier ?? '', '', idpEntityId, formerIdpEntityId]);
  return persistentForms(nameId, [...names], [...new Set([nameId.spNameQualifier ?? '', '', entityId])]);
}

/** Returns the spellings of a qualifier that mean the same, the current one first. */
function spellingsOf(qualifier: string, party: string): string[] {
  if (qualifier === '') return ['', party];
  return qualifier === party ? [party, ''] : [qualifier];
}

/** A member may be known under the value as it was sent, or in lower case. */
const formerForms = (source: IdentifierSource, sent: string, isFolded: boolean): string[] =>
  [...new Set(isFolded ? [sent, foldCase(sent), foldCase(trimXmlSpace(sent))] : [sent])].map((value) => formerFormOf(source, value));

/** Returns the form in which versions without formats knew a value of this source. Persistent NameIDs have qualifiers besides. */
export const formerFormOf = (source: IdentifierSource, value: string): string =>
  JSON.stringify(['attribute' in source ? source.attribute : 'NameID', value]);

/** @throws saml_malformed for a value with markup inside */
function readOnlyValue(attributes: Attributes, name: string, { allowsDuplicates }: { allowsDuplicates: boolean }): string | undefined {
  const values = (attributes.get(name) ?? []).map((value) => {
    if (value === undefined) throw new GatewayError('saml_malformed', 'A required attribute has markup inside its value.');
    return value;
  });
  const filled = values.filter((value) => value !== '');
  const [value, ...others] = allowsDuplicates ? new Set(filled.map(trimXmlSpace)) : filled;
  return value === undefined || others.length > 0 || isBlank(value) ? undefined : value;
}

/** Folds only ASCII letters: what else counts as equal differs between directories. */
export const foldCase = (value: string): string => value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

function withinLimit(identifier: Identifier): Identifier {
  if (identifier.value.length + (identifier.qualifiers ?? []).join('').length > MAX_IDENTIFIER_LENGTH) {
    throw new GatewayError('saml_name_id_missing', 'The user’s identifier is too long.');
  }
  return identifier;
}

/** With these formats the identity provider is free to send any NameID (saml-core §3.4.1.1). */
const ANY_FORMAT: readonly (string | undefined)[] = [undefined, NAME_ID_UNSPECIFIED, NAME_ID_ENCRYPTED];

/** @throws saml_identifier_changed */
function requireRequestedFormat(nameId: NameId | undefined, requested: string | undefined): void {
  if (!nameId || requested === undefined || ANY_FORMAT.includes(requested) || nameId.format === requested) return;
  throw new GatewayError('saml_identifier_changed', {
    detail: 'The NameID has another format than the gateway requested.',
    administratorDetail: 'The NameID has another format than the one in the setting name_id_format.',
    wanted: shown(`format ${requested}`),
    got: shown(`format ${nameId.format}`),
  });
}

export const isSameSource = (one: IdentifierSource, other: IdentifierSource): boolean =>
  'attribute' in one ? 'attribute' in other && one.attribute === other.attribute : 'name_id' in other && one.name_id === other.name_id;

/** Describes a source in words. */
export const describeSource = (source: IdentifierSource): string =>
  'attribute' in source ? `the attribute ${source.attribute}` : `the NameID of the format ${source.name_id}`;

/** Lists the names of the attributes that arrived, so that an administrator can choose one. */
const attributeNames = (attributes: Attributes): string =>
  shown(attributes.size > 0 ? `the attributes ${shownNames(attributes.keys()).join(', ')}` : 'no attributes', 1000);

const ABSENT = '(absent)';

function sourceChanged(source: IdentifierSource, { attributes, nameId }: Subject): GatewayError {
  return new GatewayError('saml_identifier_changed', {
    detail: 'The SAML response does not identify you in the way that your organization uses.',
    administratorDetail: `Users are identified by ${shown(describeSource(source))}, but the response does not have exactly one value of it. It has ${attributeNames(attributes)}.`,
    wanted: shown(`one value of ${describeSource(source)}`),
    got: receivedText(source, { attributes, nameId }),
  });
}

function receivedText(source: IdentifierSource, { attributes, nameId }: Subject): string {
  if ('name_id' in source) return nameId ? shown(`format ${nameId.format}`) : ABSENT;
  const values = attributes.get(source.attribute);
  return values === undefined ? ABSENT : `${values.filter((value) => value === undefined || !isBlank(value)).length} values`;
}

function nothingLasting({ attributes, nameId }: Subject): GatewayError {
  const problem = !nameId
    ? 'The assertion has no NameID.'
    : nameId.format === NAME_ID_TRANSIENT
      ? 'The NameID is transient: it changes at every sign-in and identifies no user.'
      : 'The NameID is empty.';
  return new GatewayError('saml_name_id_missing', {
    detail: problem,
    administratorDetail: `${problem} The response has ${attributeNames(attributes)}.`,
    got: nameId ? shown(`format ${nameId.format}`) : ABSENT,
  });
}
