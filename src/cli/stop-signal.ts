const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Resolves at the first signal that asks to stop. Further ones are ignored, because `npm run` passes on the Ctrl-C that the
 * terminal has sent already.
 */
export const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of SIGNALS) process.on(signal, resolve);
  });
