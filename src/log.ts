import { type Logger, pino } from 'pino';

export type Log = Logger;

/**
 * Creates a log that writes JSON lines to stdout. No entry contains a token, a cookie, an assertion or a key: callers name the
 * fields to log and never log whole requests, headers or messages. Redaction is the second line of defense.
 */
export function createLog(level: string): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  };
  return pino(options, openStdout());
}

/** Drops entries once the terminal is closed, as pino does for a closed pipe. Otherwise the first of them would end the process. */
function openStdout() {
  const stdout = pino.destination({ fd: 1, sync: true });
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EIO') throw error;
    stdout.write = () => true;
  });
  return stdout;
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
