/** The web console: which pages there are, for whom. */
import { type Request, type Response, Router } from 'express';
import { sessionMiddleware } from '../../auth/sessions.ts';
import type { Runtime } from '../../runtime.ts';
import { credentialPages } from './credentials.tsx';
import { operatorPages } from './operator.tsx';
import { asMember, readPostedForm, requireManager } from './visit.ts';

type Pages = (runtime: Runtime) => Router;

/** Pages about an organization, for its owners and the operator, by their path below the visit's base. */
const MANAGER_PAGES: readonly (readonly [path: string, pages: Pages])[] = [];

export function consoleRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use('/console', (_request: Request, response: Response, next) => {
    response.locals.route = 'console';
    next();
  });
  const pages = managerPages(runtime);
  router.use('/console/operator', operatorPages(runtime, pages));
  router.use('/console', sessionMiddleware(runtime), asMember(runtime), ...readPostedForm);
  router.use('/console', credentialPages(runtime), pages);
  return router;
}

function managerPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  for (const [path, pages] of MANAGER_PAGES) router.use(path, requireManager, pages(runtime));
  return router;
}
