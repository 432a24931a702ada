/**
 * Explains a response: all checks to the end, and what each wanted and got. It runs the very list that decides about a sign-in
 * and goes on after a check that failed, with a stand-in that may come from parts which nobody signed; so what comes out is
 * words for people, never an assertion.
 */
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { ASSERTION, PROTOCOL } from '../names.ts';
import { CHECKS, type CheckName, type CheckValues, type RunCheck } from '../response/checks.ts';
import { type AttributeMapping, type Person, readPersonBy } from '../response/person.ts';
import { type OpenedResponse, type ResponseSettings, readResponse } from '../response/response.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, isNamed, walk, type XmlElement } from '../xml/xml.ts';
import { factsOf, type RefusalFacts, refusalFactsOf, type Seen } from './examination-facts.ts';
import { type MaskedRow, maskElement, shownNames } from './masking.ts';

export interface ExaminationSettings extends ResponseSettings {
  readonly attributeMapping: AttributeMapping;
}

export interface CheckResult extends RefusalFacts {
  readonly name: CheckName;
  readonly outcome: 'passed' | 'failed' | 'not_reached';
  readonly code?: ErrorCode;
  /** It was read where no good signature covers it: anybody can have written it. */
  readonly isUnsigned?: true;
}

/** Plain data that survives JSON, and names nobody but in the words of the identity provider (StatusMessage). */
export interface Examination {
  readonly checks: readonly CheckResult[];
  /** Whether a good signature covers the assertion, and the structure leaves one reading. */
  readonly isVerified: boolean;
  readonly verifiedBy: readonly VerifiedBy[];
  /** The IssueInstant of the response, and how far it is ahead of our clock (negative: behind, as it is by the time under way). */
  readonly issuedAtMs?: number;
  readonly clockOffsetMs?: number;
  readonly structure: readonly MaskedRow[];
  /** Of what was encrypted, where it could be opened. */
  readonly decryptedStructure?: readonly MaskedRow[];
  readonly attributeNames: readonly string[];
  /** Only of a verified assertion. */
  readonly groups?: Pick<Person, 'groups' | 'groupsState'>;
}

export interface VerifiedBy {
  readonly part: 'response' | 'assertion';
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly isExpired: boolean;
}

const MAX_ROWS = 300;

/**
 * Runs every check that can be run.
 * @param unverifiedXml the decoded message, whatever it is
 */
export function examineResponse(unverifiedXml: string, settings: ExaminationSettings, nowMs: number): Examination {
  const examiner = new Examiner(settings, nowMs);
  let person: Person | undefined;
  try {
    const statement = readResponse(examiner.run, unverifiedXml, settings, nowMs);
    person = readPersonBy(examiner.run, statement, settings.attributeMapping);
  } catch (error) {
    if (!(error instanceof EndOfExamination)) throw error;
  }
  const { xml: root, decryption, attributes } = examiner.values;
  const { isVerified } = examiner;
  const issuedAtMs = root && issueInstantOf(root);
  return {
    checks: examiner.results(),
    isVerified,
    verifiedBy: examiner.verifiedBy(),
    ...(issuedAtMs === undefined ? {} : { issuedAtMs, clockOffsetMs: issuedAtMs - nowMs }),
    structure: root ? maskElement(root, MAX_ROWS) : [],
    ...(decryption ? { decryptedStructure: maskElement(decryption.assertion, MAX_ROWS) } : {}),
    attributeNames: shownNames(attributes?.keys() ?? []),
    ...(isVerified && person && examiner.hasPassed('groups') ? { groups: { groups: person.groups, groupsState: person.groupsState } } : {}),
  };
}

function issueInstantOf(root: XmlElement): number | undefined {
  try {
    return readDateTime(attributeOf(root, 'IssueInstant') ?? '');
  } catch {
    return undefined;
  }
}

/** Nothing is left that could be read. */
class EndOfExamination extends Error {}

/** Before anything is decrypted or its signature means something, each of these must have passed. */
const STRUCTURE: readonly CheckName[] = ['xml', 'response', 'one_assertion', 'assertion_version', 'unique_ids', 'signature_places'];

/** What a check can't do without. */
const NEEDS: Partial<Record<CheckName, readonly CheckName[]>> = {
  answer: ['one_assertion'],
  response_signature: ['signature_places'],
  assertion_signature: ['signature_places'],
  coverage: ['response_signature', 'assertion_signature'],
  // How decryption fails may be told of signed ciphertexts only; openEncryptedAssertion sees to the rest.
  decryption: [...STRUCTURE, 'answer', 'response_signature'],
  recipient: ['bearer'],
  confirmation_end: ['bearer'],
  in_response_to: ['bearer'],
  not_before: ['conditions'],
  not_on_or_after: ['conditions'],
  known_conditions: ['conditions'],
  audience: ['conditions'],
  session_end: ['authn_statement'],
  authn_context: ['authn_statement'],
  identifier: ['name_id', 'attributes'],
  email: ['name_id', 'attributes'],
  groups: ['attributes'],
  name: ['attributes'],
};

const OF_RESPONSE: ReadonlySet<CheckName> = new Set(['response_issuer', 'answer', 'status', 'destination']);
const OF_ASSERTION: ReadonlySet<CheckName> = new Set([
  ...(['assertion_issuer', 'bearer', 'recipient', 'confirmation_end', 'in_response_to', 'conditions', 'not_before'] as const),
  ...(['not_on_or_after', 'known_conditions', 'audience', 'authn_statement', 'session_end', 'authn_context'] as const),
  ...(['name_id', 'attributes', 'identifier', 'email', 'groups', 'name'] as const),
]);

