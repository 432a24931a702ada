/** Rejected: validly signed responses for another service provider, another time, or without a usable user. */
import type { ErrorCode } from '../../../src/errors.ts';
import type { CaseSettings, RejectedCase } from './case.ts';
import {
  ACS_URL,
  attribute,
  audience,
  BASE,
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
  type Parts,
  REQUEST_ID,
  SUCCESS,
  sign,
} from './hand-made.ts';
import type { Keys } from './keys.ts';

const STATUS = 'urn:oasis:names:tc:SAML:2.0:status:';
const FAILED = `<samlp:Status><samlp:StatusCode Value="${STATUS}Responder"/></samlp:Status>`;
const data = (attributes: string) => bearer(`<saml:SubjectConfirmationData ${attributes}/>`);
const conditions = (times: string, content = audience(ENTITY_ID)) => `<saml:Conditions ${times}>${content}</saml:Conditions>`;
const responseAttributes = (more: string) => `ID="_response1" Version="2.0" IssueInstant="${NOW}" ${more}`;

type Row = readonly [name: string, parts: Partial<Parts>, code: ErrorCode, settings?: CaseSettings];

const rows = ({ rsa }: Keys, prefix: string, list: readonly Row[], id = '_assertion1'): RejectedCase[] =>
  list.map(([name, parts, code, settings]) => ({
    name: `${prefix}-${name}`,
    xml: sign(message(parts), rsa.key, { id }),
    code,
    ...(settings ? { settings } : {}),
  }));

