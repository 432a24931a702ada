/** Counts the turns of the event loop in which other work could run while a job ran. */
export async function countTurns(job: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isRunning = true;
  const count = () => {
    if (!isRunning) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  try {
    await job();
  } finally {
    isRunning = false;
  }
  return turns;
}
