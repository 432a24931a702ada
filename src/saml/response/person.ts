import type { Identifier } from '../identifier/identifier.ts';
import { PERSON_CHECKS, type PersonContext } from './checks.ts';
import { type Groups, groupsOf } from './person-checks.ts';
import type { VerifiedAssertion } from './response.ts';
import { runChecks } from './run-checks.ts';

/** The user that an assertion describes. */
export interface Person extends Groups {
  readonly identifier: Identifier;
  readonly email: string;
  readonly name: string;
}

const CHECKS_IN_ORDER = Object.values(PERSON_CHECKS);

/**
 * Reads the user from a verified assertion.
 * @throws saml_name_id_missing, saml_identifier_changed, saml_email_missing, saml_malformed
 */
export function readPerson({ attributes, nameId }: VerifiedAssertion, context: PersonContext): Person {
  const values = runChecks(CHECKS_IN_ORDER, { attributes, nameId }, context);
  const { identifier, email, name = email, groups } = values;
  return { identifier, email, name, ...groupsOf(attributes, groups) };
}
