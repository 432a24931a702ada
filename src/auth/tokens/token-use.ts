/** Records the last use of a CLI token. It is stored apart from the member's record, so that most checks write nothing. */
import { BoundedCache } from '../../bounded-cache.ts';
import { codeOf } from '../../errors.ts';
import { cliTokenUseKey } from '../../organizations/members.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';
import { DAY_SECONDS } from '../../time.ts';

export interface TokenUse {
  readonly atMs: number;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
}

const RECORD_EVERY_SECONDS = 60;
const KEEP_SECONDS = 400 * DAY_SECONDS;
const MAX_CACHED_TOKENS = 10_000;

const recordedKey = (tokenId: string): string => `cli-token-use-noted:${tokenId}`;

/** When this replica last recorded a use of each token, so that it accesses the store at most once a minute. */
const lastRecordedOf = perRuntime(() => new BoundedCache<number>(MAX_CACHED_TOKENS));

/**
 * Records a use, at most once a minute for each token (the claim ensures it across replicas). Call it after the response: it
 * runs in the background, and failures are counted and logged.
 */
export function recordTokenUse(runtime: Runtime, organizationId: string, tokenId: string, readUse: () => Omit<TokenUse, 'atMs'>): void {
  if (!isDue(runtime, tokenId)) return;
  const { address, userAgent } = readUse();
  const value: TokenUse = { atMs: runtime.now(), address, userAgent: userAgent?.slice(0, 256) };
  const steps: Step[] = [
    { do: 'claim', key: recordedKey(tokenId), ttlSeconds: RECORD_EVERY_SECONDS },
    { do: 'put', key: cliTokenUseKey(tokenId), value: JSON.stringify(value), ttlSeconds: KEEP_SECONDS },
  ];
  runtime.store.commit(organizationId, steps).catch((error: unknown) => {
    runtime.metrics.tokenUseFailures.inc();
    runtime.log.warn({ code: codeOf(error), token_id: tokenId }, 'the use of a CLI token could not be recorded');
  });
}

function isDue(runtime: Runtime, tokenId: string): boolean {
  const lastRecorded = lastRecordedOf(runtime);
  const nowMs = runtime.now();
  if (nowMs - (lastRecorded.get(tokenId) ?? Number.NEGATIVE_INFINITY) < RECORD_EVERY_SECONDS * 1000) return false;
  lastRecorded.set(tokenId, nowMs);
  return true;
}

/** @throws store_unavailable */
export async function lastUseOf({ store }: Runtime, organizationId: string, tokenId: string): Promise<TokenUse | undefined> {
  const value = await store.peek(organizationId, cliTokenUseKey(tokenId));
  return value === undefined ? undefined : (JSON.parse(value) as TokenUse);
}

/** Returns the step that deletes the recorded use of a revoked token. */
export const deleteTokenUse = (tokenId: string): Step => ({ do: 'drop', key: cliTokenUseKey(tokenId) });
