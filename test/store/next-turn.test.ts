import { expect, test } from '@jest/globals';
import { makeQueues } from '../../src/store/next-turn.ts';

/** A job that ends when it is told to. */
function startedJob(name: string, started: string[]) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const job = () => {
    started.push(name);
    return promise;
  };
  return { job, end: () => resolve(name), fail: () => reject(new Error(name)) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('makeQueues(): runs the jobs of an organization one after the other, also after a failure', async () => {
  const started: string[] = [];
  const inTurn = makeQueues();
  const [first, second, third] = ['first', 'second', 'third'].map((name) => startedJob(name, started));
  const results = [first, second, third].map((each) => inTurn('org_a', each?.job ?? (() => Promise.resolve(''))));
  const outcomes = Promise.allSettled(results);
  await settled();
  expect(started).toEqual(['first']);
  first?.fail();
  await settled();
  expect(started).toEqual(['first', 'second']);
  second?.end();
  third?.end();
  expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
});

test('makeQueues(): lets no organization wait for another', async () => {
  const started: string[] = [];
  const inTurn = makeQueues();
  const [endless, other] = [startedJob('endless', started), startedJob('other', started)];
  void inTurn('org_a', endless.job);
  const result = inTurn('org_b', other.job);
  other.end();
  expect(await result).toBe('other');
  expect(started).toEqual(['endless', 'other']);
});
