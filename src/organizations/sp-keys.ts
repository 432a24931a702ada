/** Key pairs of an organization's service provider. They sign requests and decrypt assertions. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { BoundedCache } from '../bounded-cache.ts';
import { GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { MessageSigningKey } from '../saml/messages/bindings.ts';
import { createSelfSignedCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { updateRecord } from '../store/update-record.ts';
import { organizationIds } from './directory.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization, type SpKey } from './organizations.ts';

/** Binds wrapped SP keys to their use, so that no other wrapped secret can replace one. */
export const SP_KEY_PURPOSE = 'sp-key';

const TWENTY_YEARS_DAYS = 20 * 365;

/** Creates a key pair with a self-signed certificate. Identity providers pin the certificate, so it is valid for twenty years. */
export async function createSpKey(runtime: Runtime, slug: string): Promise<SpKey> {
  const { privateKeyPem, certificatePem } = await createSelfSignedCertificate({
    commonName: `samlgate ${slug}`,
    days: TWENTY_YEARS_DAYS,
    nowMs: runtime.now(),
  });
  const certificate = certificatePem.replace(/-----[A-Z ]+-----|\s/g, '');
  return { wrappedPrivateKey: await runtime.secrets.wrap(SP_KEY_PURPOSE, privateKeyPem), certificate };
}

/** Unwraps the private key of an SP key. Returns PKCS#8 PEM. */
export const openSpKey = (runtime: Runtime, key: SpKey): Promise<string> => runtime.secrets.unwrap(SP_KEY_PURPOSE, key.wrappedPrivateKey);

/**
 * Caches private keys by their certificate. Unwrapping and parsing one takes about 470 µs, more than judging a response does
 * (100 to 250 µs, `node test/bench/verdict.ts`).
 */
const openedKeys = perRuntime(() => new BoundedCache<KeyObject>(1000));

async function openCached(runtime: Runtime, spKey: SpKey): Promise<KeyObject> {
  const cache = openedKeys(runtime);
  const cached = cache.get(spKey.certificate);
  if (cached) return cached;
  const key = createPrivateKey(await openSpKey(runtime, spKey));
  cache.set(spKey.certificate, key);
  return key;
}

/** Returns all private keys of an organization, because an identity provider may still encrypt for one from before a rollover. */
export async function openDecryptionKeys(runtime: Runtime, { spKeys }: Organization): Promise<KeyObject[]> {
  const keys: KeyObject[] = [];
  for (const spKey of spKeys) keys.push(await openCached(runtime, spKey));
  return keys;
}

/** Returns the key that signs messages to the organization's identity provider. */
export async function openMessageSigningKey(runtime: Runtime, { spKeys: [key] }: Organization): Promise<MessageSigningKey> {
  if (!key) throw new GatewayError('internal', { cause: 'an organization has no SP key' });
  const lines = key.certificate.match(/.{1,64}/g) ?? [];
  const certificatePem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { privateKeyPem: await openSpKey(runtime, key), certificatePem };
}

/** Wraps the private keys of all organizations again that are still wrapped with the previous secret. */
export async function rewrapSpKeys(runtime: Runtime): Promise<void> {
  const { store, secrets } = runtime;
  for await (const id of organizationIds(store)) {
    const organization = await getOrganizationById(store, id);
    const outdated = organization?.spKeys.filter((key) => secrets.isOutdated(key.wrappedPrivateKey)) ?? [];
    const rewrapped = await rewrap(runtime, id, outdated);
    if (rewrapped.size === 0) continue;
    await updateRecord(store, {
      partition: id,
      collection: ORGANIZATION,
      id: ORGANIZATION_RECORD,
      change: (before) => ({
        ...before,
        spKeys: before.spKeys.map((key) => ({ ...key, wrappedPrivateKey: rewrapped.get(key.wrappedPrivateKey) ?? key.wrappedPrivateKey })),
      }),
    });
  }
}

/** Returns the newly wrapped keys by the old ones. Keys that neither secret opens are logged and left as they are. */
async function rewrap(runtime: Runtime, organizationId: string, keys: readonly SpKey[]): Promise<ReadonlyMap<string, string>> {
  const rewrapped = new Map<string, string>();
  for (const key of keys) {
    try {
      rewrapped.set(key.wrappedPrivateKey, await runtime.secrets.wrap(SP_KEY_PURPOSE, await openSpKey(runtime, key)));
    } catch {
      runtime.log.error(
        { organization: organizationId },
        'an SP key was wrapped with a secret that is neither the current nor the previous one',
      );
    }
  }
  return rewrapped;
}
