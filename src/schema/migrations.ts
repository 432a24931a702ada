import type { Runtime } from '../runtime.ts';
import { migrateFromVersion1 } from './from-version-1.ts';

/**
 * Changes the store from one schema version to the next. It runs before the gateway listens, and has to
 *
 * - be idempotent, because it may be killed at any point and starts again, and because several replicas may run it at once;
 * - commit in bounded batches, and read no more than one page at a time;
 * - wait for replicas (`replicated`), so that a failover cannot undo a part of it;
 * - move records whose layout changes to a collection with a new name. A replica of the previous version that is still running then
 *   finds nothing, instead of reading a layout that it does not know. A migration has definitions of its own for former
 *   collections, so that it does not change with the program.
 */
export type Migration = (runtime: Runtime) => Promise<void>;

/** The migration at position 0 upgrades from version 1 to version 2. Released migrations never change. */
export const MIGRATIONS: readonly Migration[] = [migrateFromVersion1];
