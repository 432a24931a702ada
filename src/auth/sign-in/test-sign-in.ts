/**
 * A sign-in to try a configuration: the real request to the real identity provider, every check of the answer, and then a
 * result to read. Nobody is let in, and no member changes; request and assertion are used up as in any sign-in.
 */
import { type Actor, auditStep } from '../../audit.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { newSecret } from '../../ids.ts';
import { attributeMapping, decryptionKeysFor, requireIdentityProvider, responseSettings } from '../../organizations/identity-providers.ts';
import type { Member, RoleSource } from '../../organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../organizations/organizations.ts';
import { decideRole, type RoleDecision } from '../../organizations/role-mapping.ts';
import type { Runtime } from '../../runtime.ts';
import { type RefusalFacts, refusalFactsOf } from '../../saml/explain/examination-facts.ts';
import type { CheckResult, Examination } from '../../saml/explain/examine-response.ts';
import type { BrowserMessage } from '../../saml/messages/bindings.ts';
import { type Person, readPerson } from '../../saml/response/person.ts';
import { acceptResponse, type ResponseSettings, type VerifiedAssertion } from '../../saml/response/response.ts';
import type { Step } from '../../store/store.ts';
import type { Principal } from '../principal.ts';
import { entryBase, examine, examinedPart, failedCheck, findMember, newEntryKey, signInChecks } from '../sign-in-log/sign-in-entry.ts';
import { type LoggedCheck, type SignInCheckName, type SignInLogEntry, saveLogEntries } from '../sign-in-log/sign-in-log.ts';
import { askSecondOpinion } from './ask-second-opinion.ts';
import {
  askIdentityProvider,
  claimAssertion,
  type LoginRequest,
  REQUEST_TTL_SECONDS,
  requireAnswerTo,
  requireSameBrowser,
  roleDenied,
} from './sign-in.ts';

interface TestRequest extends LoginRequest {
  readonly startedBy: string;
  readonly resultsAt: string;
}

/** Who tries, and below which path of ours the result will be shown to them. */
export interface Tester {
  readonly actor: Actor;
  readonly resultsAt: string;
}

/** The RelayState of a test says that it is one, so that no other sign-in has to ask the store. */
const PREFIX = 'samlgate-test.';
const requestKey = (relayState: string): string => `login-test:${relayState.slice(PREFIX.length)}`;

export const isTestRelayState = (relayState: string | undefined): relayState is string =>
  relayState !== undefined && /^samlgate-test\.[\w-]{43}$/.test(relayState);

/**
 * Who may try a sign-in: an owner of the organization with a browser's session, or the operator.
 * @throws unauthenticated; organization_unknown for owners of others; forbidden
 */
export function requireTester(principal: Principal | undefined, organization: Organization): void {
  if (!principal) throw new GatewayError('unauthenticated', 'Sign in as an owner of the organization to try its sign-in.');
  if (principal.kind === 'operator') return;
  if (principal.organizationId !== organization.id) throw new GatewayError('organization_unknown');
  if (principal.member.role !== 'owner') throw new GatewayError('forbidden', 'Only an owner of the organization may try its sign-in.');
}

/**
 * Starts a test. The caller has seen to {@link requireTester}, or to a setup link of the organization.
 * @throws idp_not_configured, store_unavailable
 */
export async function startTestSignIn(
  runtime: Runtime,
  organization: Organization,
  { actor, resultsAt }: Tester,
  browserNonce: string,
): Promise<BrowserMessage> {
  const relayState = `${PREFIX}${newSecret()}`;
  const { message, request } = await askIdentityProvider(runtime, organization, relayState, browserNonce, undefined);
  const remembered: TestRequest = { ...request, startedBy: actor.id ?? actor.kind, resultsAt };
  await runtime.store.commit(organization.id, [
    { do: 'put', key: requestKey(relayState), value: JSON.stringify(remembered), ttlSeconds: REQUEST_TTL_SECONDS },
  ]);
  return message;
}

/** The browser's side of an answer to a test. */
export interface TestAnswer {
  readonly unverifiedXml: string;
  /** Of which {@link isTestRelayState} says that it is one. */
  readonly relayState: string;
  readonly browserNonce: string | undefined;
  readonly actor: Actor;
}

export interface TestResult {
  readonly entry: SignInLogEntry;
  /** Path of ours. */
  readonly resultAt: string;
}

/**
 * Ends a test: whatever came of it, good or bad, is its result.
 * @returns the entry that was kept, and where it is shown
 * @throws saml_in_response_to_unknown where the test is not known, or has a result already; saml_login_not_started_here in
 *   another browser; idp_not_configured, organization_unknown, store_unavailable
 */
export async function finishTestSignIn(runtime: Runtime, organization: Organization, answer: TestAnswer): Promise<TestResult> {
  const value = await runtime.store.peek(organization.id, requestKey(answer.relayState));
  if (value === undefined) throw new GatewayError('saml_in_response_to_unknown');
  const request = JSON.parse(value) as TestRequest;
  requireSameBrowser(request, answer.browserNonce);
  const decryptionKeys = await decryptionKeysFor(runtime, organization, answer.unverifiedXml);
  const settings = responseSettings(organization, runtime.config.baseUrl, decryptionKeys);
  const examination = await examine(runtime, organization, answer.unverifiedXml);
  const assertion = orNothing(() => acceptResponse(answer.unverifiedXml, settings, runtime.now()));
  const found = await checkWithStore(runtime, organization, request, answer.unverifiedXml, settings, assertion);
  const entry = await useUp(runtime, organization, answer, assertion, (isFirstUse) =>
    resultOf(runtime, organization, answer, request, examination, found, isFirstUse),
  );
  await saveLogEntries(runtime, organization.id, [entry]);
  return { entry, resultAt: `${request.resultsAt}/${entry.id}` };
}

