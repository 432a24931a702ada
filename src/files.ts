/** Files of the package that are read when it runs. This one lies in `src`, or with all code in `dist`: both have the same things around them. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const HERE = import.meta.dirname;
const { resolve } = createRequire(import.meta.url);

export const ASSETS = path.join(HERE, 'console/assets');
export const IDP_EXAMPLES = path.join(HERE, '../config/idp-examples');
/** Of @picocss/pico: the build takes it along. */
export const picoSheet = (): string => built('pico.min.css') ?? resolve('@picocss/pico/css/pico.min.css');
/**
 * The viewer of the API's page. The build takes it along, because its package reports installations to a third party; from the
 * sources it is the package's own folder, whose main module is the whole viewer, so it is not imported.
 */
export const apiViewer = (): string => built('api-viewer') ?? path.dirname(resolve('swagger-ui-dist/package.json'));

function built(name: string): string | undefined {
  const place = path.join(HERE, name);
  return existsSync(place) ? place : undefined;
}
