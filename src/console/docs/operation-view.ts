/** What the API reference shows about an operation. */
import type { FieldView } from './field-table.tsx';

export interface BodyView {
  /** Media types that the request can have. */
  readonly types: readonly string[];
  readonly fields: readonly FieldView[];
}

export interface OperationView {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  /** Such as “owners, operator”. */
  readonly callers: string;
  readonly queryParameters: readonly FieldView[];
  /** The alternative forms of the body. */
  readonly bodies: readonly BodyView[];
  readonly answer: {
    readonly status: number;
    readonly headers: readonly string[];
    readonly type?: string;
    /** The object that the type names, if the page describes it. */
    readonly object?: string;
  };
  /** Without those that every operation has. */
  readonly errors: readonly { readonly code: string; readonly status: number; readonly title: string }[];
  readonly curl: string;
  readonly typescript: string;
}
