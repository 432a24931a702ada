/** Formats certificates for SAML messages and metadata. */
import { X509Certificate } from 'node:crypto';
import { type Markup, text } from './xml-writer.ts';

/** Breaks base64 into lines of `lineLength` characters, without a line break at the end. Undefined keeps one line. */
export function base64Lines(base64: string, lineLength: number | undefined): string {
  if (lineLength === undefined) return base64;
  return (base64.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []).join('\n');
}

/** Returns the content of an `X509Certificate` element, which is the base64-encoded DER. */
export function certificateBody(certificatePem: string, lineLength: number | undefined): Markup {
  return text(base64Lines(new X509Certificate(certificatePem).raw.toString('base64'), lineLength));
}

/** Returns the content of an `X509SubjectName` element, most specific part first. @see RFC 4514 */
export function subjectName(certificatePem: string): Markup {
  return text(new X509Certificate(certificatePem).subject.split('\n').toReversed().join(','));
}

/** Returns the expiry of a certificate as an xs:dateTime. */
export function certificateEnd(certificatePem: string): string {
  return new Date(new X509Certificate(certificatePem).validTo).toISOString();
}
