/** Builds the sign-in log's entry of a finished sign-in. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newTimeOrderedId } from '../../ids.ts';
import { findDefaultConnection, type OrganizationConnection } from '../../organizations/connections/connections.ts';
import {
  attributeMappingOf,
  decryptionKeysFor,
  personSettings,
  responseSettings,
} from '../../organizations/connections/identity-providers.ts';
import { findIdentifiedMember } from '../../organizations/identity/member-identity.ts';
import type { Member } from '../../organizations/members.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { type Examination, examineResponse } from '../../saml/explain/examine-response.ts';
import { idpKindOf } from '../../saml/explain/idp-screens.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import { readPerson } from '../../saml/response/person.ts';
import { type Groups, groupsOf, readGroups } from '../../saml/response/person-checks.ts';
import type { VerifiedAssertion } from '../../saml/response/response.ts';
import { shownNames } from '../../saml/shown-text.ts';
import { checksUntil, type LoggedCheck } from './sign-in-checks.ts';
import { boundedGroups, type LoggedExamination, type SignInLogEntry } from './sign-in-log.ts';

/** A posted response, as far as the sign-in came with it. */
interface ProcessedResponse {
  readonly actor: Actor;
  /** Undefined if the Issuer selected none. */
  readonly connection: Connection | undefined;
  /** Undefined if the form could not be decoded. */
  readonly unverifiedXml: string | undefined;
  /** Undefined if the response was not verified. */
  readonly assertion: VerifiedAssertion | undefined;
}

export interface AcceptedSignIn extends ProcessedResponse {
  readonly member: Member;
}

export interface RefusedSignIn extends ProcessedResponse {
  readonly error: GatewayError;
}

/** Larger responses are not examined. No owner looks for one, and examining it would delay other requests. */
const MAX_EXAMINED_CHARACTERS = 96 * 1024;

/** The ID of an entry, and when the sign-in finished. */
export type EntryKey = Pick<SignInLogEntry, 'id' | 'atMs'>;

export function newEntryKey({ now }: Runtime): EntryKey {
  const atMs = now();
  return { id: newTimeOrderedId('att', atMs), atMs };
}

export function acceptedEntry(signIn: AcceptedSignIn, key: EntryKey): SignInLogEntry {
  const { connection, assertion, member } = signIn;
  const { id, email, role, roleSource } = member;
  // The member's record has no room for all groups, so they are read from the assertion.
  const sent = assertion && connection ? readAllGroups(assertion, connection) : member;
  return {
    ...entryBase(connection, signIn, key),
    outcome: 'accepted',
    isVerified: true,
    memberId: id,
    subject: email,
    ...(role === 'none' ? {} : { role, roleSource }),
    attributeNames: shownNames(assertion?.attributes.keys() ?? []),
    groups: boundedGroups(sent),
  };
}

const readAllGroups = ({ attributes }: VerifiedAssertion, connection: Connection): Groups =>
  groupsOf(attributes, readGroups(attributes, attributeMappingOf(connection).groups));

/** @throws store_unavailable */
export async function refusedEntry(
  runtime: Runtime,
  organization: Organization,
  { signIn, key }: { readonly signIn: RefusedSignIn; readonly key: EntryKey },
): Promise<SignInLogEntry> {
  const { unverifiedXml, assertion, error } = signIn;
  // A response of an unknown Issuer is examined with the default connection, which it probably was meant for.
  const connection = signIn.connection ?? findDefaultConnection(organization);
  const { variant } = error.facts;
  const refused = {
    ...entryBase(connection, signIn, key),
    outcome: 'refused',
    code: error.code,
    ...(variant === undefined ? {} : { variant }),
    refusal: refusalFactsOf(error),
  } as const;
  if (unverifiedXml === undefined || unverifiedXml.length > MAX_EXAMINED_CHARACTERS || !connection) {
    return { ...refused, isVerified: assertion !== undefined, attributeNames: [] };
  }
  const examination = await examine(runtime, { organization, connection }, unverifiedXml);
  const memberId = assertion && (await findMember(runtime, { organization, connection }, assertion))?.id;
  return {
    ...refused,
    ...examinedPart(examination, checksUntil(runtime, assertion === undefined ? undefined : error)),
    ...(memberId === undefined ? {} : { memberId }),
  };
}

/** Returns the members that every entry has. */
export function entryBase(
  connection: Connection | undefined,
  { actor, unverifiedXml }: Pick<ProcessedResponse, 'actor' | 'unverifiedXml'>,
  key: EntryKey,
) {
  return {
    ...key,
    kind: 'login' as const,
    ...(actor.requestId === undefined ? {} : { requestId: actor.requestId }),
    ...(actor.address === undefined ? {} : { address: actor.address }),
    ...(unverifiedXml === undefined ? {} : { messageOctets: Buffer.byteLength(unverifiedXml) }),
    idpKind: connection ? kindOf(connection) : ('other' as const),
    ...(connection ? { connectionId: connection.id } : {}),
    isExamined: false,
  };
}

const kindOf = ({ metadata }: Connection) => idpKindOf(metadata.entityId, metadata.singleSignOn.redirect ?? metadata.singleSignOn.post);

/** Runs all checks of the response, whatever its outcome. @throws store_unavailable */
export async function examine(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  unverifiedXml: string,
): Promise<Examination> {
  const decryptionKeys = await decryptionKeysFor(runtime, organization, unverifiedXml);
  const settings = responseSettings({ organization, connection }, runtime.config.baseUrl, decryptionKeys);
  return examineResponse(unverifiedXml, { ...settings, ...personSettings(connection, settings) }, runtime.now());
}

/**
 * Returns the part of an entry that comes from an examination.
 * @param signInChecks the results of the checks that follow those of the response
 */
export function examinedPart(
  { checks, groups, attributeNames, offeredIdentifiers, isVerified, subject, ...rest }: Examination,
  signInChecks: readonly LoggedCheck[],
) {
  const examination: LoggedExamination = { ...rest, checks: [...checks, ...signInChecks] };
  return {
    isVerified,
    isExamined: true,
    attributeNames,
    offeredIdentifiers,
    examination,
    ...(subject === undefined ? {} : { subject }),
    ...(groups ? { groups: boundedGroups(groups) } : {}),
  };
}

/** Returns the member whom a verified assertion identifies. */
async function findMember(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  assertion: VerifiedAssertion,
): Promise<Member | undefined> {
  try {
    const settings = personSettings(connection, responseSettings({ organization, connection }, runtime.config.baseUrl));
    const { identifier } = readPerson(assertion, settings);
    return (await findIdentifiedMember(runtime.store, organization.id, { connection, identifier }))?.value;
  } catch (error) {
    if (error instanceof GatewayError && error.code !== 'store_unavailable') return undefined; // the assertion identifies no user
    throw error;
  }
}
