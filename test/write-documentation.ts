/** `npm run docs` writes what is made from the code: the tables in docs/, and modules of the Python package. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GENERATED, withTables } from './support/documentation-tables.ts';
import { pythonModules } from './support/python-package.ts';

const ROOT = path.join(import.meta.dirname, '..');

for (const name of Object.keys(GENERATED)) {
  const file = path.join(ROOT, name);
  writeFileSync(file, await withTables(name, readFileSync(file, 'utf8')));
}
for (const [name, text] of Object.entries(pythonModules())) writeFileSync(path.join(ROOT, name), text);
