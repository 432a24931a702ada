/**
 * Resolves when the event loop has handled everything that waits: requests, timers and answers of the store. Await it in every loop
 * whose length depends on the data, because a store in a file answers within the same turn.
 */
export const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
