import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { decodeBase64 } from '../../src/saml/xml/base64.ts';

/** Returns the octets, or the code of the error. */
function decoded(text: string): Buffer | string {
  try {
    return decodeBase64(text);
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

describe('decodeBase64() (RFC 4648 §4)', () => {
  test.each([
    ['Zg==', 'f'],
    ['Zm8=', 'fo'],
    ['Zm9v', 'foo'],
    ['Zm9vYg==', 'foob'],
    ['Zm9vYmE=', 'fooba'],
    ['Zm9vYmFy', 'foobar'],
  ])('decodes %s to %s', (text, octets) => {
    expect(decodeBase64(text).toString()).toBe(octets);
  });

  test('decodes all 64 characters', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    expect(decodeBase64(alphabet).toString('base64')).toBe(alphabet);
  });

  test.each([
    ['Zm9v\nYmFy', 'line feeds'],
    ['Zm9v\r\nYmFy\r\n', 'lines as in email'],
    ['\n\t  Zm 9v\tYmFy ', 'whitespace anywhere'],
    ['Zm9vYg=\n=', 'whitespace inside the padding'],
  ])('decodes %j: %s', (text) => {
    expect(decodeBase64(text).toString()).toMatch(/^foob(?:ar)?$/);
  });

  test.each([
    ['', 'empty text'],
    [' \n', 'only whitespace'],
    ['Zg', 'no padding'],
    ['Zm9v Ym\u0146y', 'a character whose lower octet would be valid, beside whitespace'],
    ['Zg=', 'half the padding'],
    ['Zg===', 'too much padding'],
    ['Zm9v=', 'unnecessary padding'],
    ['Zm9v====', 'a group of padding'],
    ['=', 'only padding'],
    ['====', 'only a group of padding'],
    ['=Zm9', 'padding first'],
    ['Zg==Zm8=', 'two values in sequence'],
    ['Z===', 'one character and padding'],
    ['Zm9vY', 'one character too many'],
    ['Zh==', 'leftover bits in the second character'],
    ['Zm9=', 'leftover bits in the third character'],
    ['_-_-', 'the URL alphabet'],
    ['Zm9v-w==', 'one character of the URL alphabet'],
    ['Zm9v.YmFy', 'another character'],
    ['Zm9v,YmFy', 'a comma'],
    ['Zm9v\0YmFy', 'NUL'],
    ['Zm9v\u00a0YmFy', 'a no-break space'],
    ['Zm9v \u00a0YmFy', 'a no-break space beside a space'],
    ['Zm9v\u000bYmFy', 'a vertical tab'],
    ['Zm9v\u000cYmFy', 'a form feed'],
    ['\ufeffZm9v', 'a byte order mark'],
    ['Zm9v\u2028YmFy', 'a line separator'],
    ['Ｚｍ９ｖ', 'fullwidth letters'],
    ['Zm9%76', 'a percent escape'],
    ['-----BEGIN X-----Zm9v', 'a PEM header'],
    ['data:;base64,Zm9v', 'a data URL'],
  ])('rejects %j: %s', (text) => {
    expect(decoded(text)).toBe('saml_malformed');
  });

  test('decodes every encoding of octets, wherever it has whitespace', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.array(fc.tuple(fc.nat(300), fc.constantFrom(' ', '\t', '\r', '\n'))),
        (octets, breaks) => {
          const text = Buffer.from(octets).toString('base64');
          const broken = breaks.reduce((so, [at, space]) => so.slice(0, at) + space + so.slice(at), text);
          expect(decodeBase64(broken).equals(Buffer.from(octets))).toBe(true);
        },
      ),
    );
  });

  test('rejects every text that is not the one encoding of its octets', () => {
    const texts = fc.string({ unit: fc.constantFrom('A', 'Q', 'g', 'w', '0', '/', '+', '=', '-', '_', '.'), minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(texts, (text) => {
        const result = decoded(text);
        // The grammar allows no leftover bits in the last character before the padding.
        const isBase64 = /^(?:[\w+/]{4})*(?:[\w+/]{4}|[\w+/][AQgw]==|[\w+/]{2}[AEIMQUYcgkosw048]=)$/.test(text) && !text.includes('_');
        expect(typeof result === 'string' ? result : result.toString('base64')).toBe(isBase64 ? text : 'saml_malformed');
      }),
      { numRuns: 2000 },
    );
  });
});
