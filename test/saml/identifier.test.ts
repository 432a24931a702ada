import { describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { type IdentifierSettings, type IdentifierSource, readIdentifier } from '../../src/saml/identifier/identifier.ts';
import { canIdentify, offeredAttributes } from '../../src/saml/identifier/identifier-attributes.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_TRANSIENT, NAME_ID_UNSPECIFIED } from '../../src/saml/names.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../src/saml/response/attribute-mapping.ts';
import type { NameId } from '../../src/saml/response/name-id.ts';

const IDP = 'https://idp.example/Entity';
const GATEWAY = 'https://sso.example/saml/acme/metadata';
const SETTINGS: IdentifierSettings = {
  identifier: 'auto',
  nameIdFormat: undefined,
  attributeMapping: DEFAULT_ATTRIBUTE_MAPPING,
  idpEntityId: IDP,
  entityId: GATEWAY,
};
const OBJECT_ID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
const SUBJECT_ID = 'urn:oasis:names:tc:SAML:attribute:subject-id';
const PAIRWISE_ID = 'urn:oasis:names:tc:SAML:attribute:pairwise-id';
const UNIQUE_ID = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.13';
const EPPN = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.6';

type Values = Readonly<Record<string, string | readonly (string | undefined)[]>>;
const attributesOf = (values: Values) =>
  new Map(Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]));
const nameIdOf = (value: string, format = NAME_ID_PERSISTENT, nameQualifier?: string, spNameQualifier?: string): NameId => ({
  value,
  format,
  ...(nameQualifier === undefined ? {} : { nameQualifier }),
  ...(spNameQualifier === undefined ? {} : { spNameQualifier }),
});
const read = (attributes: Values, nameId?: NameId, settings: Partial<IdentifierSettings> = {}) =>
  readIdentifier({ attributes: attributesOf(attributes), nameId }, { ...SETTINGS, ...settings });
const outcome = (...args: Parameters<typeof read>) => {
  try {
    const { source, value, qualifiers } = read(...args);
    return [source, value, ...(qualifiers ? [qualifiers] : [])];
  } catch (error) {
    return error instanceof GatewayError ? error.code : error;
  }
};
/** What makes two sign-ins those of one user. */
const key = (...args: Parameters<typeof read>) => {
  const { formerForms: _, ...identity } = read(...args);
  return JSON.stringify(identity);
};

describe('the automatic identifier', () => {
  const all = { [EPPN]: 'e@x', [UNIQUE_ID]: 'u@x', [PAIRWISE_ID]: 'p@x', [SUBJECT_ID]: 's@x', [OBJECT_ID]: 'o', email: 'm@x' };
  it('is the first of the fixed order', () => {
    const order = [OBJECT_ID, SUBJECT_ID, PAIRWISE_ID, 'NameID', UNIQUE_ID, EPPN];
    const left: Record<string, string> = { ...all };
    let nameId: NameId | undefined = nameIdOf('n');
    for (const name of order) {
      expect(outcome(left, nameId)).toEqual([
        name === 'NameID' ? { name_id: NAME_ID_PERSISTENT } : { attribute: name },
        name === 'NameID' ? 'n' : left[name],
      ]);
      if (name === 'NameID') nameId = undefined;
      else delete left[name];
    }
    expect(outcome(left, nameId)).toBe('saml_name_id_missing'); // an email attribute identifies only if an administrator chose it
  });

  it.each(['eduPersonPrincipalName', 'eduPersonUniqueId', 'urn:mace:dir:attribute-def:eduPersonPrincipalName'])(
    'reads the name %s',
    (name) => {
      expect(outcome({ [name]: 'Ada@X.example' }, nameIdOf('t', NAME_ID_TRANSIENT))).toEqual([{ attribute: name }, 'ada@x.example']);
    },
  );

  it.each([
    ['several values', ['a', 'b']],
    ['no value', []],
    ['an empty value', ['']],
    ['a blank value', [' \n']],
  ])('skips an attribute with %s', (_title, values) => {
    expect(outcome({ [SUBJECT_ID]: values }, nameIdOf('n'))).toEqual([{ name_id: NAME_ID_PERSISTENT }, 'n']);
    expect(outcome({ [SUBJECT_ID]: values })).toBe('saml_name_id_missing');
  });

  it('is never a transient or an empty NameID', () => {
    expect(outcome({}, nameIdOf('t', NAME_ID_TRANSIENT))).toBe('saml_name_id_missing');
    expect(outcome({}, nameIdOf(' '))).toBe('saml_name_id_missing');
    expect(outcome({})).toBe('saml_name_id_missing');
  });

  it('tells administrators which attributes arrived', () => {
    const refusal = () => read({ uid: 'ada', mail: 'ada@x.example' }, nameIdOf('t', NAME_ID_TRANSIENT));
    expect(refusal).toThrow(
      expect.objectContaining({
        facts: expect.objectContaining({
          detail: expect.not.stringContaining('uid'),
          administratorDetail: expect.stringContaining('has the attributes uid, mail.'),
        }),
      }),
    );
  });

  it('has a bounded length', () => {
    expect(outcome({}, nameIdOf('x'.repeat(901)))).toBe('saml_name_id_missing');
    expect(outcome({}, nameIdOf('x'.repeat(500), NAME_ID_PERSISTENT, 'y'.repeat(500)))).toBe('saml_name_id_missing');
  });
});

