/** From a sign-in that has ended to what is kept of it. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newTimeOrderedId } from '../../ids.ts';
import {
  attributeMappingOf,
  decryptionKeysFor,
  requireIdentityProvider,
  responseSettings,
} from '../../organizations/identity-providers.ts';
import { identityKey, MEMBERS, type Member } from '../../organizations/members.ts';
import type { IdentityProvider, Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { type Examination, examineResponse } from '../../saml/explain/examine-response.ts';
import { idpKindOf } from '../../saml/explain/idp-screens.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import { readPerson } from '../../saml/response/person.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { shownNames } from '../../saml/shown-text.ts';
import {
  boundedGroups,
  type LoggedCheck,
  type LoggedExamination,
  SIGN_IN_CHECKS,
  type SignInCheckName,
  type SignInLogEntry,
} from './sign-in-log.ts';

/** A sign-in that has ended, as far as it had come. */
export interface FinishedSignIn {
  readonly actor: Actor;
  /** Where it could be decoded. */
  readonly unverifiedXml: string | undefined;
  /** Where it was accepted. */
  readonly assertion: VerifiedAssertion | undefined;
  readonly result: { readonly member: Member } | { readonly error: GatewayError };
}

/** What is larger is no sign-in that an owner looks for, and would hold everybody up. */
const MAX_EXAMINED_CHARACTERS = 96 * 1024;

/** When a sign-in ended, and what it is called. */
export type Moment = Pick<SignInLogEntry, 'id' | 'atMs'>;

export function newEntryKey({ now }: Runtime): Moment {
  const atMs = now();
  return { id: newTimeOrderedId('att', atMs), atMs };
}

export function acceptedEntry(
  { identityProvider }: Organization,
  { actor, unverifiedXml, assertion }: FinishedSignIn,
  member: Member,
  moment: Moment,
): SignInLogEntry {
  const { id, role, roleSource } = member;
  // Not those of the member's record, which has no room for all.
  const sent = assertion && identityProvider ? readPerson(assertion, attributeMappingOf(identityProvider)) : member;
  return {
    ...entryBase(identityProvider, actor, unverifiedXml, moment),
    outcome: 'accepted',
    isVerified: true,
    memberId: id,
    ...(role === 'none' ? {} : { role, roleSource }),
    attributeNames: shownNames(assertion?.attributes.keys() ?? []),
    groups: boundedGroups(sent),
  };
}

export const entryBase = (
  identityProvider: IdentityProvider | undefined,
  actor: Actor,
  unverifiedXml: string | undefined,
  moment: Moment,
) => ({
  ...moment,
  kind: 'login' as const,
  ...(actor.requestId === undefined ? {} : { requestId: actor.requestId }),
  ...(actor.address === undefined ? {} : { address: actor.address }),
  ...(unverifiedXml === undefined ? {} : { messageOctets: Buffer.byteLength(unverifiedXml) }),
  idpKind: identityProvider ? kindOf(identityProvider) : ('other' as const),
  isExamined: false,
});

const kindOf = ({ metadata }: IdentityProvider) =>
  idpKindOf(metadata.entityId, metadata.singleSignOn.redirect ?? metadata.singleSignOn.post);

/** @throws store_unavailable */
export async function refusedEntry(
  runtime: Runtime,
  organization: Organization,
  { actor, unverifiedXml, assertion }: FinishedSignIn,
  error: GatewayError,
  moment: Moment,
): Promise<SignInLogEntry> {
  const { identityProvider } = organization;
  const refused = {
    ...entryBase(identityProvider, actor, unverifiedXml, moment),
    outcome: 'refused',
    code: error.code,
    refusal: refusalFactsOf(error),
  } as const;
  const isTooLarge = (unverifiedXml ?? '').length > MAX_EXAMINED_CHARACTERS;
  if (unverifiedXml === undefined || isTooLarge || !identityProvider)
    return { ...refused, isVerified: assertion !== undefined, attributeNames: [] };
  const examination = await examine(runtime, organization, unverifiedXml);
  const memberId = assertion && (await findMember(runtime, organization, assertion))?.id;
  return {
    ...refused,
    ...examinedPart(examination, checksUntil(runtime, assertion === undefined ? undefined : error)),
    ...(memberId === undefined ? {} : { memberId }),
  };
}

/** @throws idp_not_configured */
export async function examine(runtime: Runtime, organization: Organization, unverifiedXml: string): Promise<Examination> {
  const identityProvider = requireIdentityProvider(organization);
  const decryptionKeys = await decryptionKeysFor(runtime, organization, unverifiedXml);
  const settings = responseSettings(organization, runtime.config.baseUrl, decryptionKeys);
  return examineResponse(unverifiedXml, { ...settings, attributeMapping: attributeMappingOf(identityProvider) }, runtime.now());
}

/** What is kept of an examination. */
export function examinedPart({ checks, groups, attributeNames, isVerified, ...rest }: Examination, after: readonly LoggedCheck[]) {
  const examination: LoggedExamination = { ...rest, checks: [...checks, ...after] };
  return { isVerified, isExamined: true, attributeNames, examination, ...(groups ? { groups: boundedGroups(groups) } : {}) };
}

/** The member whom a verified assertion is about. */
export async function findMember(runtime: Runtime, organization: Organization, assertion: VerifiedAssertion): Promise<Member | undefined> {
  const { identityProvider } = organization;
  if (!identityProvider) return undefined;
  try {
    const person = readPerson(assertion, attributeMappingOf(identityProvider));
    const identity = identityKey(identityProvider.metadata.entityId, person);
    return (await runtime.store.getUnique(organization.id, MEMBERS, 'identity', identity))?.value;
  } catch (error) {
    if (error instanceof GatewayError && error.code !== 'store_unavailable') return undefined; // it does not say who it is
    throw error;
  }
}

/** The codes that each check can refuse a sign-in with. */
export const SIGN_IN_CHECK_CODES: Readonly<Record<SignInCheckName, readonly string[]>> = {
  second_opinion: ['saml_structure_ambiguous'],
  request: ['saml_in_response_to_unknown', 'saml_login_not_started_here', 'saml_unsolicited_forbidden'],
  member: ['saml_expired', 'member_suspended'],
  once: ['saml_replayed'],
  role: ['saml_role_denied'],
};

/** Which checks a sign-in makes with the store. */
export const signInChecks = ({ config }: Runtime): SignInCheckName[] =>
  (Object.keys(SIGN_IN_CHECKS) as SignInCheckName[]).filter((name) => name !== 'second_opinion' || config.secondOpinion);

/** @param error with which a verified assertion was refused; undefined where there was none */
function checksUntil(runtime: Runtime, error: GatewayError | undefined): LoggedCheck[] {
  const names = signInChecks(runtime);
  const failedAt = names.findIndex((name) => error && SIGN_IN_CHECK_CODES[name].includes(error.code));
  // What is none of theirs is about the person, who is read after the request was found.
  const passed = !error ? 0 : failedAt < 0 ? names.indexOf('request') + 1 : failedAt;
  return names.map((name, at) => {
    if (at < passed) return { name, outcome: 'passed' };
    return error && at === failedAt ? failedCheck(name, error) : { name, outcome: 'not_reached' };
  });
}

export const failedCheck = (name: SignInCheckName, error: GatewayError): LoggedCheck => ({
  name,
  outcome: 'failed',
  code: error.code,
  ...refusalFactsOf(error),
});
