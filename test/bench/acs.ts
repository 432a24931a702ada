/**
 * `npm run bench:acs`: the cost of an accepted sign-in. Compares samlgate on Redis with passport-saml and connect-redis in one
 * interleaved run: the CPU time of all server processes (the gateway or the application, and its Redis) per accepted sign-in, and
 * sign-ins per second at 1, 8 and 32 concurrent ones. Every assertion is new. There are two shapes: 50 groups and two signatures
 * with their certificates (9 KB), and one signature (3 KB). Both servers are warm; `bench:start` measures startup. Each is measured
 * for some seconds at a time and about as long as the other, because an idle server loses its caches. The ratio is the median of
 * the ratios of the rounds, because a slow moment of the machine affects both. The end shows the cost of rejecting a hostile response
 * of 256 KiB.
 *
 * Servers and client run on separate cores if the machine has two. ROUNDS and LOGINS change the duration.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { attribute, keyInfoOf, message, SUCCESS, sign } from '../saml/fixture-cases/hand-made.ts';
import { type FixtureKey, makeKeys } from '../saml/fixture-cases/keys.ts';
import { freePort, type RedisServer, startRedis } from '../support/redis-server.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const LOGINS = Number(process.env.LOGINS ?? 3000);
/** A sign-in of passport-saml takes about 20 times as long. */
const PEER_LOGINS = Math.ceil(LOGINS / 20);
const AT_ONCE = [1, 8, 32] as const;
const WARMING_LOGINS = 1000;
const ISSUER = 'https://idp.example.test/metadata';
const TICKS_PER_SECOND = 100;
const SHAPES = ['large', 'small'] as const;
type Shape = (typeof SHAPES)[number];

interface Target {
  readonly name: 'samlgate' | 'passport-saml';
  readonly acsUrl: (shape: Shape) => string;
  readonly entityId: (shape: Shape) => string;
  readonly processes: readonly ChildProcess[];
}

/** Runs on another core than the client. */
function pin(child: ChildProcess, core: number): void {
  if (availableParallelism() >= 2) spawn('taskset', ['-acp', String(core), String(child.pid)], { stdio: 'ignore' });
}

