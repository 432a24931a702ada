import type { ComponentChildren } from 'preact';
import { DocsLayout } from './docs-layout.tsx';
import { FieldTable, type FieldView } from './field-table.tsx';
import { CodeSample, OperationArticle } from './operation-article.tsx';
import type { OperationView } from './operation-view.ts';

export interface OperationGroup {
  readonly title: string;
  readonly anchor: string;
  readonly operations: readonly OperationView[];
}

export interface ObjectView {
  readonly name: string;
  /** The fields of each alternative form. */
  readonly forms: readonly (readonly FieldView[])[];
  /** An example, as JSON. */
  readonly sample: string;
}

export interface ApiReferenceProps {
  readonly groups: readonly OperationGroup[];
  readonly objects: readonly ObjectView[];
  readonly baseUrl: string;
  readonly version: string;
}

const TEXTS = {
  title: 'API reference',
  lead: 'The JSON API of this gateway. Times are RFC 3339 strings in UTC, and errors are problem details (RFC 9457) with a code.',
  guide: (version: string, links: Record<'guide' | 'openApi', Link>) => (
    <>
      The {links.guide('API guide')} explains credentials, lists, errors and retries. This page and the{' '}
      {links.openApi('OpenAPI 3.1 document')} describe version {version}.
    </>
  ),
  credentials: (consoleLink: Link, command: ComponentChildren) => (
    <>
      Create a CLI token in the {consoleLink('console')} or with {command}. The operator uses the operator token instead.
    </>
  ),
  paths: (org: ComponentChildren, items: ComponentChildren, cursor: ComponentChildren) => (
    <>
      In a path, {org} is the slug of an organization, and the other names stand for IDs. A page of a list has its {items} and a {cursor}.
    </>
  ),
  languages: (pythonLink: Link) => (
    <>Examples are for curl and TypeScript. The {pythonLink('Python package')} has a method for every operation.</>
  ),
  commonErrors: (rateLimited: ComponentChildren, storeUnavailable: ComponentChildren, unauthenticated: ComponentChildren) => (
    <>
      Every operation can also answer 429 {rateLimited} and 503 {storeUnavailable}. Operations that are not available to everyone can answer
      401 {unauthenticated}.
    </>
  ),
  prepareShell: 'Prepare a shell',
  prepareTypeScript: 'Prepare TypeScript',
  preparePython: 'Prepare Python',
  objects: 'Objects',
  or: 'or',
  example: 'Example',
  gettingStarted: 'Getting started',
} as const;

type Link = (text: string) => ComponentChildren;
const linkTo =
  (href: string): Link =>
  (text) => <a href={href}>{text}</a>;
const errorLink = (code: string) => <a href={`/docs/errors#${code}`}>{code}</a>;

const CLIENT = `import { createClient } from 'samlgate/client';

const client = createClient();`;

const PYTHON = `import samlgate

client = samlgate.Client()
me = client.get_me()`;

/** Documents the JSON API: each operation with its fields, errors and examples, then the objects of the answers. */
export const ApiReferencePage = ({ groups, objects, baseUrl, version }: ApiReferenceProps) => (
  <DocsLayout title={TEXTS.title} current="/api/docs" contents={contentsOf(groups)}>
    <h1>{TEXTS.title}</h1>
    <p class="lead">{TEXTS.lead}</p>
    <section class="operation" aria-labelledby="start">
      <div>
        <h2 id="start">{TEXTS.gettingStarted}</h2>
        <p>{TEXTS.guide(version, { guide: linkTo('/docs/api'), openApi: linkTo('/api/v1/openapi.json') })}</p>
        <p>{TEXTS.credentials(linkTo('/console'), <code>samlgate login</code>)}</p>
        <p>{TEXTS.paths(<code>{'{org}'}</code>, <code>items</code>, <code>next_cursor</code>)}</p>
        <p>{TEXTS.languages(linkTo('/docs/python'))}</p>
        <p>{TEXTS.commonErrors(errorLink('rate_limited'), errorLink('store_unavailable'), errorLink('unauthenticated'))}</p>
      </div>
      <div class="samples">
        <CodeSample label={TEXTS.prepareShell} text={`export SAMLGATE_URL=${baseUrl}\nexport SAMLGATE_CLI_TOKEN=samlgate_cli_…`} />
        <CodeSample label={TEXTS.prepareTypeScript} text={CLIENT} />
        <CodeSample label={TEXTS.preparePython} text={PYTHON} />
      </div>
    </section>
    {groups.map(({ title, anchor, operations }) => (
      <section aria-labelledby={anchor}>
        <h2 id={anchor}>{title}</h2>
        {operations.map((operation) => (
          <OperationArticle operation={operation} />
        ))}
      </section>
    ))}
    <section aria-labelledby="objects">
      <h2 id="objects">{TEXTS.objects}</h2>
      {objects.map((object) => (
        <ObjectArticle {...object} />
      ))}
    </section>
  </DocsLayout>
);

const ObjectArticle = ({ name, forms, sample }: ObjectView) => (
  <article class="operation" aria-labelledby={`object-${name}`}>
    <div>
      <h3 id={`object-${name}`}>{name}</h3>
      {forms.map((fields, at) => (
        <>
          {at === 0 ? null : <p class="sub">{TEXTS.or}</p>}
          <FieldTable fields={fields} />
        </>
      ))}
    </div>
    <div class="samples">
      <CodeSample label={TEXTS.example} text={sample} />
    </div>
  </article>
);

const contentsOf = (groups: readonly OperationGroup[]) => [
  { href: '#start', label: TEXTS.gettingStarted },
  ...groups.map(({ title, anchor, operations }) => ({
    href: `#${anchor}`,
    label: title,
    entries: operations.map(({ id, summary }) => ({ href: `#${id}`, label: summary })),
  })),
  { href: '#objects', label: TEXTS.objects },
];
