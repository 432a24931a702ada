import { DAY_MS, HOUR_MS, toIsoTime } from '../../time.ts';

const TEXTS = { soon: 'in less than a minute', justNow: 'just now' } as const;

const twoDigits = (value: number): string => String(value).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const dayOf = (date: Date): string => `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
const timeOf = (date: Date): string => `${twoDigits(date.getUTCHours())}:${twoDigits(date.getUTCMinutes())} UTC`;

/** Formats a time so that users can compare it with their own logs: “4 Mar 2026, 10:22 UTC”. */
export const momentText = (ms: number): string => `${dayOf(new Date(ms))}, ${timeOf(new Date(ms))}`;

export const Moment = ({ ms }: { readonly ms: number }) => <time datetime={toIsoTime(ms)}>{momentText(ms)}</time>;

const STEPS: readonly (readonly [ms: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [DAY_MS, 'day'],
  [HOUR_MS, 'hour'],
  [60_000, 'minute'],
];
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
/** Times further away than this are shown as dates. */
const NEAR_MS = 45 * DAY_MS;

/** Formats a relative time (“3 hours ago”, “in 2 days”), or a date if it is far away. */
export function nearText(ms: number, nowMs: number): string {
  const distance = ms - nowMs;
  if (Math.abs(distance) > NEAR_MS) return dayOf(new Date(ms));
  const step = STEPS.find(([length]) => Math.abs(distance) >= length);
  return step ? RELATIVE.format(Math.round(distance / step[0]), step[1]) : distance > 0 ? TEXTS.soon : TEXTS.justNow;
}

export const Near = ({ ms, nowMs }: { readonly ms: number; readonly nowMs: number }) => (
  <time datetime={toIsoTime(ms)} title={momentText(ms)}>
    {nearText(ms, nowMs)}
  </time>
);
