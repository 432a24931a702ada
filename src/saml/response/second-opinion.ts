/**
 * Compares the verdict with that of another verifier, @node-saml/node-saml, which shares no code with this one. It parses with xmldom,
 * canonicalizes and verifies with xml-crypto, decrypts with xml-encryption and reads with xml2js. To admit an attacker, both verifiers
 * would need the same flaw.
 *
 * Differences that never change the user are not reported as disagreement: node-saml keeps empty values and the white space around
 * URIs, reads a value of only white space as empty, and cannot read an encrypted NameID. Responses that it cannot verify at all are refused: ECDSA, SHA-384, RSA-OAEP by its newer name, an
 * EncryptedKey beside its data, and plaintext that inherits its namespaces.
 */
import type { KeyObject } from 'node:crypto';
import { ASSERTION, NAME_ID_UNSPECIFIED, XMLDSIG } from '../names.ts';
import { trimXmlSpace } from '../xml/white-space.ts';
import { parseXml } from '../xml/xml.ts';
import { attributeOf, childrenNamed, walk, type XmlElement } from '../xml/xml-tree.ts';
import type { VerifiedAssertion } from './response.ts';
import type { ResponseSettings } from './response-settings.ts';

/** `refused`: node-saml refuses the response. `differs`: it accepts the response with another user or other values. */
export interface Disagreement {
  readonly kind: 'refused' | 'differs';
  /** For the log. Contains nothing from the response. */
  readonly about: string;
}

/**
 * Asks node-saml in its strictest configuration.
 * @param unverifiedXml the response that `verified` was read from
 * @returns undefined if node-saml agrees
 */
export async function secondOpinion(
  unverifiedXml: string,
  verified: VerifiedAssertion,
  settings: ResponseSettings,
  nowMs: number,
): Promise<Disagreement | undefined> {
  const theirs = await readByNodeSaml(unverifiedXml, settings, nowMs);
  if (typeof theirs === 'string') return { kind: 'refused', about: theirs };
  const differing = differences(readingOf(verified, settings), theirs);
  return differing.length === 0 ? undefined : { kind: 'differs', about: differing.join(', ') };
}

/** @returns the values that node-saml reads, or the reason for which it refuses */
async function readByNodeSaml(unverifiedXml: string, settings: ResponseSettings, nowMs: number): Promise<Reading | string> {
  // Loaded only here, because it brings four XML libraries.
  const { SAML } = await import('../libraries.ts');
  class Verifier extends SAML {
    /** Uses the time of our own verdict: the response could expire in between. */
    protected override checkTimestampsValidityError(_nowMs: number, notBefore: string, notOnOrAfter: string, limitMs?: number) {
      return super.checkTimestampsValidityError(nowMs, notBefore, notOnOrAfter, limitMs);
    }

    protected override checkAudienceValidityError(expected: string, restrictions: AudienceRestrictions) {
      const trimmed = restrictions?.map(({ Audience = [] }) => ({ Audience: Audience.map(({ _ = '' }) => ({ _: trimXmlSpace(_) })) }));
      return super.checkAudienceValidityError(expected, trimmed);
    }
  }
  const root = parseXml(unverifiedXml);
  if (!supportsAlgorithms(root)) return 'an unsupported algorithm';
  const [assertion] = childrenNamed(root, ASSERTION, 'Assertion');
  const responseIsSigned = childrenNamed(root, XMLDSIG, 'Signature').length > 0;
  const assertionIsSigned = assertion && childrenNamed(assertion, XMLDSIG, 'Signature').length > 0;
  const message = { SAMLResponse: Buffer.from(unverifiedXml, 'utf8').toString('base64') };
  let refusal = '';
  for (const decryptionPvk of assertion ? [undefined] : settings.decryptionKeys.map(privateKeyPem)) {
    const verifier = new Verifier({
      idpCert: settings.keys.map(({ key }) => key.export({ type: 'spki', format: 'pem' }).toString()),
      issuer: settings.entityId,
      idpIssuer: settings.idpEntityId,
      audience: settings.entityId,
      callbackUrl: settings.acsUrl,
      acceptedClockSkewMs: settings.clockSkewSeconds * 1000,
      // Every signature must also be valid for node-saml. Whether an encrypted assertion is signed is known only after decryption.
      wantAuthnResponseSigned: responseIsSigned,
      wantAssertionsSigned: assertionIsSigned ?? (settings.requireSignedAssertion || !responseIsSigned),
      ...(decryptionPvk === undefined ? {} : { decryptionPvk }),
    });
    try {
      const { profile } = await verifier.validatePostResponseAsync(message);
      const parsed = elementOf(profile?.getAssertion?.().Assertion);
      return parsed ? readingOfParsed(parsed) : 'no assertion';
    } catch (error) {
      refusal = withoutInput(error);
    }
  }
  return refusal;
}

const SUPPORTED_ALGORITHM = /#(rsa-)?sha(256|512)$/;

