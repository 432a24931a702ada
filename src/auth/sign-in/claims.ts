import { hashOf } from '../../ids.ts';
import { ASSERTION_CLAIMS } from '../../organizations/former-organizations.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import type { Step } from '../../store/store.ts';

type ClaimStep = Extract<Step, { do: 'claim' }>;

/** Covers clock differences between replicas, and the time between the verdict and the claim. */
const MARGIN_SECONDS = 60;

/** Returns the step that claims a SAML message. It fails if the message was claimed before, as long as it could be accepted. */
export const claimUntil = (key: string, acceptableUntilMs: number, nowMs: number): ClaimStep => ({
  do: 'claim',
  key,
  ttlSeconds: Math.max(0, Math.ceil((acceptableUntilMs - nowMs) / 1000)) + MARGIN_SECONDS,
});

/** The key under which an assertion is claimed. An assertion ID is unique per identity provider only. */
export const assertionKey = (idpEntityId: string, { assertionId }: VerifiedAssertion): string =>
  `${ASSERTION_CLAIMS}${hashOf(idpEntityId, assertionId)}`;

/**
 * Returns the step that claims an assertion, so that it is used once.
 * @param value what the claim keeps, to recognize the same response when it is sent again
 */
export const claimAssertion = (idpEntityId: string, assertion: VerifiedAssertion, nowMs: number, value = ''): ClaimStep => ({
  ...claimUntil(assertionKey(idpEntityId, assertion), assertion.acceptableUntilMs, nowMs),
  value,
});
