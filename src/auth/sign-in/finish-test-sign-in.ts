/**
 * Turns the response to a test request into an entry of the sign-in log. Runs the checks of a sign-in to the end and consumes
 * request and assertion, but creates no session and changes no member.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { findConnection, requireConnection, withConnection } from '../../organizations/connections/connections.ts';
import { metadataVersionSteps, pruneMetadataVersions } from '../../organizations/connections/metadata-versions.ts';
import { noteConnections } from '../../organizations/directory.ts';
import { isLosingRole } from '../../organizations/groups/pending-group-changes.ts';
import { pinIdentifier } from '../../organizations/identity/pin-identifier.ts';
import { type Outdated, type ResolvedMember, resolveMember } from '../../organizations/identity/resolve-member.ts';
import { asTested, type Promotion, promote, requireReplaced } from '../../organizations/idp-change/replacement.ts';
import type { RoleSource } from '../../organizations/members.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../organizations/organizations.ts';
import type { RoleDecision } from '../../organizations/role-mapping.ts';
import type { Runtime } from '../../runtime.ts';
import type { Examination } from '../../saml/explain/examine-response.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import type { IdentifierSource } from '../../saml/identifier/identifier.ts';
import type { Step, Stored } from '../../store/store.ts';
import { toIsoTime } from '../../time.ts';
import { failedCheck, type LoggedCheck, type SignInCheckName, signInChecks } from '../sign-in-log/sign-in-checks.ts';
import { entryBase, examine, examinedPart, newEntryKey } from '../sign-in-log/sign-in-entry.ts';
import { type SignInLogEntry, saveLogEntries } from '../sign-in-log/sign-in-log.ts';
import type { BrowserContext } from './browser-context.ts';
import {
  checkAssertion,
  type RunCheck,
  requireAllowedEmail,
  requireRole,
  type VerifiedResponse,
  verifyResponse,
  withScimGroups,
} from './check-assertion.ts';
import { claimAssertion } from './claims.ts';
import { requireAnswerTo, requireFreshAnswer, type TestRequest, takeRequest } from './login-request.ts';

export interface TestAnswer {
  readonly unverifiedXml: string;
  /** The pending test of this browser that the response claims to answer. */
  readonly request: TestRequest;
  readonly browser: BrowserContext;
  /** Ends the turn in which the response is verified. */
  readonly endTurn: () => void;
}

export type TestResult =
  | { readonly kind: 'tested'; readonly resultAt: string }
  /** Nothing was written; the response must be judged again. */
  | Outdated;

/**
 * Finishes a test sign-in. A refusal is a result like any other, even if the response does not answer the request. The first test that
 * is accepted pins the connection's identifier.
 * @returns the path of the page that shows the result
 * @throws saml_in_response_to_unknown if the test already has a result; saml_issuer_unknown if the connection was disabled or deleted
 *   meanwhile; idp_not_configured, organization_unknown, store_unavailable
 */
export async function finishTestSignIn(runtime: Runtime, stored: Stored<Organization>, answer: TestAnswer): Promise<TestResult> {
  const { unverifiedXml, request } = answer;
  const organization = stored.value;
  // The response is examined with the connection under test, whatever its Issuer, so that a wrong Issuer is a finding.
  const found = findConnection(organization, request.connectionId);
  const connection = found && asTested(organization, found);
  // A disabled or deleted connection never matches, not even a test that was started before.
  if (!connection || connection.state === 'disabled') throw new GatewayError('saml_issuer_unknown');
  const examination = await examine(runtime, { organization, connection }, unverifiedXml);
  const verified = await valueOrRefused(() => verifyResponse(runtime, { organization, connection }, unverifiedXml));
  answer.endTurn();
  const findings = verified ? await runChecks(runtime, stored, { request, verified }) : NO_FINDINGS;
  if (findings.kind === 'outdated') return findings;
  const entry = await consume(runtime, stored, {
    answer,
    verified,
    resolved: findings.resolved,
    entryFor: (isFirstUse) => makeEntry(runtime, connection, { answer, examination, findings, isFirstUse }),
  });
  if (!entry) return { kind: 'outdated' };
  await saveLogEntries(runtime, organization.id, [entry]);
  return { kind: 'tested', resultAt: `${request.resultsAt}/${entry.id}` };
}

