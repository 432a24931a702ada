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

/**
 * Opens stdout such that its reader neither stops nor ends the gateway. Once a pipe (EPIPE) or terminal (EIO) is closed, entries are
 * dropped. It writes asynchronously, because a reader that pauses would otherwise stop all requests.
 */
function openStdout() {
  const stdout = pino.destination({ fd: 1 });
  // Pino's own handler knows closed pipes only. After another error, a flush would repeat its write forever.
  stdout.removeAllListeners('error');
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EIO' && error.code !== 'EPIPE') throw error;
    stdout.write = () => true;
    stdout.end = stdout.flushSync = stdout.destroy = () => {};
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
