import { Router } from 'express';
import { currentSigner } from '../auth/keys/key-lease.ts';
import type { Runtime } from '../runtime.ts';

/** For machines that watch: the process lives, the store answers, the figures. */
export function operationsRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/healthz', (_request, response) => {
    response.locals.route = 'healthz';
    response.json({ status: 'ok' });
  });
  router.get('/readyz', async (_request, response) => {
    response.locals.route = 'readyz';
    await runtime.store.ping();
    await currentSigner(runtime);
    response.json({ status: 'ok' });
  });
  router.get('/metrics', async (_request, response) => {
    response.locals.route = 'metrics';
    response.type(runtime.metrics.registry.contentType).send(await runtime.metrics.registry.metrics());
  });
  return router;
}
