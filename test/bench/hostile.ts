/**
 * `npm run bench:hostile`: how long one hostile request blocks the event loop, from its body to the rejection. Each is processed
 * many times after a warm-up. Measures the CPU time of the thread, which excludes other load on the machine but includes garbage
 * collection and compilation on the thread.
 */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { GatewayError } from '../../src/errors.ts';
import { readMessageForm } from '../../src/http/saml/message-form.ts';
import { readRedirect } from '../../src/saml/messages/bindings.ts';
import { acceptLogoutRequest } from '../../src/saml/messages/logout.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { acceptResponse } from '../../src/saml/response/response.ts';
import type { ResponseSettings } from '../../src/saml/response/response-settings.ts';
import { ACS_URL, ENTITY_ID, IDP, NOW_MS } from '../saml/fixture-cases/hand-made.ts';
import { hostileMessages, hostileQueries } from './hostile-messages.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 15);
const WARM_UP = 5;
const LIMIT_MS = 20;

const make = (commonName: string, rsaBits: 2048 | 3072) => createSelfSignedCertificate({ commonName, days: 1, nowMs: Date.now(), rsaBits });
const [idp, ours, former] = await Promise.all([make('idp', 2048), make('sp', 3072), make('sp before', 3072)]);
const { publicKey: key, fingerprint256: fingerprint } = new X509Certificate(idp.certificatePem);
const settings: ResponseSettings = {
  entityId: ENTITY_ID,
  acsUrl: ACS_URL,
  idpEntityId: IDP,
  keys: [{ key, fingerprint, notAfterMs: NOW_MS + 1e9 }],
  decryptionKeys: [createPrivateKey(ours.privateKeyPem), createPrivateKey(former.privateKeyPem)],
  requireSignedAssertion: false,
  requireSignedResponse: false,
  requireEncryptedAssertion: false,
  clockSkewSeconds: 180,
  authnContext: [],
};

interface Measured {
  readonly name: string;
  readonly octets: number;
  readonly medianMs: number;
  readonly longestMs: number;
  readonly verdict: string;
}

function measure(name: string, octets: number, read: () => unknown): Measured {
  const times: number[] = [];
  let verdict = 'accepted';
  for (let i = 0; i < WARM_UP + ROUNDS; i++) {
    const before = process.threadCpuUsage();
    try {
      read();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      verdict = `${error.code}${process.env.WHY === undefined ? '' : ` ${error.facts.detail ?? ''}`}`;
    }
    const { user, system } = process.threadCpuUsage(before);
    if (i >= WARM_UP) times.push((user + system) / 1000);
  }
  times.sort((a, b) => a - b);
  return { name, octets, medianMs: times[times.length >> 1] ?? 0, longestMs: times.at(-1) ?? 0, verdict };
}

const accept = (body: Buffer) => acceptResponse(readMessageForm(body, ['SAMLResponse']).unverifiedXml, settings, NOW_MS);
const hear = (query: string) => acceptLogoutRequest(readRedirect(query), { ...settings, sloUrl: ACS_URL }, NOW_MS);

const measured = [
  ...hostileMessages({ idp: createPrivateKey(idp.privateKeyPem), ours: createPublicKey(ours.certificatePem) }).map(({ name, body }) =>
    measure(name, body.length, () => accept(body)),
  ),
  ...hostileQueries().map(({ name, query }) => measure(name, query.length, () => hear(query))),
].sort((a, b) => b.medianMs - a.medianMs);

console.log('median ms  longest ms  octets of the body');
for (const { name, octets, medianMs, longestMs, verdict } of measured) {
  const mark = medianMs > LIMIT_MS ? '!' : ' ';
  console.log(
    `${mark}${medianMs.toFixed(2).padStart(8)}  ${longestMs.toFixed(2).padStart(10)}  ${String(octets).padStart(7)}  ${name}: ${verdict}`,
  );
}
const over = measured.filter(({ medianMs }) => medianMs > LIMIT_MS).length;
console.log(
  over === 0
    ? `None of ${measured.length} holds the event loop for more than ${LIMIT_MS} ms.`
    : `${over} of ${measured.length} hold the event loop for more than ${LIMIT_MS} ms.`,
);
