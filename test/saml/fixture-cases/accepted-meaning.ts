/** Accepted: addresses, times, subjects and statements at the limits of what is valid. */
import type { AcceptedCase, CaseSettings } from './case.ts';
import {
  ACS_URL,
  attribute,
  audience,
  bearer,
  CONDITIONS_TIMES,
  confirmationData,
  ENTITY_ID,
  holderOfKey,
  IDP,
  message,
  minutes,
  NAME_ID,
  NOW,
  NOW_MS,
  OLIVIA,
  type Parts,
  REQUEST_ID,
  SUCCESS,
  sign,
} from './hand-made.ts';
import type { Keys } from './keys.ts';

const STATUS = 'urn:oasis:names:tc:SAML:2.0:status:';
const ENTITY_FORMAT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity';
const data = (attributes: string) => bearer(`<saml:SubjectConfirmationData ${attributes}/>`);
const conditions = (times: string, content = audience(ENTITY_ID)) => ({
  conditions: `<saml:Conditions${times}>${content}</saml:Conditions>`,
});
const second = (offset: number) => new Date(NOW_MS + offset * 1000).toISOString();
const until = (text: string) => data(`Recipient="${ACS_URL}" NotOnOrAfter="${text}" InResponseTo="${REQUEST_ID}"`);
const statement = (attributes: string, content = '') =>
  `<saml:AuthnStatement AuthnInstant="${NOW}"${attributes}>${content}</saml:AuthnStatement>`;
const context = (...classRefs: string[]) =>
  classRefs
    .map((ref) => statement('', `<saml:AuthnContext><saml:AuthnContextClassRef>${ref}</saml:AuthnContextClassRef></saml:AuthnContext>`))
    .join('');
const noSkew = { clockSkewSeconds: 0 };

type Row = readonly [name: string, parts: Partial<Parts>, statement?: AcceptedCase['statement'], settings?: CaseSettings];

const rows = ({ rsa }: Keys, prefix: string, list: readonly Row[], id = '_assertion1'): AcceptedCase[] =>
  list.map(([name, parts, statement, settings]) => ({
    name: `${prefix}-${name}`,
    xml: sign(message(parts), rsa.key, { id }),
    person: OLIVIA,
    ...(statement ? { statement } : {}),
    ...(settings ? { settings } : {}),
  }));

