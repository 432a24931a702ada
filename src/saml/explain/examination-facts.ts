/** What each check wanted and got, whether it passed or not, where both are harmless to show: no value that is about a person. */
import type { GatewayError } from '../../errors.ts';
import { toIsoTime } from '../../time.ts';
import type { VerificationKey } from '../crypto/signature.ts';
import { ASSERTION, PROTOCOL, XMLDSIG } from '../names.ts';
import type { CheckName, CheckValues } from '../response/checks.ts';
import { audiencesOf, classRefsOf } from '../response/response-checks.ts';
import { issuerOf } from '../response/response-structure.ts';
import { shown } from '../shown-text.ts';
import { readDateTime } from '../xml/date-time.ts';
import { attributeOf, childrenNamed, type XmlElement } from '../xml/xml.ts';
import type { ExaminationSettings } from './examine-response.ts';
import { shownNames } from './masking.ts';

export interface CheckFacts {
  readonly wanted?: string;
  readonly got?: string;
}

/** What a refusal tells whoever it concerns. */
export interface RefusalFacts extends CheckFacts {
  readonly detail?: string;
}

export const refusalFactsOf = ({
  facts: { detail: userDetail, administratorDetail, wanted, got },
}: Pick<GatewayError, 'facts'>): RefusalFacts => {
  const detail = administratorDetail ?? userDetail;
  return {
    ...(detail === undefined ? {} : { detail }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(got === undefined ? {} : { got }),
  };
};

/** What the checks have come to. */
export interface Seen {
  readonly values: Partial<CheckValues>;
  /** What the checks of the assertion have read, covered or not. */
  readonly assertion: XmlElement | undefined;
  readonly settings: ExaminationSettings;
  readonly nowMs: number;
}

const ABSENT = '(absent)';
const STATUS = 'urn:oasis:names:tc:SAML:2.0:status:';

const FACTS: Partial<Record<CheckName, (seen: Seen) => CheckFacts>> = {
  response_issuer: ({ values, settings }) => compared(settings.idpEntityId, values.xml && issuerOf(values.xml)),
  response_signature: ({ values, settings }) => ({
    wanted: settings.requireSignedResponse ? 'a good signature' : 'a good signature, or none',
    got: describeSignature(values.signature_places?.responseSignature, values.response_signature?.key),
  }),
  assertion_signature: ({ values, settings }) => ({
    wanted: settings.requireSignedAssertion ? 'a good signature' : 'a good signature, or none',
    got: describeSignature(values.signature_places?.assertionSignature, values.assertion_signature?.key),
  }),
  encryption: ({ settings }) => ({ wanted: settings.requireEncryptedAssertion ? 'encrypted' : 'encrypted or not', got: 'not encrypted' }),
  status: (seen) => ({ wanted: 'Success', got: shown(statusOf(responseOf(seen))?.replace(STATUS, '') ?? ABSENT) }),
  destination: (seen) => compared(seen.settings.acsUrl, attributeIn(responseOf(seen), 'Destination')),
  assertion_issuer: ({ assertion, settings }) => compared(settings.idpEntityId, assertion && issuerOf(assertion)),
  recipient: ({ values, settings }) => compared(settings.acsUrl, attributeIn(values.bearer, 'Recipient')),
  confirmation_end: ({ values, nowMs }) => period('before', attributeIn(values.bearer, 'NotOnOrAfter'), nowMs),
  not_before: ({ values, nowMs }) => period('from', attributeIn(values.conditions, 'NotBefore'), nowMs),
  not_on_or_after: ({ values, nowMs }) => period('before', attributeIn(values.conditions, 'NotOnOrAfter'), nowMs),
  audience: ({ values, settings }) => {
    const restrictions = values.conditions ? childrenNamed(values.conditions, ASSERTION, 'AudienceRestriction') : [];
    return compared(settings.entityId, restrictions.flatMap(audiencesOf).join(' ') || undefined);
  },
  session_end: ({ values, nowMs }) => (values.session_end === undefined ? {} : period('before', toIsoTime(values.session_end), nowMs)),
  authn_context: ({ values, settings }) => ({
    wanted: settings.authnContext.length === 0 ? 'any' : shown(settings.authnContext.join(' or ')),
    got: shown((values.authn_statement ?? []).flatMap(classRefsOf).join(' ') || ABSENT),
  }),
  name_id: ({ values }) => ({ got: values.name_id ? `format ${shown(values.name_id.format)}` : ABSENT }),
  // The first part says which identifier it is, the others are the identifier.
  identifier: ({ values }) =>
    values.identifier === undefined ? {} : { got: `from ${shown(String((JSON.parse(values.identifier) as unknown[])[0]))}` },
  email: ({ values, settings }) => ({ wanted: oneOf(settings.attributeMapping.email), got: namesIn(values.attributes) }),
  groups: ({ values, settings }) => ({
    wanted: oneOf(settings.attributeMapping.groups),
    got:
      values.groups === undefined
        ? namesIn(values.attributes)
        : `${values.groups.length} ${values.groups.length === 1 ? 'group' : 'groups'}`,
  }),
};

/** What was malformed in a way that can't be read has no facts but those of its refusal. */
export function factsOf(name: CheckName, seen: Seen): CheckFacts {
  try {
    return FACTS[name]?.(seen) ?? {};
  } catch {
    return {};
  }
}

const compared = (wanted: string, got: string | undefined): CheckFacts => ({ wanted, got: got === undefined ? ABSENT : shown(got) });

const responseOf = ({ values }: Seen): XmlElement | undefined => values.response_signature?.element ?? values.xml;

const attributeIn = (element: XmlElement | undefined, name: string): string | undefined => element && attributeOf(element, name);

const period = (word: 'from' | 'before', limit: string | undefined, nowMs: number): CheckFacts =>
  limit === undefined ? {} : { wanted: `${word} ${toIsoTime(readDateTime(limit))}`, got: toIsoTime(nowMs) };

const oneOf = (names: readonly string[]): string => shown(`one of ${shownNames(names).join(', ')}`, 600);

const namesIn = (attributes: CheckValues['attributes'] | undefined): string =>
  shown(attributes && attributes.size > 0 ? `attributes ${shownNames(attributes.keys()).join(', ')}` : 'no attributes', 600);

function statusOf(response: XmlElement | undefined): string | undefined {
  const status = response && childrenNamed(response, PROTOCOL, 'Status')[0];
  return attributeIn(status && childrenNamed(status, PROTOCOL, 'StatusCode')[0], 'Value');
}

/** @param key that verified it */
function describeSignature(signature: XmlElement | undefined, key: VerificationKey | undefined): string {
  if (!signature) return 'none';
  const signedInfo = childrenNamed(signature, XMLDSIG, 'SignedInfo')[0];
  const algorithm = attributeIn(signedInfo && childrenNamed(signedInfo, XMLDSIG, 'SignatureMethod')[0], 'Algorithm') ?? ABSENT;
  const named = shown(algorithm.slice(algorithm.indexOf('#') + 1));
  return key ? `${named}, by the certificate ${key.fingerprint}` : named;
}
