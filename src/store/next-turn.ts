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

function runNext(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(runNext);
}