export function acceptedAddressing(keys: Keys): AcceptedCase[] {
  const responseAttributes = (more: string) => ({ responseAttributes: `ID="_response1" Version="2.0"${more}` });
  const audiences = (...content: string[]) => conditions(` ${CONDITIONS_TIMES}`, content.join(''));
  const unsolicited = {
    ...responseAttributes(` Destination="${ACS_URL}"`),
    confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}"`),
  };
  const proxy = '<saml:ProxyRestriction Count="1"/>';
  return [
    ...rows(keys, 'issuer', [
      ['of-response-absent', { responseIssuer: '' }],
      [
        'with-entity-format',
        {
          responseIssuer: `<saml:Issuer Format="${ENTITY_FORMAT}">${IDP}</saml:Issuer>`,
          assertionIssuer: `<saml:Issuer Format="${ENTITY_FORMAT}">${IDP}</saml:Issuer>`,
        },
      ],
      ['with-white-space', { assertionIssuer: `<saml:Issuer> \t${IDP}\n&#13;</saml:Issuer>` }],
      ['of-response-with-white-space', { responseIssuer: `<saml:Issuer>\n  ${IDP}\n</saml:Issuer>` }],
      ['with-qualifiers', { assertionIssuer: `<saml:Issuer NameQualifier="x" SPProvidedID="y">${IDP}</saml:Issuer>` }],
      ['with-comment-inside', { assertionIssuer: `<saml:Issuer>${IDP.slice(0, 12)}<!-- -->${IDP.slice(12)}</saml:Issuer>` }],
    ]),
    ...rows(keys, 'destination', [
      ['absent-in-unsigned-response', responseAttributes(` InResponseTo="${REQUEST_ID}"`)],
      ['with-white-space', responseAttributes(` Destination=" ${ACS_URL}&#10;" InResponseTo="${REQUEST_ID}"`)],
    ]),
    ...rows(
      keys,
      'destination',
      [['with-white-space-in-signed-response', responseAttributes(` Destination="&#9;${ACS_URL}&#13;&#10;" InResponseTo="${REQUEST_ID}"`)]],
      '_response1',
    ),
    ...rows(keys, 'recipient', [
      [
        'with-white-space',
        { confirmation: data(`Recipient="&#10;${ACS_URL} " NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`) },
      ],
    ]),
    ...rows(keys, 'audience', [
      ['second-of-several', audiences(audience('https://other.test/', ENTITY_ID, 'urn:x'))],
      ['several-restrictions-all-with-us', audiences(audience(ENTITY_ID), audience('urn:x', ENTITY_ID))],
      ['with-white-space', audiences(audience(` \t${ENTITY_ID}\n&#13;`))],
      ['with-white-space-second-of-several', audiences(audience('https://other.test/', `\n  ${ENTITY_ID}\n`))],
      ['with-white-space-in-every-restriction', audiences(audience(`${ENTITY_ID} `), audience(` ${ENTITY_ID}`))],
      ['doubled', audiences(audience(ENTITY_ID, ENTITY_ID))],
      ['with-comment', audiences(audience(`${ENTITY_ID.slice(0, 9)}<!-- -->${ENTITY_ID.slice(9)}`))],
      ['with-one-time-use', audiences(audience(ENTITY_ID), '<saml:OneTimeUse/>')],
      ['with-proxy-restriction', audiences(proxy, audience(ENTITY_ID))],
      ['with-proxy-restriction-of-many-steps', audiences(audience(ENTITY_ID), '<saml:ProxyRestriction Count="010"/>')],
      ['with-proxy-restriction-without-limit', audiences(audience(ENTITY_ID), '<saml:ProxyRestriction/>')],
      ['after-one-time-use', audiences('<saml:OneTimeUse/>', proxy, audience(ENTITY_ID))],
    ]),
    ...rows(keys, 'in-response-to', [
      ['absent-unsolicited', unsolicited, { inResponseTo: null }],
      [
        'empty-in-both',
        {
          responseAttributes: `${unsolicited.responseAttributes} InResponseTo=""`,
          confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo=""`),
        },
        { inResponseTo: '' },
      ],
    ]),
    ...rows(keys, 'in-response-to', [['absent-unsolicited-in-signed-response', unsolicited, { inResponseTo: null }]], '_response1'),
    ...rows(keys, 'status', [
      [
        'success-with-more-inside',
        {
          status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Success"><samlp:StatusCode Value="${STATUS}AuthnFailed"/></samlp:StatusCode></samlp:Status>`,
        },
      ],
      [
        'success-with-message',
        {
          status: SUCCESS.replace(
            '</samlp:Status>',
            '<samlp:StatusMessage>Well done.</samlp:StatusMessage><samlp:StatusDetail/></samlp:Status>',
          ),
        },
      ],
    ]),
  ];
}

