/** What the API is: the OpenAPI document for programs, and a page that shows it to people. Neither needs a credential, nor any other host. */
import { Router } from 'express';
import { VERSION } from '../../client/version.ts';
import { ApiDocsPage } from '../../console/api-docs-page.tsx';
import { renderPage } from '../../console/layout.tsx';
import { apiViewer } from '../../files.ts';
import type { Runtime } from '../../runtime.ts';
import { sendPage } from '../pages.ts';

/** All that the page takes from the package. */
const VIEWER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

export function apiDocsRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use(['/api/docs', '/api/v1/openapi.json'], (_request, response, next) => {
    response.locals.route = 'api_docs';
    next();
  });
  let document: string | undefined;
  router.get('/api/v1/openapi.json', async (_request, response) => {
    // Made when somebody asks: most gateways never are.
    const { openApiDocument } = await import('./openapi.ts');
    document ??= JSON.stringify(openApiDocument(runtime.config.baseUrl, VERSION));
    response.setHeader('Cache-Control', 'public, max-age=300');
    response.type('json').send(document);
  });
  router.get('/api/docs', (_request, response) => sendPage(response, 200, renderPage(<ApiDocsPage />), { dataImages: true }));
  for (const file of VIEWER_FILES) {
    // Below a root, so that a dot in the path of the installation is no hidden file.
    router.get(`/api/docs/${file}`, (_request, response) => response.sendFile(file, { root: apiViewer(), maxAge: '1h' }));
  }
  return router;
}
