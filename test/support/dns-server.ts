/** Starts a real name server (nsd) for tests, on a free port of the loopback address, and servers that misbehave. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './redis-server.ts';

export interface DnsServer {
  /** For SAMLGATE_DNS_SERVERS. */
  readonly address: string;
  /** Replaces the records of the zones, in the notation of zone files with absolute names, such as `a.example. TXT "text"`. */
  serve(records: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/** A zone that nsd knows but cannot load. nsd answers SERVFAIL for its names. */
export const BROKEN_ZONE = 'broken.test';
/** All other names of the tests are below this zone. */
export const ZONE = 'test';

/**
 * Starts nsd and waits until it answers.
 * @param port of a server that was stopped
 */
export async function startDnsServer(port?: number): Promise<DnsServer> {
  const own = port ?? (await freePort());
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-nsd-'));
  const at = (name: string) => path.join(directory, name);
  const zone = (name: string) => `zone:\n  name: ${name}\n  zonefile: ${at(name)}\n`;
  writeFileSync(
    at('nsd.conf'),
    `server:\n  ip-address: 127.0.0.1@${own}\n  username: ""\n  chroot: ""\n  zonesdir: "${directory}"\n  database: ""\n` +
      `  pidfile: "${at('nsd.pid')}"\n  xfrdfile: ""\n  xfrdir: "${directory}"\n  zonelistfile: "${at('zone.list')}"\n  logfile: "${at('log')}"\n` +
      `  server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n${zone(ZONE)}${zone(BROKEN_ZONE)}`,
  );
  let serial = 1;
  const write = (records: readonly string[]) => {
    serial++;
    const text = `$ORIGIN ${ZONE}.\n$TTL 1\n@ SOA ns.${ZONE}. admin.${ZONE}. ${serial} 1 1 1 1\n@ NS ns.${ZONE}.\nns A 127.0.0.1\n`;
    writeFileSync(at(ZONE), `${text}${records.join('\n')}\n_serial TXT "${serial}"\n`);
  };
  write([]);
  const child = spawn('nsd', ['-d', '-c', at('nsd.conf')], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const address = `127.0.0.1:${own}`;
  let failure: unknown;
  child.once('error', (error) => {
    failure = error;
  });
  const isReady = () => servesSerial(child, { address, serial, failure: () => failure });
  await isReady();
  return {
    address,
    serve: async (records) => {
      write(records);
      child.kill('SIGHUP');
      await isReady();
    },
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** After a reload, the former process of nsd answers some questions for a moment. */
const ANSWERS_IN_A_ROW = 10;

/** Waits until the server answers only with the zone that was written last. */
async function servesSerial(
  child: ChildProcess,
  { address, serial, failure }: { readonly address: string; readonly serial: number; readonly failure: () => unknown },
): Promise<void> {
  let inARow = 0;
  for (let waits = 0; waits < 200; ) {
    if (failure()) throw new Error('nsd could not be started. Install it with: apt-get install nsd', { cause: failure() });
    if (child.exitCode !== null) throw new Error(`nsd ended with ${child.exitCode}`);
    const resolver = new Resolver({ timeout: 200, tries: 1 });
    resolver.setServers([address]);
    const records = await resolver.resolveTxt(`_serial.${ZONE}`).catch(() => []);
    inARow = records[0]?.[0] === String(serial) ? inARow + 1 : 0;
    if (inARow === ANSWERS_IN_A_ROW) return;
    if (inARow > 0) continue;
    waits++;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('nsd does not answer');
}

/** A server that receives questions and never answers. */
export async function startSilentDnsServer(): Promise<{ readonly address: string; readonly questions: () => number; stop(): void }> {
  const socket = createSocket('udp4');
  let questions = 0;
  socket.on('message', () => {
    questions++;
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, questions: () => questions, stop: () => socket.close() };
}
