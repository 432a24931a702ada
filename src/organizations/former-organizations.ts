/**
 * Remembers which deleted organizations had a slug. Their claims of used assertions stay in the store until they expire, because a new
 * organization with the same slug has the same entityID and ACS URL: without the claims it would accept an assertion that was used
 * before the deletion.
 */
import { GLOBAL, type Step, type Store } from '../store/store.ts';
import { DAY_SECONDS } from '../time.ts';
import type { Organization } from './organizations.ts';

/** The first characters of the key under which an assertion is claimed. Deleting an organization leaves these claims. */
export const ASSERTION_CLAIMS = 'assertion:';

/** Far longer than an assertion is acceptable. */
const REMEMBERED_SECONDS = 30 * DAY_SECONDS;
/** An attacker would have to make the operator delete and create the organization this often while the assertion is valid. */
const MAX_REMEMBERED = 100;

const keyOf = (slug: string): string => `former-organizations:${slug}`;

/** Returns the ids of deleted organizations that had the slug, the last one first. Call it when the slug is reserved. */
export async function formerIdsOf(store: Store, slug: string): Promise<readonly string[]> {
  const text = await store.peek(GLOBAL, keyOf(slug));
  return text === undefined ? [] : (JSON.parse(text) as string[]);
}

/** Returns the step of the commit that frees the slug of a deleted organization. */
export async function rememberDeletion(store: Store, slug: string, id: string): Promise<Step> {
  const others = (await formerIdsOf(store, slug)).filter((former) => former !== id);
  const value = JSON.stringify([id, ...others].slice(0, MAX_REMEMBERED));
  return { do: 'put', key: keyOf(slug), value, ttlSeconds: REMEMBERED_SECONDS };
}

/**
 * Returns whether a deleted organization with the same slug has claimed an assertion. Its partition is no longer written to, so
 * this check need not be part of the commit of a sign-in.
 */
export async function wasClaimedByFormer(store: Store, { formerIds = [] }: Organization, key: string): Promise<boolean> {
  const claims = await Promise.all(formerIds.map((id) => store.peek(id, key)));
  return claims.some((claim) => claim !== undefined);
}
