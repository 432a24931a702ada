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

function runNext(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(runNext);
}
