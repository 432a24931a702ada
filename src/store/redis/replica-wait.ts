/**
 * Waits until the replicas of a Redis have what was written to it. WAIT holds up all that comes behind it on its connection, so it
 * has one of its own; and as after a failover two connections may lead to different servers, each commit leaves a mark, which only
 * the server that has the commit can delete.
 */
import type { Cluster, Redis } from 'ioredis';

/** How long one WAIT may take. Who comes meanwhile waits for the next one, with all others who do. */
const REPLICATED_WITHIN_MS = 1000;
const TOLD_WITHIN_MS = 2 * REPLICATED_WITHIN_MS + 500;

interface Round {
  readonly marks: string[];
  replicas: number;
  readonly answer: Promise<{ readonly isDeleted: (mark: string) => boolean; readonly acknowledged: number }>;
}

export class ReplicaWait {
  readonly #connect: () => Promise<Redis | Cluster>;
  #connection: Promise<Redis | Cluster> | undefined;
  #isClosed = false;
  /** By node: the round that is under way, and the one that has not begun. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #coming = new Map<string, Round>();

  /** @param connect makes a connection to the same Redis; called when it is first needed */
  constructor(connect: () => Promise<Redis | Cluster>) {
    this.#connect = connect;
  }

  /**
   * @param node of a cluster something that tells its nodes apart (those that are asked together must be one's), else ''
   * @param mark the key that the commit has written
   * @throws where not as many replicas as that are known to have it
   */
  async until(node: string, mark: string, replicas: number): Promise<void> {
    const round = this.#coming.get(node) ?? this.#nextRound(node);
    round.marks.push(mark);
    round.replicas = Math.max(round.replicas, replicas);
    const { isDeleted, acknowledged } = await inTime(round.answer);
    if (!isDeleted(mark)) throw new Error('another server than the one that has the change was asked');
    if (acknowledged < replicas) throw new Error('not every replica has the change yet');
  }

  #nextRound(node: string): Round {
    const marks: string[] = [];
    const round: Round = { marks, replicas: 0, answer: this.#ask(node, marks, () => round.replicas) };
    this.#coming.set(node, round);
    return round;
  }

  async #ask(node: string, marks: readonly string[], replicas: () => number): Round['answer'] {
    await this.#running.get(node)?.catch(() => {}); // whoever was in that round has been told
    this.#coming.delete(node);
    const running = this.#wait(marks, replicas());
    this.#running.set(node, running);
    try {
      return await running;
    } finally {
      if (this.#running.get(node) === running) this.#running.delete(node);
    }
  }

  async #wait(marks: readonly string[], replicas: number): Round['answer'] {
    if (this.#isClosed) throw new Error('the store is closed');
    this.#connection ??= this.#connect();
    const mine = this.#connection;
    try {
      const pipeline = (await mine).pipeline();
      for (const mark of marks) pipeline.del(mark);
      pipeline.wait(replicas, REPLICATED_WITHIN_MS);
      const answers = (await pipeline.exec()) ?? [];
      for (const [error] of answers) if (error) throw error;
      const deleted = new Set(marks.filter((_, i) => answers[i]?.[1] === 1));
      if (deleted.size < marks.length) this.#leave(mine);
      return { isDeleted: (mark) => deleted.has(mark), acknowledged: Number(answers.at(-1)?.[1]) };
    } catch (error) {
      this.#leave(mine);
      throw error;
    }
  }

  /** What leads nowhere, or no longer to where commits go (behind an address that two servers share), would do so for good. */
  #leave(connection: Promise<Redis | Cluster>): void {
    if (this.#connection === connection) this.#connection = undefined;
    void connection.then(disconnect, () => {}); // where none was made, there is none to leave
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.then(disconnect, () => {});
  }
}

const disconnect = (connection: Redis | Cluster): void => connection.disconnect();

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('whether the replicas have the change was not told in time')), TOLD_WITHIN_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
