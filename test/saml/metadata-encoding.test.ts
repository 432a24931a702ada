import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { HABITS } from '../../src/mock-idp/habits.ts';
import { makeMetadata } from '../../src/mock-idp/metadata.ts';
import { readIdpMetadata } from '../../src/saml/metadata/idp-metadata-reader.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { PNG } from '../support/images.ts';

const NOW = Date.now();
/** An entityID with characters that each encoding writes differently. */
const ENTITY_ID = 'https://idp.example/prüfstelle-№1-’x’';
const LATIN_ID = 'https://idp.example/prüfstelle';

let okta: string;
beforeAll(async () => {
  const { certificatePem } = await createSelfSignedCertificate({ commonName: 'mock', days: 10, nowMs: NOW, rsaBits: 2048 });
  okta = makeMetadata('okta', { ssoUrl: 'https://idp.example/sso', certificatesPem: [certificatePem], randomBytes }).replaceAll('\n', '');
});

const document = (declaration: string, entityId = LATIN_ID): string =>
  okta.replace(/^<\?xml[^>]*\?>/, declaration).replaceAll(HABITS.okta.issuer, entityId);
const declared = (encoding: string, entityId?: string): string => document(`<?xml version="1.0" encoding="${encoding}"?>`, entityId);

const entityIdOf = (input: Uint8Array | string): string => readIdpMetadata(input, { nowMs: NOW }).metadata.entityId;

function refusal(input: Uint8Array | string): string {
  try {
    readIdpMetadata(input, { nowMs: NOW });
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'idp_metadata_invalid') return error.facts.detail ?? '';
    throw error;
  }
  throw new Error('nothing was thrown');
}

const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('metadata encodings (XML 1.0 §4.3.3)', () => {
  it.each<[string, () => Uint8Array, string]>([
    ['UTF-8 without a declaration', () => Buffer.from(document('', ENTITY_ID)), ENTITY_ID],
    ['declared UTF-8', () => Buffer.from(declared('UTF-8', ENTITY_ID)), ENTITY_ID],
    ['declared utf8', () => Buffer.from(declared('utf8', ENTITY_ID)), ENTITY_ID],
    ['UTF-16, little endian', () => Buffer.from(`\ufeff${declared('UTF-16', ENTITY_ID)}`, 'utf16le'), ENTITY_ID],
    ['UTF-16, big endian', () => utf16be(`\ufeff${declared('UTF-16', ENTITY_ID)}`), ENTITY_ID],
    ['UTF-16 of a file that was declared UTF-8 (PowerShell)', () => Buffer.from(`\ufeff${okta}`, 'utf16le'), HABITS.okta.issuer],
    ['UTF-8 of a file that was declared UTF-16 (.NET)', () => Buffer.from(declared('utf-16', ENTITY_ID)), ENTITY_ID],
    ['UTF-8 with a byte order mark and another declaration', () => Buffer.from(`\ufeff${declared('ISO-8859-1')}`), LATIN_ID],
    ['ISO-8859-1', () => Buffer.from(declared('ISO-8859-1'), 'latin1'), LATIN_ID],
    [
      'iso-8859-1 in single quotes after a line feed',
      () => Buffer.from(`\n${document("<?xml version='1.0' encoding='iso-8859-1'?>")}`, 'latin1'),
      LATIN_ID,
    ],
    ['latin1 with standalone', () => Buffer.from(document('<?xml version="1.0" encoding="latin1" standalone="yes"?>'), 'latin1'), LATIN_ID],
    ['US-ASCII', () => Buffer.from(declared('us-ascii', 'https://idp.example/&#252;')), 'https://idp.example/ü'],
  ])('reads %s', (_name, octets, entityId) => {
    expect(entityIdOf(octets())).toBe(entityId);
  });

  it('reads windows-1252, also the characters that ISO-8859-1 lacks', () => {
    const octets = Buffer.from(declared('windows-1252', 'https://idp.example/\x80\x92'), 'latin1');
    expect(entityIdOf(octets)).toBe('https://idp.example/€’');
  });

  it('reads pasted text, whatever encoding its declaration names', () => {
    for (const encoding of ['ISO-8859-1', 'UTF-16', 'Shift_JIS', 'x-mac-roman'])
      expect(entityIdOf(declared(encoding, ENTITY_ID))).toBe(ENTITY_ID);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'an encoding that is not supported',
      () => Buffer.from(declared('ISO-8859-15'), 'latin1'),
      /encoding ISO-8859-15, which is not supported\. Save it as UTF-8.*encoding="UTF-8"/,
    ],
    ['ISO-8859-1 without a declaration', () => Buffer.from(document(''), 'latin1'), /not UTF-8 text.*does not declare another encoding/],
    ['ISO-8859-1 that is declared UTF-8', () => Buffer.from(declared('UTF-8'), 'latin1'), /not UTF-8 text/],
    ['US-ASCII with other characters', () => Buffer.from(declared('US-ASCII'), 'latin1'), /US-ASCII, but has other characters/],
    ['UTF-16 without a byte order mark', () => Buffer.from(declared('UTF-16'), 'utf16le'), /UTF-16 text without a byte order mark/],
    ['UTF-16 that was cut off', () => Buffer.from(`\ufeff${declared('UTF-16')}`, 'utf16le').subarray(0, -1), /damaged/],
    ['UTF-16 with a lone surrogate', () => Buffer.from(`\ufeff${declared('UTF-16', 'x\ud800')}`, 'utf16le'), /damaged/],
    ['UTF-16 that is only a byte order mark', () => Buffer.from('\ufeff', 'utf16le'), /empty/],
    ['a picture', () => PNG, /not text.*not a picture/],
    ['an archive', () => Buffer.from('PK\x03\x04\x14\0\0\0\x08\0', 'latin1'), /not text.*archive/],
    ['UTF-7, in which markup can hide', () => Buffer.from(declared('UTF-7')), /encoding UTF-7, which is not supported/],
  ])('rejects %s', (_name, octets, detail) => {
    expect(refusal(octets())).toMatch(detail);
  });

  it('never repeats more of a declaration than the name of an encoding', () => {
    for (const name of ['<b>x</b>', 'x"y', 'é', `A${'x'.repeat(41)}`, '&#x41;']) {
      expect(refusal(Buffer.from(declared(name, 'x\xff'), 'latin1'))).not.toContain(name);
    }
  });

  it('rejects an XML declaration that XML does not allow', () => {
    for (const declaration of [
      '<?xml version="1.1"?>',
      '<?xml encoding="UTF-8"?>',
      '<?xml version="1.0" standalone="maybe"?>',
      '<?xml?>',
    ]) {
      expect(refusal(document(declaration))).toMatch(/XML/);
    }
    expect(refusal(okta.replace('?>', '?><?xml version="1.0"?>'))).toMatch(/XML/);
  });
});

