/**
 * Decides which refusals get an entry in the audit trail: those of messages that a trusted key signed, and each of them once. All
 * others are counted, because a stranger can send any number of them, also copies of a genuine response.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { countRefusal } from '../../audit-trail/refusal-counts.ts';
import type { ErrorCode, GatewayError } from '../../errors.ts';
import { hashOf } from '../../ids.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { Step } from '../../store/store.ts';
import { DAY_SECONDS } from '../../time.ts';
import { assertionKey } from '../sign-in/claims.ts';

/** Codes of checks that run only after the signature was verified, so that a response refused with one of them is genuine. */
const GENUINE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'saml_destination_mismatch',
  'saml_recipient_mismatch',
  'saml_audience_mismatch',
  'saml_expired',
  'saml_not_yet_valid',
  'saml_proxy_restricted',
  'saml_authn_context_mismatch',
]);

export interface Refusal {
  /** Undefined if the Issuer selected none. */
  readonly connection: Connection | undefined;
  /** Undefined if the response was not verified. */
  readonly assertion: VerifiedAssertion | undefined;
  readonly error: GatewayError;
}

export const isGenuine = ({ assertion, error }: Pick<Refusal, 'assertion' | 'error'>): boolean =>
  assertion !== undefined || GENUINE_CODES.has(error.code);

/** A copy of a refused assertion is audited again after this time, if it is still refused. */
const SAME_ASSERTION_SECONDS = DAY_SECONDS;
/** Responses without an accepted assertion have no known signed ID, so one per code is audited in this time. */
const SAME_CODE_SECONDS = 3600;

/** Returns the step that fails if the same refusal was audited before. */
function claimRefusal({ connection, assertion, error }: Refusal): Step {
  const of = assertion && connection ? assertionKey(connection.metadata.entityId, assertion) : '';
  return {
    do: 'claim',
    key: `refused:${hashOf(of, error.code)}`,
    ttlSeconds: of === '' ? SAME_CODE_SECONDS : SAME_ASSERTION_SECONDS,
  };
}

/**
 * Writes a refused sign-in to the audit trail, or counts it.
 * @throws store_unavailable
 */
export async function auditRefusal(
  runtime: Runtime,
  organization: Organization,
  refused: Refusal & { readonly actor: Actor },
): Promise<void> {
  const { error, actor } = refused;
  const count = () => countRefusal(runtime, organization.id, { kind: 'sign_in', code: error.code });
  if (!isGenuine(refused)) return count();
  const { detail, wanted, got } = refusalFactsOf(error);
  const result = await runtime.store.commit(organization.id, [
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    claimRefusal(refused),
    auditStep(runtime.now(), actor, 'login.refused', { code: error.code, details: { detail, wanted, got } }),
  ]);
  if (!result.ok && result.failed > 0) count();
}
