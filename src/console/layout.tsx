import type { ComponentChildren, VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { visibleText } from './parts/foreign-text.tsx';

export interface DocumentProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Files under /assets that the page runs; everything works without them. */
  readonly scripts?: readonly string[];
}

/** The frame of every page of the gateway: nothing inline, nothing from elsewhere. */
export function Document({ title, children, scripts = [] }: DocumentProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${visibleText(title)} · samlgate`}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/assets/style.css" />
        {scripts.map((script) => (
          <script src={`/assets/${script}`} defer />
        ))}
      </head>
      <body>{children}</body>
    </html>
  );
}

export interface PageProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** A file under /assets that the page runs. */
  readonly script?: string;
}

/** A page with one thing on it, for people who are not (yet) in the console. */
export function Page({ title, children, script }: PageProps) {
  return (
    <Document title={title} {...(script === undefined ? {} : { scripts: [script] })}>
      <main class="card">
        <p class="brand">
          <img src="/assets/icon.svg" alt="" width="28" height="28" /> samlgate
        </p>
        {children}
      </main>
    </Document>
  );
}

/** The HTML of a page. Everything in it is escaped by preact; nothing here builds markup from text. */
export const renderPage = (page: VNode): string => `<!doctype html>${renderToString(page)}`;
