/** The verdict on a response: a {@link VerifiedAssertion} or a GatewayError, as a function of text, settings and time. */
import { attributeOf } from '../xml/xml-tree.ts';
import type { Attributes } from './attributes.ts';
import { RESPONSE_CHECKS } from './checks.ts';
import type { NameId } from './name-id.ts';
import { sessionIndexOf } from './response-checks.ts';
import { MAX_CLOCK_SKEW_MS, type ResponseSettings } from './response-settings.ts';
import { runChecks } from './run-checks.ts';

declare const verified: unique symbol;

/** The content of signed octets, and nothing else. Only {@link acceptResponse} creates one. */
export interface VerifiedAssertion {
  readonly [verified]: true;
  /** A sign-in claims it, so that the assertion is accepted once. */
  readonly assertionId: string;
  /** The ID of the AuthnRequest that it answers; undefined for an unsolicited response. */
  readonly inResponseTo: string | undefined;
  /**
   * The latest time at which any of its confirmations could be accepted with the largest possible clock skew, ms since 1970. The claim
   * must be kept until then.
   */
  readonly acceptableUntilMs: number;
  readonly nameId: NameId | undefined;
  readonly sessionIndex: string | undefined;
  /** The session end that the identity provider sets, ms since 1970. */
  readonly sessionNotOnOrAfterMs: number | undefined;
  readonly authnContextClassRef: string | undefined;
  readonly attributes: Attributes;
  /**
   * Fingerprints of expired certificates whose keys verified a signature. They are reported but never refused, because an
   * administrator configured the key.
   */
  readonly expiredCertificates: readonly string[];
}

const CHECKS_IN_ORDER = Object.values(RESPONSE_CHECKS);

/**
 * Accepts a response, or refuses it with the code of the first check that fails.
 * @param unverifiedXml the decoded response
 * @throws the codes of {@link RESPONSE_CHECKS}
 * @see saml-profiles §4.1.4.3, saml-core §2, §3, §5
 */
export function acceptResponse(unverifiedXml: string, settings: ResponseSettings, nowMs: number): VerifiedAssertion {
  const values = runChecks(CHECKS_IN_ORDER, {}, { unverifiedXml, settings, nowMs });
  const { assertion, openedResponse, authnStatements } = values;
  const keys = [openedResponse?.key, assertion.key].filter((key) => key !== undefined);
  const statement: Omit<VerifiedAssertion, typeof verified> = {
    assertionId: attributeOf(assertion.element, 'ID') as string,
    inResponseTo: values.inResponseTo,
    acceptableUntilMs: values.confirmedUntilMs + MAX_CLOCK_SKEW_MS,
    nameId: values.nameId,
    sessionIndex: sessionIndexOf(authnStatements),
    sessionNotOnOrAfterMs: values.sessionNotOnOrAfterMs,
    authnContextClassRef: values.authnContextClassRef,
    attributes: values.attributes,
    expiredCertificates: keys.filter((key) => key.notAfterMs <= nowMs).map((key) => key.fingerprint),
  };
  return statement as VerifiedAssertion;
}
