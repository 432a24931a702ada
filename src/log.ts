import { type Logger, pino } from 'pino';

export type Log = Logger;

/**
 * Creates a log that writes JSON lines to stdout. No entry contains a token, a cookie, an assertion or a key: callers name the
 * fields to log and never log whole requests, headers or messages. Redaction is the second line of defense.
 */
export function createLog(level: string): Log {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  });
}

const REDACTED = [
  'authorization',
  'cookie',
  'token',
  'secret',
  'password',
  'SAMLResponse',
  'SAMLRequest',
  'RelayState',
  'privateKey',
].flatMap((name) => [name, `*.${name}`]);
