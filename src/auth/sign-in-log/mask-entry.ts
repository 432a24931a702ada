/** Removes from an entry of the sign-in log what identifies the user. */
import type { ErrorCode } from '../../errors.ts';
import { errorNumbersOf, maskSubject, withoutAddresses, withoutPersons } from '../../saml/explain/masking.ts';
import type { RefusalFacts } from '../../saml/explain/refusal-facts.ts';
import { NO_STATUS_MESSAGE } from '../../saml/response/response-checks.ts';
import type { SignInLogEntry } from './sign-in-log.ts';

/**
 * Returns an entry for readers who may help with a sign-in, but must not learn who the user is: a support team, or the holder of a setup link,
 * which can be forwarded. The groups stay, because role rules need their exact names.
 */
export function maskEntry({ memberId: _id, address: _address, subject, refusal, examination, ...entry }: SignInLogEntry): SignInLogEntry {
  return {
    ...entry,
    // Names of attributes can contain an address.
    attributeNames: withoutAddresses(entry.attributeNames),
    ...(subject === undefined ? {} : { subject: maskSubject(subject) }),
    ...(refusal ? { refusal: maskFacts(refusal, entry.code) } : {}),
    ...(examination ? { examination: maskExamination(examination) } : {}),
  };
}

type Examination = NonNullable<SignInLogEntry['examination']>;

const maskExamination = ({ checks, structure, decryptedStructure, ...examination }: Examination): Examination => ({
  ...examination,
  checks: checks.map((check) => maskFacts(check, check.code)),
  structure: withoutPersons(structure),
  ...(decryptedStructure ? { decryptedStructure: withoutPersons(decryptedStructure) } : {}),
});

/** Keeps only the error numbers in a text from the identity provider, because the rest can name the user. */
function maskFacts<Facts extends RefusalFacts>(facts: Facts, code: ErrorCode | undefined): Facts {
  const { detail = NO_STATUS_MESSAGE } = facts;
  if (code !== 'saml_status_not_success' || detail === NO_STATUS_MESSAGE) return withoutAddresses(facts);
  const masked = `The identity provider’s reason is masked because it can name the user (${errorNumbersOf(detail)}).`;
  return withoutAddresses({ ...facts, detail: masked });
}
