import { GatewayError } from '../../errors.ts';

const GRAMMAR = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,12}))?(?:Z|([+-])(\d{2}):(\d{2}))$/;

/**
 * Reads an xs:dateTime. The time zone is required and the day must exist. `Date.parse` is too lenient: it reads other formats,
 * interprets a missing zone as local time, and turns 30 February into March.
 * @returns milliseconds since 1970, rounded down
 * @throws saml_malformed
 * @see saml-core §1.3.3, XML Schema part 2 §3.2.7
 */
export function readDateTime(text: string): number {
  const match = GRAMMAR.exec(text);
  if (!match) throw new GatewayError('saml_malformed', 'A date and time is not an xs:dateTime with a time zone.');
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const milliseconds = Number((match[7] ?? '').padEnd(3, '0').slice(0, 3));
  const offset = match[8] === undefined ? 0 : (match[8] === '-' ? -1 : 1) * (Number(match[9]) * 60 + Number(match[10]));
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const exists = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day && year > 0;
  const isEndOfDay = hour === 24 && minute === 0 && second === 0 && !/[1-9]/.test(match[7] ?? '');
  const isInRange = (hour < 24 || isEndOfDay) && minute < 60 && second < 60 && Math.abs(offset) <= 14 * 60 && Number(match[10] ?? 0) < 60;
  if (!exists || !isInRange) throw new GatewayError('saml_malformed', 'A date and time does not exist.');
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
}
