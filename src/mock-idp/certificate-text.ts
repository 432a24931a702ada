/** How certificates stand in SAML messages and metadata. */
import { X509Certificate } from 'node:crypto';
import { type Markup, text } from './xml-writer.ts';

/** Base64 in lines of some length (one line where it is undefined), without a line break at the end. */
export function base64Lines(base64: string, lineLength: number | undefined): string {
  if (lineLength === undefined) return base64;
  return (base64.match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []).join('\n');
}

/** The content of an `X509Certificate` element: base64 of the DER. */
export function certificateBody(certificatePem: string, lineLength: number | undefined): Markup {
  return text(base64Lines(new X509Certificate(certificatePem).raw.toString('base64'), lineLength));
}

/** The content of an `X509SubjectName` element, most specific part first. @see RFC 4514 */
export function subjectName(certificatePem: string): Markup {
  return text(new X509Certificate(certificatePem).subject.split('\n').toReversed().join(','));
}

/** When the certificate ends, as metadata writes it. */
export function certificateEnd(certificatePem: string): string {
  return new Date(new X509Certificate(certificatePem).validTo).toISOString();
}
