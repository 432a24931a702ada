import type { ComponentChildren, VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';

export interface PageProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** A file under /assets that the page runs; everything works without it. */
  readonly script?: string;
}

export function Page({ title, children, script }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{`${title} · samlgate`}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/style.css" />
        {script === undefined ? null : <script src={`/assets/${script}`} defer />}
      </head>
      <body>
        <main>{children}</main>
      </body>
    </html>
  );
}

/** The HTML of a page. Everything in it is escaped by preact; nothing here builds markup from text. */
export const renderPage = (page: VNode): string => `<!doctype html>${renderToString(page)}`;
