import type { ComponentChildren } from 'preact';
import { FieldTable, type FieldTableProps } from './field-table.tsx';
import type { OperationView } from './operation-view.ts';
import { Prose } from './prose.tsx';

const TEXTS = {
  callers: 'Available to',
  query: 'Query',
  body: 'Body',
  or: 'or',
  noFields: 'The content itself, without fields.',
  answer: 'Answer',
  noContent: 'no content',
  answerInHeaders: (headers: ComponentChildren) => <>The answer is in the headers {headers}.</>,
  errors: 'Errors',
  curl: 'curl',
  typeScript: 'TypeScript',
} as const;

/** Describes one operation: what it takes, what it answers, how it fails, and how to call it. */
export const OperationArticle = ({ operation }: { readonly operation: OperationView }) => (
  <article class="operation" aria-labelledby={operation.id}>
    <div>
      <h3 id={operation.id}>
        <a href={`#${operation.id}`}>{operation.summary}</a>
      </h3>
      <p class="endpoint">
        <span class={`method ${operation.method.toLowerCase()}`}>{operation.method}</span> <code>{operation.path}</code>
      </p>
      <p class="sub">
        {TEXTS.callers} <span class="badge">{operation.callers}</span>
      </p>
      {operation.description === undefined ? null : (
        <p>
          <Prose text={operation.description} />
        </p>
      )}
      <Query fields={operation.queryParameters} />
      <Bodies bodies={operation.bodies} />
      <Answer answer={operation.answer} />
      <Errors errors={operation.errors} />
    </div>
    <div class="samples">
      <CodeSample label={TEXTS.curl} text={operation.curl} />
      <CodeSample label={TEXTS.typeScript} text={operation.typescript} />
    </div>
  </article>
);

const Query = ({ fields }: Pick<FieldTableProps, 'fields'>) =>
  fields.length === 0 ? null : (
    <>
      <h4>{TEXTS.query}</h4>
      <FieldTable fields={fields} marksRequired />
    </>
  );

const Bodies = ({ bodies }: Pick<OperationView, 'bodies'>) => (
  <>
    {bodies.map(({ types, fields }, at) => (
      <>
        <h4>
          {at === 0 ? TEXTS.body : TEXTS.or} <span class="type">{types.join(', ')}</span>
        </h4>
        {fields.length === 0 ? <p class="sub">{TEXTS.noFields}</p> : <FieldTable fields={fields} marksRequired />}
      </>
    ))}
  </>
);

const Answer = ({ answer: { status, type, object, headers } }: Pick<OperationView, 'answer'>) => (
  <>
    <h4>{TEXTS.answer}</h4>
    <p>
      <code>{status}</code> {object === undefined ? (type ?? TEXTS.noContent) : <a href={`#object-${object}`}>{type}</a>}
    </p>
    {headers.length === 0 ? null : <p>{TEXTS.answerInHeaders(<code>{headers.join(', ')}</code>)}</p>}
  </>
);

const Errors = ({ errors }: Pick<OperationView, 'errors'>) => (
  <>
    <h4>{TEXTS.errors}</h4>
    <ul class="errors">
      {errors.map(({ code, status }) => (
        <li>
          {status} <a href={`/docs/errors#${code}`}>{code}</a>
        </li>
      ))}
    </ul>
  </>
);

export interface CodeSampleProps {
  readonly label: string;
  readonly text: string;
}

/** Shows code, to which a script adds a copy button. Wide code scrolls, so it can receive the focus. */
export const CodeSample = ({ label, text }: CodeSampleProps) => (
  <div class="sample">
    <p>{label}</p>
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: without it, keyboard users could not scroll wide code */}
    <pre tabIndex={0}>
      <code>{text}</code>
    </pre>
  </div>
);
