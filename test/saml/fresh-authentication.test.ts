import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { acceptResponse, requireFreshAuthentication } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { ACS_URL, ENTITY_ID, IDP, message, NOW_MS, sign } from './fixture-cases/hand-made.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const SETTINGS: ResponseSettings = {
  entityId: ENTITY_ID,
  acsUrl: ACS_URL,
  idpEntityId: IDP,
  keys: [{ key: publicKey, fingerprint: 'AA', notAfterMs: Number.MAX_SAFE_INTEGER }],
  decryptionKeys: [],
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  clockSkewSeconds: 180,
  authnContext: [],
};

/** The request was issued a minute before the response. */
const ISSUED_AT_MS = NOW_MS - 60_000;
const at = (offsetMs: number): string => new Date(ISSUED_AT_MS + offsetMs).toISOString();
const statement = (instant: string | undefined, classRef = 'urn:password'): string =>
  `<saml:AuthnStatement${instant === undefined ? '' : ` AuthnInstant="${instant}"`}><saml:AuthnContext><saml:AuthnContextClassRef>${classRef}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;

/** Returns the code of the refusal of a response with these statements, or `accepted`. */
function verdict(authn: string, { forceAuthn = true, clockSkewSeconds = 180, authnContext = [] as string[] } = {}): string {
  const assertion = acceptResponse(sign(message({ authn }), privateKey), { ...SETTINGS, clockSkewSeconds, authnContext }, NOW_MS);
  try {
    requireFreshAuthentication(assertion, { forceAuthn, issuedAtMs: ISSUED_AT_MS, clockSkewSeconds });
    return 'accepted';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

describe('requireFreshAuthentication() (saml-core §3.4.1)', () => {
  test.each([
    ['after the request', statement(at(30_000))],
    ['at the instant of the request', statement(at(0))],
    ['before the request, within the clock skew', statement(at(-180_000))],
    ['in another time zone', statement('2026-01-15T13:59:30+02:00')],
    ['after the request, in the second statement', statement(at(-86_400_000)) + statement(at(10))],
  ])('accepts an authentication %s', (_case, authn) => {
    expect(verdict(authn)).toBe('accepted');
  });

  test.each([
    ['of yesterday', statement(at(-86_400_000))],
    ['a millisecond before the clock skew', statement(at(-180_001))],
    ['without an instant', statement(undefined)],
    ['with an unreadable instant', statement('just now')],
    ['with an instant without zone', statement(at(0).replace('Z', ''))],
  ])('rejects an authentication %s', (_case, authn) => {
    expect(verdict(authn)).toBe('saml_authn_context_mismatch');
  });

  test('applies the clock skew of the connection', () => {
    expect(verdict(statement(at(-1)), { clockSkewSeconds: 0 })).toBe('saml_authn_context_mismatch');
    expect(verdict(statement(at(0)), { clockSkewSeconds: 0 })).toBe('accepted');
  });

  test('rejects an old authentication with the required method beside a fresh one with another method', () => {
    const authn = statement(at(-86_400_000), 'urn:mfa') + statement(at(1), 'urn:password');
    expect(verdict(authn, { authnContext: ['urn:mfa'] })).toBe('saml_authn_context_mismatch');
    expect(verdict(authn)).toBe('accepted');
  });

  test('accepts every instant if the request did not require a new authentication', () => {
    for (const instant of [at(-86_400_000), undefined, 'just now'])
      expect(verdict(statement(instant), { forceAuthn: false })).toBe('accepted');
  });

  test('explains the refusal to the user and to administrators', () => {
    const assertion = { authnInstantMs: ISSUED_AT_MS - 3_600_000 };
    const request = { forceAuthn: true, issuedAtMs: ISSUED_AT_MS, clockSkewSeconds: 0 };
    expect(() => requireFreshAuthentication(assertion, request)).toThrow(
      expect.objectContaining({
        facts: expect.objectContaining({
          administratorDetail: expect.stringContaining('force_authn'),
          wanted: 'authenticated from 2026-01-15T11:59:00.000Z',
          got: '2026-01-15T10:59:00.000Z',
        }),
      }),
    );
  });
});
