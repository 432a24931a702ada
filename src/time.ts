/** Durations, and the one way to write an instant. */
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
export const DAY_SECONDS = DAY_MS / 1000;

/** Formats an instant (milliseconds since 1970) as an RFC 3339 timestamp in UTC, like `2026-03-04T10:22:00.000Z`. */
export const toIsoTime = (ms: number): string => new Date(ms).toISOString();
