/** Migrates a store in a process of its own: `node migrating-process.ts URL`. After the line `go` it starts, and prints `done`. */
import { prepareSchema } from '../../src/schema/schema-version.ts';
import { linesFromParent } from '../store/children.ts';
import { makeStoreRuntime } from './former-organizations.ts';

const runtime = await makeStoreRuntime(process.argv[2] ?? '');
process.stdout.write('ready\n');
await linesFromParent().next();
await prepareSchema(runtime);
process.stdout.write('done\n');
await runtime.store.close();
process.exit();
