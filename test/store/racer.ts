/**
 * One of several processes that compete for the same data: `node racer.ts URL PARTITION NAME ROUNDS`. Prints `ready`. Each line
 * `RACE STARTMS` runs one race, whose rounds start at the same time in all racers, and prints the result.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/store/open-store.ts';
import type { Step } from '../../src/store/store.ts';
import { updateRecord } from '../../src/store/update-record.ts';
import { linesFromParent } from './children.ts';
import { below, claim, codeOf, increment as incrementStep, insert, need, PEOPLE, PETS, put, replace, take } from './people.ts';

const ROUND_MS = 4;

const [url = '', partition = '', me = '', roundsText = ''] = process.argv.slice(2);
const rounds = Number(roundsText);
const store = await openStore(url);
const lines = linesFromParent();

/** Returns the rounds in which the steps succeeded. */
async function won(startMs: number, steps: (round: number) => readonly Step[]): Promise<number[]> {
  const mine: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const waitMs = startMs + round * ROUND_MS - Date.now();
    if (waitMs > 0) await sleep(waitMs);
    if ((await store.commit(partition, steps(round))).ok) mine.push(round);
  }
  return mine;
}

const increment = () =>
  updateRecord(store, { partition, collection: PEOPLE, id: 'counter', change: ({ name }) => ({ name: String(Number(name) + 1) }) });

/** Returns how often updateRecord gave up because others were faster. */
async function incrementInEachRound(): Promise<number> {
  let conflicts = 0;
  for (let round = 0; round < rounds; round++) {
    for (let code = await codeOf(increment); !code.startsWith('answered'); code = await codeOf(increment)) {
      if (code !== 'conflict') throw new Error(code);
      conflicts++;
    }
  }
  return conflicts;
}

/** Commits until the next line. Each commit writes one number to two records and moves a unique string and a group between them. */
async function swap(): Promise<void> {
  let isStopped = false;
  const stopped = lines.next().then(() => {
    isStopped = true;
  });
  for (let n = 2; !isStopped; n++) {
    const [from, to] = n % 2 ? ['right', 'left'] : ['left', 'right'];
    const steps = [
      replace(from, n - 1, { name: 'pair', note: n, groups: ['idle'] }),
      replace(to, n - 1, { name: 'pair', note: n, groups: ['busy'], email: 'baton' }),
    ];
    if (!(await store.commit(partition, steps)).ok) throw new Error(`swap ${n} failed`);
    // SQLite answers synchronously, so the line could not be read without a pause.
    await new Promise(setImmediate);
  }
  await stopped;
}

const RACES: Readonly<Record<string, (startMs: number) => Promise<unknown>>> = {
  claim: (startMs) => won(startMs, (round) => [claim(`claimed${round}`)]),
  take: (startMs) => won(startMs, (round) => [take(`prize${round}`), put(`taker${round}`, me)]),
  insert: (startMs) => won(startMs, (round) => [need('anchor'), insert(`same${round}`, { name: me })]),
  unique: (startMs) => won(startMs, (round) => [insert(`${me}-${round}`, { name: me, email: `only${round}` })]),
  login: (startMs) =>
    won(startMs, (round) => [claim(`request${round}`), claim(`assertion${round}`), insert(`login${round}${me}`, { name: me })]),
  below: (startMs) => won(startMs, (round) => [below(100, PETS), insert(`limited-${me}-${round}`, { name: me }, PETS)]),
  counter: (startMs) => won(startMs, () => [incrementStep('limited', 100)]),
  increment: () => incrementInEachRound(),
  swap: () => swap(),
};

process.stdout.write('ready\n');
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const [race = '', startMs = ''] = line.value.split(' ');
  const result = await RACES[race]?.(Number(startMs));
  process.stdout.write(`${JSON.stringify(result ?? null)}\n`);
}
await store.close();
