import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

/** Every metric of the gateway; labels have few values (codes and slugs never come from input that was refused as unknown). */
export interface Metrics {
  readonly registry: Registry;
  /** By outcome: `accepted` or the code of the refusal. */
  readonly logins: Counter<'outcome'>;
  /** By outcome: `agreed`, `refused` (it would not let the message in) or `differs` (it would, for another person). */
  readonly secondOpinions: Counter<'outcome'>;
  /** Messages of single logout, by outcome: what the identity provider answered, `by_identity_provider`, or the code of the refusal. */
  readonly logouts: Counter<'outcome'>;
  /** By status class and route. */
  readonly requests: Histogram<'route' | 'status'>;
  /** Logins that were verified with a certificate past its date. */
  readonly expiredCertificates: Counter;
  readonly tokenUseFailures: Counter;
  /** Requests that were too many, by limit. */
  readonly limited: Counter<'limit'>;
  /** Sign-ins for the sign-in log, by outcome: `kept`, `too_many` (accepted within a moment, or refused within a minute) or `failed`. */
  readonly signInRecords: Counter<'outcome'>;
}

export function makeMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    logins: new Counter({ name: 'samlgate_logins_total', help: 'Login responses, by outcome', labelNames: ['outcome'], registers }),
    secondOpinions: new Counter({
      name: 'samlgate_second_opinions_total',
      help: 'Accepted sign-in messages that node-saml was asked about, by outcome; anything but agreed is an alarm',
      labelNames: ['outcome'],
      registers,
    }),
    logouts: new Counter({ name: 'samlgate_single_logouts_total', help: 'Single logout, by outcome', labelNames: ['outcome'], registers }),
    requests: new Histogram({
      name: 'samlgate_http_request_seconds',
      help: 'Time to answer a request',
      labelNames: ['route', 'status'],
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers,
    }),
    expiredCertificates: new Counter({
      name: 'samlgate_expired_certificate_logins_total',
      help: 'Logins verified with an identity provider certificate past its date',
      registers,
    }),
    limited: new Counter({ name: 'samlgate_limited_total', help: 'Requests that were too many', labelNames: ['limit'], registers }),
    tokenUseFailures: new Counter({
      name: 'samlgate_token_use_failures_total',
      help: 'Uses of CLI tokens that could not be noted as last use',
      registers,
    }),
    signInRecords: new Counter({
      name: 'samlgate_sign_in_records_total',
      help: 'Sign-ins for the sign-in log, by what came of noting them',
      labelNames: ['outcome'],
      registers,
    }),
  };
}
