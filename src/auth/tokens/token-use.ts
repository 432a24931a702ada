/** When, from where and by what a CLI token was last used: beside the member's record, so that a check writes nothing. */
import { BoundedCache } from '../../bounded-cache.ts';
import { codeOf } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import type { Step } from '../../store/store.ts';
import { DAY_SECONDS } from '../../time.ts';

export interface TokenUse {
  readonly atMs: number;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
}

const NOTE_EVERY_SECONDS = 60;
const KEEP_SECONDS = 400 * DAY_SECONDS;
const MAX_REMEMBERED = 10_000;

const useKey = (tokenId: string): string => `cli-token-use:${tokenId}`;
const notedKey = (tokenId: string): string => `cli-token-use-noted:${tokenId}`;

/** When this replica last noted a use of a token, so that it asks the store no more than once a minute. */
const notedOf = perRuntime(() => new BoundedCache<number>(MAX_REMEMBERED));

/**
 * Notes a use, at most once a minute for each token (the claim sees to it among replicas). To be called after the answer:
 * nobody waits for it, and where it fails it is counted and logged.
 */
export function noteTokenUse(runtime: Runtime, organizationId: string, tokenId: string, readUse: () => Omit<TokenUse, 'atMs'>): void {
  if (!isNoteDue(runtime, tokenId)) return;
  const { address, userAgent } = readUse();
  const value: TokenUse = { atMs: runtime.now(), address, userAgent: userAgent?.slice(0, 256) };
  const steps: Step[] = [
    { do: 'claim', key: notedKey(tokenId), ttlSeconds: NOTE_EVERY_SECONDS },
    { do: 'put', key: useKey(tokenId), value: JSON.stringify(value), ttlSeconds: KEEP_SECONDS },
  ];
  runtime.store.commit(organizationId, steps).catch((error: unknown) => {
    runtime.metrics.tokenUseFailures.inc();
    runtime.log.warn({ code: codeOf(error), token_id: tokenId }, 'the use of a token was not noted');
  });
}

function isNoteDue(runtime: Runtime, tokenId: string): boolean {
  const noted = notedOf(runtime);
  const nowMs = runtime.now();
  if (nowMs - (noted.get(tokenId) ?? Number.NEGATIVE_INFINITY) < NOTE_EVERY_SECONDS * 1000) return false;
  noted.set(tokenId, nowMs);
  return true;
}

/** @throws store_unavailable */
export async function lastUseOf({ store }: Runtime, organizationId: string, tokenId: string): Promise<TokenUse | undefined> {
  const value = await store.peek(organizationId, useKey(tokenId));
  return value === undefined ? undefined : (JSON.parse(value) as TokenUse);
}

/** The steps that forget the uses of a token that is no more. */
export const forgetUse = (tokenId: string): Step => ({ do: 'drop', key: useKey(tokenId) });
