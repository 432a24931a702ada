/** The checks of a sign-in that follow those of the response itself, as the sign-in log shows them. */
import type { ErrorCode, ErrorVariantName, GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import type { CheckResult } from '../../saml/explain/examine-response.ts';
import { refusalFactsOf } from '../../saml/explain/refusal-facts.ts';
import { PERSON_CHECKS, CHECK_TITLES as RESPONSE_CHECK_TITLES, RESPONSE_CHECKS } from '../../saml/response/checks.ts';

interface SignInCheck {
  /** The statement that holds if the check passes. */
  readonly title: string;
  /** The specification that asks for the check. */
  readonly section?: string;
  /** The codes that the check can refuse a sign-in with. */
  readonly codes: readonly ErrorCode[];
}

/** In the order in which a sign-in runs them. */
export const SIGN_IN_CHECKS = {
  second_opinion: { title: 'A second, independent verifier accepts the response', codes: ['saml_structure_ambiguous'] },
  request: {
    title: 'The response answers a pending request of this browser, or the organization accepts unsolicited responses',
    section: 'saml-profiles §4.1.4.3, §4.1.5',
    codes: ['saml_in_response_to_unknown', 'saml_login_not_started_here', 'saml_unsolicited_forbidden', 'saml_authn_context_mismatch'],
  },
  member: {
    title:
      'The user is one member at most, not suspended, provisioned if the organization requires it, and single logout has not ended the session at the identity provider',
    section: 'saml-core §3.7.3.2',
    codes: ['saml_expired', 'member_suspended', 'member_not_provisioned', 'saml_identifier_ambiguous', 'saml_identifier_changed'],
  },
  once: { title: 'The assertion is used for the first time', section: 'saml-profiles §4.1.4.5', codes: ['saml_replayed'] },
  email_domain: {
    title: 'The email policy of the organization allows the domain of the email address',
    codes: ['saml_email_domain_forbidden'],
  },
  role: { title: 'A role rule or the default role gives the user a role', codes: ['saml_role_denied'] },
} as const satisfies Record<string, SignInCheck>;

export type SignInCheckName = keyof typeof SIGN_IN_CHECKS;

const SIGN_IN_TITLES = Object.fromEntries(Object.entries(SIGN_IN_CHECKS).map(([name, { title }]) => [name, title])) as Readonly<
  Record<SignInCheckName, string>
>;

/** The title of every check, of the response and of the sign-in. */
export const CHECK_TITLES: Readonly<Record<LoggedCheck['name'], string>> = { ...RESPONSE_CHECK_TITLES, ...SIGN_IN_TITLES };

/** The titles of the groups that the checks are shown in, in order. */
export const CHECK_GROUPS = {
  structure: 'Structure',
  signature: 'Signatures and encryption',
  response: 'Response',
  assertion: 'Assertion',
  user: 'User',
  sign_in: 'Sign-in',
} as const;

export function groupOfCheck(name: LoggedCheck['name']): keyof typeof CHECK_GROUPS {
  if (Object.hasOwn(RESPONSE_CHECKS, name)) return RESPONSE_CHECKS[name as keyof typeof RESPONSE_CHECKS].part;
  return Object.hasOwn(PERSON_CHECKS, name) ? 'user' : 'sign_in';
}

export type LoggedCheck = Omit<CheckResult, 'name'> & {
  readonly name: CheckResult['name'] | SignInCheckName;
  /** Selects the texts for owners and operators. */
  readonly variant?: ErrorVariantName;
};

/** Returns the checks that this gateway runs, in order. */
export const signInChecks = ({ config }: Runtime): SignInCheckName[] =>
  (Object.keys(SIGN_IN_CHECKS) as SignInCheckName[]).filter((name) => name !== 'second_opinion' || config.secondOpinion);

export const failedCheck = (name: SignInCheckName, error: GatewayError): LoggedCheck => ({
  name,
  outcome: 'failed',
  code: error.code,
  ...refusalFactsOf(error),
  ...(error.facts.variant === undefined ? {} : { variant: error.facts.variant }),
});

/**
 * Infers from a refusal how far the sign-in came.
 * @param error the refusal of a verified response; undefined if the response itself was refused
 */
export function checksUntil(runtime: Runtime, error: GatewayError | undefined): LoggedCheck[] {
  const names = signInChecks(runtime);
  if (!error) return names.map((name) => ({ name, outcome: 'not_reached' }));
  const failedAt = names.findIndex((name) => isFailureOf(name, error));
  // Any other code is about the user, which a sign-in reads after the request check.
  const passed = failedAt < 0 ? names.indexOf('request') + 1 : failedAt;
  return names.map((name, at) => {
    if (at < passed) return { name, outcome: 'passed' };
    return at === failedAt ? failedCheck(name, error) : { name, outcome: 'not_reached' };
  });
}

function isFailureOf(name: SignInCheckName, { code, facts }: GatewayError): boolean {
  const codes: readonly ErrorCode[] = SIGN_IN_CHECKS[name].codes;
  // Without this variant, the response lacks the identifier, which the examination reports.
  return codes.includes(code) && (code !== 'saml_identifier_changed' || facts.variant === 'identifier_undecided');
}
