import { type Logger, pino } from 'pino';

export type Log = Logger;

/**
 * JSON lines on stdout. Nothing that is logged holds a token, a cookie, an assertion or a key: call sites name the fields
 * that they log, and whole requests, headers and messages are never among them. The list below is the second net.
 */
export function makeLog(level: string): Log {
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
