import { describe, expect, it } from '@jest/globals';
import { emailDomain, normalizeDomain } from '../../src/organizations/domains/domain-name.ts';

describe('domain names', () => {
  it.each([
    ['ACME.Example', 'acme.example'],
    [' acme.example. ', 'acme.example'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
    ['bu\u0308cher.example', 'xn--bcher-kva.example'],
    ['ａｃｍｅ.example', 'acme.example'],
    ['sso.eu.acme.co.uk', 'sso.eu.acme.co.uk'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  ])('normalizes %j', (given, domain) => {
    expect(normalizeDomain(given)).toBe(domain);
  });

  it('keeps a name with a letter of another script apart from the name that looks the same', () => {
    expect(normalizeDomain('аcme.example')).toBe('xn--cme-5cd.example');
  });

  it.each([
    '',
    '.',
    'localhost',
    'example',
    'com.',
    'a..example',
    '.acme.example',
    'acme.example..',
    '-a.example',
    'a-.example',
    'a_b.example',
    '_samlgate.acme.example',
    '*.acme.example',
    '192.0.2.1',
    '0x7f.1',
    '127.1',
    '[2001:db8::1]',
    '2001:db8::1',
    'a.123',
    'acme.example/x',
    'acme.example:53',
    'acme.example?',
    '%61cme.example',
    'user@acme.example',
    'acme example',
    'ac\u00adme.example',
    'ac\u200dme.example',
    'acme\u3002example',
    'acme\uff0eexample',
    'acme.example\u0000',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(120)}example`,
    'a'.repeat(100_000),
  ])('refuses %j', (given) => {
    expect(normalizeDomain(given)).toBeUndefined();
  });

  it('takes the domain of an email address behind the last @', () => {
    expect(emailDomain('Ada@ACME.example')).toBe('acme.example');
    expect(emailDomain('ada@bücher.example')).toBe('xn--bcher-kva.example');
    expect(emailDomain('ada@acme.example@evil.example')).toBe('evil.example');
    expect(emailDomain('ada')).toBeUndefined();
  });
});
