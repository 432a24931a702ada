/** The checks of `samlgate doctor`. Each returns its findings and changes nothing. */

import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type KeyRing, keyIn, openSigningKey, readKeyRing } from '../auth/keys/key-ring.ts';
import { findLatestGroupsSuggestion } from '../auth/sign-in-log/groups-suggestion.ts';
import { getLogEntry, listLogEntries } from '../auth/sign-in-log/sign-in-log.ts';
import { explainConnectionError, explainTimeout } from '../client/connection-problem.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { OrganizationConnection } from '../organizations/connections/connections.ts';
import { findMetadataWarnings } from '../organizations/connections/identity-providers.ts';
import { organizationIds } from '../organizations/directory.ts';
import { getOrganizationById, type Organization } from '../organizations/organizations.ts';
import { openSpKey } from '../organizations/sp-keys.ts';
import type { Runtime } from '../runtime.ts';
import { findSchemaProblem } from '../schema/schema-version.ts';
import { createSecrets } from '../secrets.ts';
import { openStore } from '../store/open-store.ts';
import { DEFAULT_STORE } from '../store-location.ts';
import { DAY_MS } from '../time.ts';
import { findConfigurationWarnings } from './configuration-warnings.ts';
import { describeStoreProblem } from './store-problem.ts';

