import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../../src/errors.ts';
import { readDateTime } from '../../src/saml/xml/date-time.ts';

/** Returns the instant as ISO text in UTC, or the code of the error. */
function read(text: string): string {
  try {
    return new Date(readDateTime(text)).toISOString();
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

describe('readDateTime() (xs:dateTime, saml-core §1.3.3)', () => {
  test.each([
    ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05.6Z', '2026-01-02T03:04:05.600Z'],
    ['2026-01-02T03:04:05.67Z', '2026-01-02T03:04:05.670Z'],
    ['2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02T03:04:05.6789999Z', '2026-01-02T03:04:05.678Z'],
    ['2026-01-02T03:04:05.123456789012Z', '2026-01-02T03:04:05.123Z'],
    ['2026-01-02T03:04:05.000Z', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05+00:00', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05-00:00', '2026-01-02T03:04:05.000Z'],
    ['2026-01-02T03:04:05+05:30', '2026-01-01T21:34:05.000Z'],
    ['2026-01-02T03:04:05-05:30', '2026-01-02T08:34:05.000Z'],
    ['2026-01-02T03:04:05.5+01:00', '2026-01-02T02:04:05.500Z'],
    ['2026-01-02T00:00:00+14:00', '2026-01-01T10:00:00.000Z'],
    ['2026-01-02T00:00:00-14:00', '2026-01-02T14:00:00.000Z'],
    ['2026-01-02T24:00:00Z', '2026-01-03T00:00:00.000Z'],
    ['2026-12-31T24:00:00.000Z', '2027-01-01T00:00:00.000Z'],
    ['2026-02-28T24:00:00+01:00', '2026-02-28T23:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['0099-01-01T00:00:00Z', '0099-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
    ['9999-12-31T24:00:00-14:00', '+010000-01-01T14:00:00.000Z'],
  ])('reads %s', (text, utc) => {
    expect(read(text)).toBe(utc);
  });

  test.each([
    ['no zone', '2026-01-02T03:04:05'],
    ['no zone, with a fraction', '2026-01-02T03:04:05.678'],
    ['a day only', '2026-01-02'],
    ['a day with a zone', '2026-01-02Z'],
    ['no seconds', '2026-01-02T03:04Z'],
    ['an empty text', ''],
    ['whitespace before', ' 2026-01-02T03:04:05Z'],
    ['whitespace after', '2026-01-02T03:04:05Z '],
    ['a line feed after', '2026-01-02T03:04:05Z\n'],
    ['two values in sequence', '2026-01-02T03:04:05Z2026-01-02T03:04:05Z'],
    ['a space instead of T', '2026-01-02 03:04:05Z'],
    ['t in lower case', '2026-01-02t03:04:05Z'],
    ['z in lower case', '2026-01-02T03:04:05z'],
    ['UTC', '2026-01-02T03:04:05UTC'],
    ['both Z and an offset', '2026-01-02T03:04:05Z+01:00'],
    ['an offset without a colon', '2026-01-02T03:04:05+0100'],
    ['an offset of hours', '2026-01-02T03:04:05+01'],
    ['an offset with seconds', '2026-01-02T03:04:05+01:00:00'],
    ['an offset without a sign', '2026-01-02T03:04:0501:00'],
    ['an offset beyond 14 hours', '2026-01-02T03:04:05+14:01'],
    ['an offset of 15 hours', '2026-01-02T03:04:05-15:00'],
    ['an offset of 60 minutes', '2026-01-02T03:04:05+01:60'],
    ['a typographic minus sign', '2026-01-02T03:04:05−01:00'],
    ['no digits after the point', '2026-01-02T03:04:05.Z'],
    ['a comma instead of the point', '2026-01-02T03:04:05,5Z'],
    ['thirteen digits after the point', '2026-01-02T03:04:05.1234567890123Z'],
    ['one digit for the month', '2026-1-02T03:04:05Z'],
    ['two digits for the year', '26-01-02T03:04:05Z'],
    ['five digits for the year', '12026-01-02T03:04:05Z'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['a negative year', '-0001-01-01T00:00:00Z'],
    ['a sign before the year', '+2026-01-02T03:04:05Z'],
    ['digits of another script', '２０２６-01-02T03:04:05Z'],
    ['the basic format', '20260102T030405Z'],
    ['a week date', '2026-W01-5T03:04:05Z'],
    ['a number', '1767323045'],
    ['the date of HTTP', 'Fri, 02 Jan 2026 03:04:05 GMT'],
    ['month 0', '2026-00-02T03:04:05Z'],
    ['month 13', '2026-13-02T03:04:05Z'],
    ['day 0', '2026-01-00T03:04:05Z'],
    ['day 32', '2026-01-32T03:04:05Z'],
    ['30 February', '2026-02-30T03:04:05Z'],
    ['31 April', '2026-04-31T03:04:05Z'],
    ['29 February in a common year', '2026-02-29T03:04:05Z'],
    ['29 February in 1900', '1900-02-29T03:04:05Z'],
    ['29 February in 2100', '2100-02-29T03:04:05Z'],
    ['hour 25', '2026-01-02T25:00:00Z'],
    ['a minute past 24:00', '2026-01-02T24:01:00Z'],
    ['a second past 24:00', '2026-01-02T24:00:01Z'],
    ['a millisecond past 24:00', '2026-01-02T24:00:00.001Z'],
    ['a nanosecond past 24:00', '2026-01-02T24:00:00.000000001Z'],
    ['minute 60', '2026-01-02T03:60:05Z'],
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['second 61', '2026-01-02T03:04:61Z'],
  ])('rejects %s', (_, text) => {
    expect(read(text)).toBe('saml_malformed');
  });

  test('reads every instant in every time zone', () => {
    const zone = fc.integer({ min: -14 * 60, max: 14 * 60 });
    const instant = fc.date({ min: new Date('0002-01-01'), max: new Date('9998-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(instant, zone, (date, minutes) => {
        const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
        const offset = `${minutes < 0 ? '-' : '+'}${twoDigits(Math.abs(minutes) / 60)}:${twoDigits(Math.abs(minutes) % 60)}`;
        expect(readDateTime(local + offset)).toBe(date.getTime());
      }),
      { numRuns: 2000 },
    );
  });
});

const twoDigits = (value: number): string => String(Math.floor(value)).padStart(2, '0');