/** The refusal itself is in the examination. */
function orNothing<T>(check: () => T): T | undefined {
  try {
    return check();
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

interface Found {
  readonly checks: ReadonlyMap<SignInCheckName, LoggedCheck>;
  readonly member: Member | undefined;
  readonly decision: RoleDecision | undefined;
}

/** What a sign-in would look up, each by itself; `once` is known only when the assertion is claimed. */
async function checkWithStore(
  runtime: Runtime,
  organization: Organization,
  request: TestRequest,
  xml: string,
  settings: ResponseSettings,
  assertion: VerifiedAssertion | undefined,
): Promise<Found> {
  const checks = new Map<SignInCheckName, LoggedCheck>();
  if (!assertion) return { checks, member: undefined, decision: undefined };
  const check = async (name: SignInCheckName, run: () => unknown) => {
    try {
      await run();
      checks.set(name, { name, outcome: 'passed' });
    } catch (error) {
      if (!(error instanceof GatewayError) || error.status >= 500) throw error;
      checks.set(name, failedCheck(name, error));
    }
  };
  await check('second_opinion', () => askSecondOpinion(runtime, organization, xml, settings, assertion));
  await check('request', () => requireAnswerTo(request, organization, assertion));
  const person = orNothing(() => readPerson(assertion, attributeMapping(requireIdentityProvider(organization))));
  if (!person) return { checks, member: undefined, decision: undefined };
  const member = await findMember(runtime, organization, assertion);
  await check('member', () => {
    if (member?.suspended) throw new GatewayError('member_suspended');
  });
  const decision = decideRole(organization.roleMapping, person.groups);
  await check('role', () => requireRole(decision, person));
  return { checks, member, decision };
}

function requireRole({ role }: RoleDecision, person: Person): void {
  if (role === 'none') throw roleDenied(person);
}

/**
 * Claims request and assertion, and writes the audit entry, in one step; where the assertion was used before, the request only.
 * @param resultWith makes the result, by whether the assertion is used for the first time; undefined where there is none
 */
async function useUp(
  runtime: Runtime,
  organization: Organization,
  { relayState, actor }: TestAnswer,
  assertion: VerifiedAssertion | undefined,
  resultWith: (isFirstUse: boolean | undefined) => SignInLogEntry,
): Promise<SignInLogEntry> {
  const { entityId } = requireIdentityProvider(organization).metadata;
  for (const isFirstUse of assertion ? [true, false] : [undefined]) {
    const entry = resultWith(isFirstUse);
    const { code, memberId, outcome, startedBy } = entry;
    const facts = {
      ...(memberId === undefined ? {} : { member_id: memberId }),
      ...(code === undefined ? {} : { code }),
      details: { outcome, started_by: startedBy, sign_in: entry.id },
    };
    const steps: Step[] = [
      { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
      { do: 'take', key: requestKey(relayState) },
      auditStep(runtime.now(), actor, 'login.tested', facts),
      ...(assertion && isFirstUse ? [claimAssertion(entityId, assertion, runtime.now())] : []),
    ];
    const result = await runtime.store.commit(organization.id, steps);
    if (result.ok) return entry;
    if (result.failed === 0) throw new GatewayError('organization_unknown');
    if (result.failed === 1) break;
  }
  throw new GatewayError('saml_in_response_to_unknown');
}

function resultOf(
  runtime: Runtime,
  organization: Organization,
  { unverifiedXml, actor }: TestAnswer,
  { startedBy }: TestRequest,
  examination: Examination,
  { checks: found, member, decision }: Found,
  isFirstUse: boolean | undefined,
): SignInLogEntry {
  const once = isFirstUse ? ({ name: 'once', outcome: 'passed' } as const) : failedCheck('once', new GatewayError('saml_replayed'));
  const after = signInChecks(runtime).map(
    (name): LoggedCheck => (name === 'once' && isFirstUse !== undefined ? once : (found.get(name) ?? { name, outcome: 'not_reached' })),
  );
  const failure = firstFailure([...examination.checks, ...after]);
  return {
    ...entryBase(organization.identityProvider, actor, unverifiedXml, newEntryKey(runtime)),
    kind: 'test',
    startedBy,
    outcome: failure ? 'refused' : 'accepted',
    ...(failure ?? {}),
    ...examinedPart(examination, after),
    ...(member ? { memberId: member.id } : {}),
    ...(decision && decision.role !== 'none' ? { role: decision.role, roleSource: sourceOf(decision) } : {}),
  };
}

const sourceOf = ({ group }: RoleDecision): RoleSource => (group === undefined ? { kind: 'default' } : { kind: 'rule', group });

/** With what a sign-in would have been refused. */
function firstFailure(
  checks: readonly (CheckResult | LoggedCheck)[],
): { readonly code: ErrorCode; readonly refusal: RefusalFacts } | undefined {
  const failed = checks.find(({ outcome }) => outcome === 'failed');
  if (!failed?.code) return undefined;
  return { code: failed.code, refusal: refusalFactsOf({ facts: failed }) };
}