export function acceptedTime(keys: Keys): AcceptedCase[] {
  const acceptable = (acceptableUntil: string) => ({ acceptableUntil });
  const ending = (name: string, text: string, acceptableUntil: string): Row => [
    name,
    { confirmation: until(text) },
    acceptable(acceptableUntil),
  ];
  return rows(keys, 'time', [
    ['confirmation-ends-in-a-second', { confirmation: until(second(1)) }, acceptable(second(1)), noSkew],
    ['confirmation-ends-in-a-millisecond', { confirmation: until(second(0.001)) }, acceptable(second(0.001)), noSkew],
    ['confirmation-ended-within-skew', { confirmation: until(second(-179)) }, acceptable(second(1))],
    ['confirmation-ended-within-largest-skew', { confirmation: until(second(-299)) }, acceptable(second(1)), { clockSkewSeconds: 300 }],
    ['conditions-end-in-a-second', conditions(` NotOnOrAfter="${second(1)}"`), {}, noSkew],
    ['conditions-ended-within-skew', conditions(` NotOnOrAfter="${second(-179)}"`)],
    ['conditions-begin-now', conditions(` NotBefore="${NOW}"`), {}, noSkew],
    ['conditions-begin-at-the-end-of-skew', conditions(` NotBefore="${second(180)}"`)],
    ['conditions-begin-within-largest-skew', conditions(` NotBefore="${second(300)}"`), {}, { clockSkewSeconds: 300 }],
    ['conditions-without-times', conditions('')],
    ['conditions-without-beginning', conditions(` NotOnOrAfter="${minutes(5)}"`)],
    ['conditions-without-end', conditions(` NotBefore="${minutes(-5)}"`)],
    ['session-ends-later', { authn: statement(` SessionNotOnOrAfter="${minutes(480)}"`) }, { sessionNotOnOrAfter: minutes(480) }],
    ['session-ends-in-a-second', { authn: statement(` SessionNotOnOrAfter="${second(1)}"`) }, { sessionNotOnOrAfter: second(1) }],
    [
      'session-ends-with-the-earlier-statement',
      { authn: statement(` SessionNotOnOrAfter="${minutes(480)}"`) + statement(` SessionNotOnOrAfter="${minutes(60)}" SessionIndex="_s"`) },
      { sessionNotOnOrAfter: minutes(60), sessionIndex: '_s' },
    ],
    ['issued-long-ago', { assertionAttributes: 'ID="_assertion1" Version="2.0" IssueInstant="2001-01-01T00:00:00Z"' }],
    ['issue-instant-absent', { assertionAttributes: 'ID="_assertion1" Version="2.0"' }],
    ending('zone-offset', '2026-01-15T14:05:00+02:00', '2026-01-15T12:08:00.000Z'),
    ending('zone-offset-negative', '2026-01-15T06:35:00-05:30', '2026-01-15T12:08:00.000Z'),
    ending('zone-offset-of-14-hours', '2026-01-16T02:05:00+14:00', '2026-01-15T12:08:00.000Z'),
    ending('zone-offset-of-zero', '2026-01-15T12:05:00-00:00', '2026-01-15T12:08:00.000Z'),
    ending('fraction-of-one-digit', '2026-01-15T12:05:00.5Z', '2026-01-15T12:08:00.500Z'),
    ending('fraction-of-seven-digits', '2026-01-15T12:05:00.1234567Z', '2026-01-15T12:08:00.123Z'),
    ending('fraction-of-nine-digits', '2026-01-15T12:05:00.999999999+00:00', '2026-01-15T12:08:00.999Z'),
    ending('end-of-day', '2026-01-15T24:00:00Z', '2026-01-16T00:03:00.000Z'),
    ending('end-of-day-with-fraction', '2026-01-15T24:00:00.000Z', '2026-01-16T00:03:00.000Z'),
    ending('end-of-year', '2026-12-31T24:00:00Z', '2027-01-01T00:03:00.000Z'),
    ending('leap-day', '2028-02-29T12:00:00Z', '2028-02-29T12:03:00.000Z'),
    ending('leap-day-of-2400', '2400-02-29T12:00:00Z', '2400-02-29T12:03:00.000Z'),
    ending('last-year', '9999-12-31T23:50:00Z', '9999-12-31T23:53:00.000Z'),
  ]);
}

