import { describe, expect, it } from '@jest/globals';
import { csvLine } from '../../src/http/console/audit/audit-download.ts';

describe('CSV download: spreadsheet formulas (CWE-1236)', () => {
  it.each([
    ['=1+1', '"\'=1+1"'],
    ['+1', '"\'+1"'],
    ['-1', '"\'-1"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['  =1', '"\'  =1"'],
    ['\t=1', '"\'\t=1"'],
    ['\r=1', '"\'\r=1"'],
    ['\u0000=1', '"\'=1"'],
    ['\u200b=1', '"\'=1"'],
    ['＝1', '"\'＝1"'],
    ['|calc', '"\'|calc"'],
    ['="a","b"', '"\'=""a"",""b"""'],
  ])('turns %j into text', (cell, record) => {
    expect(csvLine([cell])).toBe(`${record}\r\n`);
  });

  it.each(['', 'plain', 'a=b', '1-2', 'olivia@acme.example', '192.0.2.7', 'Zoë', '日本'])('keeps %j', (cell) => {
    expect(csvLine([cell])).toBe(`"${cell}"\r\n`);
  });

  it('keeps quotes and line breaks inside their cell', () => {
    expect(csvLine(['a"b', 'c\r\nd', 'e,f'])).toBe('"a""b","c\r\nd","e,f"\r\n');
  });
});
