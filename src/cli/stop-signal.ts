const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Resolves at the first signal to stop. Later signals are ignored, because on Ctrl-C the terminal sends SIGINT to the whole process
 * group and `npm run` forwards it a second time.
 */
export const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of SIGNALS) process.on(signal, resolve);
  });
