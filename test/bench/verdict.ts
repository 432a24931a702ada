/**
 * `node test/bench/verdict.ts`: the CPU time of the steps that judge one SAML response, in µs per call. A step that does not
 * take the simplest way is followed by the simpler way. Two shapes, as in `npm run bench:acs`: 50 groups and two signatures
 * with their certificates (9 KB), and 2 groups and one signature (3 KB). ROUNDS and CALLS change how long it takes.
 */
import { DOMParser } from '@xmldom/xmldom';
import { ExclusiveCanonicalization } from 'xml-crypto';
import { publicKeyOf } from '../../src/saml/metadata/certificates.ts';
import { acceptResponse } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { readCanonicalXml } from '../../src/saml/xml/canonical-reader.ts';
import { canonicalize } from '../../src/saml/xml/canonical-xml.ts';
import { parseXml } from '../../src/saml/xml/xml.ts';
import { ACS_URL, attribute, ENTITY_ID, IDP, keyInfoOf, message, NOW_MS, sign } from '../saml/fixture-cases/hand-made.ts';
import { type FixtureKey, makeKeys } from '../saml/fixture-cases/keys.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 9);
const CALLS = Number(process.env.CALLS ?? 1000);

const { rsa } = await makeKeys();

function signedResponse(groups: number, { key, certificatePem }: FixtureKey, signatures: readonly string[]): string {
  const names = Array.from({ length: groups }, (_, i) => `team-${String(i).padStart(2, '0')}`);
  const xml = message({
    attributes: attribute('email', 'olivia@acme.test') + attribute('displayName', 'Olivia') + attribute('groups', ...names),
  });
  const keyInfo = signatures.length > 1 ? keyInfoOf(certificatePem.replace(/-----[A-Z ]+-----|\s/g, '')) : '';
  return signatures.reduce((signed, id) => sign(signed, key, { id, keyInfo }), xml);
}

/** Parses and canonicalizes with the libraries behind @node-saml/node-saml. */
function canonicalizeWithXmlCrypto(xml: string): string {
  const { documentElement } = new DOMParser().parseFromString(xml, 'text/xml');
  return String(new ExclusiveCanonicalization().process(documentElement as unknown as Element, {}));
}

/** The median of the rounds. */
function microsecondsPerCall(step: () => unknown): number {
  const rounds = Array.from({ length: ROUNDS + 2 }, () => {
    const before = process.threadCpuUsage();
    for (let call = 0; call < CALLS; call++) step();
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / CALLS;
  });
  const warm = rounds.slice(2).sort((a, b) => a - b);
  return warm[warm.length >> 1] ?? 0;
}

const settings: ResponseSettings = {
  entityId: ENTITY_ID,
  acsUrl: ACS_URL,
  idpEntityId: IDP,
  keys: [{ key: publicKeyOf(rsa.certificatePem), fingerprint: '', notAfterMs: NOW_MS + 1e9 }],
  decryptionKeys: [],
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  clockSkewSeconds: 180,
  authnContext: [],
};

const large = signedResponse(50, rsa, ['_assertion1', '_response1']);
const small = signedResponse(2, rsa, ['_assertion1']);

for (const xml of [large, small]) {
  const tree = parseXml(xml);
  const canonical = canonicalize(tree);
  const steps: Readonly<Record<string, () => unknown>> = {
    'acceptResponse(): the whole verdict': () => acceptResponse(xml, settings, NOW_MS),
    'parseXml(): the unverified response': () => parseXml(xml),
    'canonicalize()': () => canonicalize(tree),
    'xmldom and xml-crypto: parse and canonicalize': () => canonicalizeWithXmlCrypto(xml),
    'readCanonicalXml(): the signed octets': () => readCanonicalXml(canonical),
    'parseXml(): the signed octets, for comparison': () => parseXml(canonical),
    'publicKeyOf(): a certificate’s key': () => publicKeyOf(rsa.certificatePem),
  };
  console.log(`${xml.length} characters`);
  for (const [name, step] of Object.entries(steps)) console.log(`  ${name.padEnd(48)}${microsecondsPerCall(step).toFixed(1).padStart(7)}`);
}
