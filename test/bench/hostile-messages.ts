/**
 * The most expensive requests of up to 256 KiB that an attacker without a key of the identity provider can send. Each is built to
 * give one step of the processing as much work as possible, and has the form of a request body.
 */
import { createHash, type KeyObject, randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { type CipherName, encrypt, encryptedKey } from '../saml/encrypting.ts';
import {
  ACS_URL,
  ASSERTION,
  attribute,
  DSIG,
  ENVELOPED,
  EXC,
  message,
  type Parts,
  PROTOCOL,
  RSA_SHA256,
  SHA256,
  sign,
} from '../saml/fixture-cases/hand-made.ts';

export interface Senders {
  /** The key of the identity provider. An attacker can put an assertion that was signed for them into an unsigned response. */
  readonly idp: KeyObject;
  /** The gateway's public encryption key. */
  readonly ours: KeyObject;
}

export interface HostileMessage {
  readonly name: string;
  /** The body of the form. */
  readonly body: Buffer;
}

const MAX_OCTETS = 256 * 1024;

/** Repeats a text up to a length. */
const filled = (unit: string | ((i: number) => string), octets: number): string => {
  const parts: string[] = [];
  for (let i = 0, size = 0; ; i++) {
    const part = typeof unit === 'string' ? unit : unit(i);
    size += Buffer.byteLength(part);
    if (size > octets) return parts.join('');
    parts.push(part);
  }
};

const form = (xml: string | Buffer): Buffer =>
  Buffer.from(new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') }).toString());

/** A well-formed signature with a wrong digest and value, which is checked completely. */
const signature = (id: string, prefixes = ''): string => {
  const list = prefixes === '' ? '' : `<ec:InclusiveNamespaces xmlns:ec="${EXC}" PrefixList="${prefixes}"/>`;
  const digest = createHash('sha256').digest('base64');
  return `<ds:Signature xmlns:ds="${DSIG}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="${EXC}"/><ds:SignatureMethod Algorithm="${RSA_SHA256}"/><ds:Reference URI="#${id}"><ds:Transforms><ds:Transform Algorithm="${ENVELOPED}"/><ds:Transform Algorithm="${EXC}">${list}</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="${SHA256}"/><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>${Buffer.alloc(256, 1).toString('base64')}</ds:SignatureValue></ds:Signature>`;
};

const PREFIXES = Array.from({ length: 30 }, (_, i) => `n${i}`).join(' ');
/** Slightly below the limits of the parser. */
const ELEMENTS = 7_900;
const ATTRIBUTES = 15_900;

const EMPTY = Buffer.byteLength(message());
const ROOM = MAX_OCTETS - EMPTY - 4096;

/** The content is canonicalized, because a signature of the response covers it. */
const signedAround = (content: string, parts: Partial<Parts> = {}, prefixes = ''): string =>
  message({ extensions: `${signature('_response1', prefixes)}<samlp:Extensions>${content}</samlp:Extensions>`, ...parts });

const namespaces = (count: number, length: number): string =>
  Array.from({ length: count }, (_, i) => ` xmlns:n${i}="urn:${'x'.repeat(Math.max(0, length - 8))}${String(i).padStart(4, '0')}"`).join(
    '',
  );

/** An unsigned response around an assertion that the identity provider signed, which passes through all checks. */
const aroundSigned = (signed: string, content: string): string =>
  signed.replace('<samlp:Status>', () => `<samlp:Extensions>${content}</samlp:Extensions><samlp:Status>`);

const shallow = (depth: number, content: string): string => '<x>'.repeat(depth) + content + '</x>'.repeat(depth);

export function hostileMessages(senders: Senders): HostileMessage[] {
  const { ours } = senders;
  const inside: [string, string][] = [
    ['as many elements as may be', '<x/>'.repeat(ELEMENTS)],
    ['as many elements as may be, deep', filled(shallow(40, ''), ELEMENTS * 7)],
    ['elements over the limit', filled('<x/>', ROOM)],
    ['as many attributes as may be', Array.from({ length: ATTRIBUTES / 4 }, (_, i) => `<x g="${i}" f="e" d="c" b="a"/>`).join('')],
    [
      'as many attributes as may be, many on each',
      filled(`<x${Array.from({ length: 64 }, (_, i) => ` a${99 - i}=""`).join('')}/>`, (ATTRIBUTES / 64) * 454),
    ],
    [
      'as many attributes as may be, with long names',
      filled(`<x${Array.from({ length: 60 }, (_, i) => ` ${'n'.repeat(100)}${60 - i}=""`).join('')}/>`, ROOM),
    ],
    ['attributes over the limit on an element', `<x${filled((i) => ` a${i}=""`, ROOM)}/>`],
    ['attributes over the limit on an element, in single quotes with all between', `<x${filled((i) => ` a${i} = '>'`, ROOM)}/>`],
    [
      'attributes that nearly are too many on each element',
      filled(`<x${Array.from({ length: 95 }, (_, i) => ` a${i}=""`).join('')}/>`, ROOM),
    ],
    ['namespaces over the limit on an element', `<x${filled((i) => ` xmlns:n${i}="urn:${i}"`, ROOM)}/>`],
    ['as many declarations as may be', filled((i) => `<x${namespaces(30, 10 + (i % 3))}/>`, Math.min(ROOM, (ATTRIBUTES / 30) * 700))],
    ['a namespace over the limit', `<x xmlns:n="urn:${'x'.repeat(ROOM - 90_000)}">${filled('<n:x/>', 60_000)}</x>`],
    ['a long namespace on as many elements as may be', `<x xmlns:n="urn:${'x'.repeat(250)}">${'<n:x/>'.repeat(ELEMENTS)}</x>`],
    ['attributes in two long namespaces', `<x${namespaces(2, 256)}>${'<x n1:a="" n0:b=""/>'.repeat(1900)}</x>`],
    [
      'attributes in thirty long namespaces',
      `<x${namespaces(30, 256)}>${`<x${Array.from({ length: 30 }, (_, i) => ` n${29 - i}:a=""`).join('')}/>`.repeat(125)}</x>`,
    ],
    ['one long text', 'x'.repeat(ROOM)],
    ['characters to escape in text', '>'.repeat(ROOM)],
    ['characters to escape in an attribute', `<x a='${'"'.repeat(ROOM)}'/>`],
    ['character references', filled('&#x41;', ROOM)],
    ['references to carriage returns', filled('&#13;', ROOM)],
    ['predefined entities', filled('&amp;', ROOM)],
    ['text beyond ASCII', filled('ü', ROOM)],
    ['text beyond the basic plane', filled('😀', ROOM)],
    ['line breaks', filled('\r\n', ROOM)],
    ['brackets', filled(']] ', ROOM)],
    ['comments', filled('a<!---->', ROOM)],
    ['CDATA sections', filled('<![CDATA[a]]>', ROOM)],
    ['as many IDs as may be', filled((i) => `<x ID="_${i}"/>`, ELEMENTS * 14)],
    ['one long ID', `<x ID="${'a'.repeat(ROOM)}"/>`],
    ['signatures', filled(signature('_response1'), ROOM)],
  ];
  const signed = sign(message(), senders.idp);
  const [assertion = ''] = /<saml:Assertion .*<\/saml:Assertion>/s.exec(signed) ?? [];
  const messages: [string, string | Buffer][] = [
    ...inside.map(([name, content]): [string, string] => [`${name}, under a signature that is no good`, signedAround(content)]),
    ...inside.map(([name, content]): [string, string] => [`${name}, around a good assertion`, aroundSigned(signed, content)]),
    [
      'a PrefixList of 30 over as many elements as may be',
      signedAround(
        '<x/>'.repeat(ELEMENTS),
        { responseNamespaces: `xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}"${namespaces(30, 256)}` },
        PREFIXES,
      ),
    ],
    [
      'a PrefixList of 30 that are declared on as many elements as may be',
      signedAround(filled(`<x${namespaces(30, 16)}>${'<x/>'.repeat(20)}</x>`, (ATTRIBUTES / 30) * 900), {}, PREFIXES),
    ],
    [
      'a PrefixList that is huge',
      signedAround(
        '',
        {},
        filled((i) => `n${i} `, ROOM),
      ),
    ],
    [
      '6,000 groups, unsigned',
      message({
        attributes: attribute('groups', ...Array.from({ length: 6_000 }, () => 'g')),
      }),
    ],
    [
      'a long StatusMessage',
      message({
        status: `<samlp:Status><samlp:StatusCode Value="x"/><samlp:StatusMessage>${'\u200b'.repeat(ROOM / 3)}</samlp:StatusMessage></samlp:Status>`,
        assertion: '',
      }),
    ],
    ['a long Issuer', message({ responseIssuer: `<saml:Issuer>${'x'.repeat(ROOM)}</saml:Issuer>` })],
    [
      'a long SignatureValue',
      message({
        extensions: signature('_response1').replace(
          /(<ds:SignatureValue>)[^<]+/,
          `$1${Buffer.alloc(ROOM / 2)
            .toString('base64')
            .replace(/.{4}/g, '$&\n')}`,
        ),
      }),
    ],
    [
      'a long DigestValue',
      message({ extensions: signature('_response1').replace(/(<ds:DigestValue>)[^<]+/, `$1${'A'.repeat(ROOM - (ROOM % 4))}`) }),
    ],
    ['white space in a signature', message({ extensions: signature('_response1').replaceAll('><', `>${' '.repeat(ROOM / 20)}<`) })],
    ['too deep', shallow(20_000, '')],
    ['an end tag that never comes', `<x>${'<y>'.repeat(40)}${'a'.repeat(ROOM)}`],
    ['an attribute that never ends', `<x a="${'a'.repeat(ROOM)}`],
    ['a name that never ends', `<${'a'.repeat(ROOM)}`],
    ['DOCTYPE-like text', filled('<!DOCTYP', ROOM)],
    ['base64 of noise', createHash('sha256').digest().toString('hex').repeat(2000)],
    ['no UTF-8 at its end', Buffer.concat([Buffer.from(message({ advice: 'x'.repeat(ROOM) })), Buffer.of(0xff)])],
    ['encrypted by CBC, large', encryptedAssertion(ours, `<a>${filled('<b c="d">e</b>', ROOM * 0.7)}</a>`, 'aes256-cbc')],
    ['encrypted by CBC, four keys', encryptedAssertion(ours, assertion, 'aes128-cbc', 4)],
    ['encrypted by CBC, noise', encryptedAssertion(ours, Buffer.alloc(ROOM * 0.7, 0xc1), 'aes256-cbc')],
    ['encrypted by GCM, large', encryptedAssertion(ours, `<a>${filled('<b c="d">e</b>', ROOM * 0.7)}</a>`, 'aes256-gcm')],
    ['encrypted by GCM, four keys', encryptedAssertion(ours, assertion, 'aes128-gcm', 4)],
    ['many EncryptedKeys', encryptedAssertion(ours, assertion, 'aes128-gcm', 150)],
  ];
  return [
    ...messages.map(([name, xml]) => ({ name, body: form(xml) })),
    { name: 'a form of many fields', body: Buffer.from(filled('a=&', 600_000)) },
    { name: 'a form of ampersands', body: Buffer.alloc(600_000, '&') },
    { name: 'a form with percent-encoding throughout', body: Buffer.from(`SAMLResponse=${filled('%41', 600_000)}`) },
    { name: 'base64 with white space everywhere', body: Buffer.from(`SAMLResponse=${filled('A+', 590_000)}`) },
    { name: 'base64 with an invalid last character', body: Buffer.from(`SAMLResponse=${'A'.repeat(590_000)}!`) },
  ];
}

/** @param keys how many encrypted keys; additional ones are random, and the gateway tries all its keys on each */
function encryptedAssertion(ours: KeyObject, plaintext: string | Buffer, cipher: CipherName, keys = 1): string {
  const noise = () => encryptedKey(Buffer.concat([Buffer.of(0), randomBytes(383)]));
  const content = encrypt(plaintext, ours, { cipher, ...(keys === 1 ? {} : { inside: Array.from({ length: keys }, noise).join('') }) });
  const responseAttributes = `ID="_response1" Version="2.0" Destination="${ACS_URL}"`;
  return message({ assertion: `<saml:EncryptedAssertion>${content}</saml:EncryptedAssertion>`, responseAttributes });
}

/** Queries for single logout with HTTP-Redirect. A URL has at most 16 KiB. */
export function hostileQueries(): { name: string; query: string }[] {
  const inflated: [string, string | Buffer][] = [
    ['a deflate bomb of 12 MB', Buffer.alloc(12_000_000, ' ')],
    ['a deflate bomb of 256 KiB of white space', Buffer.alloc(MAX_OCTETS, ' ')],
    ['a deflate bomb of 256 KiB of elements', `<x>${filled('<y/>', 11_900 * 4)}${filled(' ', MAX_OCTETS - 11_900 * 4 - 7)}</x>`],
    ['a deflate bomb of 256 KiB of references', `<x>${filled('&#x41;', MAX_OCTETS - 7)}</x>`],
  ];
  const queries = inflated.map(([name, content]) => ({
    name,
    query: `SAMLRequest=${encodeURIComponent(deflateRawSync(content).toString('base64'))}`,
  }));
  return [
    ...queries,
    { name: 'a query of many parameters', query: filled('a&', 16_000) },
    { name: 'a query with percent-encoding throughout', query: filled('%61', 16_000) },
  ];
}
