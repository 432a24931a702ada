import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it, test } from '@jest/globals';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import { hintFor, type IdpKind, idpKindOf } from '../../src/saml/explain/idp-screens.ts';
import { readIdpMetadata } from '../../src/saml/metadata/idp-metadata-reader.ts';

const EXAMPLES = path.join(import.meta.dirname, '../../config/idp-examples');
const KINDS: readonly IdpKind[] = ['okta', 'entra-id', 'google-workspace', 'other'];
const CODES = Object.keys(ERRORS) as ErrorCode[];

describe('idpKindOf()', () => {
  test.each([
    ['okta', 'okta'],
    ['entra-id', 'entra-id'],
    ['google-workspace', 'google-workspace'],
  ] as const)('recognizes the example of %s as %s', (name, kind) => {
    const { metadata } = readIdpMetadata(readFileSync(path.join(EXAMPLES, `${name}-metadata.xml`)), { nowMs: Date.now() });
    expect(idpKindOf(metadata.entityId, undefined)).toBe(kind);
    expect(idpKindOf(metadata.entityId, metadata.singleSignOn.redirect)).toBe(kind);
  });

  test.each<[IdpKind, string, string | undefined]>([
    ['okta', 'urn:chosen:freely', 'https://acme.okta.com/app/x/sso/saml'],
    ['okta', 'urn:chosen:freely', 'https://acme.oktapreview.com/app/x/sso/saml'],
    ['entra-id', 'urn:chosen:freely', 'https://login.microsoftonline.com/t/saml2'],
    ['entra-id', 'urn:chosen:freely', 'https://login.microsoftonline.us/t/saml2'],
    ['google-workspace', 'https://accounts.google.com/o/saml2?idpid=C1', undefined],
    ['other', 'https://idp.example/metadata', 'https://idp.example/sso'],
    ['other', 'https://evil.example/http://www.okta.com/', 'https://acme.okta.com.evil.example/sso'],
    ['other', 'https://idp.example/metadata', 'https://notokta.com/sso'],
    ['other', 'https://idp.example/metadata', 'no url'],
  ])('recognizes %s by entityID %s and single sign-on URL %s', (kind, entityId, ssoUrl) => {
    expect(idpKindOf(entityId, ssoUrl)).toBe(kind);
  });
});

describe('hintFor()', () => {
  it('has a hint with a unique key for every kind, or for none, of each code', () => {
    const keys = CODES.flatMap((code) => {
      const hints = KINDS.map((kind) => hintFor(code, kind));
      expect([code, new Set(hints.map((hint) => hint === undefined)).size]).toEqual([code, 1]);
      return hints.flatMap((hint) => (hint ? [hint.key] : []));
    });
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThanOrEqual(4 * 10);
  });

  it('names the screens of the product', () => {
    expect(hintFor('saml_audience_mismatch', 'okta')).toEqual({
      key: 'saml_audience_mismatch.okta',
      text: expect.stringContaining('Audience URI (SP Entity ID)'),
    });
    expect(hintFor('saml_audience_mismatch', 'entra-id')?.text).toContain('Identifier (Entity ID)');
    expect(hintFor('saml_audience_mismatch', 'google-workspace')?.text).toContain('Entity ID');
    expect(hintFor('saml_replayed', 'okta')).toBeUndefined();
  });
});
