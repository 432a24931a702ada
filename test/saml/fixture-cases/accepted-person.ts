/** Accepted: identifier, email address, name, groups and role of the user. */
import type { AcceptedCase } from './case.ts';
import { attribute, ENTITY_ID, type ExpectedPerson, IDP, message, OLIVIA, type Parts, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

const EMAIL_FORMAT = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
const PERSISTENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent';
const TRANSIENT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient';
const OBJECT_ID = 'http://schemas.microsoft.com/identity/claims/objectidentifier';
const SUBJECT_ID = 'urn:oasis:names:tc:SAML:attribute:subject-id';
const PAIRWISE_ID = 'urn:oasis:names:tc:SAML:attribute:pairwise-id';
const WS_CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims';

const EMAIL = attribute('email', 'olivia@acme.test');
const NAME = attribute('displayName', 'Olivia Owner');
const GROUPS = attribute('groups', 'platform-admins', 'engineering');
const NIL = '<saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>';
const identity = (...parts: string[]): string => JSON.stringify(parts);

type Row = readonly [name: string, parts: Partial<Parts>, person: Partial<ExpectedPerson>, more?: Pick<AcceptedCase, 'role' | 'settings'>];

const rows = ({ rsa }: Keys, prefix: string, list: readonly Row[]): AcceptedCase[] =>
  list.map(([name, parts, person, more]) => ({
    name: `${prefix}-${name}`,
    xml: sign(message(parts), rsa.key),
    person: { ...OLIVIA, ...person },
    ...more,
  }));

export function acceptedIdentity(keys: Keys): AcceptedCase[] {
  const nameId = (attributes: string, value = 'u-olivia') => ({ nameId: `<saml:NameID${attributes}>${value}</saml:NameID>` });
  const withIds = (...ids: string[]): Partial<Parts> => ({ attributes: EMAIL + NAME + GROUPS + ids.join('') });
  return rows(keys, 'identity', [
    [
      'name-id-persistent-with-qualifiers',
      nameId(` Format="${PERSISTENT}" NameQualifier="${IDP}" SPNameQualifier="${ENTITY_ID}"`),
      { identity: identity('NameID', 'u-olivia', IDP, ENTITY_ID) },
    ],
    ['name-id-without-format', nameId(''), { identity: identity('NameID', 'u-olivia') }],
    ['name-id-of-unknown-format', nameId(' Format="urn:x:employee-number"', '0042'), { identity: identity('NameID', '0042') }],
    ['name-id-email', nameId(` Format="${EMAIL_FORMAT}"`, 'olivia@acme.test'), { identity: identity('NameID', 'olivia@acme.test') }],
    ['name-id-with-comment', nameId('', 'u-<!-- -->olivia'), { identity: identity('NameID', 'u-olivia') }],
    ['name-id-with-white-space', nameId('', ' u-olivia\n'), { identity: identity('NameID', ' u-olivia\n') }],
    ['name-id-in-other-script', nameId('', 'Оливия 奥'), { identity: identity('NameID', 'Оливия 奥') }],
    ['name-id-with-quotes', nameId('', 'a"b\\c'), { identity: identity('NameID', 'a"b\\c') }],
    ['name-id-of-a-prototype', nameId('', '__proto__'), { identity: identity('NameID', '__proto__') }],
    ['name-id-of-256-characters', nameId('', 'x'.repeat(256)), { identity: identity('NameID', 'x'.repeat(256)) }],
    ['object-identifier', withIds(attribute(OBJECT_ID, '0d9c2b71')), { identity: identity(OBJECT_ID, '0d9c2b71') }],
    ['subject-id', withIds(attribute(SUBJECT_ID, 'o@acme.test')), { identity: identity(SUBJECT_ID, 'o@acme.test') }],
    ['pairwise-id', withIds(attribute(PAIRWISE_ID, 'ABC@acme.test')), { identity: identity(PAIRWISE_ID, 'ABC@acme.test') }],
    [
      'object-identifier-before-the-others',
      withIds(attribute(PAIRWISE_ID, 'p'), attribute(SUBJECT_ID, 's'), attribute(OBJECT_ID, 'o')),
      { identity: identity(OBJECT_ID, 'o') },
    ],
    [
      'subject-id-before-pairwise-id',
      withIds(attribute(PAIRWISE_ID, 'p'), attribute(SUBJECT_ID, 's')),
      { identity: identity(SUBJECT_ID, 's') },
    ],
    [
      'subject-id-with-transient-name-id',
      { ...withIds(attribute(SUBJECT_ID, 's')), ...nameId(` Format="${TRANSIENT}"`, '_random') },
      { identity: identity(SUBJECT_ID, 's') },
    ],
    ['object-identifier-without-name-id', { ...withIds(attribute(OBJECT_ID, 'o')), nameId: '' }, { identity: identity(OBJECT_ID, 'o') }],
    ['object-identifier-with-two-values-is-none', withIds(attribute(OBJECT_ID, 'o', 'p')), {}],
    ['object-identifier-empty-is-none', withIds(attribute(OBJECT_ID, '')), {}],
    [
      'subject-id-after-two-object-identifiers',
      withIds(attribute(OBJECT_ID, 'o', 'p'), attribute(SUBJECT_ID, 's')),
      { identity: identity(SUBJECT_ID, 's') },
    ],
  ]);
}

export function acceptedEmail(keys: Keys): AcceptedCase[] {
  const email = (spelled: string, read = spelled): [Partial<Parts>, Partial<ExpectedPerson>] => [
    { attributes: attribute('email', spelled) + NAME + GROUPS },
    { email: read },
  ];
  const emails = (...spelled: string[]): [Partial<Parts>, Partial<ExpectedPerson>] => [
    { attributes: attribute('email', ...spelled) + NAME + GROUPS },
    {},
  ];
  const named = (name: string) => ({ attributes: attribute(name, 'olivia@acme.test') + NAME + GROUPS });
  const addressed = { nameId: `<saml:NameID Format="${EMAIL_FORMAT}">olivia@acme.test</saml:NameID>` };
  const asAddress = { identity: identity('NameID', 'olivia@acme.test') };
  return rows(keys, 'email', [
    ['with-plus', ...email('olivia+sso@acme.test')],
    ['with-dots', ...email('o.l.i.via@mail.acme.test')],
    ['with-apostrophe', ...email("o'hara@acme.test")],
    ['with-special-characters', ...email('!#$%&amp;*+/=?^_`{|}~-@acme.test', '!#$%&*+/=?^_`{|}~-@acme.test')],
    ['in-upper-case', ...email('Olivia@ACME.test')],
    ['of-international-domain', ...email('olivia@žlutý-kůň.test')],
    ['of-ascii-international-domain', ...email('olivia@xn--lut-k-3va.test')],
    ['with-international-local-part', ...email('оливия@acme.test')],
    ['with-comment', ...email('olivia@acme.test<!-- .evil.test -->', 'olivia@acme.test')],
    ['with-references', ...email('olivia&#64;acme&#x2e;test', 'olivia@acme.test')],
    ['of-254-characters', ...email(`${'a'.repeat(63)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(57)}.test`)],
    ['domain-of-one-label', ...email('olivia@localhost')],
    ['domain-of-numbers', ...email('olivia@123.test')],
    ...[
      'mail',
      'emailAddress',
      'Email',
      'emailaddress',
      `${WS_CLAIMS}/emailaddress`,
      'urn:oid:0.9.2342.19200300.100.1.3',
      'urn:oid:1.2.840.113549.1.9.1',
    ].map((name): Row => [`in-attribute-${ATTRIBUTE_WORDS[name] ?? name.toLowerCase()}`, named(name), {}]),
    ['with-white-space', ...email(' &#9;olivia@acme.test&#13;&#10;', 'olivia@acme.test')],
    ['twice-the-same', ...emails('olivia@acme.test', 'olivia@acme.test')],
    ['twice-the-same-in-two-elements', { attributes: EMAIL + EMAIL + NAME + GROUPS }, {}],
    ['twice-the-same-with-white-space', ...emails('olivia@acme.test', 'olivia@acme.test&#10;')],
    ['beside-empty-value', ...emails('', 'olivia@acme.test')],
    [
      'beside-nil-value',
      { attributes: attribute('email', 'olivia@acme.test').replace('</saml:Attribute>', `${NIL}</saml:Attribute>`) + NAME + GROUPS },
      {},
    ],
    [
      'second-attribute-when-first-is-nil',
      { attributes: `<saml:Attribute Name="email">${NIL}</saml:Attribute>${attribute('mail', 'olivia@acme.test')}${NAME}${GROUPS}` },
      {},
    ],
    ['from-name-id-beside-empty-attribute', { ...addressed, attributes: attribute('email', '') + NAME + GROUPS }, asAddress],
    [
      'in-attribute-as-mapped',
      named('https://acme.test/mail'),
      {},
      { settings: { attributeMapping: { email: ['https://acme.test/mail'] } } },
    ],
    [
      'in-attribute-of-a-prototype-as-mapped',
      named('__proto__'),
      {},
      { settings: { attributeMapping: { email: ['constructor', '__proto__'] } } },
    ],
    [
      'second-attribute-when-first-has-two',
      { attributes: attribute('email', 'a@acme.test', 'b@acme.test') + attribute('mail', 'olivia@acme.test') + NAME + GROUPS },
      {},
    ],
    [
      'second-attribute-when-first-is-no-address',
      { attributes: attribute('email', 'olivia') + attribute('mail', 'olivia@acme.test') + NAME + GROUPS },
      {},
    ],
    [
      'second-attribute-when-first-is-empty',
      { attributes: attribute('email') + attribute('mail', 'olivia@acme.test') + NAME + GROUPS },
      {},
    ],
    ['first-of-two-attributes', { attributes: attribute('mail', 'other@acme.test') + EMAIL + NAME + GROUPS }, {}],
    ['from-name-id', { ...addressed, attributes: NAME + GROUPS }, asAddress],
    [
      'from-attribute-before-name-id',
      { ...addressed, attributes: attribute('email', 'other@acme.test') + NAME + GROUPS },
      { ...asAddress, email: 'other@acme.test' },
    ],
    [
      'of-entra-guest-from-attribute',
      {
        nameId: `<saml:NameID Format="${EMAIL_FORMAT}">ada_corp.test#EXT#@acme.onmicrosoft.com</saml:NameID>`,
        attributes: attribute(`${WS_CLAIMS}/emailaddress`, 'ada@corp.test') + attribute(OBJECT_ID, 'f5e01c83') + NAME + GROUPS,
      },
      { identity: identity(OBJECT_ID, 'f5e01c83'), email: 'ada@corp.test' },
    ],
  ]);
}

const ATTRIBUTE_WORDS: Readonly<Record<string, string>> = {
  emailAddress: 'in-camel-case',
  Email: 'capitalized',
  [`${WS_CLAIMS}/emailaddress`]: 'of-claims',
  'urn:oid:0.9.2342.19200300.100.1.3': 'by-oid',
  'urn:oid:1.2.840.113549.1.9.1': 'by-oid-of-pkcs9',
};

export function acceptedNames(keys: Keys): AcceptedCase[] {
  const named = (...attributes: string[]): Partial<Parts> => ({ attributes: EMAIL + attributes.join('') + GROUPS });
  return rows(keys, 'name', [
    ['absent-then-the-address', named(), { name: 'olivia@acme.test' }],
    ['beside-empty-value', named(attribute('displayName', 'Olivia Owner', '')), {}],
    ['empty-then-the-address', named(attribute('displayName', ' ')), { name: 'olivia@acme.test' }],
    ['doubled-then-the-next', named(attribute('displayName', 'A', 'B'), attribute('cn', 'Olivia')), { name: 'Olivia' }],
    ['given-and-family', named(attribute('givenName', 'Olivia'), attribute('sn', 'Owner')), {}],
    ['given-only', named(attribute('firstName', 'Olivia')), { name: 'Olivia' }],
    ['by-oid', named(attribute('urn:oid:2.5.4.42', 'Olivia'), attribute('urn:oid:2.5.4.4', 'Owner')), {}],
    ['of-microsoft', named(attribute('http://schemas.microsoft.com/identity/claims/displayname', 'Olivia Owner')), {}],
    [
      'with-markup-as-text',
      named(attribute('displayName', '&lt;script&gt;alert(1)&lt;/script&gt;')),
      { name: '<script>alert(1)</script>' },
    ],
    ['longer-than-256-characters', named(attribute('displayName', 'x'.repeat(300))), { name: 'x'.repeat(256) }],
    ['cut-between-characters', named(attribute('displayName', `${'x'.repeat(255)}\u{1f600}`)), { name: 'x'.repeat(255) }],
    ['split-by-child-elsewhere', named(NAME, attribute('note', 'a<b xmlns="urn:x">c</b>')), {}],
  ]);
}

export function acceptedGroups(keys: Keys): AcceptedCase[] {
  const grouped = (...attributes: string[]): Partial<Parts> => ({ attributes: EMAIL + NAME + attributes.join('') });
  const collaborator = { role: 'collaborator' } as const;
  const none = { groups: [], groupsState: 'absent' } as const;
  const only = (...groups: string[]): Partial<ExpectedPerson> => ({ groups });
  const rule = (...list: string[]): Pick<AcceptedCase, 'role' | 'settings'> => ({
    settings: { roleMapping: { rules: list.map((group) => ({ group, role: 'owner' })), defaultRole: 'none' } },
  });
  const attributeValue = (value: string) => `<saml:AttributeValue>${value}</saml:AttributeValue>`;
  const many = Array.from({ length: 1000 }, (_, i) => `group-${String(i).padStart(4, '0')}`);
  const entra = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/groups';
  return rows(keys, 'group', [
    ['absent', grouped(), none, collaborator],
    ['attribute-without-values', grouped('<saml:Attribute Name="groups"/>'), none, collaborator],
    ['attribute-with-an-empty-value', grouped(attribute('groups', '')), none, collaborator],
    ['attribute-with-empty-values', grouped(attribute('groups', '', ''), attribute('groups', '')), none, collaborator],
    ['attribute-with-a-nil-value', grouped(`<saml:Attribute Name="groups">${NIL}</saml:Attribute>`), none, collaborator],
    [
      'attribute-with-a-nil-value-in-lines',
      grouped(
        `<saml:Attribute Name="groups">${NIL.replace('"true"/>', '" 1 ">\n</saml:AttributeValue>')}${attributeValue('platform-admins')}</saml:Attribute>`,
      ),
      only('platform-admins'),
    ],
    ['beside-empty-value', grouped(attribute('groups', '', 'platform-admins', '')), only('platform-admins')],
    [
      'nil-that-is-false-is-a-value',
      grouped(attribute('groups', 'platform-admins').replace('<saml:AttributeValue>', NIL.replace('"true"/>', '"false">'))),
      only('platform-admins'),
    ],
    [
      'second-attribute-when-first-is-empty',
      grouped(attribute('groups', ''), attribute('memberOf', 'platform-admins')),
      only('platform-admins'),
    ],
    ['of-white-space-is-a-value', grouped(attribute('groups', ' ')), only(' '), collaborator],
    ['none-with-a-rule', grouped(attribute('groups', 'sales')), only('sales'), collaborator],
    [
      'repeated-attribute-joins',
      grouped(attribute('groups', 'engineering'), attribute('groups', 'platform-admins')),
      only('engineering', 'platform-admins'),
    ],
    [
      'repeated-attribute-of-other-format-joins',
      grouped(attribute('groups', 'engineering'), attribute('groups', 'platform-admins').replace('Name=', 'NameFormat="urn:x" Name=')),
      only('engineering', 'platform-admins'),
    ],
    [
      'in-two-statements-join',
      {
        statements: `<saml:AttributeStatement>${EMAIL}${NAME}${attribute('groups', 'engineering')}</saml:AttributeStatement><saml:AttributeStatement>${attribute('groups', 'platform-admins')}</saml:AttributeStatement>`,
      },
      only('engineering', 'platform-admins'),
    ],
    ['given-twice-count-once', grouped(attribute('groups', 'platform-admins', 'platform-admins')), only('platform-admins')],
    [
      'look-alikes-stay-apart',
      grouped(attribute('groups', 'a', 'A', ' a', 'a ', '\u00e1', 'a\u0301')),
      only('a', 'A', ' a', 'a ', '\u00e1', 'a\u0301'),
      collaborator,
    ],
    [
      'look-alike-beside-the-right-one',
      grouped(attribute('groups', 'Platform-Admins', 'platform-admins')),
      only('Platform-Admins', 'platform-admins'),
    ],
    [
      'owner-wins',
      grouped(attribute('groups', 'staff', 'admins')),
      only('staff', 'admins'),
      {
        settings: {
          roleMapping: {
            rules: [
              { group: 'staff', role: 'collaborator' },
              { group: 'admins', role: 'owner' },
            ],
            defaultRole: 'none',
          },
        },
      },
    ],
    [
      'collaborator-by-rule',
      grouped(attribute('groups', 'staff')),
      only('staff'),
      {
        ...collaborator,
        settings: { roleMapping: { rules: [{ group: 'staff', role: 'collaborator' }], defaultRole: 'none' } },
      },
    ],
    ['owner-by-default', grouped(), none, { settings: { roleMapping: { rules: [], defaultRole: 'owner' } } }],
    ['in-other-script', grouped(attribute('groups', 'správci ☃ 𠮷')), only('správci ☃ 𠮷'), rule('správci ☃ 𠮷')],
    ['decomposed-as-the-rule', grouped(attribute('groups', 'cafe\u0301')), only('cafe\u0301'), rule('cafe\u0301')],
    ['with-white-space-as-the-rule', grouped(attribute('groups', ' a\tb&#10;')), only(' a\tb\n'), rule(' a\tb\n')],
    ['with-markup-as-the-rule', grouped(attribute('groups', 'a&amp;b&lt;c&gt;')), only('a&b<c>'), rule('a&b<c>')],
    ['with-semicolon-as-the-rule', grouped(attribute('groups', 'a;b,c')), only('a;b,c'), rule('a;b,c')],
    ['of-prototypes', grouped(attribute('groups', '__proto__', 'constructor')), only('__proto__', 'constructor'), rule('__proto__')],
    ['distinguished-name', grouped(attribute('memberOf', 'CN=a,DC=b')), only('CN=a,DC=b'), rule('CN=a,DC=b')],
    ['of-entra', grouped(attribute(entra, '3f2a6c1e-58d4')), only('3f2a6c1e-58d4'), rule('3f2a6c1e-58d4')],
    ['by-oid', grouped(attribute('urn:oid:1.3.6.1.4.1.5923.1.5.1.1', 'platform-admins')), only('platform-admins')],
    [
      'first-mapped-attribute-counts',
      grouped(attribute('memberOf', 'platform-admins'), attribute('groups', 'sales')),
      only('sales'),
      collaborator,
    ],
    [
      'over-the-limit',
      grouped(attribute('http://schemas.microsoft.com/claims/groups.link', 'https://graph.test/x')),
      { groups: [], groupsState: 'over_limit' },
      collaborator,
    ],
    ['a-thousand', grouped(attribute('groups', ...many, 'platform-admins')), only(...many, 'platform-admins')],
    [
      'as-mapped',
      grouped(attribute('teams', 'platform-admins')),
      only('platform-admins'),
      { settings: { attributeMapping: { groups: ['roles', 'teams'] } } },
    ],
    [
      'attribute-named-as-prototype',
      grouped(attribute('__proto__', 'x'), attribute('constructor', 'y'), attribute('toString', 'z'), GROUPS),
      {},
    ],
  ]);
}
