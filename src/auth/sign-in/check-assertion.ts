/**
 * The checks of a SAML response that need the organization's keys and the gateway's own state, in order. Sign-ins and test
 * sign-ins run this one list: a sign-in stops at the first failure, a test records the failure and continues.
 */
import { type ErrorVariantName, GatewayError } from '../../errors.ts';
import { type OrganizationConnection, roleScopeOf } from '../../organizations/connections/connections.ts';
import { decryptionKeysFor, personSettings, responseSettings } from '../../organizations/connections/identity-providers.ts';
import { isEmailAllowed } from '../../organizations/domains/domain-claims.ts';
import { decideRoleByGroups, ruleGroupsOfMember, usesScimGroups } from '../../organizations/groups/group-roles.ts';
import type { SigningInUser } from '../../organizations/identity/resolve-member.ts';
import type { Member } from '../../organizations/members.ts';
import type { Connection, GroupsFrom, Organization } from '../../organizations/organizations.ts';
import { decideRole, type RoleDecision } from '../../organizations/role-mapping.ts';
import type { Runtime } from '../../runtime.ts';
import { readAllIdentifiers, readFormerForms } from '../../saml/identifier/identifier.ts';
import { type Person, readPerson } from '../../saml/response/person.ts';
import { acceptResponse, type VerifiedAssertion } from '../../saml/response/response.ts';
import type { ResponseSettings } from '../../saml/response/response-settings.ts';
import { shownExactly } from '../../saml/shown-text.ts';
import type { Step, Store } from '../../store/store.ts';
import type { Login } from '../sessions/member-sessions.ts';
import type { SignInCheckName } from '../sign-in-log/sign-in-checks.ts';
import { askSecondOpinion } from './ask-second-opinion.ts';

/** A response that passed every check of the response itself. */
export interface VerifiedResponse {
  /** The connection that its Issuer selected. */
  readonly connection: Connection;
  readonly unverifiedXml: string;
  readonly settings: ResponseSettings;
  readonly assertion: VerifiedAssertion;
}

/** The request that an assertion answers, or the organization's policy for an assertion that answers none. */
export type RequestMatch =
  | {
      readonly kind: 'matched';
      /** The steps that consume the request. */
      readonly take: readonly Step[];
      readonly returnTo: string;
      readonly formerLogin?: Login | undefined;
    }
  /** The assertion was used before, and the request that it answered is consumed. `claim` is the value of the assertion's claim. */
  | { readonly kind: 'used'; readonly claim: string }
  /** `idp_initiated: bounce`: the assertion is discarded, and a new sign-in starts at the gateway. */
  | { readonly kind: 'bounced'; readonly connectionId: string; readonly returnTo: string };

/** The user of a verified assertion. */
export interface IdentifiedUser extends SigningInUser {
  readonly person: Person;
  /** By the groups of the assertion. {@link withScimGroups} decides again if the organization uses others. */
  readonly decision: RoleDecision;
  /** Set if groups that SCIM provisions also decided. */
  readonly groupsFrom?: GroupsFrom | undefined;
}

/** A check of the sign-in log, or `user`, which the examination of the response reports in more detail. */
export type SignInStepName = SignInCheckName | 'user';

/**
 * Runs one check.
 * @typeParam Failed the result of a check that failed; `never` if every failure throws
 */
export type RunCheck<Failed extends undefined> = <T>(name: SignInStepName, check: () => T | Promise<T>) => Promise<T | Failed>;

/** Throws at the first failure. A sign-in uses nothing else. */
export const stopAtFirstFailure: RunCheck<never> = async (_name, check) => check();

/**
 * Verifies a response with the keys and settings of the connection that its Issuer selected.
 * @throws the errors of {@link acceptResponse}; store_unavailable
 */
export async function verifyResponse(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
  unverifiedXml: string,
): Promise<VerifiedResponse> {
  const decryptionKeys = await decryptionKeysFor(runtime, organization, unverifiedXml);
  const settings = responseSettings({ organization, connection }, runtime.config.baseUrl, decryptionKeys);
  return { connection, unverifiedXml, settings, assertion: acceptResponse(unverifiedXml, settings, runtime.now()) };
}

export interface AssertionChecks<Failed extends undefined> {
  readonly verified: VerifiedResponse;
  readonly run: RunCheck<Failed>;
  /** Finds the request that the assertion answers. Throws if no request matches. */
  readonly matchRequest: () => Promise<RequestMatch>;
}

export type CheckedAssertion<Failed extends undefined> =
  | Extract<RequestMatch, { kind: 'bounced' }>
  | {
      readonly kind: 'identified';
      readonly match: Exclude<RequestMatch, { kind: 'bounced' }> | Failed;
      readonly user: IdentifiedUser | Failed;
    };