/** Returns undefined if the verdict is a refusal. The examination holds the reason. */
async function valueOrRefused<T>(verdict: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verdict();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Distinguishes a refusal, which is a result of the test, from a failure of the gateway. */
const isRefusal = (error: unknown): error is GatewayError => error instanceof GatewayError && error.status < 500;

interface Findings {
  readonly kind: 'found';
  /** Without `once`, which is known only when the assertion is claimed. */
  readonly checks: ReadonlyMap<SignInCheckName, LoggedCheck>;
  /** Undefined if no member can be determined, or if the member is suspended. */
  readonly resolved: ResolvedMember | undefined;
  readonly decision: RoleDecision | undefined;
}

const NO_FINDINGS: Findings = { kind: 'found', checks: new Map(), resolved: undefined, decision: undefined };

interface TestCase {
  readonly request: TestRequest;
  readonly verified: VerifiedResponse;
}

/** Runs the checks of a sign-in, each of them even if an earlier one failed. */
async function runChecks(runtime: Runtime, stored: Stored<Organization>, { request, verified }: TestCase): Promise<Findings | Outdated> {
  const organization = stored.value;
  const checks = new Map<SignInCheckName, LoggedCheck>();
  const run: RunCheck<undefined> = async (name, check) => {
    try {
      const value = await check();
      if (name !== 'user') checks.set(name, { name, outcome: 'passed' });
      return value;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // The examination has checks of its own about the user (identifier, email).
      if (name !== 'user') checks.set(name, failedCheck(name, error));
      return undefined;
    }
  };
  const checked = await checkAssertion(runtime, organization, {
    verified,
    run,
    matchRequest: async () => {
      requireAnswerTo(request, verified);
      requireFreshAnswer(request, verified);
      return { kind: 'matched', take: [], returnTo: request.resultsAt };
    },
  });
  const user = checked.kind === 'identified' ? checked.user : undefined;
  if (!user) return { ...NO_FINDINGS, checks };
  const resolved = await run('member', async () => {
    const { connection } = verified;
    // Only the identifier itself proves that a member is kept.
    const searched = connection.replaces ? { ...requireReplaced(organization, connection), change: undefined } : connection;
    const found = await resolveMember(runtime.store, stored, { connection: searched, user, nowMs: runtime.now() });
    // A test asks for no approval.
    if (found.kind === 'refused') throw found.refusal;
    return found;
  });
  if (resolved?.kind === 'outdated') return resolved;
  const decided = await withScimGroups(runtime.store, organization, {
    user,
    connection: verified.connection,
    member: resolved?.known?.value,
  });
  await run('email_domain', () => requireAllowedEmail(organization, user));
  await run('role', () => requireRole(decided));
  return { kind: 'found', checks, resolved, decision: decided.decision };
}

interface Consumption {
  readonly answer: TestAnswer;
  /** Undefined if the response was refused, so that there is no assertion to claim. */
  readonly verified: VerifiedResponse | undefined;
  readonly resolved: ResolvedMember | undefined;
  /** @param isFirstUse undefined if the response was refused, so that it has no assertion */
  readonly entryFor: (isFirstUse: boolean | undefined) => SignInLogEntry;
}

/**
 * Consumes the request and claims the assertion, in one commit with the audit entry. An accepted test also marks a draft as tested and
 * may pin the identifier. An assertion that was used before fails the test, and the request is consumed without it.
 * @returns undefined if the organization changed meanwhile
 */
async function consume(
  runtime: Runtime,
  stored: Stored<Organization>,
  { answer, verified, resolved, entryFor }: Consumption,
): Promise<SignInLogEntry | undefined> {
  const exists: Step = { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD };
  const { actor } = answer.browser;
  for (const isFirstUse of verified ? [true, false] : [undefined]) {
    const entry = entryFor(isFirstUse);
    const { code, memberId, outcome, startedBy } = entry;
    const auditFields = {
      ...(memberId === undefined ? {} : { member_id: memberId }),
      ...(code === undefined ? {} : { code }),
      details: { outcome, started_by: startedBy, sign_in: entry.id },
    };
    const nowMs = runtime.now();
    const accepted = outcome === 'accepted' ? verified?.connection : undefined;
    const known = resolved?.known;
    // An owner by a group that was renamed or deleted is no longer an owner, although the record may still say so.
    const member = known && !(await isLosingRole(runtime.store, stored.value, known.value)) ? known : undefined;
    const promotion = accepted && promote(stored, { draftId: accepted.id, member, startedBy: answer.request.startedBy, actor, nowMs });
    const change = promotion
      ? await promotionSteps(runtime, stored, { promotion, actor })
      : accepted && changeByTest(stored, { connection: accepted, pin: resolved?.pin, actor, nowMs });
    const { organizationStep, pinSteps } = change ?? { organizationStep: exists, pinSteps: [] };
    const steps: Step[] = [
      organizationStep,
      takeRequest(answer.request),
      auditStep(nowMs, actor, 'login.tested', auditFields),
      ...pinSteps,
      ...(verified && isFirstUse ? [claimAssertion(verified.settings.idpEntityId, verified.assertion, nowMs)] : []),
    ];
    const result = await runtime.store.commit(stored.value.id, steps, { replicated: change !== undefined });
    if (result.ok) {
      if (promotion) await afterPromotion(runtime, promotion);
      return entry;
    }
    const isChangeOutdated = result.failed === 0 || (result.failed > 2 && result.failed < 3 + pinSteps.length);
    if (change && isChangeOutdated) return undefined;
    if (result.failed === 0) throw new GatewayError('organization_unknown');
    if (result.failed === 1) break;
  }
  throw new GatewayError('saml_in_response_to_unknown');
}

interface PromotionByTest {
  readonly promotion: Promotion;
  readonly actor: Actor;
}

/** Returns the steps that put the tested draft in the place of the identity provider that it replaces. */
async function promotionSteps(runtime: Runtime, { value, version }: Stored<Organization>, { promotion, actor }: PromotionByTest) {
  const { organization, connectionId, steps } = promotion;
  const versionSteps = await metadataVersionSteps(runtime, actor, { organization: value, connectionId });
  await noteConnections(runtime.store, organization);
  const organizationStep: Step = { do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version, value: organization };
  return { organizationStep, pinSteps: [...steps, ...versionSteps(value, organization)] };
}

async function afterPromotion(runtime: Runtime, { organization, connectionId }: Promotion): Promise<void> {
  await noteConnections(runtime.store, organization);
  await pruneMetadataVersions(runtime.store, organization.id, requireConnection(organization, connectionId));
}

interface AcceptedTest {
  readonly connection: Connection;
  readonly pin: IdentifierSource | undefined;
  readonly actor: Actor;
  readonly nowMs: number;
}

/**
 * Returns what an accepted test changes: it marks a draft as tested and may pin the identifier. The steps fail if the metadata or the
 * settings have changed since they were read. Undefined if there is nothing to change.
 */
function changeByTest(stored: Stored<Organization>, { connection, pin, actor, nowMs }: AcceptedTest) {
  const isDraft = connection.state === 'draft';
  // A replacement goes live with the test that proves it, and with no other one.
  if ((!isDraft && !pin) || connection.replaces) return undefined;
  const after = isDraft ? { ...connection, testedAt: toIsoTime(nowMs) } : connection;
  const { value, version } = stored;
  const organizationStep: Step = {
    do: 'replace',
    collection: ORGANIZATION,
    id: ORGANIZATION_RECORD,
    version,
    value: withConnection(value, after),
  };
  return pin
    ? pinIdentifier(organizationStep, stored, { connection: after, source: pin, actor, nowMs })
    : { organizationStep, pinSteps: [] };
}

interface TestFacts {
  readonly answer: TestAnswer;
  readonly examination: Examination;
  readonly findings: Findings;
  readonly isFirstUse: boolean | undefined;
}

function makeEntry(runtime: Runtime, connection: Connection, facts: TestFacts): SignInLogEntry {
  const { answer, examination, findings, isFirstUse } = facts;
  const { resolved, decision } = findings;
  const member = resolved?.known?.value;
  const checks = signInChecks(runtime).map((name): LoggedCheck => {
    if (name === 'once' && isFirstUse !== undefined) return onceCheck(isFirstUse);
    return findings.checks.get(name) ?? { name, outcome: 'not_reached' };
  });
  const failure = firstFailure([...examination.checks, ...checks]);
  return {
    ...entryBase(connection, { actor: answer.browser.actor, unverifiedXml: answer.unverifiedXml }, newEntryKey(runtime)),
    kind: 'test',
    startedBy: answer.request.startedBy,
    outcome: failure ? 'refused' : 'accepted',
    ...(failure ?? {}),
    ...examinedPart(examination, checks),
    ...(member ? { memberId: member.id } : {}),
    ...(decision && decision.role !== 'none' ? { role: decision.role, roleSource: roleSourceOf(decision) } : {}),
  };
}

const onceCheck = (isFirstUse: boolean): LoggedCheck =>
  isFirstUse ? { name: 'once', outcome: 'passed' } : failedCheck('once', new GatewayError('saml_replayed'));

const roleSourceOf = ({ group }: RoleDecision): RoleSource => (group === undefined ? { kind: 'default' } : { kind: 'rule', group });

/** Returns the refusal that a sign-in would have ended with. */
function firstFailure(checks: readonly LoggedCheck[]): Pick<SignInLogEntry, 'code' | 'variant' | 'refusal'> | undefined {
  const failed = checks.find(({ outcome }) => outcome === 'failed');
  if (!failed?.code) return undefined;
  const { code, variant } = failed;
  return { code, ...(variant === undefined ? {} : { variant }), refusal: refusalFactsOf({ facts: failed }) };
}