const cpuMs = (processes: readonly ChildProcess[]): number =>
  processes.reduce((sum, { pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return sum + ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
  }, 0);

let serial = 0;

/** Creates a new response. It is signed by hand, because the peers' own libraries would take 20 ms to sign one. */
function makeLogin(target: Target, shape: Shape, key: FixtureKey): string {
  const id = `_${(++serial).toString(16).padStart(32, '0')}`;
  const at = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  const [acsUrl, entityId] = [target.acsUrl(shape), target.entityId(shape)];
  const groups = Array.from({ length: shape === 'large' ? 50 : 2 }, (_, i) => `team-${String(i).padStart(2, '0')}`);
  const xml = message({
    responseAttributes: `ID="_r${id}" Version="2.0" IssueInstant="${at(0)}" Destination="${acsUrl}"`,
    responseIssuer: `<saml:Issuer>${ISSUER}</saml:Issuer>`,
    status: SUCCESS,
    assertionAttributes: `ID="${id}" Version="2.0" IssueInstant="${at(0)}"`,
    assertionIssuer: `<saml:Issuer>${ISSUER}</saml:Issuer>`,
    nameId: `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">person-${serial % 10_000}</saml:NameID>`,
    confirmation: `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData Recipient="${acsUrl}" NotOnOrAfter="${at(30)}"/></saml:SubjectConfirmation>`,
    conditions: `<saml:Conditions NotBefore="${at(-5)}" NotOnOrAfter="${at(30)}"><saml:AudienceRestriction><saml:Audience>${entityId}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`,
    authn: `<saml:AuthnStatement AuthnInstant="${at(0)}" SessionIndex="${id}s"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
    attributes:
      attribute('email', `person-${serial % 10_000}@acme.test`) + attribute('displayName', 'Person') + attribute('groups', ...groups),
  });
  const keyInfo = shape === 'large' ? keyInfoOf(key.certificatePem.replace(/-----[A-Z ]+-----|\s/g, '')) : '';
  const withAssertion = sign(xml, key.key, { id, keyInfo });
  return shape === 'large' ? sign(withAssertion, key.key, { id: `_r${id}`, keyInfo }) : withAssertion;
}

const formOf = (xml: string): string => `SAMLResponse=${encodeURIComponent(Buffer.from(xml).toString('base64'))}`;

function post(agent: Agent, url: string, body: string): Promise<{ status: number; location: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve({ status: response.statusCode ?? 0, location: response.headers.location ?? '' }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

interface Figures {
  readonly cpuMsPerLogin: number;
  readonly loginsPerSecond: number;
}

async function measure(target: Target, shape: Shape, atOnce: number, logins: number, key: FixtureKey): Promise<Figures> {
  const bodies = Array.from({ length: logins }, () => formOf(makeLogin(target, shape, key)));
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce });
  const before = cpuMs(target.processes);
  const startedMs = performance.now();
  const work = async () => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      const { status, location } = await post(agent, target.acsUrl(shape), body);
      if (status < 300 || status >= 400 || location.includes('failed'))
        throw new Error(`${target.name} refused a sign-in: ${status} ${location}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - startedMs) / 1000;
  agent.destroy();
  return { cpuMsPerLogin: (cpuMs(target.processes) - before) / logins, loginsPerSecond: logins / seconds };
}

async function startSamlgate(redis: RedisServer, key: FixtureKey): Promise<Target & { stop(): Promise<unknown> }> {
  const gateway = await startGatewayProcess({ SAMLGATE_STORE: redis.url, SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'warn' });
  const certificates = [key.certificatePem];
  for (const slug of SHAPES) {
    // The bench adds 10,000 members at once.
    await gateway.api('POST', '/organizations', { slug, name: slug });
    await gateway.api('PATCH', `/organizations/${slug}`, { quotas: { new_members_per_minute: 100_000 } });
    await gateway.api('PUT', `/organizations/${slug}/identity-provider`, {
      entity_id: ISSUER,
      sso_url: 'https://idp.example/sso',
      certificates,
    });
  }
  return {
    name: 'samlgate',
    acsUrl: (shape) => `${gateway.url}/saml/${shape}/acs`,
    entityId: (shape) => `${gateway.url}/saml/${shape}/metadata`,
    processes: [gateway.process, redis.process],
    stop: () => gateway.stop(),
  };
}

async function startPeer(redis: RedisServer, key: FixtureKey): Promise<Target & { stop(): Promise<unknown> }> {
  const port = await freePort();
  const base = `http://localhost:${port}`;
  const environment = {
    PORT: String(port),
    REDIS_URL: redis.url,
    BASE: base,
    IDP_CERT: key.certificatePem.replace(/-----[A-Z ]+-----|\s/g, ''),
    ISSUER,
    NODE_ENV: 'production',
  };
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'acs-peer.mjs')], {
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  for (let i = 0; i < 200 && !(await fetch(`${base}/readyz`).catch(() => undefined)); i++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  return {
    name: 'passport-saml',
    acsUrl: (shape) => `${base}/${shape}/acs`,
    entityId: (shape) => `${base}/${shape}/metadata`,
    processes: [child, redis.process],
    stop: async () => {
      const exit = once(child, 'exit');
      child.kill();
      await exit;
    },
  };
}

/** A response of the maximum size, depth and width, which the parser must read to the end before it can reject it. */
function hostileMessage(): string {
  const wide = Array.from({ length: 11_000 }, (_, i) => `<a b="${i}"/>`).join('');
  return message({ extensions: `<samlp:Extensions>${wide}</samlp:Extensions>` }).padEnd(256 * 1024 - 100, ' ');
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const key = (await makeKeys()).rsa;
const redises = await Promise.all([startRedis(['--appendonly', 'yes']), startRedis(['--appendonly', 'yes'])]);
const targets = [await startSamlgate(redises[0], key), await startPeer(redises[1], key)];
for (const child of targets.flatMap(({ processes }) => processes)) pin(child, 0);
pin({ pid: process.pid } as ChildProcess, 1);

const kilobytes = (shape: Shape) => (makeLogin(targets[0] as Target, shape, key).length / 1000).toFixed(1);
console.log(
  `medians of ${ROUNDS} interleaved rounds, ${LOGINS} logins each (${PEER_LOGINS} of passport-saml, which take as long), node ${process.version}`,
);
console.log('shape    at once | CPU ms per sign-in: samlgate  passport-saml  ratio | sign-ins per second: samlgate  passport-saml');
// V8 keeps compiling for some thousand sign-ins (half a second of CPU time between samlgate's sign-ins 10,000 and 15,000). Each
// sign-in of passport-saml runs as much code as many of samlgate's.
for (const target of targets)
  for (const shape of SHAPES)
    for (let times = target.name === 'samlgate' ? 20 : 2; times > 0; times--) await measure(target, shape, 8, WARMING_LOGINS, key);
for (const shape of SHAPES) {
  for (const atOnce of AT_ONCE) {
    const figures = new Map<string, Figures[]>(targets.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const target of targets) {
        const logins = target.name === 'samlgate' ? LOGINS : PEER_LOGINS;
        figures.get(target.name)?.push(await measure(target, shape, atOnce, logins, key));
      }
    }
    const of = (name: string, field: keyof Figures) => median((figures.get(name) ?? []).map((each) => each[field]));
    const [ours, theirs] = [of('samlgate', 'cpuMsPerLogin'), of('passport-saml', 'cpuMsPerLogin')];
    const costs = (name: string) => (figures.get(name) ?? []).map((each) => each.cpuMsPerLogin);
    const ratio = median(costs('passport-saml').map((cost, round) => cost / (costs('samlgate')[round] ?? Number.NaN)));
    console.log(
      `${kilobytes(shape)} KB   ${String(atOnce).padStart(4)}    | ${ours.toFixed(2).padStart(24)} ${theirs.toFixed(2).padStart(14)} ${ratio.toFixed(1).padStart(6)} |` +
        `${of('samlgate', 'loginsPerSecond').toFixed(0).padStart(26)} ${of('passport-saml', 'loginsPerSecond').toFixed(0).padStart(14)}`,
    );
  }
}

const gateway = targets[0] as Target;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const hostile = formOf(hostileMessage());
const HOSTILE = 50;
// As above: the code that rejects it has not run so far.
for (let i = 0; i < 2 * HOSTILE; i++) await post(agent, gateway.acsUrl('large'), hostile);
const before = cpuMs(gateway.processes);
for (let i = 0; i < HOSTILE; i++) await post(agent, gateway.acsUrl('large'), hostile);
console.log(`rejecting a hostile response of 256 KiB: ${((cpuMs(gateway.processes) - before) / HOSTILE).toFixed(1)} ms CPU`);
agent.destroy();
for (const target of targets) await target.stop();
for (const redis of redises) await redis.stop();
