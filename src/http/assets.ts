/** Serves the files that pages load. Pages load nothing from other hosts. */
import path from 'node:path';
import { type NextFunction, type Response, Router } from 'express';
import { type Asset, findAsset } from '../console/assets.ts';
import { StaticBody } from './compression.ts';

export const YEAR_SECONDS = 31_536_000;

export function assetRoutes(): Router {
  const router = Router({ caseSensitive: true });
  const bodies = new Map<Asset, StaticBody>();
  const send = async (fileName: string, response: Response, next: NextFunction): Promise<void> => {
    const found = findAsset(fileName);
    if (!found) return next();
    const { asset, isCurrent } = found;
    const body = bodies.get(asset) ?? new StaticBody(asset.body);
    bodies.set(asset, body);
    // During an upgrade, a page of the other version may ask this process. It gets the file of this version, but does not keep it.
    response.setHeader('Cache-Control', isCurrent ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
    response.setHeader('ETag', `W/"${asset.url}"`);
    response.type(path.extname(asset.name)).send(await body.encode(response));
  };
  router.get('/assets/:name', (request, response, next) => send(request.params.name, response, next));
  // Browsers and link previews ask for it on their own.
  router.get('/favicon.ico', (_request, response, next) => send('favicon.ico', response, next));
  return router;
}
