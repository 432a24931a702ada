/** The dates of connections that the directory notes, so that jobs and pages find organizations by date instead of reading all. */
import { HOUR_MS } from '../../time.ts';
import type { Connection } from '../organizations.ts';

/** Time until the next refresh of metadata after a failure. */
const RETRY_AFTER_MS = HOUR_MS;

/** Returns when the metadata of a connection is fetched again, ms since 1970; undefined if it is not refreshed. */
export function refreshDueAtMs({ metadataUrl, settings, updatedAt, refresh: last }: Connection): number | undefined {
  if (metadataUrl === undefined || settings.metadataRefreshHours === undefined) return undefined;
  const everyMs = settings.metadataRefreshHours * HOUR_MS;
  if (last?.problem !== undefined) return Date.parse(last.at) + Math.min(everyMs, RETRY_AFTER_MS);
  return Date.parse(last?.at ?? updatedAt) + everyMs;
}

export interface ConnectionDates {
  /** When the metadata of a connection is fetched again. Null if none is refreshed. */
  readonly refreshDueAtMs: number | null;
  /** Whether the last refresh of a connection failed. */
  readonly isRefreshFailing: boolean;
  /** When the first signing certificate expires. Null without certificates. */
  readonly certificateEndsAtMs: number | null;
}

export function connectionDatesOf(connections: readonly Connection[]): ConnectionDates {
  const ends = connections.flatMap(({ metadata }) => metadata.signingCertificates.map(({ notAfter }) => Date.parse(notAfter)));
  return {
    refreshDueAtMs: earliest(connections.flatMap((connection) => refreshDueAtMs(connection) ?? [])),
    isRefreshFailing: connections.some(({ refresh }) => refresh?.problem !== undefined),
    certificateEndsAtMs: earliest(ends),
  };
}

function earliest(times: readonly number[]): number | null {
  const first = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  return Number.isFinite(first) ? first : null;
}
