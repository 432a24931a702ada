/**
 * Explains a response: runs all checks to the end and reports what each one expected and received. It runs the rows that decide about a
 * sign-in (`response/checks.ts`) and goes on after a failure, if necessary with stand-ins that no signature covers. The result is
 * therefore only text for people, never an assertion.
 */
import { type ErrorCode, GatewayError } from '../../errors.ts';
import type { VerificationKey } from '../crypto/signature.ts';
import { offeredAttributes } from '../identifier/identifier-attributes.ts';
import { CHECKS, type CheckName, type PersonContext, type ResponseContext } from '../response/checks.ts';
import { type Groups, groupsOf } from '../response/person-checks.ts';
import type { ResponseSettings } from '../response/response-settings.ts';
import { appliesTo, type Check, type CheckFacts, type CheckValues, type ValueName } from '../response/run-checks.ts';
import { shownExactly, shownNames } from '../shown-text.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, type XmlElement } from '../xml/xml-tree.ts';
import { type MaskedRow, maskElement } from './masking.ts';
import { type RefusalFacts, refusalFactsOf } from './refusal-facts.ts';

export type ExaminationSettings = ResponseSettings & PersonContext;

export interface CheckResult extends RefusalFacts {
  readonly name: CheckName;
  readonly outcome: 'passed' | 'failed' | 'not_reached';
  readonly code?: ErrorCode;
  /** No valid signature covers what the check read, so anyone can have written it. */
  readonly isUnsigned?: true;
}

/** Plain data that survives JSON. Only `subject`, `groups` and a StatusMessage of the identity provider can describe a user. */
export interface Examination {
  readonly checks: readonly CheckResult[];
  /** Whether a valid signature covers the assertion and the structure has a single reading. */
  readonly isVerified: boolean;
  readonly verifiedBy: readonly VerifiedBy[];
  /** The IssueInstant of the response, and how far it is ahead of our clock (negative: behind, by the transit time at least). */
  readonly issuedAtMs?: number;
  readonly clockOffsetMs?: number;
  readonly structure: readonly MaskedRow[];
  /** The structure of the encrypted assertion, if it could be decrypted. */
  readonly decryptedStructure?: readonly MaskedRow[];
  readonly attributeNames: readonly string[];
  /** The attributes that an administrator can choose as identifier of users. Empty unless the assertion is verified. */
  readonly offeredIdentifiers: readonly string[];
  /** Only for a verified assertion. */
  readonly groups?: Groups;
  /** The user that the assertion names: the email address, otherwise the NameID. Only for a verified assertion. */
  readonly subject?: string;
}

export interface VerifiedBy {
  readonly part: 'response' | 'assertion';
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly isExpired: boolean;
}

const MAX_ROWS = 300;
/** The length of the longest email address. The list of the log holds one per entry. */
const MAX_SUBJECT = 254;

/**
 * Runs every check that can run.
 * @param unverifiedXml the decoded response, whatever it contains
 */
export function examineResponse(unverifiedXml: string, settings: ExaminationSettings, nowMs: number): Examination {
  const examiner = new Examiner({ ...settings, unverifiedXml, settings, nowMs });
  const { isVerified } = examiner;
  const { unverifiedRoot: root, assertion, attributes, groups, email, nameId } = examiner.values;
  const subject = isVerified ? (email ?? nameId?.value) : undefined;
  const issuedAtMs = root && issueInstantOf(root);
  return {
    checks: examiner.results(),
    isVerified,
    verifiedBy: examiner.verifiedBy(),
    ...(issuedAtMs === undefined ? {} : { issuedAtMs, clockOffsetMs: issuedAtMs - nowMs }),
    structure: root ? maskElement(root, MAX_ROWS) : [],
    ...(assertion && examiner.hasPassed('decryption') ? { decryptedStructure: maskElement(assertion.element, MAX_ROWS) } : {}),
    attributeNames: shownNames(attributes?.keys() ?? []),
    offeredIdentifiers: isVerified && attributes ? offeredAttributes(attributes, settings.attributeMapping) : [],
    ...(isVerified && attributes && examiner.hasPassed('groups') ? { groups: groupsOf(attributes, groups) } : {}),
    ...(subject === undefined ? {} : { subject: shownExactly(subject, MAX_SUBJECT) }),
  };
}

