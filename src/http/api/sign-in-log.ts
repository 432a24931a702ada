/** `…/sign-ins`: the last sign-ins of an organization, and why they were refused. */
import { Router } from 'express';
import { flushSignInLog } from '../../auth/sign-in-log/record-sign-in.ts';
import { getLogEntry, listLogEntries } from '../../auth/sign-in-log/sign-in-log.ts';
import type { Runtime } from '../../runtime.ts';
import { organizationOf } from './callers.ts';
import { checkShape, SIGN_IN_QUERY } from './request-shapes.ts';
import { signInBundleJson, signInDetailsJson, signInJson } from './sign-in-log-representations.ts';

export function signInRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use(async (_request, _response, next) => {
    // Who looks for the sign-in of a moment ago finds it, on this replica at least.
    await flushSignInLog(runtime);
    next();
  });
  router.get('/', async (request, response) => {
    const page = await listLogEntries(runtime, organizationOf(response).id, checkShape(SIGN_IN_QUERY, request.query));
    response.json({ items: page.items.map(signInJson), next_cursor: page.nextCursor });
  });
  router.get('/:id', async (request, response) => {
    response.json(signInDetailsJson(await getLogEntry(runtime, organizationOf(response).id, request.params.id)));
  });
  router.get('/:id/bundle', async (request, response) => {
    const organization = organizationOf(response);
    const entry = await getLogEntry(runtime, organization.id, request.params.id);
    response.setHeader('Content-Disposition', `attachment; filename="samlgate-${entry.id}.json"`);
    response.json(signInBundleJson(entry, organization, runtime.config.baseUrl));
  });
  return router;
}
