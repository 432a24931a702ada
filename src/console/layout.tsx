import type { ComponentChildren, VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { assetUrl } from './assets.ts';
import { HELP } from './docs/help.ts';
import { OrganizationMark, type ShownOrganization } from './organization-mark.tsx';
import { visibleText } from './parts/foreign-text.tsx';

export const TEXTS = {
  product: 'samlgate',
  windowTitle: (page: string) => `${page} · samlgate`,
  help: 'Help',
} as const;

export interface DocumentProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** Scripts under /assets. Every page also works without them. */
  readonly scripts?: readonly string[];
}

/** Renders the HTML document of every page. Nothing is inline and nothing is loaded from another host. */
export function Document({ title, children, scripts = [] }: DocumentProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <meta name="color-scheme" content="light dark" />
        <title>{TEXTS.windowTitle(visibleText(title))}</title>
        <link rel="icon" href={assetUrl('icon.svg')} type="image/svg+xml" />
        <link rel="stylesheet" href={assetUrl('style.css')} />
        {scripts.map((script) => (
          <script src={assetUrl(script)} defer />
        ))}
      </head>
      <body>{children}</body>
    </html>
  );
}

export interface PageProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** A script under /assets. */
  readonly script?: string;
  /** The organization that the page is about. */
  readonly organization?: ShownOrganization;
  /** The place in the documentation that explains the page. */
  readonly help?: string;
}

/** The icon and the name of the gateway. */
export const Product = () => (
  <>
    <img src={assetUrl('icon.svg')} alt="" width="28" height="28" /> {TEXTS.product}
  </>
);

/** Renders a page with a single card, for pages outside the console. */
export function Page({ title, children, script, organization, help = HELP['sign-in'] }: PageProps) {
  return (
    <Document title={title} {...(script === undefined ? {} : { scripts: [script] })}>
      <main class="card">
        <p class="brand">{organization === undefined ? <Product /> : <OrganizationMark {...organization} />}</p>
        {children}
      </main>
      <footer class="below">
        <a href={help}>{TEXTS.help}</a>
      </footer>
    </Document>
  );
}

/** Returns the HTML of a page. Preact escapes everything except the rendered documentation, which contains no text of users. */
export const renderPage = (page: VNode): string => `<!doctype html>${renderToString(page)}`;
