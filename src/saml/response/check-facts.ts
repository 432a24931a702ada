/** Formats the expected and received values that checks report. No value here describes a user. */
import { toIsoTime } from '../../time.ts';
import type { VerificationKey } from '../crypto/signature.ts';
import { PROTOCOL, STATUS_PREFIX, XMLDSIG } from '../names.ts';
import { shown, shownExactly, shownNames } from '../shown-text.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childrenNamed, type XmlElement } from '../xml/xml-tree.ts';
import type { Attributes } from './attributes.ts';
import type { CheckFacts } from './run-checks.ts';

export const ABSENT = '(absent)';

export const comparison = (wanted: string, got: string | undefined): CheckFacts => ({
  wanted,
  got: got === undefined ? ABSENT : shownExactly(got),
});

export const attributeIn = (element: XmlElement | undefined, name: string): string | undefined => element && attributeOf(element, name);

/** @param limit an xs:dateTime; undefined if the assertion sets none */
export const period = (word: 'from' | 'before', limit: string | undefined, nowMs: number): CheckFacts =>
  limit === undefined ? {} : { wanted: `${word} ${toIsoTime(readDateTime(limit))}`, got: toIsoTime(nowMs) };

export const anyOf = (names: readonly string[]): string => shown(`one of ${shownNames(names).join(', ')}`, 600);

export const attributeNames = (attributes: Attributes): string =>
  shown(attributes.size > 0 ? `attributes ${shownNames(attributes.keys()).join(', ')}` : 'no attributes', 600);

export const countOf = (groups: readonly string[]): string => `${groups.length} ${groups.length === 1 ? 'group' : 'groups'}`;

/** Returns the status code without its prefix. */
export function statusOf(response: XmlElement): string {
  const status = childrenNamed(response, PROTOCOL, 'Status')[0];
  const code = attributeIn(status && childrenNamed(status, PROTOCOL, 'StatusCode')[0], 'Value');
  return shown(code?.replace(STATUS_PREFIX, '') ?? ABSENT);
}

/** @param key the key that verified the signature */
export function signatureFacts(isRequired: boolean, signature: XmlElement | undefined, key: VerificationKey | undefined): CheckFacts {
  return { wanted: isRequired ? 'a valid signature' : 'a valid signature, or none', got: signature ? describe(signature, key) : 'none' };
}

function describe(signature: XmlElement, key: VerificationKey | undefined): string {
  const signedInfo = childrenNamed(signature, XMLDSIG, 'SignedInfo')[0];
  const algorithm = attributeIn(signedInfo && childrenNamed(signedInfo, XMLDSIG, 'SignatureMethod')[0], 'Algorithm') ?? ABSENT;
  const name = shown(algorithm.slice(algorithm.indexOf('#') + 1));
  return key ? `${name}, by the certificate ${key.fingerprint}` : name;
}
