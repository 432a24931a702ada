/** `…/setup-links`: links by which an IT administrator without an account sets up single sign-on. */
import { Router } from 'express';
import { createSetupLink, listSetupLinks, revokeSetupLink } from '../../organizations/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { toIsoTime } from '../../time.ts';
import { callerOf, organizationOf } from './callers.ts';
import { setupLinkJson, setupUrl } from './representations.ts';
import { checkShape, NEW_SETUP_LINK, PAGE_QUERY } from './request-shapes.ts';

export function setupLinkRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', async (request, response) => {
    const page = await listSetupLinks(runtime.store, organizationOf(response).id, checkShape(PAGE_QUERY, request.query));
    response.json({ items: page.items.map((link) => setupLinkJson(link, runtime.now())), next_cursor: page.nextCursor });
  });
  router.post('/', async (request, response) => {
    const { expires_in_days: days } = checkShape(NEW_SETUP_LINK, request.body ?? {});
    const made = await createSetupLink(runtime, callerOf(request, response), organizationOf(response).id, days);
    const url = setupUrl(runtime.config.baseUrl, made.secret);
    response.status(201).json({ id: made.id, url, expires_at: toIsoTime(made.expiresAtMs) });
  });
  router.delete('/:id', async (request, response) => {
    await revokeSetupLink(runtime, callerOf(request, response), organizationOf(response).id, request.params.id);
    response.status(204).end();
  });
  return router;
}
