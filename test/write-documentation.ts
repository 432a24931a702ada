/** `npm run docs` writes the tables in docs/ that are made from the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GENERATED, withTables } from './support/documentation-tables.ts';

for (const name of Object.keys(GENERATED)) {
  const file = path.join(import.meta.dirname, '..', name);
  writeFileSync(file, await withTables(name, readFileSync(file, 'utf8')));
}
