/**
 * `~/.samlgate/credentials.json`: the CLI tokens that `samlgate login` has saved, one per gateway. A file that other users of the
 * machine can read is refused with the command that corrects its permissions.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SamlgateError } from './samlgate-error.ts';

/** The saved token of one gateway. */
export interface SavedCredential {
  readonly token: string;
  readonly token_id: string;
  readonly user_id: string;
  readonly email: string;
  /** Slug of the organization. */
  readonly organization: string;
  /** RFC 3339; null if the token never expires. */
  readonly expires_at: string | null;
}

export interface CredentialsFile {
  /** Gateway of the last sign-in. Commands use it if none is named. */
  readonly current: string | null;
  /** By base URL, as {@link gatewayKey} returns it. */
  readonly gateways: Readonly<Record<string, SavedCredential>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

const EMPTY: CredentialsFile = { current: null, gateways: {} };

/** On Windows only the permissions of the home directory protect the file. */
const HAS_FILE_MODES = process.platform !== 'win32';

export const credentialsPath = (environment: Environment = process.env): string =>
  path.join(environment.HOME || homedir(), '.samlgate', 'credentials.json');

/**
 * Returns the origin of a gateway's URL, so that every spelling of the URL gives the same key.
 * @throws SamlgateError gateway_url_invalid
 */
export function gatewayKey(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isHttp = parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '';
  // RFC 1035 §2.3.4: labels have 1 to 63 characters. The dot of the root may follow.
  if (isHttp && !/(?:^|\.)\.|[^.]{64}/.test(parsed.hostname)) return parsed.origin;
  throw new SamlgateError({
    code: 'gateway_url_invalid',
    title: 'The URL of the gateway is not an http or https URL',
    detail: 'Enter it like https://sso.example.com, without user name and password.',
  });
}

/** Returns the file without this gateway. If it was the current one, another saved gateway becomes current. */
export function withoutGateway({ current, gateways }: CredentialsFile, key: string): CredentialsFile {
  const { [key]: _, ...others } = gateways;
  return { current: current === key ? (Object.keys(others)[0] ?? null) : current, gateways: others };
}

/** Returns the saved token of a gateway. */
export const savedFor = ({ gateways }: CredentialsFile, key: string): SavedCredential | undefined =>
  Object.hasOwn(gateways, key) ? gateways[key] : undefined;

/**
 * Reads the credentials file. Returns an empty one if the file does not exist.
 * @throws SamlgateError credentials_file_unusable
 */
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
    throw error instanceof SamlgateError ? error : unusable(`${file} can't be read (${code})`, 'Check its owner and permissions.', error);
  }
  return parseCredentials(file, content);
}

function requirePrivate(name: string, { mode }: { mode: number }, requiredMode: string): void {
  if (!HAS_FILE_MODES || (mode & 0o077) === 0) return;
  const title = `Other users can access ${name} (mode ${(mode & 0o777).toString(8)})`;
  throw unusable(title, `Run: chmod ${requiredMode} ${shellWord(name)}`);
}

const shellWord = (text: string): string => (/^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function parseCredentials(file: string, content: string): CredentialsFile {
  try {
    const { current = null, gateways = {} } = JSON.parse(content) as Partial<CredentialsFile>;
    if (Object.values(gateways).every((saved) => typeof saved?.token === 'string')) return { current, gateways };
  } catch {
    // reported below, like valid JSON with other content
  }
  throw unusable(`${file} is damaged`, 'Delete it, then sign in again: samlgate login');
}

const unusable = (title: string, detail: string, cause?: unknown): SamlgateError =>
  new SamlgateError({ code: 'credentials_file_unusable', title, detail, cause });

/**
 * Checks that the credentials file can be written, before a user signs in for nothing.
 * @throws SamlgateError credentials_file_unusable
 */
export const requireWritableCredentials = (environment: Environment = process.env): Promise<void> =>
  withLock(credentialsPath(environment), () => undefined);

/**
 * Changes the credentials file under a lock, so that no concurrent change is lost. Readers see either the old or the new content.
 * @param change called only when the file is locked and known to be writable; if it throws, the file stays as it is
 * @throws SamlgateError credentials_file_unusable
 */
export async function changeCredentials(
  change: (before: CredentialsFile) => CredentialsFile | Promise<CredentialsFile>,
  environment: Environment = process.env,
): Promise<void> {
  const file = credentialsPath(environment);
  await withLock(file, async () => replaceFile(file, `${JSON.stringify(await change(readCredentials(environment)), null, 2)}\n`));
}

async function withLock(file: string, work: () => void | Promise<void>): Promise<void> {
  const lock = `${file}.lock`;
  const folder = path.dirname(file);
  try {
    makeFolder(folder);
    await takeLock(lock);
  } catch (error) {
    if (error instanceof SamlgateError) throw error;
    throw unusable(`${folder} can't be written (${(error as NodeJS.ErrnoException).code})`, 'Check its owner and permissions.', error);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Creates the folder, but no home directory: users such as `nobody` have none, and the token would be lost there. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const home = path.dirname(folder);
    if (code === 'ENOENT')
      throw unusable(`The home directory ${home} does not exist`, 'Set HOME to a directory that you can write.', error);
    if (code !== 'EEXIST') throw error;
  }
}

/** A lock older than this was left behind by a process that died. */
const STALE_LOCK_MS = 60_000;
const LOCK_TIMEOUT_MS = 10_000;

async function takeLock(lock: string): Promise<void> {
  for (const started = Date.now(); ; await sleep(50)) {
    try {
      return closeSync(openSync(lock, 'wx', 0o600));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_LOCK_MS) rmSync(lock, { force: true });
    else if (Date.now() - started > LOCK_TIMEOUT_MS) {
      throw unusable(
        'Another command is changing the credentials file',
        `Wait until it is done. If none is running, run: rm ${shellWord(lock)}`,
      );
    }
  }
}

/** Writes a new file, flushes it to disk and renames it over the old one. */
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
