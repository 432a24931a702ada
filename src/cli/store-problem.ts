import type { GatewayError } from '../errors.ts';

/** Says why the store can't be used and what to do next. */
export function describeStoreProblem({ facts: { detail, cause } }: GatewayError): string {
  const reason = detail ?? (cause instanceof Error ? cause.message : String(cause ?? 'It does not answer.'));
  return `${reason.replace(/\.?$/, '.')} SAMLGATE_STORE must name a store that is running and that this machine can reach.`;
}
