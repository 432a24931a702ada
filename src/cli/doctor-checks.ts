/** What `samlgate doctor` looks at. Each check gives its findings; none changes anything. */
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type KeyRing, keyIn, openSigningKey, readKeyRing } from '../auth/keys/key-ring.ts';
import { isLoopbackHost } from '../client/loopback.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { makeLog } from '../log.ts';
import { makeMetrics } from '../metrics.ts';
import { organizationIds } from '../organizations/directory.ts';
import { findMetadataWarnings } from '../organizations/identity-providers.ts';
import { getOrganizationById, type Organization } from '../organizations/organizations.ts';
import { openSpKey } from '../organizations/sp-keys.ts';
import type { Runtime } from '../runtime.ts';
import { makeSecrets } from '../secrets.ts';
import { openStore } from '../store/open-store.ts';
import { DAY_MS } from '../time.ts';

export interface Finding {
  /** What was looked at; an organization by its slug. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** How long before its end a certificate of ours is told of. */
const CERTIFICATE_NOTICE_DAYS = 60;
/** Identity providers and we may be three minutes apart; a third of that is a reason to look. */
const CLOCK_WARNING_MS = 5000;
const CLOCK_ERROR_MS = 60_000;

const ok = (check: string, text: string): Finding => ({ check, level: 'ok', text });
const warning = (check: string, text: string, advice: string): Finding => ({ check, level: 'warning', text, advice });
const failure = (check: string, text: string, advice: string): Finding => ({ check, level: 'error', text, advice });

/** All findings, in the order of the checks; what can't be looked at without something broken is left out. */
export async function examine(environment: Environment, now: () => number = Date.now): Promise<Finding[]> {
  const missing = missingDatabase(environment);
  if (missing) return [missing];
  let config: Config;
  try {
    config = readConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').map((line) => failure('configuration', line, 'Correct it; samlgate serve --help has all variables.'));
  }
  const findings = [...configurationFindings(config), ...(await clockFindings(config, now))];
  try {
    const store = await openStore(config.store, now);
    const secrets = makeSecrets(config.secret, config.previousSecret);
    const runtime: Runtime = { config, store, secrets, log: makeLog('silent'), metrics: makeMetrics(), now };
    try {
      return [...findings, ...(await storeFindings(runtime)), ...(await keyFindings(runtime)), ...(await organizationFindings(runtime))];
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'store_unavailable') throw error;
    return [...findings, failure('store', `does not answer (${reasonOf(error)})`, 'Is it running, and is SAMLGATE_STORE right?')];
  }
}

/** Looked at before the configuration is read, which makes the secret where it is missing: a doctor in the wrong directory makes nothing. */
function missingDatabase({ SAMLGATE_STORE: store = 'sqlite:./data/samlgate.db' }: Environment): Finding | undefined {
  const file = /^sqlite:(.+)$/.exec(store.trim())?.[1];
  if (file === undefined || existsSync(file)) return undefined;
  return failure(
    'store',
    `there is no database at ${file}`,
    'Start the gateway once (samlgate serve), or run this with its environment and in its directory.',
  );
}

function configurationFindings({ baseUrl, isHttps, store, secondOpinion }: Config): Finding[] {
  const isLocal = isLoopbackHost(new URL(baseUrl).hostname);
  return [
    ok('configuration', `${baseUrl}, store ${store.split(':')[0]}, second opinion ${secondOpinion ? 'node-saml' : 'off'}`),
    ...(isHttps || isLocal
      ? []
      : [
          warning(
            'configuration',
            'SAMLGATE_BASE_URL is not https: sessions and tokens can be read on the way',
            'Put TLS in front of the gateway.',
          ),
        ]),
  ];
}

/** Against the gateway's own answers; its replicas and proxies are on other machines. */
async function clockFindings({ baseUrl }: Config, now: () => number): Promise<Finding[]> {
  const startedMs = now();
  const response = await fetch(`${baseUrl}/healthz`, { redirect: 'manual', signal: AbortSignal.timeout(5000) }).catch(() => undefined);
  if (!response?.ok) {
    const what = response ? `answers with HTTP ${response.status}` : 'does not answer';
    return [warning('gateway', `${baseUrl} ${what} from this machine`, 'Is it running, and does SAMLGATE_BASE_URL lead to it?')];
  }
  const dateMs = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(dateMs)) return [ok('gateway', `${baseUrl} answers`)];
  // The header has whole seconds, and was written between the question and now.
  const apartMs = Math.max(0, dateMs - now(), startedMs - dateMs - 1000);
  if (apartMs < CLOCK_WARNING_MS) return [ok('gateway', `${baseUrl} answers, and the clocks agree`)];
  const text = `the clock there and the one here are ${Math.round(apartMs / 1000)} seconds apart`;
  const advice = 'Have both set by NTP: sign-in messages are good for minutes only.';
  return [apartMs < CLOCK_ERROR_MS ? warning('clock', text, advice) : failure('clock', text, advice)];
}

