/** Rejected: genuine responses of users in no group with a rule, some of whose groups look like one. */
import type { RejectedCase } from './case.ts';
import { attribute, message, sign } from './hand-made.ts';
import type { Keys } from './keys.ts';

const EMAIL = attribute('email', 'olivia@acme.test');

/** The group of the rule and the groups that are sent. They are compared code point by code point, so none is equal. */
const LOOK_ALIKES: readonly (readonly [name: string, wanted: string, ...sent: string[]])[] = [
  ['in-upper-case', 'platform-admins', 'PLATFORM-ADMINS'],
  ['capitalized', 'platform-admins', 'Platform-Admins'],
  ['in-lower-case', 'Platform-Admins', 'platform-admins'],
  ['with-leading-space', 'platform-admins', ' platform-admins'],
  ['with-trailing-space', 'platform-admins', 'platform-admins '],
  ['with-tab', 'platform-admins', 'platform-admins&#9;'],
  ['with-line-break', 'platform-admins', 'platform-admins&#10;'],
  ['with-carriage-return', 'platform-admins', 'platform-admins&#13;'],
  ['with-inner-space', 'platform admins', 'platform  admins'],
  ['with-no-break-space', 'platform admins', 'platform\u00a0admins'],
  ['with-ideographic-space', 'platform admins', 'platform\u3000admins'],
  ['with-zero-width-space', 'platform-admins', 'platform-\u200badmins'],
  ['with-zero-width-joiner', 'platform-admins', 'platform\u200d-admins'],
  ['with-word-joiner', 'platform-admins', 'platform-admins\u2060'],
  ['with-byte-order-mark', 'platform-admins', '\ufeffplatform-admins'],
  ['with-soft-hyphen', 'platform-admins', 'platform\u00ad-admins'],
  ['with-right-to-left-override', 'platform-admins', '\u202eplatform-admins'],
  ['with-variation-selector', 'platform-admins', 'platform-admins\ufe0f'],
  ['with-tag-characters', 'platform-admins', 'platform-admins\u{e0061}'],
  ['with-non-breaking-hyphen', 'platform-admins', 'platform\u2011admins'],
  ['with-minus', 'platform-admins', 'platform\u2212admins'],
  ['with-dash', 'platform-admins', 'platform\u2013admins'],
  ['with-underscore', 'platform-admins', 'platform_admins'],
  ['with-cyrillic-letter', 'platform-admins', 'pl\u0430tform-admins'],
  ['with-greek-letter', 'platform-admins', 'platf\u03bfrm-admins'],
  ['in-full-width-letters', 'admins', '\uff41\uff44\uff4d\uff49\uff4e\uff53'],
  ['in-mathematical-letters', 'admins', '\u{1d41a}\u{1d41d}\u{1d426}\u{1d422}\u{1d427}\u{1d42c}'],
  ['with-ligature', 'office', 'o\ufb03ce'],
  ['with-dotless-i', 'admins', 'adm\u0131ns'],
  ['with-dotted-capital-i', 'admins', 'adm\u0130ns'],
  ['with-sharp-s', 'strasse', 'stra\u00dfe'],
  ['with-kelvin-sign', 'k-admins', '\u212a-admins'],
  ['with-long-s', 'admins', 'admin\u017f'],
  ['decomposed', 'caf\u00e9', 'cafe\u0301'],
  ['composed', 'cafe\u0301', 'caf\u00e9'],
  ['with-accent', 'admins', '\u00e1dmins'],
  ['in-hangul-letters', '\uad00\ub9ac', '\u1100\u116a\u11ab\u1105\u1175'],
  ['longer', 'platform-admins', 'platform-admins2'],
  ['shorter', 'platform-admins', 'platform-admin'],
  ['with-prefix', 'platform-admins', 'not-platform-admins'],
  ['as-path', 'platform-admins', '/platform-admins'],
  ['as-child-path', 'platform-admins', 'platform-admins/readers'],
  ['as-domain-account', 'platform-admins', 'ACME\\platform-admins'],
  ['as-distinguished-name', 'platform-admins', 'CN=platform-admins,OU=Groups,DC=acme,DC=test'],
  ['as-address', 'platform-admins', 'platform-admins@acme.test'],
  ['as-mapping', 'platform-admins', 'platform-admins=owner'],
  ['with-comma-list', 'platform-admins', 'engineering,platform-admins'],
  ['with-semicolon-list', 'platform-admins', 'engineering;platform-admins'],
  ['with-space-list', 'platform-admins', 'engineering platform-admins'],
  ['with-line-list', 'platform-admins', 'engineering&#10;platform-admins'],
  ['with-bar-list', 'platform-admins', 'engineering|platform-admins'],
  ['as-json-list', 'platform-admins', '["platform-admins"]'],
  ['quoted', 'platform-admins', '&quot;platform-admins&quot;'],
  ['split-over-values', 'platform-admins', 'platform-', 'admins'],
  ['escaped-twice', 'a&b', 'a&amp;amp;b'],
  ['percent-encoded', 'platform-admins', 'platform%2Dadmins'],
  ['as-pattern', 'platform-admins', 'platform-*'],
  ['rule-looks-like-a-pattern', 'platform-.*', 'platform-admins'],
  ['rule-looks-like-a-wildcard', '*', 'platform-admins'],
  ['empty', 'platform-admins', ''],
  ['rule-of-a-space', ' ', ''],
  ['number-with-leading-zero', '7', '07'],
  ['number-in-other-form', '1e3', '1000'],
  ['name-of-a-prototype', 'platform-admins', '__proto__', 'constructor', 'toString', 'hasOwnProperty'],
  ['rule-names-a-prototype', '__proto__', 'engineering'],
  ['guid-in-upper-case', '3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3', '3F2A6C1E-58D4-4B90-8C7A-1E9D05B4F6A3'],
  ['guid-in-braces', '3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3', '{3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3}'],
  ['none-of-three', 'platform-admins', 'engineering', 'sales', 'Everyone'],
];

