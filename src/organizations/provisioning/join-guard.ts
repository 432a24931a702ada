/**
 * Prevents two accounts for one user when the first sign-in and the provisioning happen at the same moment. Each leaves marks with the
 * names of the user, and fails if the other one has left marks since it searched for the user. It then searches again.
 */
import { hashOf } from '../../ids.ts';
import type { Step, Store } from '../../store/store.ts';

/** Longer than any commit takes after the search. */
const MARK_SECONDS = 120;

export type JoinKind = 'signed-in' | 'provisioned';

export interface JoiningUser {
  readonly connectionId: string;
  /** Names and email addresses, by which the other side could find the user. */
  readonly names: readonly string[];
}

const markKey = (kind: JoinKind, connectionId: string, name: string): string =>
  `joined:${kind}:${hashOf(connectionId, name.toLowerCase())}`;

/**
 * Returns the steps for the commit that creates a member. Call it before the search for an existing member: marks that exist by then
 * are of members whom the search finds.
 */
export async function guardJoin(
  store: Store,
  organizationId: string,
  { kind, connectionId, names }: JoiningUser & { readonly kind: JoinKind },
): Promise<readonly Step[]> {
  const other = kind === 'provisioned' ? 'signed-in' : 'provisioned';
  const distinct = [...new Set(names.map((name) => name.toLowerCase()))];
  const steps = await Promise.all(
    distinct.map(async (name): Promise<readonly Step[]> => {
      const key = markKey(other, connectionId, name);
      const mark: Step = { do: 'put', key: markKey(kind, connectionId, name), value: '', ttlSeconds: MARK_SECONDS };
      return (await store.peek(organizationId, key)) === undefined ? [{ do: 'absent', key }, mark] : [mark];
    }),
  );
  return steps.flat();
}
