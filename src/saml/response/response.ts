/** The verdict on a response: a {@link VerifiedAssertion} or a GatewayError, as a function of text, settings and time. */
import { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import { attributeOf } from '../xml/xml-tree.ts';
import type { Attributes } from './attributes.ts';
import { ABSENT } from './check-facts.ts';
import { RESPONSE_CHECKS } from './checks.ts';
import type { NameId } from './name-id.ts';
import { authnInstantOf, sessionIndexOf } from './response-checks.ts';
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
  /** When the user authenticated with an accepted method, ms since 1970; undefined if the assertion does not say it readably. */
  readonly authnInstantMs: number | undefined;
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
    authnInstantMs: authnInstantOf(authnStatements, settings),
    attributes: values.attributes,
    expiredCertificates: keys.filter((key) => key.notAfterMs <= nowMs).map((key) => key.fingerprint),
  };
  return statement as VerifiedAssertion;
}

/** The parts of a request that say how fresh the authentication must be. */
export interface AuthenticationRequest {
  /** Whether the request asked the identity provider to authenticate the user again (ForceAuthn). */
  readonly forceAuthn: boolean;
  /** The IssueInstant of the request, ms since 1970. */
  readonly issuedAtMs: number;
  /** 0–300. */
  readonly clockSkewSeconds: number;
}

/**
 * Checks that the user authenticated after the request, if the request asked for that. Identity providers that ignore ForceAuthn
 * answer with the old authentication of an unattended browser. Call it only with the request that the assertion answers.
 * @throws saml_authn_context_mismatch
 * @see saml-core §3.4.1 (ForceAuthn), §2.7.2 (AuthnInstant)
 */
export function requireFreshAuthentication(
  { authnInstantMs }: Pick<VerifiedAssertion, 'authnInstantMs'>,
  { forceAuthn, issuedAtMs, clockSkewSeconds }: AuthenticationRequest,
): void {
  if (!forceAuthn) return;
  if (authnInstantMs !== undefined && authnInstantMs >= issuedAtMs - clockSkewSeconds * 1000) return;
  throw new GatewayError('saml_authn_context_mismatch', {
    detail: 'This organization requires that you authenticate again for each sign-in, but your identity provider did not ask you to.',
    administratorDetail: 'The request required a new authentication (force_authn), but the identity provider answered with an earlier one.',
    wanted: `authenticated from ${toIsoTime(issuedAtMs)}`,
    got: authnInstantMs === undefined ? ABSENT : toIsoTime(authnInstantMs),
  });
}
