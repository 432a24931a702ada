import { Router } from 'express';
import { currentSigner } from '../auth/keys/key-lease.ts';
import type { Runtime } from '../runtime.ts';

/** Routes for monitoring: liveness (`/healthz`), readiness with the store and the signing key (`/readyz`), Prometheus metrics (`/metrics`). */
export function healthRoutes(runtime: Runtime): Router {
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
