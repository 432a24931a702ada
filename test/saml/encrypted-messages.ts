/** Who sends and who reads in the tests of encryption, and messages between them, made by hand. */
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
  /** Our key in use and the one of before. */
  readonly ours: Party;
  readonly former: Party;
  /** The key of another organization. */
  readonly stranger: Party;
}

export async function makeParties(): Promise<Parties> {
  const make = async (commonName: string, rsaBits: 2048 | 3072): Promise<Party> => {
    const made = await createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits });
    return { ...made, privateKey: createPrivateKey(made.privateKeyPem), publicKey: createPublicKey(made.certificatePem) };
  };
  const [idp, ours, former, stranger] = await Promise.all([
    make('idp', 2048),
    make('sp', 3072),
    make('sp before', 2048),
    make('other sp', 3072),
  ]);
  return { idp, ours, former, stranger };
}

/** The same from the keys of the fixtures. */
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

/** @param accept acceptResponse, as the test has imported it */
export function refusalOf(accept: Accept, xml: string, settings: ResponseSettings): GatewayError {
  try {
    accept(xml, settings, NOW_MS);
  } catch (error) {
    if (error instanceof Error && error.name === 'GatewayError') return error as GatewayError;
    throw error;
  }
  throw new Error('It was accepted.');
}

/** The assertion as it stands in a response; it has no namespace declaration of its own. */
export const assertionIn = (xml: string): string => /<saml:Assertion .*<\/saml:Assertion>/s.exec(xml)?.[0] ?? '';

export const signedAssertion = ({ idp }: Parties, parts: Partial<Parts> = {}, bent: Partial<HandSigning> = {}): string =>
  assertionIn(sign(message(parts), idp.privateKey, bent));

/** A response with this in the EncryptedAssertion. */
export const wrapped = (content: string, parts: Partial<Parts> = {}): string =>
  message({ ...parts, assertion: `<saml:EncryptedAssertion>${content}</saml:EncryptedAssertion>` });

/** A response with this encrypted for us. */
export const encrypted = ({ ours }: Parties, plaintext: string | Buffer, bent?: Partial<HandEncryption>): string =>
  wrapped(encrypt(plaintext, ours.publicKey, bent));

export const signedResponse = ({ idp }: Parties, xml: string): string => sign(xml, idp.privateKey, { id: '_response1' });
