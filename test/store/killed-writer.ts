/**
 * Commits in a loop until it is killed: `node killed-writer.ts URL PARTITION`. After the line `go` it continues from the number in
 * the store, and prints each number after the store has acknowledged it.
 */
import { writeSync } from 'node:fs';
import { openStore } from '../../src/store/open-store.ts';
import { agreement } from './agreement.ts';
import { linesFromParent } from './children.ts';
import { PEOPLE } from './people.ts';

const [url = '', partition = ''] = process.argv.slice(2);
const store = await openStore(url);
process.stdout.write('ready\n');
await linesFromParent().next();
const left = await store.get(partition, PEOPLE, 'left');
for (let n = (left?.version ?? 0) + 1; ; n++) {
  const result = await store.commit(partition, agreement(n));
  if (!result.ok) throw new Error(`commit ${n} failed at ${result.failed}`);
  // Written to the pipe before the next commit starts, so that a kill loses no acknowledgement.
  writeSync(1, `${n}\n`);
}
