import { describe, expect, test } from '@jest/globals';
import { shownExactly, shownWithoutText } from '../../src/saml/shown-text.ts';
import { trimXmlSpace } from '../../src/saml/xml/white-space.ts';

describe('shownExactly()', () => {
  test.each([
    ['ada', 'ada'],
    ['', '""'],
    ['ada\n', '"ada⏎"'],
    [' ada', '"␣ada"'],
    ['ada\t', '"ada⇥"'],
    ['ada\r\n', '"ada␍⏎"'],
    ['two words', 'two words'],
    ['two  words', '"two␣␣words"'],
    ['ada\u00a0', '"ada⟨U+00A0⟩"'],
    ['ada\u200b', '"ada⟨U+200B⟩"'],
    ['\u202eada', '"⟨U+202E⟩ada"'],
    ['ada\u2028', '"ada⟨U+2028⟩"'],
    ['\0', '"⟨U+0000⟩"'],
  ])('shows %j as %s', (value, expected) => {
    expect(shownExactly(value)).toBe(expected);
  });

  test('shows different values differently', () => {
    const values = ['ada', ' ada', 'ada ', 'ada\n', 'ada\r', 'ada\t', 'ada\u00a0', 'a da', 'a  da', '\ufeffada', ''];
    expect(new Set(values.map((value) => shownExactly(value))).size).toBe(values.length);
  });

  test('shortens a long value, and says so', () => {
    expect(shownExactly('a'.repeat(400))).toBe(`${'a'.repeat(300)}…`);
    const spaces = shownExactly(`${' '.repeat(200_000)}x`);
    expect(spaces).toMatch(/^"␣+…+"$/);
    expect(spaces.length).toBeLessThan(310);
  });
});

describe('shownWithoutText()', () => {
  test('shows nothing but white space and invisible characters', () => {
    expect(shownWithoutText('ada@corp.test\ncc: eve')).toBe('"…⏎…␣…"');
    expect(shownWithoutText('ada\u200b@corp.test')).toBe('"…⟨U+200B⟩…"');
  });
});

describe('trimXmlSpace() (XML Schema part 2 §4.3.6)', () => {
  test.each([
    [' \t\r\n a b \n', 'a b'],
    ['\u00a0a\u2003', '\u00a0a\u2003'],
    ['\ufeffa\u0085', '\ufeffa\u0085'],
    ['\u000ba\f', '\u000ba\f'],
    [' \n ', ''],
    ['', ''],
  ])('trims %j to %j', (value, expected) => {
    expect(trimXmlSpace(value)).toBe(expected);
  });

  test('takes linear time for a long run of white space', () => {
    const startMs = performance.now();
    expect(trimXmlSpace(`a${' '.repeat(1_000_000)}b`).length).toBe(1_000_002);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});
