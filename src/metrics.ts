import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** All metrics of the gateway. Labels have few values: no code or slug comes from input that was rejected as unknown. */
export interface Metrics {
  readonly registry: Registry;
  /** Outcome: `accepted`, or the code of the rejection. */
  readonly logins: Counter<'outcome'>;
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
  readonly tokenUseFailures: Counter;
  /** By the name of the limit. */
  readonly limited: Counter<'limit'>;
  /** Outcome: `kept`, `too_many` (accepted within a moment, or rejected within a minute) or `failed`. */
  readonly signInRecords: Counter<'outcome'>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name, help, labelNames, registers });
  return {
    registry,
    logins: counter('samlgate_logins_total', 'Sign-ins accepted, repeated by the browser and refused, by outcome', ['outcome']),
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
    ownerLosses: counter('samlgate_owner_losses_total', 'Organizations that lost their last owner, by cause', ['cause']),
    limited: counter('samlgate_limited_total', 'Requests refused by a rate limit, by limit', ['limit']),
    tokenUseFailures: counter('samlgate_token_use_failures_total', 'Uses of CLI tokens that could not be recorded'),
    signInRecords: counter('samlgate_sign_in_records_total', 'Sign-in attempts for the sign-in log, by outcome', ['outcome']),
  };
}
