/** `/docs`: the documentation. The build renders it; in a clone without a build it is rendered on the first request. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Router } from 'express';
import { DocsPage, type DocsPageContent } from '../console/docs/docs-page.tsx';
import { renderPage } from '../console/layout.tsx';
import { docsRenderer, docsRoot, renderedDocs } from '../files.ts';
import { StaticBody } from './compression.ts';
import { sendStaticPage } from './pages.ts';

interface Docs {
  readonly pages: readonly DocsPageContent[];
  /** Files of images by name. The name contains a hash of the content. */
  readonly images: Readonly<Record<string, string>>;
}

const YEAR_MS = 31_536_000_000;

export async function docsRoutes(): Promise<Router> {
  const { pages, images } = await readDocs();
  const router = Router({ caseSensitive: true });
  router.use('/docs', (_request, response, next) => {
    response.locals.route = 'docs';
    next();
  });
  for (const page of pages) {
    let body: StaticBody | undefined;
    router.get(page.path, (_request, response) => {
      body ??= new StaticBody(renderPage(<DocsPage page={page} pages={pages} />));
      return sendStaticPage(response, body);
    });
  }
  for (const [name, file] of Object.entries(images)) {
    router.get(`/docs/images/${name}`, (_request, response) =>
      // With a root, a dot in the path of the installation does not make the file a hidden one.
      response.sendFile(path.basename(file), { root: path.dirname(file), maxAge: YEAR_MS, immutable: true }),
    );
  }
  return router;
}

async function readDocs(): Promise<Docs> {
  const file = renderedDocs();
  if (file !== undefined) {
    const { pages, images } = JSON.parse(await readFile(file, 'utf8')) as { pages: DocsPageContent[]; images: string[] };
    return { pages, images: Object.fromEntries(images.map((name) => [name, path.join(path.dirname(file), 'docs-images', name)])) };
  }
  // The name is not written out, so that the bundle does not contain the renderer.
  const { renderDocs } = (await import(docsRenderer)) as { renderDocs: (root: string) => Docs };
  return renderDocs(docsRoot);
}
