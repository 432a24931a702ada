/**
 * Loaded into a gateway by `NODE_OPTIONS=--import`: appends each stretch in which the event loop was not free to a file (LONG_TURNS_FILE),
 * with its CPU time. Unlike the time that a request waits, that does not depend on other load of the machine.
 */
import { appendFileSync } from 'node:fs';

const EVERY_MS = 2;
const MIN_MS = 10;
const file = process.env.LONG_TURNS_FILE;

if (file !== undefined) {
  let before = { cpu: process.threadCpuUsage(), atMs: performance.now() };
  setInterval(() => {
    const { user, system } = process.threadCpuUsage(before.cpu);
    const [cpuMs, wallMs] = [(user + system) / 1000, performance.now() - before.atMs];
    // Ticks that are not late may have several turns between them.
    if (wallMs >= MIN_MS) appendFileSync(file, `${JSON.stringify({ endedAtMs: Date.now(), cpuMs, wallMs })}\n`);
    before = { cpu: process.threadCpuUsage(), atMs: performance.now() };
  }, EVERY_MS).unref();
}
