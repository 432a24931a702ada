/** The private keys in a store, which are encrypted with the master secret. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { KEY_RING, KEY_RING_RECORD, type KeyRing, purposeOf } from '../auth/keys/key-ring.ts';
import { ConfigError, decodeSecret } from '../config.ts';
import { ORGANIZATION, type Organization } from '../organizations/organizations.ts';
import { SP_KEY_PURPOSE } from '../organizations/sp-keys.ts';
import { createSecrets, type Secrets } from '../secrets.ts';
import type { RawRecord, RawStore } from '../store/raw/raw-entries.ts';
import { GLOBAL } from '../store/store.ts';
import { SECRET_FILE } from '../store-location.ts';
import { StoreToolError } from './store-tool-error.ts';

export type StoreSecrets = Pick<Secrets, 'unwrap'>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the secrets of a store: those of the environment, else the file beside the SQLite file. Creates nothing.
 * @throws StoreToolError if the secret is missing or invalid
 */
export function readStoreSecrets(environment: Environment, store: string): StoreSecrets {
  const { SAMLGATE_SECRET: given, SAMLGATE_SECRET_PREVIOUS: previous } = environment;
  const current = given?.trim() ? decode('SAMLGATE_SECRET', given) : readSecretFile(store);
  if (current === undefined) throw new StoreToolError('SAMLGATE_SECRET is required to open the keys of the store.');
  return createSecrets(current, previous?.trim() ? decode('SAMLGATE_SECRET_PREVIOUS', previous) : undefined);
}

function readSecretFile(store: string): Buffer | undefined {
  if (!store.startsWith('sqlite:')) return undefined;
  const file = path.join(path.dirname(store.slice('sqlite:'.length)), SECRET_FILE);
  return existsSync(file) ? decode(file, readFileSync(file, 'utf8')) : undefined;
}

function decode(name: string, text: string): Buffer {
  try {
    return decodeSecret(name, text);
  } catch (error) {
    throw error instanceof ConfigError ? new StoreToolError(error.message) : error;
  }
}

/** Returns why the secrets are not those of the store, by its signing keys. */
export async function findSecretProblem(store: RawStore, secrets: StoreSecrets): Promise<string | undefined> {
  const [ring] = await store.read([{ kind: 'record', partition: GLOBAL, collection: KEY_RING.name, id: KEY_RING_RECORD }]);
  if (ring?.kind !== 'record' || (await findUnopenedKeys(ring, secrets)).length === 0) return undefined;
  return 'SAMLGATE_SECRET does not open the keys of the store. Use the secret of the gateway that wrote it.';
}

/** Returns descriptions of the keys in a record that the secrets do not open. */
export async function findUnopenedKeys({ collection, partition, text }: RawRecord, secrets: StoreSecrets): Promise<string[]> {
  const problems: string[] = [];
  for (const { wrapped, purpose, name } of wrappedKeysIn(collection, text)) {
    try {
      await secrets.unwrap(purpose, wrapped);
    } catch {
      problems.push(`${partition}: ${name} cannot be opened with SAMLGATE_SECRET`);
    }
  }
  return problems;
}

interface WrappedKey {
  readonly wrapped: string;
  readonly purpose: string;
  readonly name: string;
}

function wrappedKeysIn(collection: string, text: string): WrappedKey[] {
  if (collection === KEY_RING.name) {
    const { keys } = JSON.parse(text) as KeyRing;
    return keys.flatMap(({ kid, wrappedPrivateKey: wrapped }) =>
      wrapped === undefined ? [] : [{ wrapped, purpose: purposeOf(kid), name: `the signing key ${kid}` }],
    );
  }
  if (collection !== ORGANIZATION.name) return [];
  const { slug, spKeys } = JSON.parse(text) as Organization;
  return spKeys.map(({ wrappedPrivateKey: wrapped }) => ({
    wrapped,
    purpose: SP_KEY_PURPOSE,
    name: `a private key of the organization ${slug}`,
  }));
}