export function rejectedAddressing(keys: Keys): RejectedCase[] {
  const other = `${BASE}/saml/other`;
  const recipient = (url: string) => data(`Recipient="${url}" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`);
  const audiences = (...content: string[]) => ({ conditions: conditions(CONDITIONS_TIMES, content.join('')) });
  const destination = (url: string) => ({ responseAttributes: responseAttributes(`Destination="${url}" InResponseTo="${REQUEST_ID}"`) });
  return [
    ...rows(keys, 'issuer', [
      ['of-response-other', { responseIssuer: '<saml:Issuer>https://evil.example.test/</saml:Issuer>' }, 'saml_issuer_unknown'],
      ['of-assertion-other', { assertionIssuer: '<saml:Issuer>https://evil.example.test/</saml:Issuer>' }, 'saml_issuer_unknown'],
      ['of-assertion-absent', { assertionIssuer: '' }, 'saml_issuer_unknown'],
      ['of-assertion-empty', { assertionIssuer: '<saml:Issuer/>' }, 'saml_issuer_unknown'],
      ['in-other-case', { assertionIssuer: `<saml:Issuer>${IDP.toUpperCase()}</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['with-trailing-slash', { assertionIssuer: `<saml:Issuer>${IDP}/</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['with-no-break-space', { assertionIssuer: `<saml:Issuer>${IDP}\u00a0</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['with-white-space-inside', { assertionIssuer: `<saml:Issuer>${IDP.replace('idp.', 'idp. ')}</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['with-next-line', { assertionIssuer: `<saml:Issuer>${IDP}\u0085</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['white-space', { assertionIssuer: '<saml:Issuer> \n</saml:Issuer>' }, 'saml_issuer_unknown'],
      ['with-comment-inside', { assertionIssuer: `<saml:Issuer>${IDP}<!-- -->.evil.test</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['with-child-element', { assertionIssuer: `<saml:Issuer>${IDP}<x xmlns="urn:x"/></saml:Issuer>` }, 'saml_malformed'],
      [
        'with-foreign-format',
        { assertionIssuer: `<saml:Issuer Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">${IDP}</saml:Issuer>` },
        'saml_issuer_unknown',
      ],
      [
        'of-both-other',
        { responseIssuer: '<saml:Issuer>x</saml:Issuer>', assertionIssuer: '<saml:Issuer>x</saml:Issuer>' },
        'saml_issuer_unknown',
      ],
      ['of-response-empty', { responseIssuer: '<saml:Issuer/>' }, 'saml_issuer_unknown'],
      ['of-response-with-zero-width-space', { responseIssuer: `<saml:Issuer>${IDP}\u200b</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['of-response-with-child', { responseIssuer: `<saml:Issuer>${IDP}<x xmlns="urn:x"/></saml:Issuer>` }, 'saml_malformed'],
      ['of-response-with-foreign-format', { responseIssuer: `<saml:Issuer Format="urn:x">${IDP}</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['longer', { assertionIssuer: `<saml:Issuer>${IDP}2</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['shorter', { assertionIssuer: `<saml:Issuer>${IDP.slice(0, -1)}</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['percent-encoded', { assertionIssuer: `<saml:Issuer>${IDP.replace('idp.', '%69dp.')}</saml:Issuer>` }, 'saml_issuer_unknown'],
      [
        'with-look-alike-letter',
        { assertionIssuer: `<saml:Issuer>${IDP.replace('idp', '\u0456dp')}</saml:Issuer>` },
        'saml_issuer_unknown',
      ],
      [
        'with-comment-before-rest',
        { assertionIssuer: `<saml:Issuer>https://evil.test/<!---->${IDP}</saml:Issuer>` },
        'saml_issuer_unknown',
      ],
      ['is-ourselves', { assertionIssuer: `<saml:Issuer>${ENTITY_ID}</saml:Issuer>` }, 'saml_issuer_unknown'],
      ['in-other-namespace', { assertionIssuer: `<samlp:Issuer>${IDP}</samlp:Issuer>` }, 'saml_structure_ambiguous'],
    ]),
    ...rows(keys, 'destination', [
      ['other-organization', destination(`${other}/acs`), 'saml_destination_mismatch'],
      ['other-host', destination('https://evil.example.test/saml/acme/acs'), 'saml_destination_mismatch'],
      ['plain-http', destination(ACS_URL.replace('https:', 'http:')), 'saml_destination_mismatch'],
      ['with-port', destination(ACS_URL.replace('.test/', '.test:443/')), 'saml_destination_mismatch'],
      ['with-slash', destination(`${ACS_URL}/`), 'saml_destination_mismatch'],
      ['with-query', destination(`${ACS_URL}?a=b`), 'saml_destination_mismatch'],
      ['in-other-case', destination(ACS_URL.replace('acme', 'ACME')), 'saml_destination_mismatch'],
      ['longer', destination(`${ACS_URL}.evil.test`), 'saml_destination_mismatch'],
      ['empty', destination(''), 'saml_destination_mismatch'],
      ['white-space', destination(' '), 'saml_destination_mismatch'],
      ['with-no-break-space', destination(`\u00a0${ACS_URL}`), 'saml_destination_mismatch'],
      ['with-line-break-inside', destination(ACS_URL.replace('/acme', '&#10;/acme')), 'saml_destination_mismatch'],
      ['with-fragment', destination(`${ACS_URL}#`), 'saml_destination_mismatch'],
      ['with-user', destination(ACS_URL.replace('https://', 'https://a@')), 'saml_destination_mismatch'],
      ['with-dot-segment', destination(ACS_URL.replace('/acme', '/other/../acme')), 'saml_destination_mismatch'],
      ['percent-encoded', destination(ACS_URL.replace('acme', '%61cme')), 'saml_destination_mismatch'],
      ['host-in-other-case', destination(ACS_URL.replace('sso', 'SSO')), 'saml_destination_mismatch'],
      ['two-in-one', destination(`${ACS_URL} ${ACS_URL}`), 'saml_destination_mismatch'],
      ['entity-id', destination(ENTITY_ID), 'saml_destination_mismatch'],
      ['only-prefix', destination(BASE), 'saml_destination_mismatch'],
    ]),
    ...rows(
      keys,
      'destination',
      [
        [
          'absent-in-signed-response',
          { responseAttributes: responseAttributes(`InResponseTo="${REQUEST_ID}"`) },
          'saml_destination_mismatch',
        ],
        ['other-in-signed-response', destination(`${other}/acs`), 'saml_destination_mismatch'],
        ['empty-in-signed-response', destination(''), 'saml_destination_mismatch'],
        [
          'in-namespace-in-signed-response',
          { responseAttributes: responseAttributes(`samlp:Destination="${ACS_URL}" InResponseTo="${REQUEST_ID}"`) },
          'saml_destination_mismatch',
        ],
      ],
      '_response1',
    ),
    ...rows(keys, 'recipient', [
      ['other-organization', { confirmation: recipient(`${other}/acs`) }, 'saml_recipient_mismatch'],
      ['other-service', { confirmation: recipient('https://other.example.test/acs') }, 'saml_recipient_mismatch'],
      ['entity-id', { confirmation: recipient(ENTITY_ID) }, 'saml_recipient_mismatch'],
      ['with-slash', { confirmation: recipient(`${ACS_URL}/`) }, 'saml_recipient_mismatch'],
      ['empty', { confirmation: recipient('') }, 'saml_recipient_mismatch'],
      ['plain-http', { confirmation: recipient(ACS_URL.replace('https:', 'http:')) }, 'saml_recipient_mismatch'],
      ['with-query', { confirmation: recipient(`${ACS_URL}?x`) }, 'saml_recipient_mismatch'],
      ['with-no-break-space', { confirmation: recipient(`${ACS_URL}\u00a0`) }, 'saml_recipient_mismatch'],
      ['white-space', { confirmation: recipient(' &#9;') }, 'saml_recipient_mismatch'],
      ['two-in-one', { confirmation: recipient(`${ACS_URL} ${ACS_URL}`) }, 'saml_recipient_mismatch'],
      ['in-other-case', { confirmation: recipient(ACS_URL.toUpperCase()) }, 'saml_recipient_mismatch'],
      ['longer', { confirmation: recipient(`${ACS_URL}.evil.test`) }, 'saml_recipient_mismatch'],
      [
        'in-namespace',
        { confirmation: data(`saml:Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`) },
        'saml_recipient_mismatch',
      ],
      [
        'in-non-bearer-confirmation-only',
        { confirmation: confirmationOf('urn:x', confirmationData()) + recipient('https://x.test') },
        'saml_recipient_mismatch',
      ],
      ['absent', { confirmation: data(`NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`) }, 'saml_recipient_mismatch'],
    ]),
    ...rows(keys, 'audience', [
      ['other-organization', audiences(audience(`${other}/metadata`)), 'saml_audience_mismatch'],
      ['other-service', audiences(audience('https://other.example.test/')), 'saml_audience_mismatch'],
      ['longer', audiences(audience(`${ENTITY_ID}2`)), 'saml_audience_mismatch'],
      ['shorter', audiences(audience(ENTITY_ID.slice(0, -1))), 'saml_audience_mismatch'],
      ['in-other-case', audiences(audience(ENTITY_ID.toUpperCase())), 'saml_audience_mismatch'],
      ['with-no-break-space', audiences(audience(`${ENTITY_ID}\u00a0`)), 'saml_audience_mismatch'],
      ['with-line-separator', audiences(audience(`${ENTITY_ID}\u2028`)), 'saml_audience_mismatch'],
      ['with-byte-order-mark', audiences(audience(`\ufeff${ENTITY_ID}`)), 'saml_audience_mismatch'],
      ['with-white-space-inside', audiences(audience(ENTITY_ID.replace('/acme', '/ acme'))), 'saml_audience_mismatch'],
      ['white-space', audiences(audience(' \n ')), 'saml_audience_mismatch'],
      ['of-other-with-white-space', audiences(audience(`\n${other}/metadata\n`)), 'saml_audience_mismatch'],
      ['two-in-one-text', audiences(audience(`${ENTITY_ID} https://x.example.test`)), 'saml_audience_mismatch'],
      ['second-restriction-excludes', audiences(audience(ENTITY_ID), audience('https://other.example.test/')), 'saml_audience_mismatch'],
      ['first-restriction-excludes', audiences(audience('https://other.example.test/'), audience(ENTITY_ID)), 'saml_audience_mismatch'],
      ['empty-restriction', audiences('<saml:AudienceRestriction/>'), 'saml_audience_mismatch'],
      ['empty-second-restriction', audiences(audience(ENTITY_ID), '<saml:AudienceRestriction/>'), 'saml_audience_mismatch'],
      ['no-restriction', audiences(), 'saml_audience_mismatch'],
      ['empty', audiences(audience('')), 'saml_audience_mismatch'],
      ['acs-url', audiences(audience(ACS_URL)), 'saml_audience_mismatch'],
      ['base-url', audiences(audience(BASE)), 'saml_audience_mismatch'],
      ['plain-http', audiences(audience(ENTITY_ID.replace('https:', 'http:'))), 'saml_audience_mismatch'],
      ['with-slash', audiences(audience(`${ENTITY_ID}/`)), 'saml_audience_mismatch'],
      ['percent-encoded', audiences(audience(ENTITY_ID.replace('acme', '%61cme'))), 'saml_audience_mismatch'],
      ['with-look-alike-letter', audiences(audience(ENTITY_ID.replace('acme', '\u0430cme'))), 'saml_audience_mismatch'],
      ['with-comment-before-rest', audiences(audience(`${ENTITY_ID}<!---->.evil.test`)), 'saml_audience_mismatch'],
      [
        'three-restrictions-one-excludes',
        audiences(audience(ENTITY_ID), audience('urn:x', 'urn:y'), audience(ENTITY_ID)),
        'saml_audience_mismatch',
      ],
      ['only-one-time-use', audiences('<saml:OneTimeUse/>'), 'saml_audience_mismatch'],
      ['in-advice-only', { conditions: '', advice: `<saml:Advice>${audience(ENTITY_ID)}</saml:Advice>` }, 'saml_audience_mismatch'],
      ['beside-conditions', { conditions: `<saml:Conditions ${CONDITIONS_TIMES}/>${audience(ENTITY_ID)}` }, 'saml_audience_mismatch'],
      [
        'restriction-of-saml-1',
        audiences(`<saml:AudienceRestrictionCondition><saml:Audience>${ENTITY_ID}</saml:Audience></saml:AudienceRestrictionCondition>`),
        'saml_malformed',
      ],
      [
        'conditions-in-other-namespace',
        { conditions: conditions(CONDITIONS_TIMES).replaceAll('saml:Conditions', 'samlp:Conditions') },
        'saml_audience_mismatch',
      ],
      ['no-conditions', { conditions: '' }, 'saml_audience_mismatch'],
      [
        'in-proxy-restriction',
        audiences(`<saml:ProxyRestriction><saml:Audience>${ENTITY_ID}</saml:Audience></saml:ProxyRestriction>`),
        'saml_audience_mismatch',
      ],
      ['with-child-element', audiences(audience(`${ENTITY_ID}<x xmlns="urn:x"/>`)), 'saml_malformed'],
      [
        'in-other-namespace',
        audiences(`<saml:AudienceRestriction><samlp:Audience>${ENTITY_ID}</samlp:Audience></saml:AudienceRestriction>`),
        'saml_audience_mismatch',
      ],
    ]),
  ];
}

export function rejectedTime(keys: Keys): RejectedCase[] {
  const until = (text: string) => ({ confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${text}" InResponseTo="${REQUEST_ID}"`) });
  const times = (text: string) => ({ conditions: conditions(text) });
  const session = (text: string) => ({ authn: `<saml:AuthnStatement AuthnInstant="${NOW}" SessionNotOnOrAfter="${text}"/>` });
  const noSkew = { clockSkewSeconds: 0 };
  const second = (offset: number) => new Date(NOW_MS + offset * 1000).toISOString();
  return rows(keys, 'time', [
    ['confirmation-expired', until(minutes(-10)), 'saml_expired'],
    ['confirmation-at-the-instant', until(NOW), 'saml_expired', noSkew],
    ['confirmation-at-the-end-of-skew', until(second(-180)), 'saml_expired'],
    ['confirmation-a-year-old', until('2025-01-15T12:00:00Z'), 'saml_expired'],
    ['confirmation-without-end', { confirmation: data(`Recipient="${ACS_URL}" InResponseTo="${REQUEST_ID}"`) }, 'saml_malformed'],
    ['confirmation-with-not-before', { confirmation: bearer(confirmationData(` NotBefore="${minutes(-5)}"`)) }, 'saml_malformed'],
    ['conditions-expired', times(`NotOnOrAfter="${minutes(-10)}"`), 'saml_expired'],
    ['conditions-at-the-instant', times(`NotOnOrAfter="${NOW}"`), 'saml_expired', noSkew],
    ['conditions-not-yet', times(`NotBefore="${minutes(10)}"`), 'saml_not_yet_valid'],
    ['conditions-not-yet-by-a-second', times(`NotBefore="${second(1)}"`), 'saml_not_yet_valid', noSkew],
    ['conditions-just-beyond-skew', times(`NotBefore="${second(181)}"`), 'saml_not_yet_valid'],
    ['session-expired', session(minutes(-10)), 'saml_expired'],
    ['session-at-the-instant', session(NOW), 'saml_expired'],
    ['session-ended-within-skew', session(second(-1)), 'saml_expired'],
    [
      'second-session-expired',
      {
        authn: `<saml:AuthnStatement AuthnInstant="${NOW}" SessionNotOnOrAfter="${minutes(60)}"/><saml:AuthnStatement AuthnInstant="${NOW}" SessionNotOnOrAfter="${minutes(-60)}"/>`,
      },
      'saml_expired',
    ],
    ['without-zone', until(minutes(5).replace('Z', '')), 'saml_malformed'],
    ['date-only', until('2026-01-16'), 'saml_malformed'],
    ['with-space', until('2026-01-16 12:00:00Z'), 'saml_malformed'],
    ['lower-case', until('2026-01-16t12:00:00z'), 'saml_malformed'],
    ['rfc-1123', until('Fri, 16 Jan 2026 12:00:00 GMT'), 'saml_malformed'],
    ['epoch-seconds', until('1799999999'), 'saml_malformed'],
    ['february-30', until('2026-02-30T12:00:00Z'), 'saml_malformed'],
    ['february-29-in-2027', until('2027-02-29T12:00:00Z'), 'saml_malformed'],
    ['month-13', until('2026-13-01T12:00:00Z'), 'saml_malformed'],
    ['hour-25', until('2026-01-16T25:00:00Z'), 'saml_malformed'],
    ['after-24-00', until('2026-01-16T24:00:01Z'), 'saml_malformed'],
    ['second-60', until('2026-01-16T12:00:60Z'), 'saml_malformed'],
    ['zone-of-15-hours', until('2026-01-16T12:00:00+15:00'), 'saml_malformed'],
    ['year-zero', until('0000-01-16T12:00:00Z'), 'saml_malformed'],
    ['year-of-five-digits', until('12026-01-16T12:00:00Z'), 'saml_malformed'],
    ['trailing-text', until(`${minutes(5)}junk`), 'saml_malformed'],
    ['trailing-line-break', until(`${minutes(5)}&#xA;`), 'saml_malformed'],
    ['full-width-digits', until('２026-01-16T12:00:00Z'), 'saml_malformed'],
    ['empty', until(''), 'saml_malformed'],
    ['confirmation-expired-by-a-second', until(second(-1)), 'saml_expired', noSkew],
    ['confirmation-expired-by-a-millisecond', until(new Date(NOW_MS - 1).toISOString()), 'saml_expired', noSkew],
    ['confirmation-expired-in-another-zone', until('2026-01-15T13:00:00+14:00'), 'saml_expired'],
    ['confirmation-at-the-end-of-largest-skew', until(second(-300)), 'saml_expired', { clockSkewSeconds: 300 }],
    ['conditions-expired-but-confirmation-good', times(`NotBefore="${minutes(-60)}" NotOnOrAfter="${minutes(-30)}"`), 'saml_expired'],
    ['conditions-at-the-end-of-skew', times(`NotOnOrAfter="${second(-180)}"`), 'saml_expired'],
    ['conditions-end-before-beginning', times(`NotBefore="${minutes(60)}" NotOnOrAfter="${minutes(30)}"`), 'saml_not_yet_valid'],
    ['conditions-not-yet-by-a-year', times(`NotBefore="2027-01-15T12:00:00Z" NotOnOrAfter="2027-01-15T12:05:00Z"`), 'saml_not_yet_valid'],
    ['conditions-not-yet-in-another-zone', times('NotBefore="2026-01-15T12:00:00-05:00"'), 'saml_not_yet_valid'],
    ['conditions-without-zone', times(`NotOnOrAfter="${minutes(5).replace('Z', '')}"`), 'saml_malformed'],
    ['conditions-empty-not-on-or-after', times('NotOnOrAfter=""'), 'saml_malformed'],
    ['conditions-of-another-calendar', times('NotOnOrAfter="2026-02-29T12:00:00Z"'), 'saml_malformed'],
    ['session-at-the-end-of-skew', session(second(-180)), 'saml_expired'],
    ['session-without-zone', session('2026-01-16T12:00:00'), 'saml_malformed'],
    ['zone-without-colon', until('2026-01-16T12:00:00+0100'), 'saml_malformed'],
    ['zone-of-hours-only', until('2026-01-16T12:00:00+01'), 'saml_malformed'],
    ['zone-of-60-minutes', until('2026-01-16T12:00:00+01:60'), 'saml_malformed'],
    ['zone-name', until('2026-01-16T12:00:00 UTC'), 'saml_malformed'],
    ['zone-in-words', until('2026-01-16T12:00:00Europe/Prague'), 'saml_malformed'],
    ['without-seconds', until('2026-01-16T12:00Z'), 'saml_malformed'],
    ['with-comma', until('2026-01-16T12:00:00,5Z'), 'saml_malformed'],
    ['with-dot-without-digits', until('2026-01-16T12:00:00.Z'), 'saml_malformed'],
    ['basic-form', until('20260116T120000Z'), 'saml_malformed'],
    ['week-date', until('2026-W03-5T12:00:00Z'), 'saml_malformed'],
    ['one-digit-month', until('2026-1-16T12:00:00Z'), 'saml_malformed'],
    ['minute-60', until('2026-01-16T12:60:00Z'), 'saml_malformed'],
    ['day-zero', until('2026-01-00T12:00:00Z'), 'saml_malformed'],
    ['month-zero', until('2026-00-16T12:00:00Z'), 'saml_malformed'],
    ['april-31', until('2026-04-31T12:00:00Z'), 'saml_malformed'],
    ['february-29-in-2100', until('2100-02-29T12:00:00Z'), 'saml_malformed'],
    ['negative-year', until('-2026-01-16T12:00:00Z'), 'saml_malformed'],
    ['infinity', until('INF'), 'saml_malformed'],
    ['leading-space', until(` ${minutes(5)}`), 'saml_malformed'],
    ['just-after-24-00', until('2026-01-16T24:00:00.0001Z'), 'saml_malformed'],
    ['arabic-digits', until('\u0662026-01-16T12:00:00Z'), 'saml_malformed'],
    ['conditions-malformed-not-before', times('NotBefore="yesterday"'), 'saml_malformed'],
    ['session-malformed', session('later'), 'saml_malformed'],
  ]);
}

export function rejectedSubject(keys: Keys): RejectedCase[] {
  const plain = (method: string) => confirmationOf(method, confirmationData());
  const wanted = { authnContext: ['urn:mfa'] };
  const proxied = (restriction: string, isFirst = false) => ({
    conditions: conditions(CONDITIONS_TIMES, isFirst ? restriction + audience(ENTITY_ID) : audience(ENTITY_ID) + restriction),
  });
  const proxyAudiences = (...uris: string[]) => audience(...uris).replaceAll('AudienceRestriction', 'ProxyRestriction');
  const context = (classRef: string) =>
    `<saml:AuthnStatement AuthnInstant="${NOW}"><saml:AuthnContext><saml:AuthnContextClassRef>${classRef}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;
  return [
    ...rows(keys, 'subject', [
      ['absent', { subject: '' }, 'saml_malformed'],
      ['without-confirmation', { confirmation: '' }, 'saml_malformed'],
      ['confirmation-without-data', { confirmation: bearer('') }, 'saml_malformed'],
      ['holder-of-key', { confirmation: plain('urn:oasis:names:tc:SAML:2.0:cm:holder-of-key') }, 'saml_malformed'],
      ['holder-of-key-with-key', { confirmation: holderOfKey() }, 'saml_malformed'],
      [
        'holder-of-key-with-bearer-data',
        { confirmation: holderOfKey().replace(HOLDER_OF_KEY, `${HOLDER_OF_KEY} ${BEARER}`) },
        'saml_malformed',
      ],
      [
        'holder-of-key-before-bearer-for-another-recipient',
        { confirmation: holderOfKey() + data(`Recipient="https://x.test" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`) },
        'saml_recipient_mismatch',
      ],
      [
        'holder-of-key-after-expired-bearer',
        { confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(-60)}" InResponseTo="${REQUEST_ID}"`) + holderOfKey() },
        'saml_expired',
      ],
      [
        'holder-of-key-after-bearer-of-another-request',
        { confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo="_other"`) + holderOfKey() },
        'saml_in_response_to_unknown',
      ],
      [
        'bearer-inside-holder-of-key',
        {
          confirmation: holderOfKey().replace(
            '</saml:SubjectConfirmationData>',
            `${bearer(confirmationData())}</saml:SubjectConfirmationData>`,
          ),
        },
        'saml_malformed',
      ],
      ['sender-vouches', { confirmation: plain('urn:oasis:names:tc:SAML:2.0:cm:sender-vouches') }, 'saml_malformed'],
      ['bearer-of-saml-1', { confirmation: plain('urn:oasis:names:tc:SAML:1.0:cm:bearer') }, 'saml_malformed'],
      ['confirmation-method-in-other-case', { confirmation: plain('urn:oasis:names:tc:SAML:2.0:cm:Bearer') }, 'saml_malformed'],
      ['confirmation-method-with-space', { confirmation: plain(' urn:oasis:names:tc:SAML:2.0:cm:bearer') }, 'saml_malformed'],
      [
        'confirmation-method-absent',
        { confirmation: `<saml:SubjectConfirmation>${confirmationData()}</saml:SubjectConfirmation>` },
        'saml_malformed',
      ],
      [
        'confirmation-beside-subject',
        { subject: `<saml:Subject>${NAME_ID}</saml:Subject>${bearer(confirmationData())}` },
        'saml_malformed',
      ],
      ['confirmation-data-in-other-namespace', { confirmation: bearer(confirmationData().replace('saml:', 'samlp:')) }, 'saml_malformed'],
      ['in-other-namespace', { subject: `<samlp:Subject>${NAME_ID}${bearer(confirmationData())}</samlp:Subject>` }, 'saml_malformed'],
      [
        'two-confirmations-both-bad',
        {
          confirmation:
            plain('urn:oasis:names:tc:SAML:2.0:cm:sender-vouches') + data(`Recipient="https://x.test" NotOnOrAfter="${minutes(5)}"`),
        },
        'saml_recipient_mismatch',
      ],
      [
        'good-parts-in-two-confirmations',
        {
          confirmation:
            data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(-60)}" InResponseTo="${REQUEST_ID}"`) +
            data(`Recipient="https://x.test" NotOnOrAfter="${minutes(5)}" InResponseTo="${REQUEST_ID}"`),
        },
        'saml_expired',
      ],
      [
        'confirmation-in-response-to-other',
        { confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}" InResponseTo="_other"`) },
        'saml_in_response_to_unknown',
      ],
      [
        'confirmation-unsolicited-in-solicited-response',
        { confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}"`) },
        'saml_in_response_to_unknown',
      ],
      [
        'response-unsolicited-confirmation-solicited',
        { responseAttributes: responseAttributes(`Destination="${ACS_URL}"`) },
        'saml_in_response_to_unknown',
      ],
      ['name-id-absent', { nameId: '' }, 'saml_name_id_missing'],
      ['name-id-empty', { nameId: '<saml:NameID/>' }, 'saml_name_id_missing'],
      ['name-id-white-space', { nameId: '<saml:NameID> \n</saml:NameID>' }, 'saml_name_id_missing'],
      [
        'name-id-transient',
        { nameId: '<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">_x</saml:NameID>' },
        'saml_name_id_missing',
      ],
      ['name-id-endless', { nameId: `<saml:NameID>${'x'.repeat(2000)}</saml:NameID>` }, 'saml_name_id_missing'],
      ['name-id-with-child', { nameId: '<saml:NameID>olivia<x xmlns="urn:x"/>@acme.test</saml:NameID>' }, 'saml_malformed'],
      [
        'name-id-of-saml-1',
        { nameId: '<s1:NameIdentifier xmlns:s1="urn:oasis:names:tc:SAML:1.0:assertion">u</s1:NameIdentifier>' },
        'saml_name_id_missing',
      ],
      ['name-id-in-other-namespace', { nameId: '<samlp:NameID>u</samlp:NameID>' }, 'saml_name_id_missing'],
      ['name-id-in-confirmation-only', { nameId: '', confirmation: bearer(NAME_ID + confirmationData()) }, 'saml_name_id_missing'],
      ['name-id-no-break-space', { nameId: '<saml:NameID>\u00a0\u2003</saml:NameID>' }, 'saml_name_id_missing'],
      [
        'name-id-transient-and-email-attribute',
        {
          nameId: '<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient">olivia@acme.test</saml:NameID>',
          attributes: attribute('email', 'olivia@acme.test'),
        },
        'saml_name_id_missing',
      ],
      [
        'stable-identifier-doubled-and-no-name-id',
        {
          nameId: '',
          attributes:
            attribute('urn:oasis:names:tc:SAML:attribute:subject-id', 'a@acme.test', 'b@acme.test') + attribute('email', 'a@acme.test'),
        },
        'saml_name_id_missing',
      ],
      [
        'stable-identifier-empty-and-no-name-id',
        {
          nameId: '',
          attributes: attribute('http://schemas.microsoft.com/identity/claims/objectidentifier', '') + attribute('email', 'a@acme.test'),
        },
        'saml_name_id_missing',
      ],
      [
        'stable-identifier-with-child',
        { attributes: attribute('urn:oasis:names:tc:SAML:attribute:subject-id', 'a<x xmlns="urn:x"/>@acme.test') },
        'saml_malformed',
      ],
      ['base-id', { nameId: '<saml:BaseID/>' }, 'saml_name_id_missing'],
      ['email-attribute-alone', { nameId: '', attributes: attribute('email', 'olivia@acme.test') }, 'saml_name_id_missing'],
    ]),
    ...rows(keys, 'authn', [
      ['absent', { authn: '' }, 'saml_malformed'],
      ['in-other-namespace', { authn: '<samlp:AuthnStatement/>' }, 'saml_malformed'],
      [
        'in-advice-only',
        { authn: '', advice: `<saml:Advice><saml:AuthnStatement AuthnInstant="${NOW}"/></saml:Advice>` },
        'saml_malformed',
      ],
      ['only-authz-decision', { authn: '<saml:AuthzDecisionStatement Resource="" Decision="Permit"/>' }, 'saml_malformed'],
      ['context-in-other-case', { authn: context('URN:MFA') }, 'saml_authn_context_mismatch', wanted],
      ['context-longer', { authn: context('urn:mfa2') }, 'saml_authn_context_mismatch', wanted],
      ['context-with-white-space', { authn: context(' urn:mfa ') }, 'saml_authn_context_mismatch', wanted],
      ['context-empty', { authn: context('') }, 'saml_authn_context_mismatch', { authnContext: ['urn:mfa', 'urn:token'] }],
      ['context-with-child', { authn: context('urn:<x xmlns="urn:x"/>mfa') }, 'saml_malformed', wanted],
      [
        'context-of-authority',
        {
          authn: `<saml:AuthnStatement AuthnInstant="${NOW}"><saml:AuthnContext><saml:AuthenticatingAuthority>urn:mfa</saml:AuthenticatingAuthority></saml:AuthnContext></saml:AuthnStatement>`,
        },
        'saml_authn_context_mismatch',
        wanted,
      ],
      [
        'two-context-classes',
        { authn: context('urn:a</saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:mfa') },
        'saml_structure_ambiguous',
        wanted,
      ],
      ['context-not-as-asked', {}, 'saml_authn_context_mismatch', wanted],
      [
        'context-requested-only-in-advice',
        { advice: `<saml:Advice>${context('urn:mfa')}</saml:Advice>` },
        'saml_authn_context_mismatch',
        wanted,
      ],
      ['context-absent-but-asked', { authn: `<saml:AuthnStatement AuthnInstant="${NOW}"/>` }, 'saml_authn_context_mismatch', wanted],
      [
        'context-declaration-is-no-class',
        {
          authn: `<saml:AuthnStatement AuthnInstant="${NOW}"><saml:AuthnContext><saml:AuthnContextDeclRef>urn:mfa</saml:AuthnContextDeclRef></saml:AuthnContext></saml:AuthnStatement>`,
        },
        'saml_authn_context_mismatch',
        wanted,
      ],
      [
        'two-contexts',
        { authn: `<saml:AuthnStatement AuthnInstant="${NOW}"><saml:AuthnContext/><saml:AuthnContext/></saml:AuthnStatement>` },
        'saml_structure_ambiguous',
      ],
    ]),
    ...rows(keys, 'conditions', [
      [
        'unknown-in-own-namespace',
        { conditions: conditions(CONDITIONS_TIMES, `${audience(ENTITY_ID)}<x:Geofence xmlns:x="urn:x"/>`) },
        'saml_malformed',
      ],
      [
        'known-name-in-other-namespace',
        { conditions: conditions(CONDITIONS_TIMES, `${audience(ENTITY_ID)}<x:OneTimeUse xmlns:x="urn:x"/>`) },
        'saml_malformed',
      ],
      [
        'audience-restriction-in-other-namespace',
        { conditions: conditions(CONDITIONS_TIMES, `${audience(ENTITY_ID)}<samlp:AudienceRestriction/>`) },
        'saml_malformed',
      ],
      ['unknown-condition', { conditions: conditions(CONDITIONS_TIMES, `${audience(ENTITY_ID)}<saml:Condition/>`) }, 'saml_malformed'],
      [
        'unknown-in-saml-namespace',
        { conditions: conditions(CONDITIONS_TIMES, `${audience(ENTITY_ID)}<saml:Whatever/>`) },
        'saml_malformed',
      ],
    ]),
    ...rows(keys, 'proxy', [
      ['count-zero', proxied('<saml:ProxyRestriction Count="0"/>'), 'saml_proxy_restricted'],
      ['count-zero-before-audience', proxied('<saml:ProxyRestriction Count="0"/>', true), 'saml_proxy_restricted'],
      ['count-several-zeros', proxied('<saml:ProxyRestriction Count="000"/>'), 'saml_proxy_restricted'],
      [
        'count-zero-in-unsolicited-response',
        {
          ...proxied('<saml:ProxyRestriction Count="0"/>'),
          responseAttributes: responseAttributes(`Destination="${ACS_URL}"`),
          confirmation: data(`Recipient="${ACS_URL}" NotOnOrAfter="${minutes(5)}"`),
        },
        'saml_proxy_restricted',
      ],
      ['audience-list', proxied(proxyAudiences('urn:x:elsewhere')), 'saml_proxy_restricted'],
      ['audience-list-with-us', proxied(proxyAudiences(ENTITY_ID)), 'saml_proxy_restricted'],
      ['audience-list-with-count', proxied(proxyAudiences('urn:x').replace('>', ' Count="5">')), 'saml_proxy_restricted'],
      [
        'audience-list-with-empty-audience',
        proxied('<saml:ProxyRestriction><saml:Audience/></saml:ProxyRestriction>'),
        'saml_proxy_restricted',
      ],
      [
        'audience-in-other-namespace',
        proxied('<saml:ProxyRestriction><samlp:Audience>urn:x</samlp:Audience></saml:ProxyRestriction>'),
        'saml_proxy_restricted',
      ],
      ['second-of-two', proxied('<saml:ProxyRestriction Count="1"/><saml:ProxyRestriction Count="0"/>'), 'saml_proxy_restricted'],
      ['first-of-two', proxied('<saml:ProxyRestriction Count="0"/><saml:ProxyRestriction Count="1"/>'), 'saml_proxy_restricted'],
      ['count-negative', proxied('<saml:ProxyRestriction Count="-1"/>'), 'saml_malformed'],
      ['count-empty', proxied('<saml:ProxyRestriction Count=""/>'), 'saml_malformed'],
      ['count-in-words', proxied('<saml:ProxyRestriction Count="none"/>'), 'saml_malformed'],
      ['count-hexadecimal', proxied('<saml:ProxyRestriction Count="0x1"/>'), 'saml_malformed'],
      ['count-with-fraction', proxied('<saml:ProxyRestriction Count="0.5"/>'), 'saml_malformed'],
    ]),
    ...rows(keys, 'status', [
      ['responder', { status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Responder"/></samlp:Status>` }, 'saml_status_not_success'],
      [
        'requester-with-success-below',
        {
          status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Requester"><samlp:StatusCode Value="${STATUS}Success"/></samlp:StatusCode></samlp:Status>`,
        },
        'saml_status_not_success',
      ],
      [
        'authn-failed',
        {
          status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Responder"><samlp:StatusCode Value="${STATUS}AuthnFailed"/></samlp:StatusCode><samlp:StatusMessage>AADSTS50105: not assigned</samlp:StatusMessage></samlp:Status>`,
        },
        'saml_status_not_success',
      ],
      [
        'success-in-other-case',
        { status: `<samlp:Status><samlp:StatusCode Value="${STATUS}success"/></samlp:Status>` },
        'saml_status_not_success',
      ],
      [
        'success-with-space',
        { status: `<samlp:Status><samlp:StatusCode Value=" ${STATUS}Success"/></samlp:Status>` },
        'saml_status_not_success',
      ],
      [
        'success-of-saml-1',
        { status: '<samlp:Status><samlp:StatusCode Value="samlp:Success"/></samlp:Status>' },
        'saml_status_not_success',
      ],
      [
        'success-as-text',
        { status: `<samlp:Status><samlp:StatusCode>${STATUS}Success</samlp:StatusCode></samlp:Status>` },
        'saml_malformed',
      ],
      ['empty-value', { status: '<samlp:Status><samlp:StatusCode Value=""/></samlp:Status>' }, 'saml_status_not_success'],
      ['failed-before-audience-is-looked-at', { status: FAILED, conditions: '' }, 'saml_status_not_success'],
      [
        'failed-before-destination-is-looked-at',
        { status: FAILED, responseAttributes: responseAttributes('Destination="x"') },
        'saml_status_not_success',
      ],
      [
        'message-with-child',
        { status: FAILED.replace('</samlp:Status>', '<samlp:StatusMessage>a<b xmlns="urn:x"/></samlp:StatusMessage></samlp:Status>') },
        'saml_malformed',
      ],
      ['partial', { status: `<samlp:Status><samlp:StatusCode Value="${STATUS}PartialLogout"/></samlp:Status>` }, 'saml_status_not_success'],
      ['absent', { status: '' }, 'saml_malformed'],
      ['without-code', { status: '<samlp:Status/>' }, 'saml_malformed'],
      ['code-without-value', { status: '<samlp:Status><samlp:StatusCode/></samlp:Status>' }, 'saml_malformed'],
      ['in-assertion-namespace', { status: SUCCESS.replaceAll('samlp:', 'saml:') }, 'saml_malformed'],
    ]),
    {
      name: 'status-failed-without-assertion',
      xml: message({
        assertion: '',
        status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Responder"/><samlp:StatusMessage>AADSTS75011: authentication method mismatch</samlp:StatusMessage></samlp:Status>`,
      }),
      code: 'saml_status_not_success',
      detail: 'AADSTS75011: authentication method mismatch',
    },
    {
      name: 'status-failed-without-assertion-in-signed-response',
      xml: sign(message({ assertion: '', status: FAILED }), keys.rsa.key, { id: '_response1' }),
      code: 'saml_status_not_success',
      detail: 'gave no reason',
    },
    {
      name: 'status-failed-in-signed-response',
      xml: sign(
        message({
          status: FAILED.replace(
            '</samlp:Status>',
            `<samlp:StatusMessage>a &lt;b&gt; ${'c'.repeat(5000)}</samlp:StatusMessage></samlp:Status>`,
          ),
        }),
        keys.rsa.key,
        { id: '_response1' },
      ),
      code: 'saml_status_not_success',
      detail: `“a <b> ${'c'.repeat(294)}…”`,
    },
    {
      name: 'status-success-without-assertion',
      xml: sign(message({ assertion: '' }), keys.rsa.key, { id: '_response1' }),
      code: 'saml_malformed',
    },
    {
      name: 'status-failed-with-bad-signature',
      xml: sign(message({ status: FAILED }), keys.rogue.key),
      code: 'saml_signature_invalid',
    },
    {
      name: 'status-failed-from-other-issuer',
      xml: message({
        responseIssuer: '<saml:Issuer>https://evil.test</saml:Issuer>',
        assertion: '',
        status: `<samlp:Status><samlp:StatusCode Value="${STATUS}Responder"/></samlp:Status>`,
      }),
      code: 'saml_issuer_unknown',
    },
  ];
}

const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const HOLDER_OF_KEY = 'urn:oasis:names:tc:SAML:2.0:cm:holder-of-key';

function confirmationOf(method: string, content: string): string {
  return `<saml:SubjectConfirmation Method="${method}">${content}</saml:SubjectConfirmation>`;
}

export function rejectedPerson(keys: Keys): RejectedCase[] {
  const email = (...values: string[]) => ({ attributes: attribute('email', ...values) });
  return rows(keys, 'person', [
    ['email-absent', { attributes: attribute('groups', 'x') }, 'saml_email_missing'],
    ['no-attributes-and-persistent-name-id', { attributes: '' }, 'saml_email_missing'],
    ['email-twice', email('olivia@acme.test', 'ceo@acme.test'), 'saml_email_missing'],
    [
      'email-in-two-elements',
      { attributes: attribute('email', 'olivia@acme.test') + attribute('email', 'ceo@acme.test') },
      'saml_email_missing',
    ],
    ['email-twice-in-other-case', email('olivia@acme.test', 'Olivia@acme.test'), 'saml_email_missing'],
    ['email-twice-the-same-and-another', email('olivia@acme.test', 'olivia@acme.test', 'ceo@acme.test'), 'saml_email_missing'],
    ['email-beside-one-that-is-none', email('olivia@acme.test', 'olivia'), 'saml_email_missing'],
    ['email-white-space', email(' &#10;'), 'saml_email_missing'],
    ['email-empty', email(''), 'saml_email_missing'],
    ['email-without-at', email('olivia'), 'saml_email_missing'],
    ['email-two-ats', email('olivia@evil.test@acme.test'), 'saml_email_missing'],
    ['email-with-space-inside', email('olivia @acme.test'), 'saml_email_missing'],
    ['email-with-line-break', email('olivia@acme.test&#10;cc: x'), 'saml_email_missing'],
    ['email-with-display-name', email('Olivia &lt;olivia@acme.test&gt;'), 'saml_email_missing'],
    ['email-two-in-one', email('olivia@acme.test,ceo@acme.test'), 'saml_email_missing'],
    ['email-with-zero-width-space', email('olivia\u200b@acme.test'), 'saml_email_missing'],
    ['email-with-right-to-left-mark', email('olivia\u202e@acme.test'), 'saml_email_missing'],
    ['email-endless', email(`${'a'.repeat(300)}@acme.test`), 'saml_email_missing'],
    [
      'email-of-255-characters',
      email(`${'a'.repeat(63)}@${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(58)}.test`),
      'saml_email_missing',
    ],
    ['email-with-local-part-of-65-characters', email(`${'a'.repeat(65)}@acme.test`), 'saml_email_missing'],
    ['email-with-label-of-64-characters', email(`olivia@${'a'.repeat(64)}.test`), 'saml_email_missing'],
    ['email-without-domain', email('olivia@'), 'saml_email_missing'],
    ['email-domain-with-empty-label', email('olivia@acme..test'), 'saml_email_missing'],
    ['email-of-full-width-at', email('olivia\uff20acme.test'), 'saml_email_missing'],
    ['email-domain-begins-with-hyphen', email('olivia@-acme.test'), 'saml_email_missing'],
    ['email-domain-ends-with-hyphen', email('olivia@acme-.test'), 'saml_email_missing'],
    ['email-domain-ends-with-dot', email('olivia@acme.test.'), 'saml_email_missing'],
    ['email-domain-with-underscore', email('olivia@ac_me.test'), 'saml_email_missing'],
    ['email-domain-is-address', email('olivia@[192.0.2.1]'), 'saml_email_missing'],
    ['email-without-local-part', email('@acme.test'), 'saml_email_missing'],
    ['email-quoted', email('&quot;olivia owner&quot;@acme.test'), 'saml_email_missing'],
    ['email-with-comment', email('olivia(x)@acme.test'), 'saml_email_missing'],
    ['email-with-tab', email('olivia&#9;@acme.test'), 'saml_email_missing'],
    ['email-with-trailing-no-break-space', email('olivia@acme.test\u00a0'), 'saml_email_missing'],
    ['email-with-trailing-vertical-tab-look-alike', email('olivia@acme.test\u2028'), 'saml_email_missing'],
    ['email-with-no-break-space', email('olivia\u00a0@acme.test'), 'saml_email_missing'],
    ['email-with-soft-hyphen', email('oli\u00advia@acme.test'), 'saml_email_missing'],
    ['email-with-byte-order-mark', email('\ufeffolivia@acme.test'), 'saml_email_missing'],
    ['email-with-private-use-letter', email('olivia\ue000@acme.test'), 'saml_email_missing'],
    ['email-as-uri', email('mailto:olivia@acme.test'), 'saml_email_missing'],
    ['email-with-semicolon', email('olivia@acme.test;'), 'saml_email_missing'],
    [
      'email-value-in-other-namespace',
      { attributes: attribute('email', 'olivia@acme.test').replaceAll('saml:AttributeValue', 'samlp:AttributeValue') },
      'saml_email_missing',
    ],
    [
      'email-value-as-text-of-attribute',
      { attributes: '<saml:Attribute Name="email">olivia@acme.test</saml:Attribute>' },
      'saml_email_missing',
    ],
    [
      'email-nil',
      {
        attributes:
          '<saml:Attribute Name="email"><saml:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/></saml:Attribute>',
      },
      'saml_email_missing',
    ],
    [
      'email-doubled-across-statements',
      {
        statements: `<saml:AttributeStatement>${attribute('email', 'olivia@acme.test')}</saml:AttributeStatement><saml:AttributeStatement>${attribute('email', 'ceo@acme.test')}</saml:AttributeStatement>`,
      },
      'saml_email_missing',
    ],
    ['email-in-subject-only', { attributes: '', nameId: NAME_ID.replace('u-olivia', 'olivia@acme.test') }, 'saml_email_missing'],
    [
      'attribute-statement-in-advice-only',
      {
        statements: '',
        advice: `<saml:Advice><saml:AttributeStatement>${attribute('email', 'olivia@acme.test')}</saml:AttributeStatement></saml:Advice>`,
      },
      'saml_email_missing',
    ],
    ['email-split-by-child', email('olivia@acme.test<x xmlns="urn:x"/>.evil.test'), 'saml_malformed'],
    [
      'groups-split-by-child',
      { attributes: attribute('email', 'olivia@acme.test') + attribute('groups', 'platform-<b xmlns="urn:x">admins</b>') },
      'saml_malformed',
    ],
    [
      'attribute-without-name',
      { attributes: '<saml:Attribute><saml:AttributeValue>x</saml:AttributeValue></saml:Attribute>' },
      'saml_malformed',
    ],
    ['attribute-with-empty-name', { attributes: attribute('', 'x') }, 'saml_malformed'],
    [
      'attribute-name-in-namespace',
      { attributes: attribute('email', 'olivia@acme.test').replace(' Name=', ' saml:Name=') },
      'saml_malformed',
    ],
    ['text-element-in-statement', { attributes: '<saml:AttributeValue>x</saml:AttributeValue>' }, 'saml_malformed'],
    [
      'attribute-of-saml-1',
      { attributes: '<a:Attribute xmlns:a="urn:oasis:names:tc:SAML:1.0:assertion" AttributeName="email"/>' },
      'saml_malformed',
    ],
    [
      'name-with-child',
      { attributes: attribute('email', 'olivia@acme.test') + attribute('displayName', '<b xmlns="urn:x">O</b>') },
      'saml_malformed',
    ],
    ['attribute-in-other-namespace', { attributes: '<samlp:Attribute Name="email"/>' }, 'saml_malformed'],
    [
      'encrypted-attribute',
      { attributes: '<saml:EncryptedAttribute><e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/></saml:EncryptedAttribute>' },
      'saml_decryption_failed',
    ],
    [
      'name-id-address-of-entra-guest',
      {
        nameId:
          '<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">ada_corp.com#EXT#@tenant.onmicrosoft.com</saml:NameID>',
        attributes: '',
      },
      'saml_email_missing',
    ],
    [
      'name-id-address-with-unspecified-format',
      { nameId: '<saml:NameID>olivia@acme.test</saml:NameID>', attributes: '' },
      'saml_email_missing',
    ],
    [
      'name-id-address-behind-two-mails',
      {
        nameId: '<saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">olivia@acme.test</saml:NameID>',
        attributes: attribute('email', 'a@acme.test', 'b@acme.test'),
      },
      'saml_email_missing',
    ],
    [
      'attribute-name-is-friendly-name',
      {
        attributes:
          '<saml:Attribute Name="x" FriendlyName="email"><saml:AttributeValue>olivia@acme.test</saml:AttributeValue></saml:Attribute>',
      },
      'saml_email_missing',
    ],
    ['attribute-name-in-other-case', { attributes: attribute('EMAIL', 'olivia@acme.test') }, 'saml_email_missing'],
    ['attribute-name-with-space', { attributes: attribute('email ', 'olivia@acme.test') }, 'saml_email_missing'],
  ]);
}
