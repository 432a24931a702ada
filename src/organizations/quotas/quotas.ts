/**
 * The quotas of organizations: one table, with defaults that legitimate organizations never reach. The operator changes them for each
 * organization. They bound what one tenant can store.
 */
import { BoundedCache } from '../../bounded-cache.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { HOUR_MS } from '../../time.ts';

interface Quota {
  readonly standard: number;
  /** The largest value that the operator can set. */
  readonly max: number;
  readonly description: string;
  /** What the user reads if the quota is reached. Absent if the oldest are dropped instead. */
  readonly refusal?: (limit: string) => string;
}

/** All quotas. The names are public (`quotas` of an organization, and the label of the metrics). */
export const QUOTAS = {
  members: {
    standard: 100_000,
    max: 10_000_000,
    description: 'Members. A user who would be one more cannot sign in; members can.',
    refusal: (limit) => `This organization has ${limit} members, the most that it can have.`,
  },
  new_members_per_minute: {
    standard: 600,
    max: 100_000,
    description: 'Users who sign in for the first time within a minute. More must try again; members can sign in.',
    refusal: (limit) => `More than ${limit} new users have signed in to this organization within a minute. Try again in a minute.`,
  },
  sessions_per_member: {
    standard: 20,
    max: 200,
    description: 'Sessions of one member. One more ends the oldest.',
  },
  cli_tokens_per_member: {
    standard: 50,
    max: 1000,
    description: 'Valid CLI tokens of one member.',
    refusal: (limit) => `You already have ${limit} CLI tokens, the maximum. Revoke one that you no longer need.`,
  },
  domains: {
    standard: 50,
    max: 1000,
    description: 'Domains that owners add, verified or not.',
    refusal: (limit) => `This organization has ${limit} domains, the most that it can have. Remove one first.`,
  },
  groups: {
    standard: 10_000,
    max: 1_000_000,
    description: 'Groups that SCIM provisions for one connection.',
    refusal: (limit) => `This connection has ${limit} groups, the most that it can have. Delete one first.`,
  },
  group_memberships: {
    standard: 1_000_000,
    max: 100_000_000,
    description: 'Members of all groups of one connection together. A user counts once for each group.',
    refusal: (limit) => `The groups of this connection would have more than ${limit} members together. Remove some first.`,
  },
  audit_entries: {
    standard: 1_000_000,
    max: 100_000_000,
    description: 'Entries of the audit trail. The oldest ones beyond this are deleted.',
  },
  settings_bytes: {
    standard: 64 * 1024,
    max: 1024 * 1024,
    description: 'Length of settings, role rules and connections with their certificates together, in bytes of JSON.',
    refusal: (limit) =>
      `The settings, role rules and connections of this organization would have more than ${limit} bytes. Remove some first.`,
  },
} as const satisfies Record<string, Quota>;

export type QuotaName = keyof typeof QUOTAS;
/** The quotas at which requests are refused. */
export type RefusingQuota = { [Name in QuotaName]: (typeof QUOTAS)[Name] extends { refusal: unknown } ? Name : never }[QuotaName];
export const QUOTA_NAMES = Object.keys(QUOTAS) as QuotaName[];

/** The quotas that the operator has set for an organization. */
export type Quotas = Readonly<Partial<Record<QuotaName, number>>>;

/** An organization, as far as its quotas matter. */
export interface QuotaHolder {
  readonly id: string;
  readonly slug: string;
  readonly quotas?: Quotas | undefined;
}

export const quotaOf = ({ quotas }: Pick<QuotaHolder, 'quotas'>, name: QuotaName): number => quotas?.[name] ?? QUOTAS[name].standard;

/** Changes some quotas. `null` restores the default. */
export function withQuotas(before: Quotas | undefined, changes: Readonly<Partial<Record<QuotaName, number | null | undefined>>>): Quotas {
  const entries = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries) as Quotas;
}

/** Creates the refusal of a request that would exceed a quota, and counts it. */
export function quotaExceeded(runtime: Runtime, organization: QuotaHolder, name: RefusingQuota): GatewayError {
  const limit = quotaOf(organization, name);
  runtime.metrics.quotaRefusals.inc({ quota: name });
  warn(runtime, organization, { name, used: limit });
  return new GatewayError('quota_exceeded', QUOTAS[name].refusal(limit.toLocaleString('en')));
}

/** The part of a quota from which owners and the operator are warned. */
const WARN_FROM = 0.8;

export const isNearQuota = (organization: QuotaHolder, name: QuotaName, used: number): boolean =>
  used >= WARN_FROM * quotaOf(organization, name);

/** Warns the operator if most of a quota is used, at most once an hour for each quota of an organization. */
export function noteQuotaUse(runtime: Runtime, organization: QuotaHolder, name: QuotaName, used: number): void {
  if (isNearQuota(organization, name, used)) warn(runtime, organization, { name, used });
}

const warnedAtOf = perRuntime(() => new BoundedCache<number>(10_000));

function warn(runtime: Runtime, organization: QuotaHolder, { name, used }: { readonly name: QuotaName; readonly used: number }): void {
  const warnedAt = warnedAtOf(runtime);
  const key = `${organization.id} ${name}`;
  const nowMs = runtime.now();
  if (Math.abs(nowMs - (warnedAt.get(key) ?? Number.NEGATIVE_INFINITY)) < HOUR_MS) return;
  warnedAt.set(key, nowMs);
  runtime.metrics.quotaWarnings.inc({ quota: name });
  const fields = { organization: organization.slug, quota: name, used, limit: quotaOf(organization, name) };
  runtime.log.warn(fields, 'an organization has used 80 % of a quota');
}

/** Fields of an organization's record that are not settings: the gateway writes them, or another quota limits them. */
const NO_SETTINGS: ReadonlySet<string> = new Set([
  'spKeys',
  'formerIds',
  'formerConnections',
  'revokingConnections',
  'domainClaims',
  'quotas',
  'refresh',
]);

/** Returns the length of an organization's settings, as `settings_bytes` limits it. */
export const settingsBytes = (organization: QuotaHolder): number =>
  Buffer.byteLength(JSON.stringify(organization, (key, value: unknown) => (NO_SETTINGS.has(key) ? undefined : value)));

/**
 * Checks that a change does not make the settings of an organization too long. A change that shortens them is always allowed. What the
 * gateway changes itself may have twice the length, so that a new certificate of an identity provider is also adopted at the limit.
 * @throws quota_exceeded
 */
export function requireSettingsFit(
  runtime: Runtime,
  { before, after, isByGateway }: { readonly before: QuotaHolder; readonly after: QuotaHolder; readonly isByGateway: boolean },
): void {
  const bytes = settingsBytes(after);
  noteQuotaUse(runtime, after, 'settings_bytes', bytes);
  const limit = quotaOf(after, 'settings_bytes') * (isByGateway ? 2 : 1);
  if (bytes > limit && bytes > settingsBytes(before)) throw quotaExceeded(runtime, after, 'settings_bytes');
}
