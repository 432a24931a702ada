import { randomBytes } from 'node:crypto';

/** Returns a random slug. */
export const newSlug = (): string => `t-${randomBytes(8).toString('hex')}`;
