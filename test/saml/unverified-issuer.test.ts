import { describe, expect, it } from '@jest/globals';
import { unverifiedIssuerOf } from '../../src/saml/messages/unverified-issuer.ts';

const NAMESPACES = 'xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns="urn:oasis:names:tc:SAML:2.0:assertion"';
const response = (content: string): string => `<p:Response ${NAMESPACES}>${content}</p:Response>`;

describe('unverifiedIssuerOf(): the Issuer that selects the connection', () => {
  it.each<[string, string, string | undefined]>([
    ['the Issuer of the response', '<Issuer>urn:a</Issuer><Assertion><Issuer>urn:b</Issuer></Assertion>', 'urn:a'],
    ['the Issuer of the only assertion', '<Assertion><Issuer>urn:b</Issuer></Assertion>', 'urn:b'],
    ['an Issuer without the white space around it', '<Issuer> &#9;urn:a b&#10;\n</Issuer>', 'urn:a b'],
    [
      'nothing if there are two assertions',
      '<Assertion><Issuer>urn:b</Issuer></Assertion><Assertion><Issuer>urn:b</Issuer></Assertion>',
      undefined,
    ],
    ['nothing if there are two Issuers', '<Issuer>urn:a</Issuer><Issuer>urn:a</Issuer>', undefined],
    ['nothing if the Issuer has markup inside', '<Issuer>urn:<b/>a</Issuer>', undefined],
    ['nothing without an Issuer', '<EncryptedAssertion/>', undefined],
  ])('returns %s', (_name, content, issuer) => {
    expect(unverifiedIssuerOf(response(content))).toBe(issuer);
  });

  it('takes linear time for a long run of white space, because anybody can send a response', () => {
    const started = performance.now();
    expect(unverifiedIssuerOf(response(`<Issuer>x${' '.repeat(250_000)}x</Issuer>`))).toHaveLength(250_002);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