/** Runs the checks between the verdict on a response and the lookup of its member. Consumes nothing. */
export async function checkAssertion<Failed extends undefined>(
  runtime: Runtime,
  organization: Organization,
  { verified, run, matchRequest }: AssertionChecks<Failed>,
): Promise<CheckedAssertion<Failed>> {
  await run('second_opinion', () => askSecondOpinion(runtime, organization, verified));
  const match = await run('request', matchRequest);
  if (match !== undefined && match.kind === 'bounced') return match;
  const user = await run('user', () => identifyUser(organization, verified));
  return { kind: 'identified', match, user };
}

/** @throws saml_name_id_missing, saml_identifier_changed, saml_email_missing */
function identifyUser(organization: Organization, { connection, assertion, settings }: VerifiedResponse): IdentifiedUser {
  const context = personSettings(connection, settings);
  const person = readPerson(assertion, context);
  return {
    person,
    identifier: person.identifier,
    readIdentifiers: () => readAllIdentifiers(assertion, context),
    readFormerForms: (formerIdpEntityId) => readFormerForms(assertion, context, formerIdpEntityId),
    email: person.email,
    name: person.name,
    decision: decideRole(
      organization.roleMapping,
      person.groups,
      roleScopeOf(organization, connection.replaces?.connectionId ?? connection.id),
    ),
  };
}

/**
 * Returns the user with the role that `groups_from` of the organization gives. The member must have been read before: a change of its
 * groups from then on makes the commit of the sign-in fail.
 */
export async function withScimGroups(
  store: Store,
  organization: Organization,
  { user, connection, member }: { readonly user: IdentifiedUser; readonly connection: Connection; readonly member: Member | undefined },
): Promise<IdentifiedUser> {
  const { groupsFrom } = organization;
  if (!usesScimGroups(organization)) return user;
  const connectionId = connection.replaces?.connectionId ?? connection.id;
  const scim = member?.scim?.connectionId === connectionId ? await ruleGroupsOfMember(store, organization, member) : [];
  return { ...user, groupsFrom, decision: decideRoleByGroups(organization, connectionId, { saml: user.person.groups, scim }) };
}

/**
 * Returns the refusal of an email address that the organization's `email_policy` does not allow. It is returned instead of thrown,
 * because a sign-in claims the assertion before it refuses the user.
 */
export function emailRefusal(organization: Organization, { person: { email } }: IdentifiedUser): GatewayError | undefined {
  if (isEmailAllowed(organization, email)) return undefined;
  return new GatewayError('saml_email_domain_forbidden', {
    detail: 'Your email address is not in a verified domain of this organization.',
    administratorDetail: 'The email address in the SAML response is not in a verified domain of the organization.',
  });
}

/** @throws saml_email_domain_forbidden */
export function requireAllowedEmail(organization: Organization, user: IdentifiedUser): void {
  const refusal = emailRefusal(organization, user);
  if (refusal) throw refusal;
}

const ROLE_DENIALS: Readonly<
  Record<Person['groupsState'], { readonly variant: ErrorVariantName; readonly detail: string; readonly administratorDetail: string }>
> = {
  absent: {
    variant: 'groups_absent',
    detail: 'Your identity provider did not send your groups, and roles in this organization depend on them.',
    administratorDetail: 'The SAML response has no groups attribute, and no default role applies.',
  },
  over_limit: {
    variant: 'groups_over_limit',
    detail: 'You are in more groups than your identity provider sends, and roles in this organization depend on them.',
    administratorDetail:
      'The identity provider sent a link instead of the groups because the user is in too many, and no default role applies.',
  },
  present: {
    variant: 'groups_unmatched',
    detail: 'None of the groups that your identity provider sent has a role in this organization.',
    administratorDetail: 'No role rule matches the groups in the SAML response, and no default role applies.',
  },
};

const SCIM_DENIAL = {
  variant: 'groups_unmatched',
  detail: 'You are in no group that has a role in this organization.',
  administratorDetail: 'No role rule matches the groups that SCIM provisions for this user, and no default role applies.',
} as const;

/** Returns the refusal of a user without a role. Its texts depend on why no rule matched. */
export function roleDenied({ person: { groupsState }, decision: { nearlyMatching }, groupsFrom }: IdentifiedUser): GatewayError {
  const denial = groupsFrom === 'scim' ? SCIM_DENIAL : ROLE_DENIALS[groupsState];
  const difference =
    nearlyMatching === undefined
      ? ''
      : ` The group ${shownExactly(nearlyMatching)} differs from the group of a rule only by white space. Correct the rule, or the group at the identity provider.`;
  return new GatewayError('saml_role_denied', {
    ...denial,
    administratorDetail: denial.administratorDetail + difference,
    got: `groups: ${groupsState}`,
  });
}

/** @throws saml_role_denied */
export function requireRole(user: IdentifiedUser): void {
  if (user.decision.role === 'none') throw roleDenied(user);
}
