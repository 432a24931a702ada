/** The URL of a store, and the files of a SQLite store, which are checked before the gateway writes anything. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** The store if `SAMLGATE_STORE` is not set. */
export const DEFAULT_STORE = 'sqlite:./data/samlgate.db';

export const STORE_URL = /^(sqlite:.+|rediss?:\/\/.+|rediss?\+cluster:\/\/.+|rediss?\+sentinel:\/\/.+\/.+)$/;

/** Says in messages which URLs {@link STORE_URL} allows. */
export const STORE_URL_FORMS = 'sqlite:PATH, redis://…, rediss://…, redis+cluster://… or redis+sentinel://…/NAME';

/** The name of the file beside the database that holds the master secret. */
export const SECRET_FILE = 'secret';

/**
 * Returns what the operator must change before the gateway can start: files that other users can read or write, and a secret that
 * is missing although a database exists, whose keys a new secret could not decrypt.
 * @param isSecretGiven SAMLGATE_SECRET is set
 */
export function findFileProblems(database: string, isSecretGiven: boolean): string[] {
  if (database === ':memory:') return [];
  const directory = path.dirname(database);
  const secret = path.join(directory, SECRET_FILE);
  const problems = [database, `${database}-wal`, `${database}-shm`].flatMap((file) => findExposure(file, '600'));
  // Write access to the directory is enough to replace the database.
  problems.push(...findExposure(directory, '700', ' (or set SAMLGATE_STORE to a file in a directory of its own)'));
  if (!isSecretGiven && !existsSync(secret) && (statSync(database, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    problems.push(
      `${secret} is missing, but the database ${database} exists, and its keys cannot be decrypted without that secret. Restore the file from a backup, or set SAMLGATE_SECRET to the secret`,
    );
  }
  return problems;
}

/** Returns the problem if other users can read or write a file or directory that exists. */
export function findExposure(file: string, mode: '600' | '700', alternative = ''): string[] {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat || (stat.mode & 0o077) === 0) return [];
  return [`Other users can read or write ${file} (mode ${(stat.mode & 0o7777).toString(8)}). Run: chmod ${mode} ${file}${alternative}`];
}

/** Returns the file that holds a secret beside the database, if there is one, and whether it is the secret in use. */
export function findSecretFile(
  directory: string | undefined,
  secret: Buffer,
): { readonly path: string; readonly isCurrent: boolean } | undefined {
  if (directory === undefined) return undefined;
  const file = path.join(directory, SECRET_FILE);
  try {
    return { path: file, isCurrent: Buffer.from(readFileSync(file, 'utf8').trim(), 'base64').equals(secret) };
  } catch {
    return undefined; // missing, or not readable for a gateway that does not need it
  }
}
