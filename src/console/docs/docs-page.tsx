import { type ContentsEntry, DocsLayout } from './docs-layout.tsx';

export interface DocsHeading {
  readonly level: number;
  readonly id: string;
  readonly text: string;
}

/** A page of the documentation, rendered from Markdown by `render-docs.js`. */
export interface DocsPageContent {
  /** Its address, `/docs` or below. */
  readonly path: string;
  readonly title: string;
  readonly headings: readonly DocsHeading[];
  readonly html: string;
}

export interface DocsPageProps {
  readonly page: DocsPageContent;
  /** All pages, in the order of the navigation. */
  readonly pages: readonly DocsPageContent[];
}

const TEXTS = { index: 'Overview', examples: 'Organization files' } as const;

/** Shows a page of the documentation. The HTML is our own: it was rendered with raw HTML escaped, and contains no text of users. */
export const DocsPage = ({ page, pages }: DocsPageProps) => (
  <DocsLayout title={page.title} current="/docs" contents={contentsOf(page, pages)}>
    <div class="prose" dangerouslySetInnerHTML={{ __html: page.html }} />
  </DocsLayout>
);

const isExample = ({ path }: DocsPageContent): boolean => path.startsWith('/docs/examples/');

function contentsOf(page: DocsPageContent, pages: readonly DocsPageContent[]): ContentsEntry[] {
  const entryOf = ({ path, title, headings }: DocsPageContent): ContentsEntry => ({
    href: path,
    label: path === '/docs' ? TEXTS.index : title,
    isCurrent: path === page.path,
    entries: path === page.path ? headings.filter(({ level }) => level === 2).map(({ id, text }) => ({ href: `#${id}`, label: text })) : [],
  });
  const examples = pages.filter(isExample);
  return [
    ...pages.filter((each) => !isExample(each)).map(entryOf),
    ...examples.slice(0, 1).map(({ path }) => ({ href: path, label: TEXTS.examples, entries: examples.map(entryOf) })),
  ];
}
