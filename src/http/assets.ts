/** Serves the files that pages load: our own assets, and the style sheet. Pages load nothing from other hosts. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import express, { Router } from 'express';
import { ASSETS, picoStyleSheet } from '../files.ts';
import { sha256 } from '../ids.ts';

const MAX_AGE_SECONDS = 3600;

export function assetRoutes(): Router {
  const router = Router({ caseSensitive: true });
  let sheet: Sheet | undefined;
  router.get('/assets/style.css', async (_request, response) => {
    sheet ??= await readSheet();
    const { text, etag } = sheet;
    response
      .set({ 'Cache-Control': `public, max-age=${MAX_AGE_SECONDS}`, ETag: etag })
      .type('css')
      .send(text);
  });
  router.use('/assets', express.static(ASSETS, { index: false, redirect: false, maxAge: MAX_AGE_SECONDS * 1000 }));
  return router;
}

interface Sheet {
  readonly text: string;
  readonly etag: string;
}

/**
 * Returns Pico's style sheet followed by ours, as one file. With two files, a browser could apply Pico's before ours arrives and
 * request its images, which the Content-Security-Policy forbids.
 */
async function readSheet(): Promise<Sheet> {
  const [pico, own] = await Promise.all([readFile(picoStyleSheet(), 'utf8'), readFile(path.join(ASSETS, 'style.css'), 'utf8')]);
  const text = `${pico}\n${compact(own)}`;
  return { text, etag: `"${sha256(text)}"` };
}

/** Removes comments, and the white space after `{`, `}`, `;` and `,`. */
const compact = (css: string): string => css.replace(/\/\*.*?\*\//gs, '').replace(/([{};,])\s+/g, '$1');