describe('metadata with a stylesheet (xml-stylesheet)', () => {
  const STYLESHEET = '<?xml-stylesheet type="text/xsl" href="https://idp.example/style.xsl"?>';

  it('reads metadata with stylesheets and comments before the root element', () => {
    expect(entityIdOf(document(`<?xml version="1.0"?>\n<!-- ${STYLESHEET} -->\n${STYLESHEET}\n<!-- & -->${STYLESHEET}\n`))).toBe(LATIN_ID);
    expect(entityIdOf(document(STYLESHEET))).toBe(LATIN_ID);
    expect(entityIdOf(document(`\n ${STYLESHEET}`))).toBe(LATIN_ID);
  });

  it.each<[string, () => string]>([
    ['another processing instruction', () => document('<?php echo 1 ?>')],
    ['a processing instruction whose name starts alike', () => document('<?xml-stylesheets href="x"?>')],
    ['a stylesheet inside the root element', () => okta.replace('<md:IDPSSODescriptor', `${STYLESHEET}<md:IDPSSODescriptor`)],
    ['a stylesheet inside a value', () => okta.replace('<ds:X509Certificate>', `<ds:X509Certificate>${STYLESHEET}`)],
    ['a stylesheet after the root element', () => `${okta}${STYLESHEET}`],
  ])('rejects %s', (_name, xml) => {
    expect(refusal(xml())).toMatch(/processing instruction/);
  });

  it('rejects a document type declaration beside a stylesheet', () => {
    expect(refusal(document(`${STYLESHEET}<!DOCTYPE EntityDescriptor>`))).toMatch(/DOCTYPE/);
    expect(refusal(document(`<?xml-stylesheet <!-- ?><!DOCTYPE x><!-- -->`))).toMatch(/DOCTYPE/);
    expect(refusal(document('<?xml-stylesheet href="x"'))).toMatch(/XML/);
  });

  it('keeps the parser of SAML messages strict', () => {
    for (const xml of [`${STYLESHEET}<a/>`, '<?xml version="1.0" encoding="ISO-8859-1"?><a/>', ' <?xml version="1.0"?><a/>']) {
      expect(() => parseXml(xml)).toThrow(expect.objectContaining({ code: 'saml_malformed' }));
    }
  });
});

describe('positions of XML errors in metadata', () => {
  const LINES = () => okta.replace('?>', '?>\n<!-- & &x -->\r\n').replace('<md:IDPSSODescriptor', '\n<md:IDPSSODescriptor');

  it('names the position of an ampersand in an attribute, not that of the next semicolon', () => {
    const xml = `${LINES().replace('protocolSupportEnumeration', 'errorURL="https://x.example/?a=1&ts=2&b=3" protocolSupportEnumeration')}\n<!-- ; -->`;
    const line = xml.split('\n')[3] ?? '';
    expect(refusal(xml)).toContain(`(line 4, column ${line.indexOf('&ts') + 1})`);
    expect(refusal(xml)).toContain('must be written as &amp;');
    expect(refusal(`\n\n${xml}`)).toContain('(line 6,');
    expect(refusal(Buffer.from(`\ufeff${xml}`))).toContain('(line 4,');
  });

  it.each(['A&B', 'A & B', 'A&', 'A&;', 'A&#;', 'A&#x;', 'A&amp', 'A&1;'])('names the position of the ampersand in the text %s', (text) => {
    const xml = okta.replace(
      '</md:IDPSSODescriptor>',
      `<md:Extensions><![CDATA[&]]>&amp;&#38;${text}</md:Extensions>\n</md:IDPSSODescriptor>`,
    );
    expect(refusal(xml)).toContain(`(line 1, column ${xml.indexOf(text) + text.indexOf('&') + 1})`);
  });

  it('keeps the position of an error before the first ampersand', () => {
    expect(refusal(okta.replace('<md:IDPSSODescriptor', '\n<a></b>\n<md:IDPSSODescriptor x="&"'))).toMatch(/\(line 2, column 7\)\.$/);
    expect(refusal(`${okta}\n<!-- &`)).not.toContain('&amp;');
  });

  it('finds the position in linear time', () => {
    const started = performance.now();
    for (const part of ['<!-- ', '&amp;', '<!---->', '<![CDATA[', '<?xml-stylesheet ?>', ' ']) {
      refusal(`<a>${part.repeat(1_000_000 / part.length)}&`);
      refusal(`${part.repeat(1_000_000 / part.length)}<a>&`);
    }
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
