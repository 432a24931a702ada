/** The parties of the encryption tests, and hand-written messages between them. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { GatewayError } from '../../src/errors.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import type { VerifiedAssertion } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { encrypt, type HandEncryption } from './encrypting.ts';
import { ACS_URL, ENTITY_ID, type HandSigning, IDP, message, NOW_MS, type Parts, sign } from './fixture-cases/hand-made.ts';
import type { Keys } from './fixture-cases/keys.ts';

export interface Party extends KeyAndCertificate {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Parties {
  readonly idp: Party;
  /** Our current key and the former one. */
  readonly ours: Party;
  readonly former: Party;
  /** The key of another organization. */
  readonly stranger: Party;
}

export async function makeParties(): Promise<Parties> {
  const make = async (commonName: string, rsaBits: 2048 | 3072): Promise<Party> => {
    const pem = await createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits });
    return { ...pem, privateKey: createPrivateKey(pem.privateKeyPem), publicKey: createPublicKey(pem.certificatePem) };
  };
  const [idp, ours, former, stranger] = await Promise.all([
    make('idp', 2048),
    make('sp', 3072),
    make('sp before', 2048),
    make('other sp', 3072),
  ]);
  return { idp, ours, former, stranger };
}

/** Returns parties with the keys of the fixtures. */
export function partiesOf({ rsa, own, second, rogue }: Keys): Parties {
  const [idp, ours, former, stranger] = [rsa, own, second, rogue].map(({ key, ...pem }) => ({
    ...pem,
    privateKey: key,
    publicKey: createPublicKey(pem.certificatePem),
  })) as [Party, Party, Party, Party];
  return { idp, ours, former, stranger };
}

export function settingsOf({ idp, ours }: Parties, changes: Partial<ResponseSettings> = {}): ResponseSettings {
  const { publicKey, fingerprint256, validTo } = new X509Certificate(idp.certificatePem);
  return {
    entityId: ENTITY_ID,
    acsUrl: ACS_URL,
    idpEntityId: IDP,
    keys: [{ key: publicKey, fingerprint: fingerprint256, notAfterMs: Date.parse(validTo) }],
    decryptionKeys: [ours.privateKey],
    requireSignedAssertion: false,
    requireSignedResponse: false,
    requireEncryptedAssertion: true,
    clockSkewSeconds: 180,
    authnContext: [],
    ...changes,
  };
}

type Accept = (xml: string, settings: ResponseSettings, nowMs: number) => VerifiedAssertion;

/** @param accept the test's own import of acceptResponse, which may be mocked */
export function refusalOf(accept: Accept, xml: string, settings: ResponseSettings): GatewayError {
  try {
    accept(xml, settings, NOW_MS);
  } catch (error) {
    if (error instanceof Error && error.name === 'GatewayError') return error as GatewayError;
    throw error;
  }
  throw new Error('The response was accepted.');
}

/** Returns the text of the assertion. It has no namespace declarations of its own. */
export const assertionIn = (xml: string): string => /<saml:Assertion .*<\/saml:Assertion>/s.exec(xml)?.[0] ?? '';

export const signedAssertion = ({ idp }: Parties, parts: Partial<Parts> = {}, changes: Partial<HandSigning> = {}): string =>
  assertionIn(sign(message(parts), idp.privateKey, changes));

/** Returns a response with this content in an EncryptedAssertion. */
export const wrapped = (content: string, parts: Partial<Parts> = {}): string =>
  message({ ...parts, assertion: `<saml:EncryptedAssertion>${content}</saml:EncryptedAssertion>` });

/** Returns a response with this plaintext encrypted for us. */
export const encrypted = ({ ours }: Parties, plaintext: string | Buffer, changes?: Partial<HandEncryption>): string =>
  wrapped(encrypt(plaintext, ours.publicKey, changes));

export const signedResponse = ({ idp }: Parties, xml: string): string => sign(xml, idp.privateKey, { id: '_response1' });
