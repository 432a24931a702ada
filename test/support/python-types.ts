/** Turns JSON schemas of the OpenAPI document into types for Python 3.9. */

export interface ObjectSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
}

export type Schema = ObjectSchema;

const SCALARS: Readonly<Record<string, string>> = {
  string: 'str',
  integer: 'int',
  number: 'float',
  boolean: 'bool',
  null: 'None',
};
/** The words of Python that can't be names of fields. */
const KEYWORDS =
  /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

export const pascalCase = (name: string): string => name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

const literal = (value: unknown): string => (typeof value === 'boolean' ? (value ? 'True' : 'False') : JSON.stringify(value));

/** Collects the types that other types and operations refer to. */
export class PythonTypes {
  readonly #schemas: Readonly<Record<string, Schema>>;
  readonly #errorCodes: string;
  /** Definitions by name, each after those it is made of. */
  readonly #definitions = new Map<string, string>();
  readonly #shapes = new Map<string, string>();

  constructor(schemas: Readonly<Record<string, Schema>>, errorCodes: readonly string[]) {
    this.#schemas = schemas;
    this.#errorCodes = errorCodes.join();
    for (const name of Object.keys(schemas)) this.#component(name);
  }

  resolve(schema: Schema): Schema {
    return schema.$ref === undefined ? schema : (this.#schemas[nameOf(schema.$ref)] ?? {});
  }

  isAllOptional(schema: Schema): boolean {
    const { anyOf, required = [] } = this.resolve(schema);
    return anyOf === undefined && required.length === 0;
  }

  /**
   * Returns the type of a schema.
   * @param name of the new type, if it needs one
   * @param prefix of the module in front of names
   */
  typeOf(schema: Schema, name: string, prefix = ''): string {
    if (schema.$ref !== undefined) {
      this.#component(nameOf(schema.$ref));
      return `${prefix}${nameOf(schema.$ref)}`;
    }
    if (schema.anyOf) return unionOf(schema.anyOf.map((each, at) => this.typeOf(each, variantName(schema, name, at), prefix)));
    if (schema.const !== undefined) return `Literal[${literal(schema.const)}]`;
    if (schema.enum)
      return schema.enum.join() === this.#errorCodes ? `${prefix}ErrorCode` : `Literal[${schema.enum.map(literal).join(', ')}]`;
    if (Array.isArray(schema.type)) return unionOf(schema.type.map((type: string) => this.typeOf({ ...schema, type }, name, prefix)));
    if (schema.type === 'array') return `List[${this.typeOf(schema.items ?? {}, `${name}Item`, prefix)}]`;
    if (schema.type === 'object') return this.#objectType(schema, name, prefix);
    return SCALARS[String(schema.type)] ?? 'Any';
  }

  #component(name: string): void {
    const schema = this.#schemas[name];
    if (!schema) throw new TypeError(`The document has no schema ${name}`);
    if (this.#definitions.has(name)) return;
    if (schema.type === 'object' && schema.properties) this.#define(name, schema);
    else this.#definitions.set(name, `${name} = ${this.typeOf(schema, name)}`);
  }

  #objectType(schema: Schema, name: string, prefix: string): string {
    const { properties = {}, additionalProperties } = schema;
    if (Object.keys(properties).length === 0) {
      const values = typeof additionalProperties === 'object' ? this.typeOf(additionalProperties, `${name}Value`) : 'Any';
      return `Dict[str, ${values}]`;
    }
    return `${prefix}${this.#define(name, schema)}`;
  }

  /** Defines a TypedDict. Equal shapes of one name share it. @returns its name */
  #define(wanted: string, schema: Schema): string {
    const shape = JSON.stringify(schema);
    let name = wanted;
    for (let number = 2; this.#shapes.has(name) && this.#shapes.get(name) !== shape; number++) name = `${wanted}${number}`;
    if (this.#shapes.has(name)) return name;
    this.#shapes.set(name, shape);
    const { properties = {}, required = [], description } = schema;
    const fields = Object.entries(properties).map(([field, its]) => {
      if (!/^[a-zA-Z_]\w*$/.test(field) || KEYWORDS.test(field)) throw new TypeError(`${name}.${field} is not a name in Python`);
      const documented = its.description === undefined ? '' : `\n    ${docString(its.description)}`;
      return {
        isRequired: required.includes(field),
        text: `    ${field}: ${this.typeOf(its, `${name}${pascalCase(field)}`)}${documented}`,
      };
    });
    const [always, sometimes] = [true, false].map((flag) => fields.filter(({ isRequired }) => isRequired === flag).map(({ text }) => text));
    this.#definitions.set(name, typedDict(name, { always: always ?? [], sometimes: sometimes ?? [], description }));
    return name;
  }

  module(header: string): string {
    return `${header}
"""Types of the requests and answers of the API. Later versions of a gateway may add fields to answers."""
from __future__ import annotations

from typing import Any, Dict, List, Literal, Optional, TypedDict, Union

ErrorCode = Literal[
${this.#errorCodes
  .split(',')
  .map((code) => `    ${literal(code)},`)
  .join('\n')}
]

${[...this.#definitions.values()]
  .join('\n\n')
  .replace(/\n{4,}/g, '\n\n\n')
  .trim()}
`;
  }
}

const nameOf = (ref: string): string => ref.replace('#/components/schemas/', '');

/** Numbers the variants of a union of objects. */
const variantName = ({ anyOf = [] }: Schema, name: string, at: number): string =>
  anyOf.filter(({ type }) => type === 'object').length > 1 ? `${name}Variant${at + 1}` : name;

/** `Optional` has no meaning of its own within a union. */
function unionOf(types: readonly string[]): string {
  const others = [...new Set(types)].filter((type) => type !== 'None');
  const union = others.length === 1 ? (others[0] ?? 'Any') : `Union[${others.join(', ')}]`;
  return types.includes('None') ? `Optional[${union}]` : union;
}

const docString = (text: string): string => `"""${text.replaceAll('\\', '\\\\').replaceAll('"""', "'''")}"""`;

interface Fields {
  readonly always: readonly string[];
  readonly sometimes: readonly string[];
  readonly description: string | undefined;
}

/** Python 3.9 has no `NotRequired`, so the required fields of a type with optional ones are in a base class. */
function typedDict(name: string, { always, sometimes, description }: Fields): string {
  const documented = description === undefined ? '' : `    ${docString(description)}\n\n`;
  if (sometimes.length === 0) return `\nclass ${name}(TypedDict):\n${documented}${always.join('\n')}\n`;
  const optional = `class ${name}(${always.length > 0 ? `_${name}` : 'TypedDict'}, total=False):\n${documented}${sometimes.join('\n')}\n`;
  return always.length === 0 ? `\n${optional}` : `\nclass _${name}(TypedDict):\n${always.join('\n')}\n\n\n${optional}`;
}
