import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** All metrics of the gateway. Labels have few values: no code or slug comes from input that was rejected as unknown. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts a sign-in. Outcome: `accepted`, `repeated`, or the code of the rejection. The organization is a label only if that is configured. */
  countLogin(outcome: string, organizationSlug: string): void;
  /** Outcome: `agreed`, `refused` (node-saml would reject the response) or `differs` (node-saml reads another user from it). */
  readonly secondOpinions: Counter<'outcome'>;
  /** Outcome: the answer of the identity provider, `by_identity_provider`, `unknown_principal`, or the code of the rejection. */
  readonly logouts: Counter<'outcome'>;
  /** By route and status class. */
  readonly requests: Histogram<'route' | 'status'>;
  readonly expiredCertificates: Counter;
  /** By the kind of the change. */
  readonly ownerLosses: Counter<'cause'>;
  readonly auditTrimmed: Counter;
  /** By the name of the quota. */
  readonly quotaRefusals: Counter<'quota'>;
  readonly quotaWarnings: Counter<'quota'>;
  readonly tokenUseFailures: Counter;
  /** By the name of the limit. */
  readonly limited: Counter<'limit'>;
  /** Outcome: `kept`, `too_many` (accepted within a moment, or rejected within a minute) or `failed`. */
  readonly signInRecords: Counter<'outcome'>;
  /** By the method of the store. */
  readonly storeTimes: Histogram<'operation'>;
  readonly storeErrors: Counter<'operation'>;
  readonly replicationWait: Histogram;
  /** Infinity if no active connection has a certificate that ends. */
  readonly certificateDaysLeft: Gauge;
  readonly expiringCertificates: Gauge;
}

export interface MetricsOptions {
  /** Adds the label `organization` to the sign-ins. */
  readonly byOrganization: boolean;
}

export function createMetrics({ byOrganization }: MetricsOptions = { byOrganization: false }): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const logins = counter<'outcome' | 'organization'>(
    'samlgate_logins_total',
    'Sign-ins accepted, repeated by the browser and refused, by outcome (and by organization with `SAMLGATE_METRICS_ORGANIZATIONS`)',
    byOrganization ? ['outcome', 'organization'] : ['outcome'],
  );
  const certificateDaysLeft = gauge(
    'samlgate_certificate_days_left',
    'Days until the first active connection has no valid certificate of its identity provider. `+Inf` without such a connection',
  );
  certificateDaysLeft.set(Number.POSITIVE_INFINITY);
  return {
    registry,
    countLogin: (outcome, organization) => logins.inc(byOrganization ? { outcome, organization } : { outcome }),
    secondOpinions: counter(
      'samlgate_second_opinions_total',
      'Accepted SAML responses that node-saml also checked, by outcome. Any outcome except agreed is an alarm',
      ['outcome'],
    ),
    logouts: counter('samlgate_single_logouts_total', 'Single logouts, by outcome', ['outcome']),
    requests: new Histogram({
      name: 'samlgate_http_request_seconds',
      help: 'Time to answer a request, by route and status class',
      labelNames: ['route', 'status'],
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    }),
    expiredCertificates: counter(
      'samlgate_expired_certificate_logins_total',
      'Sign-ins verified with an identity provider certificate that has expired',
    ),
    auditTrimmed: counter('samlgate_audit_trimmed_total', 'Audit entries deleted because they were too old or too many'),
    quotaRefusals: counter('samlgate_quota_exceeded_total', 'Requests and sign-ins refused by a quota of an organization, by quota', [
      'quota',
    ]),
    quotaWarnings: counter(
      'samlgate_quota_warnings_total',
      'Warnings that an organization has used 80 % of a quota, at most one an hour each, by quota',
      ['quota'],
    ),
    ownerLosses: counter('samlgate_owner_losses_total', 'Organizations that lost their last owner, by cause', ['cause']),
    limited: counter('samlgate_limited_total', 'Requests refused by a rate limit, by limit', ['limit']),
    tokenUseFailures: counter('samlgate_token_use_failures_total', 'Uses of CLI tokens that could not be recorded'),
    signInRecords: counter('samlgate_sign_in_records_total', 'Sign-in attempts for the sign-in log, by outcome', ['outcome']),
    storeTimes: new Histogram({
      name: 'samlgate_store_seconds',
      help: 'Time of an operation of the store, by operation',
      labelNames: ['operation'],
      buckets: STORE_BUCKETS,
      registers,
    }),
    storeErrors: counter('samlgate_store_errors_total', 'Operations that failed because the store did not answer or accept them', [
      'operation',
    ]),
    replicationWait: new Histogram({
      name: 'samlgate_replication_wait_seconds',
      help: 'Time that revocations and changes of settings waited for the replicas of Redis',
      buckets: STORE_BUCKETS,
      registers,
    }),
    certificateDaysLeft,
    expiringCertificates: gauge(
      'samlgate_expiring_certificates',
      'Active connections whose identity provider has no certificate that is valid for another 30 days, at most 200 organizations',
    ),
  };
}

const STORE_BUCKETS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];
