import { randomBytes } from 'node:crypto';

/** A slug that no other test has. */
export const newSlug = (): string => `t-${randomBytes(8).toString('hex')}`;
