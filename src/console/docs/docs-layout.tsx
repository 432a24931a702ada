import type { ComponentChildren } from 'preact';
import { Document, Product } from '../layout.tsx';

export interface ContentsEntry {
  readonly href: string;
  readonly label: string;
  /** Whether this is the open page. */
  readonly isCurrent?: boolean;
  readonly entries?: readonly ContentsEntry[];
}

export interface DocsLayoutProps {
  readonly title: string;
  /** The address of the open page in the header. */
  readonly current: '/docs' | '/api/docs';
  readonly contents: readonly ContentsEntry[];
  readonly children: ComponentChildren;
}

/** Texts of the frame around the documentation. */
export const TEXTS = {
  skip: 'Skip to content',
  site: 'Documentation',
  contents: 'Contents',
  documentation: 'Documentation',
  apiReference: 'API reference',
  console: 'Console',
} as const;

const LINKS = [
  { href: '/docs', label: TEXTS.documentation },
  { href: '/api/docs', label: TEXTS.apiReference },
  { href: '/console', label: TEXTS.console },
] as const;

/** Renders a page of the documentation with its header and table of contents. */
export const DocsLayout = ({ title, current, contents, children }: DocsLayoutProps) => (
  <Document title={title} scripts={['copy.js']}>
    <a class="skip" href="#content">
      {TEXTS.skip}
    </a>
    <header class="top">
      <div class="bar wide">
        <a class="brand" href="/docs">
          <Product />
        </a>
        <nav class="links" aria-label={TEXTS.site}>
          {LINKS.map(({ href, label }) => (
            <a href={href} {...(href === current ? { 'aria-current': 'page' as const } : {})}>
              {label}
            </a>
          ))}
        </nav>
      </div>
    </header>
    <div class="docs">
      <nav class="contents" aria-label={TEXTS.contents}>
        <Entries entries={contents} />
      </nav>
      <main id="content">{children}</main>
    </div>
  </Document>
);

const Entries = ({ entries }: { readonly entries: readonly ContentsEntry[] }) => (
  <ul>
    {entries.map(({ href, label, isCurrent = false, entries: inner = [] }) => (
      <li>
        <a href={href} {...(isCurrent ? { 'aria-current': 'page' as const } : {})}>
          {label}
        </a>
        {inner.length === 0 ? null : <Entries entries={inner} />}
      </li>
    ))}
  </ul>
);
