/** Continues the interrupted work of organizations, so that none waits for another one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../errors.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import type { Organization } from './organizations.ts';

const NEXT_AFTER_MS = 30_000;

const runningWork = perRuntime(() => new Set<string>());

export interface ResumedWork {
  /** For the log, such as "revoking credentials". */
  readonly name: string;
  readonly resume: (organizationId: string) => Promise<void>;
  /** The time after which the next organization no longer waits. The work itself continues. */
  readonly nextAfterMs?: number | undefined;
}

/** Resumes the work of each organization where it is not running yet. Failures are logged. */
export async function resumeEach(
  runtime: Runtime,
  organizations: AsyncIterable<Organization>,
  { name, resume, nextAfterMs = NEXT_AFTER_MS }: ResumedWork,
): Promise<void> {
  const running = runningWork(runtime);
  for await (const { id, slug } of organizations) {
    const key = `${name} ${id}`;
    if (running.has(key)) continue;
    running.add(key);
    runtime.log.info({ organization: slug }, `continuing ${name}`);
    const work = resume(id)
      .catch((error: unknown) => runtime.log.error({ organization: slug, code: codeOf(error) }, `${name} failed; trying again`))
      .finally(() => running.delete(key));
    const waiting = new AbortController();
    await Promise.race([work, sleep(nextAfterMs, undefined, { signal: waiting.signal, ref: false }).catch(() => {})]);
    waiting.abort();
  }
}
