/** What pages load besides themselves: our own files, and the style sheet below ours. Nothing comes from another host. */
import { createRequire } from 'node:module';
import path from 'node:path';
import express, { Router } from 'express';

const MAX_AGE = '1h';

export function assetRoutes(): Router {
  const router = Router({ caseSensitive: true });
  // Below a root, so that a dot in the path of the installation is no hidden file.
  router.get('/assets/pico.css', (_request, response) => response.sendFile('pico.min.css', { root: picoDirectory(), maxAge: MAX_AGE }));
  const own = path.join(import.meta.dirname, '../console/assets');
  router.use('/assets', express.static(own, { index: false, redirect: false, maxAge: MAX_AGE }));
  return router;
}

/** Of @picocss/pico, wherever it is installed. */
const picoDirectory = (): string => path.join(path.dirname(createRequire(import.meta.url).resolve('@picocss/pico/package.json')), 'css');
