/**
 * Waits until the replicas of a Redis have acknowledged a commit. WAIT blocks all later commands of its connection, so it gets a
 * connection of its own. After a failover the two connections may lead to different servers. Therefore each commit writes a mark,
 * which only a server that has the commit can delete.
 */
import type { Cluster, Redis } from 'ioredis';
import { closeConnection } from './keep-connected.ts';

/** The time limit of one WAIT. Commits that arrive while it runs share the next one. */
const REPLICATED_WITHIN_MS = 1000;
const ANSWER_WITHIN_MS = 2 * REPLICATED_WITHIN_MS + 500;

interface Round {
  readonly marks: string[];
  replicas: number;
  readonly answer: Promise<{ readonly isDeleted: (mark: string) => boolean; readonly acknowledged: number }>;
}

export class ReplicaWait {
  readonly #connect: () => Promise<Redis | Cluster>;
  #connection: Promise<Redis | Cluster> | undefined;
  #isClosed = false;
  /** For each node, the round that is running and the one that has not started. */
  readonly #running = new Map<string, Promise<unknown>>();
  readonly #next = new Map<string, Round>();

  /** @param connect opens a connection to the same Redis; called when one is first needed */
  constructor(connect: () => Promise<Redis | Cluster>) {
    this.#connect = connect;
  }

  /**
   * Resolves when this many replicas have acknowledged the commit.
   * @param node an identifier such that equal ones are on the same node of a cluster; '' without a cluster
   * @param mark the key that the commit wrote
   * @throws Error if fewer replicas acknowledged it in time, or if that is unknown
   */
  async until(node: string, mark: string, replicas: number): Promise<void> {
    const round = this.#next.get(node) ?? this.#nextRound(node);
    round.marks.push(mark);
    round.replicas = Math.max(round.replicas, replicas);
    const { isDeleted, acknowledged } = await withDeadline(round.answer);
    if (!isDeleted(mark)) throw new Error('the replication wait reached another server than the commit');
    if (acknowledged < replicas) throw new Error('a replica has not acknowledged the commit');
  }

  #nextRound(node: string): Round {
    const marks: string[] = [];
    const round: Round = { marks, replicas: 0, answer: this.#runNext(node, marks, () => round.replicas) };
    this.#next.set(node, round);
    return round;
  }

  async #runNext(node: string, marks: readonly string[], replicas: () => number): Round['answer'] {
    await this.#running.get(node)?.catch(() => {}); // reported to the commits of that round
    this.#next.delete(node);
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
    const connection = this.#connection;
    try {
      const pipeline = (await connection).pipeline();
      for (const mark of marks) pipeline.del(mark);
      pipeline.wait(replicas, REPLICATED_WITHIN_MS);
      const answers = (await pipeline.exec()) ?? [];
      for (const [error] of answers) if (error) throw error;
      const deleted = new Set(marks.filter((_, i) => answers[i]?.[1] === 1));
      if (deleted.size < marks.length) this.#drop(connection);
      return { isDeleted: (mark) => deleted.has(mark), acknowledged: Number(answers.at(-1)?.[1]) };
    } catch (error) {
      this.#drop(connection);
      throw error;
    }
  }

  /** Closes a connection that failed, or that leads to another server than the commits (if two servers share an address). */
  #drop(connection: Promise<Redis | Cluster>): void {
    if (this.#connection === connection) this.#connection = undefined;
    void connection.then(closeConnection, () => {}); // if it never opened, there is nothing to close
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection?.then(closeConnection, () => {});
  }
}

async function withDeadline<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the replication wait was not answered in time')), ANSWER_WITHIN_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
