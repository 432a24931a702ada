/** The loops that wait for their turn, in the order in which they asked. */
const waiting: (() => void)[] = [];

/**
 * Resolves in another turn of the event loop, after requests, timers and answers of the store. Await it in every loop whose length
 * depends on the data, because a store in a file answers within the same turn. Only one loop runs in each turn, so that a request
 * waits for one part of one loop, however many loops there are.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(runNext);
  });
}

/** The time after which a loop lets other work run. A page of a list takes less. */
export const TURN_MS = 10;

/**
 * Returns a function to await between the steps of a loop. It yields to other work once the loop has run for {@link TURN_MS}.
 */
export function shareTurns(): () => Promise<void> {
  let turnStartedMs = performance.now();
  return async () => {
    if (performance.now() - turnStartedMs <= TURN_MS) return;
    await nextTurn();
    turnStartedMs = performance.now();
  };
}

/** Items of a list in memory that are processed in one turn. */
const PART_SIZE = 1000;

/** Yields the parts of a long list, each in another turn of the event loop. */
export async function* eachPart<T>(items: readonly T[]): AsyncGenerator<readonly T[]> {
  for (let start = 0; start < items.length; start += PART_SIZE) {
    if (start > 0) await nextTurn();
    yield items.slice(start, start + PART_SIZE);
  }
}

/**
 * Returns a function that runs the jobs of an organization one after the other, so that the memory of one is enough for all of them.
 * Those of other organizations do not wait for them.
 */
export function makeQueues(): <T>(organizationId: string, job: () => Promise<T>) => Promise<T> {
  const ends = new Map<string, Promise<void>>();
  return (organizationId, job) => {
    const result = (ends.get(organizationId) ?? Promise.resolve()).then(job);
    const forget = () => {
      if (ends.get(organizationId) === end) ends.delete(organizationId);
    };
    const end = result.then(forget, forget);
    ends.set(organizationId, end);
    return result;
  };
}

function runNext(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(runNext);
}
