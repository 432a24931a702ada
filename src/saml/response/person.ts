import type { AttributeMapping } from './attribute-mapping.ts';
import { PERSON_CHECKS } from './checks.ts';
import { type Groups, groupsOf } from './person-checks.ts';
import type { VerifiedAssertion } from './response.ts';
import { runChecks } from './run-checks.ts';

/** The user that an assertion describes. */
export interface Person extends Groups {
  /** The kind of the identifier and its value: the key of a member within an organization and identity provider. */
  readonly identity: string;
  readonly email: string;
  readonly name: string;
}

const CHECKS_IN_ORDER = Object.values(PERSON_CHECKS);

/**
 * Reads the user from a verified assertion.
 * @throws saml_name_id_missing, saml_email_missing, saml_malformed
 */
export function readPerson({ attributes, nameId }: VerifiedAssertion, attributeMapping: AttributeMapping): Person {
  const values = runChecks(CHECKS_IN_ORDER, { attributes, nameId }, { attributeMapping });
  const { identifier, email, name = email, groups } = values;
  return { identity: identifier, email, name, ...groupsOf(attributes, groups) };
}
