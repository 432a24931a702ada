/** Keys of an organization's service provider: they sign requests and open encrypted assertions. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { MessageSigningKey } from '../saml/messages/bindings.ts';
import { createSelfSignedCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { updateRecord } from '../store/update-record.ts';
import { organizationIds } from './directory.ts';
import { getOrganizationById, ORGANIZATION, ORGANIZATION_RECORD, type Organization, type SpKey } from './organizations.ts';

export const SP_KEY_PURPOSE = 'sp-key';

const TWENTY_YEARS_DAYS = 20 * 365;

export async function createSpKey(runtime: Runtime, slug: string): Promise<SpKey> {
  const { privateKeyPem, certificatePem } = await createSelfSignedCertificate({
    commonName: `samlgate ${slug}`,
    days: TWENTY_YEARS_DAYS,
    nowMs: runtime.now(),
  });
  const certificate = certificatePem.replace(/-----[A-Z ]+-----|\s/g, '');
  return { wrappedPrivateKey: await runtime.secrets.wrap(SP_KEY_PURPOSE, privateKeyPem), certificate };
}

/** The private key of an SP key, PKCS#8 PEM. */
export const openSpKey = (runtime: Runtime, key: SpKey): Promise<string> => runtime.secrets.unwrap(SP_KEY_PURPOSE, key.wrappedPrivateKey);

const MAX_OPENED_KEYS = 1000;

const openedKeys = perRuntime(() => new Map<string, KeyObject>());

/** The organization's private keys, the one in use first; the others are kept for a rollover. Opened ones stay in memory, by certificate. */
export async function openDecryptionKeys(runtime: Runtime, { spKeys }: Organization): Promise<KeyObject[]> {
  const opened = openedKeys(runtime);
  const keys: KeyObject[] = [];
  for (const spKey of spKeys) {
    const key = opened.get(spKey.certificate) ?? createPrivateKey(await openSpKey(runtime, spKey));
    if (opened.size >= MAX_OPENED_KEYS) opened.clear();
    opened.set(spKey.certificate, key);
    keys.push(key);
  }
  return keys;
}

/** The key that signs what we send to the organization's identity provider. */
export async function openMessageSigningKey(runtime: Runtime, { spKeys: [key] }: Organization): Promise<MessageSigningKey> {
  if (!key) throw new GatewayError('internal', { cause: 'an organization has no key of its own' });
  const lines = key.certificate.match(/.{1,64}/g) ?? [];
  const certificatePem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return { privateKeyPem: await openSpKey(runtime, key), certificatePem };
}

/** Wraps the private keys of all organizations with the present secret where the previous one did. */
export async function rewrapSpKeys(runtime: Runtime): Promise<void> {
  const { store, secrets, log } = runtime;
  for await (const id of organizationIds(store)) {
    const outdated = (await getOrganizationById(store, id))?.spKeys.filter((key) => secrets.isOutdated(key.wrappedPrivateKey)) ?? [];
    const rewrapped = new Map<string, string>();
    for (const key of outdated) {
      try {
        rewrapped.set(key.wrappedPrivateKey, await secrets.wrap(SP_KEY_PURPOSE, await openSpKey(runtime, key)));
      } catch {
        log.error(
          { organization: id },
          'a key of the service provider was wrapped with a secret that is neither the present nor the previous one',
        );
      }
    }
    if (rewrapped.size === 0) continue;
    await updateRecord(store, {
      partition: id,
      collection: ORGANIZATION,
      id: ORGANIZATION_RECORD,
      change: (organization) => ({
        ...organization,
        spKeys: organization.spKeys.map((key) => ({
          ...key,
          wrappedPrivateKey: rewrapped.get(key.wrappedPrivateKey) ?? key.wrappedPrivateKey,
        })),
      }),
    });
  }
}
