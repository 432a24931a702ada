/** Signs XML with xml-crypto, with an enveloped signature and exclusive C14N in the XML style of the imitated product. */
import { createHash, createHmac, sign } from 'node:crypto';
import { ExclusiveCanonicalization, SignedXml } from 'xml-crypto';
import type { KeyAndCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { ENVELOPED_SIGNATURE, EXCLUSIVE_C14N, XMLDSIG } from '../saml/names.ts';
import { base64Lines, certificateBody, subjectName } from './certificate-text.ts';

const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';
export const RSA_SHA256 = `${MORE}rsa-sha256`;
export const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';

interface Algorithm {
  readonly family: 'rsa' | 'ecdsa' | 'hmac';
  readonly hash: string;
}

/** Includes weak algorithms, because fixtures must show that the gateway rejects them. */
const SIGNATURES: ReadonlyMap<string, Algorithm> = new Map([
  [`${XMLDSIG}rsa-sha1`, { family: 'rsa', hash: 'sha1' }],
  [`${XMLDSIG}hmac-sha1`, { family: 'hmac', hash: 'sha1' }],
  [`${MORE}hmac-sha256`, { family: 'hmac', hash: 'sha256' }],
  [RSA_SHA256, { family: 'rsa', hash: 'sha256' }],
  [`${MORE}rsa-sha384`, { family: 'rsa', hash: 'sha384' }],
  [`${MORE}rsa-sha512`, { family: 'rsa', hash: 'sha512' }],
  [`${MORE}ecdsa-sha256`, { family: 'ecdsa', hash: 'sha256' }],
  [`${MORE}ecdsa-sha384`, { family: 'ecdsa', hash: 'sha384' }],
  [`${MORE}ecdsa-sha512`, { family: 'ecdsa', hash: 'sha512' }],
]);

const DIGESTS: ReadonlyMap<string, string> = new Map([
  [`${XMLDSIG}sha1`, 'sha1'],
  [SHA256, 'sha256'],
  [`${MORE}sha384`, 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
]);

/** How a product writes its signatures. */
export interface SignatureSpelling {
  /** `ds`, or empty if the signature's namespace is the default one. */
  readonly prefix: 'ds' | '';
  /** Prefixes that the digest treats as inclusive C14N would (`InclusiveNamespaces`, Okta: `xs`). */
  readonly inclusivePrefixes: readonly string[];
  /** Length of base64 lines; undefined for one line. */
  readonly signatureLineLength: number | undefined;
  readonly certificateLineLength: number | undefined;
  /** Whether the KeyInfo also contains the subject of the certificate (Google). */
  readonly subjectName: boolean;
}

export interface SignOptions {
  readonly key: KeyAndCertificate;
  /** Algorithm identifiers (URIs). */
  readonly signatureAlgorithm: string;
  readonly digestAlgorithm: string;
  /** Whether the signature contains the certificate in a KeyInfo. */
  readonly keyInfo: boolean;
  readonly spelling: SignatureSpelling;
  /** XPath of the element to sign. The signature refers to its `ID`. */
  readonly elementPath: string;
  /** XPath of the child after which the signature is inserted. Default: the signature becomes the first child. */
  readonly afterPath?: string | undefined;
}

/**
 * Inserts an enveloped signature of one element into a document.
 * @throws Error for an unknown algorithm or a missing element
 * @see saml-core §5.4
 */
export function signElement(xml: string, options: SignOptions): string {
  const signed = new SignedXml({
    privateKey: options.key.privateKeyPem,
    signatureAlgorithm: options.signatureAlgorithm,
    canonicalizationAlgorithm: EXCLUSIVE_C14N,
    getKeyInfoContent: () => (options.keyInfo ? keyInfoContent(options.key.certificatePem, options.spelling) : null),
  });
  signed.SignatureAlgorithms = { [options.signatureAlgorithm]: signatureClass(options) };
  signed.HashAlgorithms = { [options.digestAlgorithm]: digestClass(options.digestAlgorithm) };
  if (options.spelling.inclusivePrefixes.length > 0) {
    signed.CanonicalizationAlgorithms[EXCLUSIVE_C14N] = inclusivePrefixesClass(options.spelling.inclusivePrefixes);
  }
  signed.addReference({
    xpath: options.elementPath,
    transforms: [ENVELOPED_SIGNATURE, EXCLUSIVE_C14N],
    digestAlgorithm: options.digestAlgorithm,
  });
  signed.computeSignature(xml, {
    ...(options.spelling.prefix === '' ? {} : { prefix: options.spelling.prefix }),
    location:
      options.afterPath === undefined
        ? { reference: options.elementPath, action: 'prepend' }
        : { reference: options.afterPath, action: 'after' },
  });
  return signed.getSignedXml();
}

function keyInfoContent(certificatePem: string, spelling: SignatureSpelling): string {
  const prefix = spelling.prefix === '' ? '' : `${spelling.prefix}:`;
  const subject = spelling.subjectName ? `<${prefix}X509SubjectName>${subjectName(certificatePem)}</${prefix}X509SubjectName>` : '';
  const certificate = certificateBody(certificatePem, spelling.certificateLineLength);
  return `<${prefix}X509Data>${subject}<${prefix}X509Certificate>${certificate}</${prefix}X509Certificate></${prefix}X509Data>`;
}

// xml-crypto expects algorithms as classes and has neither ECDSA nor SHA-384.

function signatureClass({ signatureAlgorithm, spelling }: SignOptions) {
  const algorithm = SIGNATURES.get(signatureAlgorithm);
  if (algorithm === undefined) throw new Error(`The mock identity provider can’t sign with ${signatureAlgorithm}.`);
  return class {
    getSignature(octets: unknown, key: unknown): string {
      const signature = signatureOctets(algorithm, Buffer.from(String(octets)), String(key));
      return base64Lines(signature.toString('base64'), spelling.signatureLineLength);
    }
    verifySignature(): boolean {
      return false;
    }
    getAlgorithmName(): string {
      return signatureAlgorithm;
    }
  };
}

/** `key` is a private key in PEM. For HMAC it is used as the secret, as in attacks that sign with the public certificate. */
function signatureOctets({ family, hash }: Algorithm, octets: Buffer, key: string): Buffer {
  if (family === 'hmac') return createHmac(hash, key).update(octets).digest();
  return family === 'rsa' ? sign(hash, octets, key) : sign(hash, octets, { key, dsaEncoding: 'ieee-p1363' });
}

function digestClass(digestAlgorithm: string) {
  const hash = DIGESTS.get(digestAlgorithm);
  if (hash === undefined) throw new Error(`The mock identity provider can’t digest with ${digestAlgorithm}.`);
  return class {
    getHash(octets: string): string {
      return createHash(hash).update(octets).digest('base64');
    }
    getAlgorithmName(): string {
      return digestAlgorithm;
    }
  };
}

type DomElement = Parameters<ExclusiveCanonicalization['process']>[0];
type Options = Parameters<ExclusiveCanonicalization['process']>[1];

/**
 * Exclusive C14N with `InclusiveNamespaces` in the only transform that allows it. xml-crypto itself would also write the prefix list
 * into the enveloped-signature transform, which no product does and a strict verifier rejects.
 */
function inclusivePrefixesClass(prefixes: readonly string[]) {
  return class extends ExclusiveCanonicalization {
    override process(element: DomElement, options: Options): string {
      if (element.localName !== 'SignedInfo') {
        return super.process(element, { ...options, inclusiveNamespacesPrefixList: [...prefixes] });
      }
      // In the copy that is signed and in the document that is sent.
      declarePrefixes(element, prefixes);
      declarePrefixes(options.signatureNode as DomElement, prefixes);
      return super.process(element, options);
    }
  };
}

function declarePrefixes(element: DomElement, prefixes: readonly string[]): void {
  for (const transform of Array.from(element.getElementsByTagNameNS(XMLDSIG, 'Transform'))) {
    if (transform.getAttribute('Algorithm') !== EXCLUSIVE_C14N) continue;
    const list = transform.ownerDocument.createElementNS(EXCLUSIVE_C14N, 'ec:InclusiveNamespaces');
    list.setAttribute('PrefixList', prefixes.join(' '));
    transform.appendChild(list);
  }
}