async function storeFindings({ store }: Runtime): Promise<Finding[]> {
  await store.ping();
  const warnings = await store.warnings();
  if (warnings.length === 0) return [ok('store', 'answers, and keeps what it is given')];
  return warnings.map((text) => warning('store', text, 'Change the setting at the server, and in its configuration file.'));
}

async function keyFindings(runtime: Runtime): Promise<Finding[]> {
  const ring = await readKeyRing(runtime);
  const active = ring && keyIn(ring, 'active');
  if (!ring || !active) return [failure('signing keys', 'no key signs', 'Start the gateway once: it makes them (samlgate serve).')];
  const closed = await closedKeys(runtime, ring);
  if (closed.length > 0) {
    const text = `${closed.join(', ')} can't be opened with SAMLGATE_SECRET`;
    return [failure('signing keys', text, 'Give the secret that they were made with; with a new one also SAMLGATE_SECRET_PREVIOUS.')];
  }
  const { keyRotationDays } = runtime.config;
  const ageDays = Math.floor((runtime.now() - (active.activatedAtMs ?? active.createdAtMs)) / DAY_MS);
  const text = `${active.kid} (${active.algorithm}) has signed for ${ageDays} days`;
  // A day more than the setting: it is done every few minutes.
  if (keyRotationDays > 0 && ageDays > keyRotationDays) {
    return [
      warning(
        'signing keys',
        text,
        `It should have been rotated after ${keyRotationDays}. Look at the gateway’s log, or run: samlgate keys rotate`,
      ),
    ];
  }
  return [ok('signing keys', text)];
}

async function closedKeys(runtime: Runtime, { keys }: KeyRing): Promise<string[]> {
  const closed: string[] = [];
  for (const key of keys) {
    if (key.wrappedPrivateKey !== undefined && !(await opens(() => openSigningKey(runtime, key)))) closed.push(key.kid);
  }
  return closed;
}

async function opens(open: () => Promise<unknown>): Promise<boolean> {
  try {
    await open();
    return true;
  } catch {
    return false; // another secret, or damaged: the same to do
  }
}

async function organizationFindings(runtime: Runtime): Promise<Finding[]> {
  const findings: Finding[] = [];
  let count = 0;
  for await (const id of organizationIds(runtime.store)) {
    const organization = await getOrganizationById(runtime.store, id);
    if (!organization) continue;
    count++;
    findings.push(...(await identityProviderFindings(runtime, organization)), ...(await ownKeyFindings(runtime, organization)));
  }
  return findings.length === 0 ? [ok('organizations', `${count}, nothing to do`)] : findings;
}

async function identityProviderFindings(runtime: Runtime, organization: Organization): Promise<Finding[]> {
  const { slug, identityProvider } = organization;
  if (!identityProvider) {
    return [warning(slug, 'has no identity provider: nobody can sign in', `Run: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`)];
  }
  const { problem } = identityProvider.refresh ?? {};
  const told = (await findMetadataWarnings(runtime, organization)).filter(({ level }) => level === 'warning');
  const advice = `When the identity provider has newer metadata: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`;
  return [
    ...told.map(({ text }) => warning(slug, text, advice)),
    ...(problem === undefined
      ? []
      : [warning(slug, `its metadata could not be fetched again: ${problem}`, `Look at ${identityProvider.metadataUrl ?? 'its URL'}.`)]),
  ];
}

/** The gateway's own keys for this organization, which its identity provider may have a copy of. */
async function ownKeyFindings(runtime: Runtime, organization: Organization): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const key of organization.spKeys) {
    const endsInDays = Math.floor((spCertificateEndMs(key.certificate) - runtime.now()) / DAY_MS);
    if (!(await opens(() => openSpKey(runtime, key)))) {
      findings.push(
        failure(organization.slug, 'its private key can’t be opened with SAMLGATE_SECRET', 'Give the secret that it was made with.'),
      );
    }
    if (endsInDays > CERTIFICATE_NOTICE_DAYS) continue;
    const text =
      endsInDays < 0 ? 'the gateway’s certificate for it has expired' : `the gateway’s certificate for it ends in ${endsInDays} days`;
    findings.push(
      warning(organization.slug, text, 'Few identity providers look at this date; where one does, a new organization has a new key.'),
    );
  }
  return findings;
}

const spCertificateEndMs = (certificate: string): number => Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo);

const reasonOf = ({ facts }: GatewayError): string => {
  const cause = facts.cause;
  return facts.detail ?? (cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : 'no reason told');
};
