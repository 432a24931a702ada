/** The contents of a response as plain values, which tests change one by one. */
import { createHash } from 'node:crypto';
import { CONFIRMATION_BEARER, NAME_ID_PERSISTENT, STATUS_SUCCESS } from '../saml/names.ts';
import { toIsoTime } from '../time.ts';
import type { SamlAttribute } from './attributes.ts';
import { HABITS, type Habit, type HabitName } from './habits.ts';
import type { Person } from './people.ts';

/** One sign-in: the person, the service provider and the time. */
export interface SignIn {
  readonly habit: HabitName;
  readonly person: Person;
  /** Value of Destination and Recipient. */
  readonly acsUrl: string;
  /** Value of Audience. */
  readonly spEntityId: string;
  /** ID of the AuthnRequest. Undefined if the sign-in starts at the identity provider. */
  readonly inResponseTo?: string | undefined;
  /** Format of the NameID, if it is configured or requested. Default: the product's default. */
  readonly nameIdFormat?: string | undefined;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly randomBytes: (size: number) => Uint8Array;
}

export interface NameIdValue {
  readonly value: string;
  readonly format?: string | undefined;
  readonly nameQualifier?: string | undefined;
  readonly spNameQualifier?: string | undefined;
}

/** A `SubjectConfirmation`. */
export interface ConfirmationValues {
  readonly method: string;
  readonly recipient?: string | undefined;
  readonly inResponseTo?: string | undefined;
  readonly notBefore?: string | undefined;
  readonly notOnOrAfter?: string | undefined;
  readonly address?: string | undefined;
}

/** Undefined leaves the XML attribute or element out. Timestamps are strings, so that a test can write an invalid one. */
export interface ResponseValues {
  readonly responseVersion: string | undefined;
  readonly responseId: string | undefined;
  readonly responseIssueInstant: string | undefined;
  readonly destination: string | undefined;
  readonly inResponseTo: string | undefined;
  readonly responseIssuer: string | undefined;
  readonly status: { readonly code: string; readonly subcode?: string; readonly message?: string } | undefined;
  /** False writes a response without an assertion, as identity providers do when the sign-in failed. */
  readonly hasAssertion: boolean;
  readonly assertionVersion: string | undefined;
  readonly assertionId: string | undefined;
  readonly assertionIssueInstant: string | undefined;
  readonly assertionIssuer: string | undefined;
  readonly nameId: NameIdValue | undefined;
  readonly recipient: string | undefined;
  readonly confirmationMethod: string;
  readonly confirmationInResponseTo: string | undefined;
  readonly confirmationNotBefore: string | undefined;
  readonly confirmationNotOnOrAfter: string | undefined;
  /** More SubjectConfirmations, written before the one above. */
  readonly otherConfirmations: readonly ConfirmationValues[];
  readonly hasConditions: boolean;
  readonly notBefore: string | undefined;
  readonly notOnOrAfter: string | undefined;
  /** One list per AudienceRestriction. */
  readonly audiences: readonly (readonly string[])[];
  readonly oneTimeUse: boolean;
  readonly hasAuthnStatement: boolean;
  readonly authnInstant: string | undefined;
  readonly sessionIndex: string | undefined;
  readonly sessionNotOnOrAfter: string | undefined;
  readonly authnContextClass: string | undefined;
  readonly attributes: readonly SamlAttribute[];
}

/** Formats a time as all three products do, in UTC with milliseconds. */
export function instant(ms: number): string {
  return toIsoTime(ms);
}

/** Returns the values that the product writes when this person signs in. */
export function responseValues(signIn: SignIn): ResponseValues {
  const habit = HABITS[signIn.habit];
  const assertionId = habit.elementId(signIn.randomBytes(16));
  const notOnOrAfter = instant(signIn.nowMs + habit.validAfterMs);
  return {
    responseVersion: '2.0',
    responseId: habit.elementId(signIn.randomBytes(16)),
    responseIssueInstant: instant(signIn.nowMs),
    destination: signIn.acsUrl,
    inResponseTo: signIn.inResponseTo,
    responseIssuer: habit.issuer,
    status: { code: STATUS_SUCCESS },
    hasAssertion: true,
    assertionVersion: '2.0',
    assertionId,
    assertionIssueInstant: instant(signIn.nowMs),
    assertionIssuer: habit.issuer,
    nameId: nameId(signIn, habit),
    recipient: signIn.acsUrl,
    confirmationMethod: CONFIRMATION_BEARER,
    confirmationInResponseTo: signIn.inResponseTo,
    confirmationNotBefore: undefined,
    confirmationNotOnOrAfter: notOnOrAfter,
    otherConfirmations: [],
    hasConditions: true,
    notBefore: instant(signIn.nowMs - habit.validBeforeMs),
    notOnOrAfter,
    audiences: [[signIn.spEntityId]],
    oneTimeUse: false,
    hasAuthnStatement: true,
    authnInstant: authnInstant(signIn),
    sessionIndex: sessionIndex(signIn, habit, assertionId),
    sessionNotOnOrAfter: undefined,
    authnContextClass: habit.authnContextClass,
    attributes: habit.attributes(signIn.person),
  };
}

/** For a persistent NameID, Entra ID derives a value per person and application. The others always send the email address. */
function nameId({ person, nameIdFormat, spEntityId }: SignIn, habit: Habit): NameIdValue {
  const format = nameIdFormat ?? habit.nameIdFormat;
  if (habit.name !== 'entra-id') return { format, value: person.email };
  if (format !== NAME_ID_PERSISTENT) return { format, value: person.username };
  return { format, value: createHash('sha256').update(`${person.objectId}\n${spEntityId}`).digest('base64url') };
}

/** Okta uses the ID of the request as the SessionIndex, the others the ID of the assertion. */
function sessionIndex(signIn: SignIn, habit: Habit, assertionId: string): string {
  if (habit.name !== 'okta') return assertionId;
  return signIn.inResponseTo ?? `id${signIn.nowMs}.${Buffer.from(signIn.randomBytes(4)).readUInt32BE(0)}`;
}

/** Okta writes the current time. The others write when the user entered the password, Google in whole seconds. */
function authnInstant({ habit, nowMs }: SignIn): string {
  const secondMs = 1000;
  if (habit === 'okta') return instant(nowMs);
  return instant(habit === 'entra-id' ? nowMs - 30 * secondMs : (Math.floor(nowMs / secondMs) - 1) * secondMs);
}