describe('a pinned identifier', () => {
  const pinned = (identifier: IdentifierSource) => ({ identifier });
  it('is read from nothing else', () => {
    const attributes = { [SUBJECT_ID]: 's@x', uid: 'ada' };
    expect(outcome(attributes, nameIdOf('n'), pinned({ attribute: 'uid' }))).toEqual([{ attribute: 'uid' }, 'ada']);
    expect(outcome(attributes, nameIdOf('n'), pinned({ name_id: NAME_ID_PERSISTENT }))).toEqual([{ name_id: NAME_ID_PERSISTENT }, 'n']);
  });

  it.each<[string, Values, NameId | undefined]>([
    ['absent', { [SUBJECT_ID]: 's@x' }, nameIdOf('n')],
    ['empty', { uid: '', [SUBJECT_ID]: 's@x' }, nameIdOf('n')],
    ['sent with several values', { uid: ['ada', 'bob'], [SUBJECT_ID]: 's@x' }, nameIdOf('n')],
    ['sent twice with one value', { uid: ['ada', 'ada'] }, nameIdOf('n')],
  ])('refuses an attribute that is %s, without a fallback', (_title, attributes, nameId) => {
    expect(outcome(attributes, nameId, pinned({ attribute: 'uid' }))).toBe('saml_identifier_changed');
  });

  it.each<[string, NameId | undefined]>([
    ['absent', undefined],
    ['empty', nameIdOf(' ')],
    ['of another format', nameIdOf('n', NAME_ID_EMAIL)],
    ['of no format', nameIdOf('n', NAME_ID_UNSPECIFIED)],
  ])('refuses a NameID that is %s, without a fallback', (_title, nameId) => {
    expect(outcome({ [SUBJECT_ID]: 's@x' }, nameId, pinned({ name_id: NAME_ID_PERSISTENT }))).toBe('saml_identifier_changed');
  });

  it('never is a transient NameID', () => {
    expect(outcome({}, nameIdOf('t', NAME_ID_TRANSIENT), pinned({ name_id: NAME_ID_TRANSIENT }))).toBe('saml_identifier_changed');
  });

  it('refuses an attribute value with markup', () => {
    expect(outcome({ uid: [undefined] }, undefined, pinned({ attribute: 'uid' }))).toBe('saml_malformed');
  });
});

describe('equality of identifiers', () => {
  it('includes the format of a NameID', () => {
    const formats = [NAME_ID_PERSISTENT, NAME_ID_EMAIL, NAME_ID_UNSPECIFIED, 'urn:x'];
    expect(new Set(formats.map((format) => key({}, nameIdOf('a@x', format)))).size).toBe(4);
  });

  it('treats qualifiers that name the two parties as absent (saml-core §8.3.7)', () => {
    const plain = key({}, nameIdOf('n'));
    for (const [name, spName] of [
      [IDP, GATEWAY],
      [IDP, undefined],
      [undefined, GATEWAY],
      ['', ''],
    ] as const) {
      expect(key({}, nameIdOf('n', NAME_ID_PERSISTENT, name, spName))).toBe(plain);
    }
    const others = [
      nameIdOf('n', NAME_ID_PERSISTENT, 'https://other.example'),
      nameIdOf('n', NAME_ID_PERSISTENT, IDP, 'https://federation.example'),
    ];
    expect(new Set([plain, ...others.map((nameId) => key({}, nameId))]).size).toBe(3);
    // A value cannot imitate qualifiers.
    expect(key({}, nameIdOf('["n","https://other.example",""]'))).not.toBe(key({}, others[0]));
  });

  it.each([SUBJECT_ID, PAIRWISE_ID, UNIQUE_ID, EPPN, 'eduPersonPrincipalName', 'eduPersonUniqueId', 'subject-id', 'mail'])(
    'ignores the case of A to Z in %s, and nothing else',
    (attribute) => {
      const pin = { identifier: { attribute } };
      const of = (value: string) => key({ [attribute]: value }, undefined, pin);
      expect(of('ADA@X.Example')).toBe(of('ada@x.example'));
      expect(of('Äda@x.example')).not.toBe(of('äda@x.example'));
      expect(of('\u212Aim@x.example')).not.toBe(of('kim@x.example')); // the Kelvin sign, whose lower case is k
      expect(of('strasse@x')).not.toBe(of('straße@x'));
    },
  );

  it('ignores case and outer white space in a NameID of the format emailAddress', () => {
    expect(key({}, nameIdOf(' Ada@X.example\n', NAME_ID_EMAIL))).toBe(key({}, nameIdOf('ada@x.example', NAME_ID_EMAIL)));
  });

  it('compares everything else exactly', () => {
    for (const [one, other] of [
      ['Ada', 'ada'],
      ['ada', 'ada '],
      ['é', 'e\u0301'],
    ] as const) {
      expect(key({}, nameIdOf(one))).not.toBe(key({}, nameIdOf(other)));
      expect(key({}, nameIdOf(one, NAME_ID_UNSPECIFIED))).not.toBe(key({}, nameIdOf(other, NAME_ID_UNSPECIFIED)));
      const pin = { identifier: { attribute: 'uid' } };
      expect(key({ uid: one }, undefined, pin)).not.toBe(key({ uid: other }, undefined, pin));
    }
  });

  it('differs between folded and exact values of one attribute', () => {
    const pin = { identifier: { attribute: 'work' } };
    const attributeMapping = { ...DEFAULT_ATTRIBUTE_MAPPING, email: ['work'] };
    expect(key({ work: 'ada@x' }, undefined, { ...pin, attributeMapping })).not.toBe(key({ work: 'ada@x' }, undefined, pin));
    expect(outcome({ work: ['Ada@x', 'Ada@x'] }, undefined, { ...pin, attributeMapping })).toEqual([{ attribute: 'work' }, 'ada@x']);
  });
});

