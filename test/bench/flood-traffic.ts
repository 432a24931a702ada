/** Traffic of strangers of every kind, at and above the rate limits. For `npm run bench:flood`, and a short test of store growth. */
import { createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { openRawStore } from '../../src/store/raw/raw-store.ts';
import { IDP } from '../saml/fixture-cases/hand-made.ts';
import { type GatewayUnderTest, makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { hostileMessages } from './hostile-messages.ts';

export interface FloodTarget {
  readonly gateway: GatewayUnderTest;
  readonly organization: TestOrganization;
  /** Bodies of hostile forms with SAML responses. */
  readonly hostile: readonly Buffer[];
}

/** Creates an organization whose identity provider is the Issuer of the hostile messages, whose key no organization trusts. */
export async function makeFloodTarget(gateway: GatewayUnderTest): Promise<FloodTarget> {
  const organization = await makeTestOrganization(gateway);
  const { certificatePem } = organization.key;
  const values = { entity_id: IDP, sso_url: 'https://idp.example/sso', certificates: [certificatePem] };
  const { status } = await gateway.api('PUT', `/organizations/${organization.slug}/identity-provider`, values);
  if (status !== 200) throw new Error(`the identity provider was refused with ${status}`);
  const metadata = await (await fetch(organization.acsUrl.replace(/acs$/, 'metadata'))).text();
  const encryption = /use="encryption".*?X509Certificate>([^<]+)</s.exec(metadata)?.[1] ?? '';
  const ours = createPublicKey(new X509Certificate(Buffer.from(encryption, 'base64')).toString());
  const { privateKey: idp } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const hostile = hostileMessages({ idp, ours }).map(({ body }) => body);
  return { gateway, organization, hostile };
}

/** Number of responses by kind and status. */
export type FloodResult = Readonly<Record<string, Readonly<Record<number, number>>>>;

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

type Send = (sent: Sent) => Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders }>;

interface Kind {
  readonly name: string;
  /** Per address, in the whole flood. */
  readonly count: number;
  readonly run: (send: Send, i: number) => Promise<number>;
}

/** How far above its limit each kind is. */
const EXCESS = 1.1;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SLOW_BODIES = 100;

function kindsOf({ organization: { slug }, hostile }: FloodTarget): Kind[] {
  const acs = `/saml/${slug}/acs`;
  const returnTo = encodeURIComponent(`/console?x=${'y'.repeat(1380)}`);
  const kind = (name: string, limit: number, make: (i: number) => Sent): Kind => ({
    name,
    count: Math.ceil(limit * EXCESS),
    run: async (send, i) => (await send(make(i))).status,
  });
  const post = (path: string, body: Buffer | string, headers: Readonly<Record<string, string>> = {}): Sent => ({
    method: 'POST',
    path,
    headers: { ...FORM, ...headers },
    body,
  });
  return [
    kind('hostile SAML responses', LIMITS.refusals_by_address.points, (i) => post(acs, hostile[i % hostile.length] ?? '')),
    {
      name: 'wrong answers to started sign-ins',
      count: Math.ceil(LIMITS.attempts_by_address.points * EXCESS),
      run: async (send) => {
        const { headers } = await send({ path: `/saml/${slug}/login?return_to=${returnTo}` });
        if (headers.location === undefined) return 0;
        const { requestId } = startedBy({ location: headers.location });
        const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
        const xml = Buffer.from(`<a InResponseTo="${requestId}"/>`).toString('base64');
        return (await send(post(acs, `SAMLResponse=${encodeURIComponent(xml)}`, { cookie }))).status;
      },
    },
    // With those that the wrong answers start.
    kind('started sign-ins', LIMITS.login_start.points - LIMITS.attempts_by_address.points, () => ({
      path: `/saml/${slug}/login?return_to=${returnTo}`,
    })),
    kind('SP metadata', LIMITS.sp_metadata.points, () => ({ path: `/saml/${slug}/metadata` })),
    kind('logout messages', LIMITS.logout.points, (i) => post(`/saml/${slug}/slo`, hostile[i % hostile.length] ?? '')),
    kind('sign-in page', LIMITS.login_page.points, () => ({ path: '/login' })),
    kind('organization look-ups', LIMITS.login_form.points, (i) => post('/login', `who=user%40${i}.example`)),
    kind('device logins', LIMITS.device_start.points, () => post('/oauth/device_authorization', 'client_id=samlgate-cli')),
    kind('wrong bearer tokens', LIMITS.wrong_tokens.points, () => ({
      path: '/api/v1/me',
      headers: { authorization: `Bearer ${randomBytes(32).toString('hex')}` },
    })),
    kind('token requests', LIMITS.token_requests.points, (i) =>
      post('/oauth/token', `grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=samlgate-cli&device_code=${i}`),
    ),
    kind('operator sign-ins', LIMITS.wrong_operator_tokens.points, (i) =>
      post('/console/operator/sign-in', `token=guess${i}`, { 'sec-fetch-site': 'same-origin' }),
    ),
    kind('unknown organizations', 300, (i) => post(`/saml/unknown-${i}/acs`, 'SAMLResponse=x')),
    kind('unknown paths', 300, (i) => ({ path: `/${i}` })),
  ];
}

export interface FloodOptions {
  readonly seconds: number;
  readonly addresses: readonly string[];
  /** The part of the traffic that is sent. Default: all of it. */
  readonly share?: number;
}

/** Sends all kinds from each address, evenly over the given time. */
export async function flood(target: FloodTarget, { seconds, addresses, share = 1 }: FloodOptions): Promise<FloodResult> {
  const result: Record<string, Record<number, number>> = {};
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const slow = openSlowBodies(target, SLOW_BODIES * share);
  const waiting: Promise<void>[] = [];
  for (const address of addresses) {
    const send = sendFrom(target.gateway.url, agent, address);
    for (const { name, count: all, run } of kindsOf(target)) {
      const statuses = result[name] ?? {};
      result[name] = statuses;
      const count = Math.ceil(all * share);
      for (let i = 0; i < count; i++) {
        waiting.push(
          later((i / count) * seconds * 1000).then(async () => {
            const status = await run(send, i).catch(() => 0);
            statuses[status] = (statuses[status] ?? 0) + 1;
          }),
        );
      }
    }
  }
  await Promise.all(waiting);
  for (const socket of slow) socket.destroy();
  agent.destroy();
  return result;
}

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const sendFrom =
  (url: string, agent: Agent, address: string): Send =>
  ({ method = 'GET', path, headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const sent = request(`${url}${path}`, { method, agent, headers: { ...headers, 'x-forwarded-for': address } }, (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
        response.on('error', reject);
      });
      sent.on('error', reject).end(body);
    });

/** Opens connections that send most of a body at once, and then nothing. */
function openSlowBodies({ gateway, organization }: FloodTarget, count: number): Socket[] {
  const { hostname, port } = new URL(gateway.url);
  const path = new URL(organization.acsUrl).pathname;
  return Array.from({ length: count }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.resume();
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM['content-type']}\r\nContent-Length: 600000\r\n\r\n${'a'.repeat(590_000)}`,
    );
    return socket;
  });
}

/** Returns the octets in a store by kind of record and value, without what has expired at a time. */
export async function storedOctets(url: string, nowMs: number): Promise<Readonly<Record<string, number>>> {
  const octets: Record<string, number> = {};
  const count = (kind: string, ...texts: readonly string[]) => {
    octets[kind] = texts.reduce((sum, text) => sum + Buffer.byteLength(text), octets[kind] ?? 0);
  };
  const store = await openRawStore(url);
  for await (const batch of store.scan()) {
    for (const entry of batch) {
      if (entry.kind === 'record') count(`record ${entry.collection}`, entry.id, entry.text);
      else if (Date.now() + entry.ttlMs > nowMs) count(`value ${entry.key.split(':')[0]}:`, entry.key, entry.value);
    }
  }
  await store.close();
  return octets;
}

/**
 * The list of the sign-in log has a limited length. It keeps IDs of expired entries until the next sign-in. Trimming an audit trail
 * leaves a counter in one record.
 */
const CAPPED: Readonly<Record<string, number>> = { 'record sign_in_log': 64 * 1024, 'record audit-trail': 128 };

/** Returns what the second state has more than the first one, without lists of a limited length. */
export function growth(before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>): Record<string, number> {
  const grown = Object.entries(after).map(([kind, octets]) => [kind, octets - (before[kind] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([kind, octets]) => octets > 0 && (after[kind] ?? 0) > (CAPPED[kind] ?? 0)));
}
