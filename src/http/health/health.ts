import { Router } from 'express';
import type { Runtime } from '../../runtime.ts';
import { readinessOf } from './readiness.ts';

/** Routes for monitoring: liveness (`/healthz`), readiness (`/readyz`) and Prometheus metrics (`/metrics`). */
export function healthRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/healthz', (_request, response) => {
    response.locals.route = 'healthz';
    response.json({ status: 'ok' });
  });
  router.get('/readyz', async (_request, response) => {
    response.locals.route = 'readyz';
    await readinessOf(runtime).check();
    response.json({ status: 'ok' });
  });
  router.get('/metrics', async (_request, response) => {
    response.locals.route = 'metrics';
    response.type(runtime.metrics.registry.contentType).send(await runtime.metrics.registry.metrics());
  });
  return router;
}
