/**
 * `~/.samlgate/credentials.json`: the CLI tokens that `samlgate login` has fetched, one for each gateway. Only its owner may
 * read it: a file that others can read is refused, with the command that mends it.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SamlgateError } from './samlgate-error.ts';

/** What is kept of one gateway. */
export interface KeptCredential {
  readonly token: string;
  readonly token_id: string;
  readonly user_id: string;
  readonly email: string;
  /** Slug. */
  readonly organization: string;
  /** RFC 3339; null where it has no end. */
  readonly expires_at: string | null;
}

export interface CredentialsFile {
  /** The gateway that commands are for where none is named: the last one that was signed in to. */
  readonly current: string | null;
  /** By base URL, as {@link gatewayKey} writes it. */
  readonly gateways: Readonly<Record<string, KeptCredential>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const EMPTY: CredentialsFile = { current: null, gateways: {} };

/** POSIX permissions; elsewhere the home directory's own protection is all there is. */
const HAS_MODES = process.platform !== 'win32';

export const credentialsPath = (environment: Environment = process.env): string =>
  path.join(environment.HOME || homedir(), '.samlgate', 'credentials.json');

/** One gateway is one key, however its URL was typed. @throws gateway_url_invalid */
export function gatewayKey(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '') return parsed.origin;
  throw new SamlgateError({
    code: 'gateway_url_invalid',
    title: 'The URL of the gateway is not a URL',
    detail: 'Example: https://sso.example.com',
  });
}

export function withoutGateway({ current, gateways }: CredentialsFile, key: string): CredentialsFile {
  const { [key]: _, ...others } = gateways;
  return { current: current === key ? (Object.keys(others)[0] ?? null) : current, gateways: others };
}

/** What is kept of this gateway. */
export const keptFor = ({ gateways }: CredentialsFile, key: string): KeptCredential | undefined =>
  Object.hasOwn(gateways, key) ? gateways[key] : undefined;

/** Empty where there is no file. @throws credentials_file_unusable */
export function readCredentials(environment: Environment = process.env): CredentialsFile {
  const file = credentialsPath(environment);
  let content: string;
  try {
    requirePrivate(path.dirname(file), statSync(path.dirname(file)), '700');
    const descriptor = openSync(file, 'r');
    try {
      requirePrivate(file, fstatSync(descriptor), '600');
      content = readFileSync(descriptor, 'utf8');
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return EMPTY;
    throw error instanceof SamlgateError ? error : unusable(`${file} can't be read (${code})`, 'Look at its owner and permissions.', error);
  }
  return parseCredentials(file, content);
}

function requirePrivate(name: string, { mode }: { mode: number }, wanted: string): void {
  if (!HAS_MODES || (mode & 0o077) === 0) return;
  const is = (mode & 0o777).toString(8);
  throw unusable(`${name} can be read by others (mode ${is})`, `Run: chmod ${wanted} ${shellWord(name)}`);
}

const shellWord = (text: string): string => (/^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function parseCredentials(file: string, content: string): CredentialsFile {
  try {
    const { current = null, gateways = {} } = JSON.parse(content) as Partial<CredentialsFile>;
    if (Object.values(gateways).every((kept) => typeof kept?.token === 'string')) return { current, gateways };
  } catch {
    // the same words for every damage
  }
  throw unusable(`${file} is damaged`, 'Remove it and sign in again: samlgate login');
}

const unusable = (title: string, detail: string, cause?: unknown): SamlgateError =>
  new SamlgateError({ code: 'credentials_file_unusable', title, detail, cause });

/**
 * Changes the file: readers see the old or the new one, never a part; of two changes at once none is lost.
 * @throws credentials_file_unusable, before `change` is called where it can't be written
 */
export async function changeCredentials(
  change: (before: CredentialsFile) => CredentialsFile | Promise<CredentialsFile>,
  environment: Environment = process.env,
): Promise<void> {
  const file = credentialsPath(environment);
  const lock = `${file}.lock`;
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    await takeLock(lock);
  } catch (error) {
    if (error instanceof SamlgateError) throw error;
    throw unusable(`${path.dirname(file)} can't be written (${(error as NodeJS.ErrnoException).code})`, 'Look at its owner.', error);
  }
  try {
    replaceFile(file, `${JSON.stringify(await change(readCredentials(environment)), null, 2)}\n`);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** A lock that is older than any change takes was left by a process that died. */
const LOCK_IS_STALE_MS = 60_000;
const LOCK_WITHIN_MS = 10_000;

async function takeLock(lock: string): Promise<void> {
  for (const started = Date.now(); ; await sleep(50)) {
    try {
      return closeSync(openSync(lock, 'wx', 0o600));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > LOCK_IS_STALE_MS) rmSync(lock, { force: true });
    else if (Date.now() - started > LOCK_WITHIN_MS) {
      throw unusable('Another command is changing the credentials', `Wait for it; where there is none, run: rm ${shellWord(lock)}`);
    }
  }
}

/** On disk before it has the name. */
function replaceFile(file: string, content: string): void {
  const temporary = `${file}.${randomUUID()}`;
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    try {
      writeFileSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
