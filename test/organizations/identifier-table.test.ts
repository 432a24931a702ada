import { describe, expect, it } from '@jest/globals';
import { readIdentifierTable } from '../../src/organizations/idp-change/identifier-table.ts';

const HEADER = 'old_identifier,new_identifier\n';
const rowsOf = async (text: string) => (await readIdentifierTable(text)).rows.map(({ line, from, to }) => [line, from, to]);

describe('a table of identifiers (RFC 4180)', () => {
  it('reads plain and quoted fields, with any line end, and counts lines', async () => {
    expect(await rowsOf(`\ufeff${HEADER}a,b\r\n"c,""d""","e\nf"\n\n g ,h`)).toEqual([
      [2, 'a', 'b'],
      [3, 'c,"d"', 'e\nf'],
      [6, ' g ', 'h'],
    ]);
    expect(await rowsOf(HEADER)).toEqual([]);
  });

  it('reports repeated identifiers by line', async () => {
    expect((await readIdentifierTable(`${HEADER}a,1\nb,1\na,2\n`)).problems).toEqual([
      { line: 4, problem: 'duplicate_old' },
      { line: 3, problem: 'duplicate_new' },
    ]);
  });

  it.each([
    ['', 'first line'],
    ['new_identifier,old_identifier\na,b', 'first line'],
    [`${HEADER}a\n`, 'line 2'],
    [`${HEADER}a,b\nc,d,e\n`, 'line 3'],
    [`${HEADER}a,\n`, 'line 2'],
    [`${HEADER}a,b"c\n`, 'line 2'],
    [`${HEADER}a,"b\n`, 'line 2'],
    [`${HEADER}"a"b,c\n`, 'line 2'],
  ])('refuses %j', async (text, part) => {
    await expect(readIdentifierTable(text)).rejects.toMatchObject({ code: 'validation_failed' });
    await expect(readIdentifierTable(text)).rejects.toThrow(part);
  });

  it('has at most 1 MiB', async () => {
    const table = HEADER + 'é,b\n'.repeat(250_000);
    await expect(readIdentifierTable(table)).rejects.toMatchObject({ code: 'payload_too_large' });
  });
});
