/** `/api/docs`: the API reference. It needs no credential, no script and nothing from other hosts. */
import { Router } from 'express';
import { VERSION } from '../../client/version.ts';
import { ApiReferencePage } from '../../console/docs/api-reference-page.tsx';
import { renderPage } from '../../console/layout.tsx';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { documentOf, OPERATIONS } from '../api/api.ts';
import { StaticBody } from '../compression.ts';
import { sendStaticPage } from '../pages.ts';
import { apiReference } from './operation-views.ts';

export function apiReferenceRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/api/docs', (_request, response) => {
    response.locals.route = 'api_docs';
    return sendStaticPage(response, pageOf(runtime));
  });
  return router;
}

/** The page is the same for everyone. */
const pageOf = perRuntime(
  (runtime) =>
    new StaticBody(
      renderPage(
        <ApiReferencePage {...apiReference(OPERATIONS, documentOf(runtime))} baseUrl={runtime.config.baseUrl} version={VERSION} />,
      ),
    ),
);
