/**
 * `npm run bench:start`: the CPU time of a start up to the first accepted sign-in, and the memory of the process. Measures a bare
 * Express application in the same interleaved rounds, so that results of different machines can be compared.
 *
 * CPU time is user and system time of the server process only. RSS is read after two idle seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startGatewayProcess } from '../e2e/support/gateway-process.ts';
import { HttpBrowser } from '../support/browser.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { freePort } from '../support/redis-server.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const IDLE_MS = 2000;
const TICKS_PER_SECOND = 100;

interface Figures {
  readonly startCpuSeconds: number;
  readonly idleRssMb: number;
  readonly loginCpuSeconds?: number;
  readonly rssAfterLoginMb?: number;
}

const idle = () => new Promise((resolve) => setTimeout(resolve, IDLE_MS));

function cpuSeconds(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function rssMb(child: ChildProcess): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return (Number(kib) * 1024) / 1e6;
}

async function measureGateway(directory: string): Promise<Figures> {
  const store = { SAMLGATE_STORE: `sqlite:${path.join(directory, 'samlgate.db')}`, SAMLGATE_SECRET: SECRET };
  const prepared = await startGatewayProcess(store);
  // The base URL is not stored, so the second process may use another port.
  const organization = await makeTestOrganization(prepared);
  await prepared.stop();
  const gateway = await startGatewayProcess({ ...store, ...sameAddress(prepared.environment) });
  try {
    await idle();
    const startCpuSeconds = cpuSeconds(gateway.process);
    const idleRssMb = rssMb(gateway.process);
    const answer = await organization.signIn(new HttpBrowser());
    if (answer.status !== 303) throw new Error(`the sign-in was refused: ${answer.code}`);
    const loginCpuSeconds = cpuSeconds(gateway.process);
    await idle();
    return { startCpuSeconds, idleRssMb, loginCpuSeconds, rssAfterLoginMb: rssMb(gateway.process) };
  } finally {
    await gateway.stop();
  }
}

const SECRET = Buffer.alloc(32, 7).toString('base64');
const sameAddress = ({ SAMLGATE_BASE_URL = '', SAMLGATE_LISTEN = '', SAMLGATE_OPERATOR_TOKEN = '' }: Readonly<Record<string, string>>) => ({
  SAMLGATE_BASE_URL,
  SAMLGATE_LISTEN,
  SAMLGATE_OPERATOR_TOKEN,
});

async function measureExpress(directory: string): Promise<Figures> {
  const port = await freePort();
  const file = path.join(directory, 'express.mjs');
  const express = import.meta.resolve('express');
  writeFileSync(file, `import express from '${express}'; express().get('/', (q, r) => r.send('ok')).listen(${port}, '127.0.0.1');`);
  const child = spawn(process.execPath, [file], { stdio: 'ignore' });
  try {
    await idle();
    return { startCpuSeconds: cpuSeconds(child), idleRssMb: rssMb(child) };
  } finally {
    const exit = once(child, 'exit');
    child.kill();
    await exit;
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const gateways: Figures[] = [];
const expresses: Figures[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const directory = mkdtempSync(path.join(tmpdir(), 'samlgate-bench-'));
  gateways.push(await measureGateway(directory));
  expresses.push(await measureExpress(directory));
  rmSync(directory, { recursive: true });
}
const of = (figures: readonly Figures[], name: keyof Figures) => median(figures.map((each) => each[name] ?? Number.NaN));
const row = (what: string, name: keyof Figures, digits: number) => {
  const [ours, theirs] = [of(gateways, name), of(expresses, name)];
  console.log(
    `${what.padEnd(44)} ${ours.toFixed(digits).padStart(8)} ${Number.isNaN(theirs) ? '' : `  bare Express ${theirs.toFixed(digits)}, ratio ${(ours / theirs).toFixed(2)}`}`,
  );
};
console.log(`medians of ${ROUNDS} interleaved rounds, node ${process.version}`);
row('CPU s, start until ready and idle', 'startCpuSeconds', 2);
row('CPU s, start to the first accepted login', 'loginCpuSeconds', 2);
row('RSS MB, idle after the start', 'idleRssMb', 1);
row('RSS MB, idle after the first login', 'rssAfterLoginMb', 1);
