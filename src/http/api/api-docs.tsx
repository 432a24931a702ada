/** `/api/docs`: the page that shows the OpenAPI document. It needs no credential and loads nothing from other hosts. */
import { Router } from 'express';
import { ApiDocsPage } from '../../console/api-docs-page.tsx';
import { renderPage } from '../../console/layout.tsx';
import { apiViewerFolder } from '../../files.ts';
import { sendPage } from '../pages.ts';

/** The only files of the viewer that the page loads. */
const VIEWER_FILES = ['swagger-ui.css', 'swagger-ui-bundle.js'];

export function apiDocsRoutes(): Router {
  const router = Router({ caseSensitive: true });
  router.use('/api/docs', (_request, response, next) => {
    response.locals.route = 'api_docs';
    next();
  });
  router.get('/api/docs', (_request, response) => sendPage(response, 200, renderPage(<ApiDocsPage />), { dataImages: true }));
  for (const file of VIEWER_FILES) {
    // With a root, a dot in the installation's path does not make the file a hidden one.
    router.get(`/api/docs/${file}`, (_request, response) => response.sendFile(file, { root: apiViewerFolder(), maxAge: '1h' }));
  }
  return router;
}