/** Tells an unsupported algorithm, which the identity provider chose, from a disagreement, which looks like an attack. */
function supportsAlgorithms(root: XmlElement): boolean {
  const methods = [...walk(root)].filter((element) => element.uri === XMLDSIG && /^(Signature|Digest)Method$/.test(element.local));
  // A DigestMethod in an EncryptionMethod belongs to RSA-OAEP.
  const ofSignatures = methods.filter(({ parent }) => parent?.uri === XMLDSIG);
  return ofSignatures.every((method) => SUPPORTED_ALGORITHM.test(attributeOf(method, 'Algorithm') ?? ''));
}

const privateKeyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

/** Cuts an error message where it starts to quote its input, after a colon or in quotes. */
const withoutInput = (error: unknown): string =>
  String((error as { message?: unknown }).message ?? '')
    .split(/[:'"\n]/)[0]
    ?.slice(0, 100) || 'no reason';

/** As node-saml declares them. */
type AudienceRestrictions = { Audience?: { _?: string }[] }[];

/** The values that both verifiers read. */
interface Reading {
  readonly 'assertion ID': string;
  readonly issuer: string;
  /** Undefined if it is encrypted, because node-saml cannot read it. */
  readonly NameID: string | undefined;
  readonly SessionIndex: string;
  readonly attributes: string;
}

function differences(ours: Reading, theirs: Reading): (keyof Reading)[] {
  const fields = Object.keys(ours) as (keyof Reading)[];
  return fields.filter((field) => theirs[field] !== undefined && ours[field] !== theirs[field]);
}

function readingOf({ assertionId, nameId, sessionIndex, attributes }: VerifiedAssertion, { idpEntityId }: ResponseSettings): Reading {
  return {
    'assertion ID': assertionId,
    issuer: idpEntityId,
    NameID: JSON.stringify(
      nameId ? [nonBlank(nameId.value), nameId.format, nameId.nameQualifier ?? null, nameId.spNameQualifier ?? null] : null,
    ),
    SessionIndex: JSON.stringify(sessionIndex ?? null),
    attributes: JSON.stringify(
      [...attributes].map(([name, values]) => [name, nonEmpty(values.map((value) => (value === undefined ? null : nonBlank(value))))]),
    ),
  };
}

const nonEmpty = (values: readonly (string | null)[]): (string | null)[] => values.filter((value) => value !== '');

/** xml2js reads a text of only white space as empty. */
const nonBlank = (text: string): string => (text.trim() === '' ? '' : text);

/** An element in the format of xml2js: attributes in `$`, text in `_`, children by name. An element with only text is a string. */
interface ParsedElement {
  readonly $?: Readonly<Record<string, string>>;
  readonly _?: string;
  readonly [child: string]: unknown;
}

function elementOf(value: unknown): ParsedElement | undefined {
  if (typeof value === 'string') return { _: value };
  return typeof value === 'object' && value !== null ? (value as ParsedElement) : undefined;
}

function childrenOf(parent: ParsedElement, name: string): ParsedElement[] {
  const found = Object.hasOwn(parent, name) ? parent[name] : undefined;
  return Array.isArray(found) ? found.map(elementOf).filter((element) => element !== undefined) : [];
}

const textIn = (element: ParsedElement): string => nonBlank(element._ ?? '');

function readingOfParsed(assertion: ParsedElement): Reading {
  const subjects = childrenOf(assertion, 'Subject');
  const isEncrypted = subjects.some((subject) => childrenOf(subject, 'EncryptedID').length > 0);
  const nameIds = subjects.flatMap((subject) => childrenOf(subject, 'NameID'));
  const [sessionIndex] = childrenOf(assertion, 'AuthnStatement').flatMap((statement) => statement.$?.SessionIndex ?? []);
  return {
    'assertion ID': assertion.$?.ID ?? '',
    issuer: trimXmlSpace(childrenOf(assertion, 'Issuer').map(textIn).join(' ')),
    NameID: isEncrypted ? undefined : JSON.stringify(nameIds.map(nameIdIn)[0] ?? null),
    SessionIndex: JSON.stringify(sessionIndex ?? null),
    attributes: JSON.stringify([...attributesIn(assertion)]),
  };
}

const nameIdIn = (nameId: ParsedElement): (string | null)[] => [
  textIn(nameId),
  nameId.$?.Format ?? NAME_ID_UNSPECIFIED,
  nameId.$?.NameQualifier ?? null,
  nameId.$?.SPNameQualifier ?? null,
];

/** Reads the parsed assertion instead of node-saml's own profile, which keeps only the last of several attributes of one name. */
function attributesIn(assertion: ParsedElement): Map<string, (string | null)[]> {
  const attributes = new Map<string, (string | null)[]>();
  for (const attribute of childrenOf(assertion, 'AttributeStatement').flatMap((statement) => childrenOf(statement, 'Attribute'))) {
    const name = attribute.$?.Name ?? '';
    const values = childrenOf(attribute, 'AttributeValue').map((value) => (hasChildren(value) ? null : textIn(value)));
    attributes.set(name, [...(attributes.get(name) ?? []), ...nonEmpty(values)]);
  }
  return attributes;
}

const hasChildren = (element: ParsedElement): boolean => Object.keys(element).some((key) => key !== '$' && key !== '_');
