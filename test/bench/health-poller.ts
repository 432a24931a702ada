/**
 * `bench:growth` starts it in a process of its own, so that the work of the bench does not count as waiting for the gateway. Calls a URL
 * again and again, and sends `ready` once it is warm. It answers a message with the longest time that a call has taken since, in ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from './growth-target.ts';

const [url = ''] = process.argv.slice(2);
const WARM_UP = 50;
const PAUSE_MS = 5;

let longest = 0;
process.on('message', () => process.send?.(longest));
process.once('disconnect', () => process.exit());
for (let n = 1; ; n++) {
  const startedMs = performance.now();
  await call(url, {});
  if (n > WARM_UP) longest = Math.max(longest, performance.now() - startedMs);
  if (n === WARM_UP) process.send?.('ready');
  await sleep(PAUSE_MS);
}