/** The name of the group occurs, but not as a value of the groups attribute. */
const ELSEWHERE: readonly (readonly [name: string, attributes: string])[] = [
  ['in-no-attribute', ''],
  ['in-attribute-without-values', '<saml:Attribute Name="groups"/>'],
  ['in-attribute-of-other-name', attribute('department', 'platform-admins')],
  ['in-attribute-name-with-space', attribute('groups ', 'platform-admins')],
  ['in-attribute-name-in-other-case', attribute('GROUPS', 'platform-admins')],
  ['in-friendly-name-only', attribute('urn:x', 'platform-admins').replace('Name=', 'FriendlyName="groups" Name=')],
  ['in-name-of-attribute', attribute('platform-admins', 'groups')],
  ['in-second-mapped-attribute', attribute('groups', 'engineering') + attribute('memberOf', 'platform-admins')],
  [
    'in-attribute-of-the-value',
    '<saml:Attribute Name="groups"><saml:AttributeValue Value="platform-admins">x</saml:AttributeValue></saml:Attribute>',
  ],
  ['in-value-of-other-namespace', attribute('groups', 'platform-admins').replaceAll('saml:AttributeValue', 'samlp:AttributeValue')],
  ['in-comment', attribute('groups', 'engineering<!--platform-admins-->')],
  ['behind-comment', attribute('groups', 'platform-admins<!-- -->-readers')],
  ['before-cdata', attribute('groups', 'platform-admins<![CDATA[-readers]]>')],
  ['over-limit-link', attribute('http://schemas.microsoft.com/claims/groups.link', 'https://graph.windows.net/platform-admins')],
];

export function rejectedGroups({ rsa }: Keys): RejectedCase[] {
  const bad = (name: string, attributes: string, group: string): RejectedCase => ({
    name: `group-${name}`,
    xml: sign(message({ attributes: EMAIL + attributes }), rsa.key),
    code: 'saml_role_denied',
    settings: { roleMapping: { rules: [{ group, role: 'owner' }], defaultRole: 'none' } },
  });
  return [
    ...LOOK_ALIKES.map(([name, wanted, ...sent]) => bad(name, attribute('groups', ...sent), wanted)),
    ...ELSEWHERE.map(([name, attributes]) => bad(name, attributes, 'platform-admins')),
  ];
}