type StandIns = { readonly [N in CheckName]?: (seen: Partial<CheckValues>) => CheckValues[N] };

/** What the examination goes on with after a check that failed; undefined where nothing is said. */
const STAND_INS: StandIns = {
  signature_places: () => ({ responseSignature: undefined, assertionSignature: undefined }),
  // As it came, as if its signature had been good.
  response_signature: ({ xml, signature_places: places }) => (places?.responseSignature ? ({ element: xml } as OpenedResponse) : undefined),
  coverage: ({ xml, one_assertion: assertion }) => ({ assertion: (assertion ?? xml) as XmlElement, key: undefined }),
  // Never read: without an assertion no check of one is run. So are the next two.
  decryption: ({ xml }) => ({ assertion: xml as XmlElement, key: undefined }),
  conditions: ({ xml }) => xml as XmlElement,
  authn_statement: () => [],
  confirmation_end: () => Number.NaN,
  attributes: () => new Map(),
  identifier: () => '',
  email: () => '',
};

class Examiner {
  /** Of the checks that passed, and the stand-in for an assertion that is not covered. */
  readonly values: { -readonly [N in CheckName]?: CheckValues[N] } = {};
  readonly #settings: ExaminationSettings;
  readonly #nowMs: number;
  readonly #results = new Map<CheckName, Omit<CheckResult, 'name'>>();
  #uncovered: XmlElement | undefined;

  constructor(settings: ExaminationSettings, nowMs: number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
  }

  readonly run: RunCheck = (name, check) => {
    if (!this.#canRun(name)) return this.#goOn(name, { outcome: 'not_reached' });
    try {
      const value = check();
      this.values[name] = value;
      this.#results.set(name, { outcome: 'passed' });
      return value;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return this.#goOn(name, { outcome: 'failed', code: error.code, ...refusalFactsOf(error) });
    }
  };

  #canRun(name: CheckName): boolean {
    if (!(NEEDS[name] ?? []).every((needed) => this.hasPassed(needed))) return false;
    if (!OF_ASSERTION.has(name)) return true;
    const { assertion } = this;
    // What is encrypted in there is opened only where a signature covers it.
    return assertion !== undefined && (name !== 'name_id' || this.isVerified || !hasEncryptedId(assertion));
  }

  #goOn<N extends CheckName>(name: N, result: Omit<CheckResult, 'name'>): CheckValues[N] {
    this.#results.set(name, result);
    const root = this.values.xml;
    if (!root || (name === 'response' && !isNamed(root, PROTOCOL, 'Response'))) throw new EndOfExamination();
    const standIn = STAND_INS[name]?.(this.values) as CheckValues[N];
    if (name === 'coverage') this.#uncovered = this.values.one_assertion;
    return standIn;
  }

  hasPassed(name: CheckName): boolean {
    return this.#results.get(name)?.outcome === 'passed';
  }

  get isVerified(): boolean {
    return STRUCTURE.every((name) => this.hasPassed(name)) && (this.hasPassed('coverage') || this.hasPassed('decryption'));
  }

  /** What the checks of the assertion read. */
  get assertion(): XmlElement | undefined {
    return this.values.coverage?.assertion ?? this.values.decryption?.assertion ?? this.#uncovered;
  }

  get #isResponseSigned(): boolean {
    return STRUCTURE.every((name) => this.hasPassed(name)) && this.values.response_signature !== undefined;
  }

  results(): CheckResult[] {
    const isEncrypted = this.values.one_assertion !== undefined && isNamed(this.values.one_assertion, ASSERTION, 'EncryptedAssertion');
    const others = new Set<CheckName>(isEncrypted ? ['encryption', 'assertion_signature', 'coverage'] : ['decryption']);
    const seen: Seen = { values: this.values, assertion: this.assertion, settings: this.#settings, nowMs: this.#nowMs };
    return (Object.keys(CHECKS) as CheckName[])
      .filter((name) => !others.has(name))
      .map((name) => {
        const result = this.#results.get(name) ?? { outcome: 'not_reached' };
        const facts = result.outcome === 'not_reached' ? {} : factsOf(name, seen);
        return { name, ...facts, ...result, ...(this.#isUnsigned(name) ? { isUnsigned: true } : {}) };
      });
  }

  #isUnsigned(name: CheckName): boolean {
    return (OF_RESPONSE.has(name) && !this.#isResponseSigned) || (OF_ASSERTION.has(name) && !this.isVerified);
  }

  verifiedBy(): VerifiedBy[] {
    const { response_signature: ofResponse, assertion_signature: ofAssertion, decryption } = this.values;
    const keys = [
      { part: 'response', key: ofResponse?.key },
      { part: 'assertion', key: ofAssertion?.key ?? decryption?.key },
    ] as const;
    return keys.flatMap(({ part, key }) => (key ? [{ part, fingerprint: key.fingerprint, isExpired: key.notAfterMs <= this.#nowMs }] : []));
  }
}

function hasEncryptedId(assertion: XmlElement): boolean {
  for (const element of walk(assertion)) if (isNamed(element, ASSERTION, 'EncryptedID')) return true;
  return false;
}
