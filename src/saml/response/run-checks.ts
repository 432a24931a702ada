/** What a check is, and how the checks decide: one after the other, until the first that fails. */
import type { ErrorCode } from '../../errors.ts';
import type { SignedOctets } from '../crypto/signature.ts';
import type { Identifier } from '../identifier/identifier.ts';
import type { XmlElement } from '../xml/xml-tree.ts';
import type { Attributes } from './attributes.ts';
import type { NameId } from './name-id.ts';
import type { OpenedAssertion, OpenedResponse } from './opened-response.ts';
import type { FoundSignatures } from './response-structure.ts';

/** The values that checks provide for later checks and for the result. */
export interface CheckValues {
  readonly unverifiedRoot: XmlElement;
  /** The root and all elements below it, in document order. */
  readonly unverifiedElements: readonly XmlElement[];
  /** The assertion, plain or encrypted; undefined if the response has none. */
  readonly unverifiedAssertionIfAny: XmlElement | undefined;
  readonly unverifiedAssertion: XmlElement;
  readonly unverifiedSignatures: FoundSignatures;
  /** Undefined if the response is not signed. */
  readonly openedResponse: OpenedResponse | undefined;
  /** Undefined if the assertion has no signature of its own. */
  readonly signedAssertion: SignedOctets | undefined;
  readonly assertion: OpenedAssertion;
  /** The SubjectConfirmationData of the chosen bearer confirmation. */
  readonly bearer: XmlElement | undefined;
  /** The latest end of all confirmations, ms since 1970. */
  readonly confirmedUntilMs: number;
  readonly inResponseTo: string | undefined;
  readonly conditions: XmlElement;
  readonly authnStatements: readonly XmlElement[];
  /** Ms since 1970. */
  readonly sessionNotOnOrAfterMs: number | undefined;
  readonly authnContextClassRef: string | undefined;
  readonly nameId: NameId | undefined;
  readonly attributes: Attributes;
  readonly identifier: Identifier;
  readonly email: string;
  readonly groups: readonly string[] | undefined;
  readonly name: string | undefined;
}

export type ValueName = keyof CheckValues;

/** The expected and the received value of a check. Both are harmless to show: neither describes a user. */
export interface CheckFacts {
  readonly wanted?: string;
  readonly got?: string;
}

interface CheckText {
  /** The statement that holds if the check passes. */
  readonly title: string;
  /** The specification that asks for the check. */
  readonly section: string;
  /** The codes that the check can refuse a response with. Hints for administrators belong to these codes (`idp-screens.ts`). */
  readonly codes: readonly ErrorCode[];
  /** The part that the check reads. If no valid signature covers the response or the assertion, results about that part are marked. */
  readonly part: 'structure' | 'signature' | 'response' | 'assertion';
  /** The check applies only to a plain or only to an encrypted assertion. */
  readonly form?: 'Assertion' | 'EncryptedAssertion';
}

interface CheckFunctions<Context, Need extends ValueName, Provided extends ValueName> {
  /** The values of earlier checks that this check needs. */
  readonly needs: readonly Need[];
  /** The value that this check provides if it passes. */
  readonly provides?: Provided;
  /** Does the check. @throws GatewayError if it fails */
  readonly run: (values: Pick<CheckValues, Need>, context: Context) => [Provided] extends [never] ? void : CheckValues[Provided];

  // The rest serves only the examination, which goes on after a failure.

  /** Returns the value for later checks if this one did not pass; undefined if no replacement is possible. */
  readonly standIn?: (values: Partial<CheckValues>) => { readonly value: CheckValues[Provided] } | undefined;
  /** The check means nothing on stand-ins, so it runs only if all values it needs come from checks that passed. */
  readonly refusesStandIns?: true;
  /** Whether the check decrypts. The examination then also requires an unambiguous structure: it must not become a decryption oracle. */
  readonly decrypts?: (values: Pick<CheckValues, Need>) => boolean;
  readonly facts?: (values: Pick<CheckValues, Need> & Partial<CheckValues>, context: Context) => CheckFacts;
}

/** One check as the runners see it. {@link checkFor} creates it and checks its types. */
export interface Check<Context> extends CheckText {
  readonly needs: readonly ValueName[];
  readonly provides?: ValueName;
  readonly run: (values: CheckValues, context: Context) => unknown;
  readonly standIn?: (values: Partial<CheckValues>) => { readonly value: unknown } | undefined;
  readonly refusesStandIns?: true;
  readonly decrypts?: (values: CheckValues) => boolean;
  readonly facts?: (values: CheckValues, context: Context) => CheckFacts;
}

/** Returns a function that types one check: it can read only what it needs, and provides what it says. */
export const checkFor =
  <Context>() =>
  <Need extends ValueName = never, Provided extends ValueName = never>(
    check: CheckText & CheckFunctions<Context, Need, Provided>,
  ): Check<Context> =>
    check;

/** Whether a check applies to the form of the assertion, plain or encrypted. */
export const appliesTo = ({ form }: CheckText, { unverifiedAssertion }: Partial<CheckValues>): boolean =>
  form === undefined || unverifiedAssertion?.local === form;

/**
 * Runs checks in order. The first check that fails throws, so no later check runs. This is the only way to accept a response.
 * @param known values of checks that passed before
 * @returns the values of all checks that apply
 */
export function runChecks<Context>(checks: readonly Check<Context>[], known: Partial<CheckValues>, context: Context): CheckValues {
  const values: { [name in ValueName]?: unknown } = known;
  for (const check of checks) {
    if (!appliesTo(check, values as Partial<CheckValues>)) continue;
    const value = check.run(values as CheckValues, context);
    if (check.provides !== undefined) values[check.provides] = value;
  }
  return values as CheckValues;
}