function issueInstantOf(root: XmlElement): number | undefined {
  try {
    return readDateTime(attributeOf(root, 'IssueInstant') ?? '');
  } catch {
    return undefined;
  }
}

type Context = ResponseContext & PersonContext;

const ROWS = Object.entries(CHECKS) as [CheckName, Check<Context>][];
const STRUCTURE = ROWS.filter(([, { part }]) => part === 'structure').map(([name]) => name);

type Outcome = Omit<CheckResult, 'name' | 'isUnsigned'>;
const NOT_REACHED: Outcome = { outcome: 'not_reached' };

class Examiner {
  /** The values of the checks that passed, and stand-ins for others. */
  readonly values: Partial<CheckValues> = {};
  readonly #standIns = new Set<ValueName>();
  readonly #outcomes = new Map<CheckName, Outcome>();
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
    for (const [name, check] of ROWS) {
      if (!appliesTo(check, this.values)) continue;
      const outcome = this.#canRun(check) ? this.#run(check) : NOT_REACHED;
      this.#outcomes.set(name, outcome);
      if (outcome.outcome !== 'passed') this.#standInFor(check);
    }
  }

  #canRun(check: Check<Context>): boolean {
    const { needs, refusesStandIns, decrypts } = check;
    if (!needs.every((need) => Object.hasOwn(this.values, need))) return false;
    const hasStandIn = needs.some((need) => this.#standIns.has(need));
    if (hasStandIn && refusesStandIns) return false;
    return !decrypts?.(this.values as CheckValues) || (!hasStandIn && this.#isUnambiguous);
  }

  #run({ run, provides }: Check<Context>): Outcome {
    try {
      this.#provide(provides, run(this.values as CheckValues, this.#context));
      return { outcome: 'passed' };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return { outcome: 'failed', code: error.code, ...refusalFactsOf(error) };
    }
  }

  #standInFor({ provides, standIn }: Check<Context>): void {
    const substitute = standIn?.(this.values);
    if (!provides || !substitute) return;
    this.#provide(provides, substitute.value);
    this.#standIns.add(provides);
  }

  #provide(name: ValueName | undefined, value: unknown): void {
    if (name) Object.assign(this.values, { [name]: value });
  }

  hasPassed(name: CheckName): boolean {
    return this.#outcomes.get(name)?.outcome === 'passed';
  }

  get #isUnambiguous(): boolean {
    return STRUCTURE.every((name) => this.hasPassed(name));
  }

  get isVerified(): boolean {
    return this.#isUnambiguous && this.values.assertion !== undefined && !this.#standIns.has('assertion');
  }

  get #isResponseSigned(): boolean {
    return this.#isUnambiguous && this.values.openedResponse !== undefined;
  }

  results(): CheckResult[] {
    const hiddenForm = this.values.unverifiedAssertion?.local === 'EncryptedAssertion' ? 'Assertion' : 'EncryptedAssertion';
    return ROWS.filter(([, { form }]) => form !== hiddenForm).map(([name, check]) => {
      const outcome = this.#outcomes.get(name) ?? NOT_REACHED;
      const facts = outcome === NOT_REACHED ? {} : this.#factsOf(check);
      return { name, ...facts, ...outcome, ...(this.#isUnsigned(check) ? { isUnsigned: true } : {}) };
    });
  }

  /** A value that is too malformed to be read has no facts but those of its refusal. */
  #factsOf({ facts }: Check<Context>): CheckFacts {
    try {
      return facts?.(this.values as CheckValues, this.#context) ?? {};
    } catch {
      return {};
    }
  }

  #isUnsigned({ part }: Check<Context>): boolean {
    return (part === 'response' && !this.#isResponseSigned) || (part === 'assertion' && !this.isVerified);
  }

  verifiedBy(): VerifiedBy[] {
    const { openedResponse, signedAssertion, assertion } = this.values;
    const isExpired = ({ notAfterMs }: VerificationKey) => notAfterMs <= this.#context.nowMs;
    const keys = [
      { part: 'response', key: openedResponse?.key },
      { part: 'assertion', key: signedAssertion?.key ?? assertion?.key },
    ] as const;
    return keys.flatMap(({ part, key }) => (key ? [{ part, fingerprint: key.fingerprint, isExpired: isExpired(key) }] : []));
  }
}
