/** Locates files of the package that are read at run time. This file is in `src` or, after a build, in `dist`, which have the same siblings. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const HERE = import.meta.dirname;
const { resolve } = createRequire(import.meta.url);

export const ASSETS = path.join(HERE, 'console/assets');
export const IDP_EXAMPLES = path.join(HERE, '../config/idp-examples');
/** Returns the style sheet of @picocss/pico, which the build copies. */
export const picoStyleSheet = (): string =>
  fromBuild('pico.min.css') ?? resolve('@picocss/pico/css/pico.min.css'); /** Returns the documentation that the build has rendered. */
export const renderedDocs = (): string | undefined => fromBuild('docs.json');
/** Renders the documentation of a clone. */
export const docsRenderer = path.join(HERE, '../render-docs.js');
export const docsRoot = path.join(HERE, '..');

function fromBuild(name: string): string | undefined {
  const file = path.join(HERE, name);
  return existsSync(file) ? file : undefined;
}
