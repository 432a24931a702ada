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
  guide: 'API guide',
  guideLead: 'explains credentials, lists, errors and retries.',
  document: 'OpenAPI 3.1 document',
  shell: 'Prepare a shell',
  client: 'Prepare TypeScript',
  python: 'Prepare Python',
  objects: 'Objects',
  alternative: 'or',
  example: 'Example',
  start: 'Getting started',
} as const;

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
        <h2 id="start">{TEXTS.start}</h2>
        <p>
          The <a href="/docs/api">{TEXTS.guide}</a> {TEXTS.guideLead} This page and the <a href="/api/v1/openapi.json">{TEXTS.document}</a>{' '}
          describe version {version}.
        </p>
        <p>
          Create a CLI token in the <a href="/console">console</a> or with <code>samlgate login</code>. The operator uses the operator token
          instead.
        </p>
        <p>
          In a path, <code>{'{org}'}</code> is the slug of an organization, and the other names stand for IDs. A page of a list has its{' '}
          <code>items</code> and a <code>next_cursor</code>.
        </p>
        <p>
          Examples are for curl and TypeScript. The <a href="/docs/python">Python package</a> has a method for every operation.
        </p>
        <p>
          Every operation can also answer 429 <a href="/docs/errors#rate_limited">rate_limited</a> and 503{' '}
          <a href="/docs/errors#store_unavailable">store_unavailable</a>. Operations that are not available to everyone can answer 401{' '}
          <a href="/docs/errors#unauthenticated">unauthenticated</a>.
        </p>
      </div>
      <div class="samples">
        <CodeSample label={TEXTS.shell} text={`export SAMLGATE_URL=${baseUrl}\nexport SAMLGATE_CLI_TOKEN=samlgate_cli_…`} />
        <CodeSample label={TEXTS.client} text={CLIENT} />
        <CodeSample label={TEXTS.python} text={PYTHON} />
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
          {at === 0 ? null : <p class="sub">{TEXTS.alternative}</p>}
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
  { href: '#start', label: TEXTS.start },
  ...groups.map(({ title, anchor, operations }) => ({
    href: `#${anchor}`,
    label: title,
    entries: operations.map(({ id, summary }) => ({ href: `#${id}`, label: summary })),
  })),
  { href: '#objects', label: TEXTS.objects },
];