export interface Finding {
  /** Name of the check, or the organization's slug. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly text: string;
  /** What to do next. */
  readonly advice?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A certificate of the gateway is reported this many days before it expires. */
const CERTIFICATE_NOTICE_DAYS = 60;
/**
 * SAML responses are accepted with a clock skew of 180 seconds by default. The difference measured here is between this machine and
 * the gateway, so a small one already means that one of the clocks is not synchronized.
 */
const CLOCK_WARNING_MS = 5000;
const CLOCK_ERROR_MS = 60_000;
const HEALTH_TIMEOUT_MS = 5000;

const SECRET_ADVICE =
  'Set SAMLGATE_SECRET to the secret that encrypted it. While you replace the secret, set SAMLGATE_SECRET_PREVIOUS to the previous one.';

const ok = (check: string, text: string): Finding => ({ check, level: 'ok', text });
const warning = (check: string, text: string, advice: string): Finding => ({ check, level: 'warning', text, advice });
const failure = (check: string, text: string, advice: string): Finding => ({ check, level: 'error', text, advice });

/**
 * Runs all checks and returns their findings in order. A check that depends on something broken is skipped.
 * @param environment configuration of the gateway, as `samlgate serve` reads it
 */
export async function examineGateway(environment: Environment, now: () => number = Date.now): Promise<Finding[]> {
  const missing = missingDatabase(environment);
  if (missing) return [missing];
  let config: Config;
  try {
    config = readConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .map((line) => failure('configuration', line, 'Correct the variable. samlgate serve --help lists all of them.'));
  }
  const findings = [...configurationFindings(config, environment), ...(await clockFindings(config, now))];
  try {
    const store = await openStore(config.store, now);
    const secrets = createSecrets(config.secret, config.previousSecret);
    const runtime: Runtime = { config, store, secrets, log: createLog('silent'), metrics: createMetrics(), now };
    try {
      findings.push(...(await storeFindings(runtime)));
      const schema = await schemaFinding(runtime);
      if (schema) return [...findings, schema];
      return [...findings, ...(await keyFindings(runtime)), ...(await organizationFindings(runtime))];
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'store_unavailable') throw error;
    return [...findings, failure('store', "can't be used", describeStoreProblem(error))];
  }
}

/**
 * Reports a missing SQLite file. This runs before the configuration is read, because reading it creates a missing secret, and
 * doctor in the wrong directory must not create files.
 */
function missingDatabase({ SAMLGATE_STORE: store = DEFAULT_STORE }: Environment): Finding | undefined {
  const file = /^sqlite:(.+)$/.exec(store.trim())?.[1];
  if (file === undefined || existsSync(file)) return undefined;
  return failure(
    'store',
    `there is no database at ${file}`,
    'Start the gateway once (samlgate serve), or run doctor in the directory and with the environment of the gateway.',
  );
}

function configurationFindings(config: Config, environment: Environment): Finding[] {
  const { baseUrl, store, secondOpinion } = config;
  return [
    ok('configuration', `${baseUrl}, store ${store.split(':')[0]}, second opinion ${secondOpinion ? 'node-saml' : 'off'}`),
    ...findConfigurationWarnings(config, environment).map(({ text, advice }) => warning('configuration', text, advice)),
  ];
}

/** Compares the clock of this machine with the `Date` header of the gateway, which may run on other machines. */
async function clockFindings({ baseUrl }: Config, now: () => number): Promise<Finding[]> {
  const startedMs = now();
  let response: Response;
  try {
    response = await fetch(`${baseUrl}/healthz`, { redirect: 'manual', signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
  } catch (error) {
    const isTimeout = (error as Error).name === 'TimeoutError';
    const { title, detail } = isTimeout ? explainTimeout(baseUrl, HEALTH_TIMEOUT_MS) : explainConnectionError(baseUrl, error);
    return [warning('gateway', title, detail)];
  }
  if (!response.ok) {
    const advice = 'Check that the gateway is running and that SAMLGATE_BASE_URL points to it.';
    return [warning('gateway', `${baseUrl}/healthz answers with HTTP ${response.status}`, advice)];
  }
  const dateMs = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(dateMs)) return [ok('gateway', `${baseUrl} answers`)];
  // The header has whole seconds and was written between startedMs and now.
  const apartMs = Math.max(0, dateMs - now(), startedMs - dateMs - 1000);
  if (apartMs < CLOCK_WARNING_MS) return [ok('gateway', `${baseUrl} answers, and the clocks agree`)];
  const text = `the clocks of the gateway and of this machine differ by ${Math.round(apartMs / 1000)} seconds`;
  const advice = 'Synchronize both with NTP. SAML responses are valid for only a few minutes.';
  return [apartMs < CLOCK_ERROR_MS ? warning('clock', text, advice) : failure('clock', text, advice)];
}

async function storeFindings({ store }: Runtime): Promise<Finding[]> {
  await store.ping();
  const warnings = await store.warnings();
  if (warnings.length === 0) return [ok('store', 'answers, and its settings keep all data')];
  return warnings.map((text) => warning('store', text, 'Change the setting on the server and in its configuration file.'));
}

/** Returns undefined if the store has the layout that this program reads. */
async function schemaFinding({ store }: Runtime): Promise<Finding | undefined> {
  const problem = await findSchemaProblem(store);
  if (!problem) return undefined;
  const { kind, text } = problem;
  if (kind === 'newer') return failure('store', text, 'Run the doctor of the version that uses the store.');
  return warning('store', text, 'Back up the store, stop all replicas, and start the gateway (samlgate serve).');
}

async function keyFindings(runtime: Runtime): Promise<Finding[]> {
  const ring = await readKeyRing(runtime);
  const active = ring && keyIn(ring, 'active');
  if (!ring || !active)
    return [failure('signing keys', 'there is no active key', 'Start the gateway once (samlgate serve). It creates the keys.')];
  const undecryptable = await undecryptableKeys(runtime, ring);
  if (undecryptable.length > 0) {
    const text = `${undecryptable.join(', ')} can't be decrypted with SAMLGATE_SECRET`;
    return [failure('signing keys', text, SECRET_ADVICE)];
  }
  const { keyRotationDays } = runtime.config;
  const ageDays = Math.floor((runtime.now() - (active.activatedAtMs ?? active.createdAtMs)) / DAY_MS);
  const text = `${active.kid} (${active.algorithm}) has been active for ${ageDays} days`;
  // The gateway checks every few minutes whether a rotation is due, so a whole day more means that it failed.
  if (keyRotationDays > 0 && ageDays > keyRotationDays) {
    return [
      warning(
        'signing keys',
        text,
        `A rotation was due after ${keyRotationDays} days. Find the reason in the gateway’s log, or run: samlgate keys rotate`,
      ),
    ];
  }
  return [ok('signing keys', text)];
}

async function undecryptableKeys(runtime: Runtime, { keys }: KeyRing): Promise<string[]> {
  const kids: string[] = [];
  for (const key of keys) {
    if (key.wrappedPrivateKey !== undefined && !(await canOpen(() => openSigningKey(runtime, key)))) kids.push(key.kid);
  }
  return kids;
}

async function canOpen(open: () => Promise<unknown>): Promise<boolean> {
  try {
    await open();
    return true;
  } catch {
    return false; // encrypted with another secret, or damaged; the advice is the same
  }
}

async function organizationFindings(runtime: Runtime): Promise<Finding[]> {
  const findings: Finding[] = [];
  let count = 0;
  for await (const id of organizationIds(runtime.store)) {
    const organization = await getOrganizationById(runtime.store, id);
    if (!organization) continue;
    count++;
    findings.push(
      ...(await identityProviderFindings(runtime, organization)),
      ...(await groupsFindings(runtime, organization)),
      ...(await ownKeyFindings(runtime, organization)),
    );
  }
  return findings.length === 0 ? [ok('organizations', `${count} checked, no problems`)] : findings;
}

async function identityProviderFindings(runtime: Runtime, organization: Organization): Promise<Finding[]> {
  const { slug, connections } = organization;
  if (connections.length === 0) {
    return [
      warning(slug, 'has no identity provider, so its members can’t sign in', `Run: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`),
    ];
  }
  const findings = await Promise.all(connections.map((connection) => connectionFindings(runtime, { organization, connection })));
  return [...findings.flat(), ...(await identifierFindings(runtime, organization))];
}

/** Reports a sign-in without a lasting identifier, as long as no identifier is pinned. */
async function identifierFindings(runtime: Runtime, { id, slug, connections }: Organization): Promise<Finding[]> {
  if (connections.every(({ settings: { identifier = 'auto' } }) => identifier !== 'auto')) return [];
  const { items } = await listLogEntries(runtime, id, { code: 'saml_name_id_missing', limit: 1 });
  const [latest] = items;
  if (!latest?.isVerified) return [];
  const { attributeNames, offeredIdentifiers = [] } = await getLogEntry(runtime, id, latest.id);
  const text = `a sign-in was refused because nothing in the SAML response identifies the user. It had the attributes ${attributeNames.join(', ') || '(none)'}`;
  const advice =
    offeredIdentifiers.length === 0
      ? 'At the identity provider, send a NameID that is not transient, or an attribute that identifies the user.'
      : `Set identifier to one that users cannot edit, for example {"attribute": ${JSON.stringify(offeredIdentifiers[0])}}. Possible: ${offeredIdentifiers.join(', ')}.`;
  return [warning(slug, text, advice)];
}

async function connectionFindings(runtime: Runtime, { organization, connection }: OrganizationConnection): Promise<Finding[]> {
  const { slug } = organization;
  const { problem } = connection.refresh ?? {};
  const warnings = (await findMetadataWarnings(runtime, { organization, connection }, { isOperator: true })).filter(
    ({ level }) => level === 'warning',
  );
  const findings = warnings.map(({ code, text }) => warning(slug, text, adviceFor(code, slug)));
  if (problem !== undefined) {
    const advice = `Check that ${connection.metadataUrl ?? 'the metadata URL'} serves the metadata.`;
    findings.push(warning(slug, `the metadata could not be refreshed: ${problem}`, advice));
  }
  return findings;
}

/** Reports a sign-in whose groups probably arrived in an attribute that is not read. */
async function groupsFindings(runtime: Runtime, organization: Organization): Promise<Finding[]> {
  const name = await findLatestGroupsSuggestion(runtime, organization);
  if (name === undefined) return [];
  const text = `the last sign-in had no groups, but the attribute ${name}, in which some products send groups or roles`;
  const advice = `If its values are groups, open that sign-in in the web console and choose “Read groups from ${name}”, or add the name to attribute_mapping.groups.`;
  return [warning(organization.slug, text, advice)];
}

/** Returns the command that follows the advice in the warning's own text. */
function adviceFor(code: string, slug: string): string {
  return code === 'entity_id_shared'
    ? `Show this organization’s identity provider: samlgate org show ${slug}`
    : `After the change at the identity provider, load its new metadata: samlgate org set-idp ${slug} METADATA_FILE_OR_URL`;
}

/** Checks the gateway's own keys for this organization, whose certificates the identity provider may have stored. */
async function ownKeyFindings(runtime: Runtime, organization: Organization): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const key of organization.spKeys) {
    const expiresInDays = Math.floor((certificateExpiryMs(key.certificate) - runtime.now()) / DAY_MS);
    if (!(await canOpen(() => openSpKey(runtime, key)))) {
      findings.push(failure(organization.slug, 'the gateway’s private key can’t be decrypted with SAMLGATE_SECRET', SECRET_ADVICE));
    }
    if (expiresInDays > CERTIFICATE_NOTICE_DAYS) continue;
    const text = expiresInDays < 0 ? 'the gateway’s certificate has expired' : `the gateway’s certificate expires in ${expiresInDays} days`;
    findings.push(
      warning(
        organization.slug,
        text,
        'Most identity providers ignore this date. If this one checks it, create a new organization, which gets a new certificate.',
      ),
    );
  }
  return findings;
}

const certificateExpiryMs = (certificate: string): number => Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo);