describe('name_id_format', () => {
  it('refuses a NameID of another format, whatever identifies the user', () => {
    const settings = { nameIdFormat: NAME_ID_PERSISTENT };
    expect(outcome({}, nameIdOf('n'), settings)).toEqual([{ name_id: NAME_ID_PERSISTENT }, 'n']);
    expect(outcome({}, nameIdOf('n@x', NAME_ID_EMAIL), settings)).toBe('saml_identifier_changed');
    expect(outcome({ [SUBJECT_ID]: 's@x' }, nameIdOf('n@x', NAME_ID_EMAIL), settings)).toBe('saml_identifier_changed');
    expect(outcome({ [SUBJECT_ID]: 's@x' }, undefined, settings)).toEqual([{ attribute: SUBJECT_ID }, 's@x']);
  });

  it('allows every format if it is unspecified or encrypted (saml-core §3.4.1.1)', () => {
    for (const nameIdFormat of [NAME_ID_UNSPECIFIED, 'urn:oasis:names:tc:SAML:2.0:nameid-format:encrypted']) {
      expect(outcome({}, nameIdOf('n'), { nameIdFormat })).toEqual([{ name_id: NAME_ID_PERSISTENT }, 'n']);
    }
  });
});

describe('the form of earlier versions', () => {
  it('has no format and no folding', () => {
    expect(read({}, nameIdOf('Ada@X', NAME_ID_EMAIL)).formerForms).toEqual(['["NameID","Ada@X"]', '["NameID","ada@x"]']);
    expect(read({}, nameIdOf('Ada', NAME_ID_UNSPECIFIED)).formerForms).toEqual(['["NameID","Ada"]']);
    expect(read({ [SUBJECT_ID]: 'A@x' }).formerForms).toEqual([`["${SUBJECT_ID}","A@x"]`, `["${SUBJECT_ID}","a@x"]`]);
  });

  it('has the qualifiers as they were sent, or in an equal spelling', () => {
    expect(read({}, nameIdOf('n', NAME_ID_PERSISTENT, IDP)).formerForms).toEqual(
      [
        [IDP, ''],
        [IDP, GATEWAY],
        ['', ''],
        ['', GATEWAY],
      ].map(([name, spName]) => JSON.stringify(['NameID', 'n', name, spName])),
    );
  });
});

describe('offeredAttributes()', () => {
  it('offers attributes with one value, and never groups, roles or names', () => {
    const values: Values = {
      uid: 'ada',
      mail: 'ada@x.example',
      eduPersonPrincipalName: 'ada@x',
      spidCode: 'AGID-001',
      fiscalNumber: 'TINIT-1',
      'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn': 'ada@x',
      two: ['a', 'b'],
      none: [],
      empty: '',
      markup: [undefined],
      long: 'x'.repeat(901),
      groups: 'admins',
      'http://schemas.microsoft.com/ws/2008/06/identity/claims/role': 'admin',
      Role: 'admin',
      memberOf: 'admins',
      eduPersonAffiliation: 'staff',
      'urn:oid:1.3.6.1.4.1.5923.1.1.1.9': 'staff@x',
      displayName: 'Ada',
      givenName: 'Ada',
      sn: 'Lovelace',
      cn: 'Ada Lovelace',
      'urn:oid:2.5.4.42': 'Ada',
      'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name': 'Ada',
      department: 'Engines',
    };
    expect(offeredAttributes(attributesOf(values), DEFAULT_ATTRIBUTE_MAPPING)).toEqual([
      ...['uid', 'mail', 'eduPersonPrincipalName', 'spidCode', 'fiscalNumber'],
      'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn',
    ]);
  });

  it('never offers an attribute that the mapping reads as groups or name', () => {
    const mapping = { ...DEFAULT_ATTRIBUTE_MAPPING, groups: ['teams'], name: ['nick'] };
    expect(['teams', 'nick', 'uid'].filter((name) => canIdentify(name, mapping))).toEqual(['uid']);
  });
});