export function acceptedSubject(keys: Keys): AcceptedCase[] {
  const good = bearer(confirmationData());
  const method = (uri: string) => good.replace('urn:oasis:names:tc:SAML:2.0:cm:bearer', uri);
  const otherRecipient = data(`Recipient="https://other.test/acs" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`);
  const wanted = { authnContext: ['urn:mfa', 'urn:token'] };
  return [
    ...rows(keys, 'subject', [
      ['second-confirmation-is-good', { confirmation: otherRecipient + good }],
      ['first-confirmation-is-good', { confirmation: good + otherRecipient }],
      ['good-after-expired', { confirmation: until(minutes(-60)) + good }, { acceptableUntil: minutes(8) }],
      [
        'good-after-one-of-another-request',
        { confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo="_other"`) + good },
      ],
      ['good-after-one-without-data', { confirmation: bearer('') + good }],
      ['good-after-one-with-not-before', { confirmation: bearer(confirmationData(` NotBefore="${minutes(-5)}"`)) + good }],
      ['good-after-one-without-end', { confirmation: data(`Recipient="${ACS_URL}" InResponseTo="${REQUEST_ID}"`) + good }],
      ['good-after-holder-of-key', { confirmation: method('urn:oasis:names:tc:SAML:2.0:cm:holder-of-key') + good }],
      ['good-after-holder-of-key-with-key', { confirmation: holderOfKey() + good }],
      ['good-before-holder-of-key-with-key', { confirmation: good + holderOfKey() }],
      ['good-between-sender-vouches', { confirmation: method('urn:oasis:names:tc:SAML:2.0:cm:sender-vouches') + good + method('urn:x') }],
      ['good-after-bad-two', { confirmation: otherRecipient + until(minutes(-60)) + good }],
      ['confirmation-with-address', { confirmation: bearer(confirmationData(' Address="203.0.113.9"')) }],
      [
        'confirmation-with-name-id',
        { confirmation: bearer(`${NAME_ID.replace('u-olivia', 'u-portal')}${confirmationData()}`) },
        { nameId: { value: 'u-olivia', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' } },
      ],
      [
        'confirmation-data-with-content',
        { confirmation: bearer(confirmationData().replace('/>', '><x xmlns="urn:x"/></saml:SubjectConfirmationData>')) },
      ],
      [
        'confirmation-data-with-type',
        {
          confirmation: bearer(
            confirmationData(' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="saml:KeyInfoConfirmationDataType"'),
          ),
        },
      ],
    ]),
    ...rows(keys, 'authn', [
      ['context-any', { authn: context('urn:anything') }, { authnContextClassRef: 'urn:anything' }],
      ['context-absent', { authn: statement('') }, { authnContextClassRef: null, sessionIndex: null }],
      [
        'context-without-class',
        { authn: statement('', '<saml:AuthnContext><saml:AuthnContextDeclRef>urn:x</saml:AuthnContextDeclRef></saml:AuthnContext>') },
        { authnContextClassRef: null },
      ],
      ['context-as-asked', { authn: context('urn:mfa') }, { authnContextClassRef: 'urn:mfa' }, wanted],
      ['context-as-asked-second-of-list', { authn: context('urn:token') }, { authnContextClassRef: 'urn:token' }, wanted],
      ['context-as-asked-in-second-statement', { authn: context('urn:password', 'urn:mfa') }, { authnContextClassRef: 'urn:mfa' }, wanted],
      ['context-as-asked-with-comment', { authn: context('urn:<!-- -->mfa') }, { authnContextClassRef: 'urn:mfa' }, wanted],
      [
        'several-statements',
        { authn: statement('') + statement(' SessionIndex="_s2"') + statement(' SessionIndex="_s3"') },
        { sessionIndex: '_s2' },
      ],
      [
        'after-attributes',
        { authn: '', statements: `<saml:AttributeStatement>${ATTRIBUTES}</saml:AttributeStatement>${statement(' SessionIndex="_s"')}` },
        { sessionIndex: '_s' },
      ],
      [
        'beside-authz-decision',
        {
          authn: `${statement('')}<saml:AuthzDecisionStatement Resource="urn:x" Decision="Permit"><saml:Action Namespace="urn:x">read</saml:Action></saml:AuthzDecisionStatement>`,
        },
      ],
      ['with-advice', { advice: '<saml:Advice><x xmlns="urn:x"><y/></x></saml:Advice>' }],
    ]),
  ];
}

const ATTRIBUTES =
  attribute('email', 'olivia@acme.test') + attribute('displayName', 'Olivia Owner') + attribute('groups', 'platform-admins', 'engineering');
