/**
 * The tables in docs/ that are made from tables in the code. Each page marks where its tables go; everything else on the page is
 * written by hand. `npm run docs` writes the tables, and `documentation.test.ts` fails while a page differs from the code.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { SIGN_IN_CHECKS } from '../../src/auth/sign-in-log/sign-in-checks.ts';
import { VARIABLES } from '../../src/config.ts';
import { OWN_LABELS } from '../../src/console/setup-steps/idp-product.ts';
import { IDP_PRODUCTS } from '../../src/console/setup-steps/idp-products.ts';
import { ERROR_VARIANTS, ERRORS, type ErrorText, errorText, type Fixer } from '../../src/errors.ts';
import { OPERATIONS } from '../../src/http/api/api.ts';
import { CALLERS } from '../../src/http/api-reference/operation-views.ts';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { createMetrics } from '../../src/metrics.ts';
import { QUOTAS } from '../../src/organizations/quotas/quotas.ts';
import { PERSON_CHECKS, RESPONSE_CHECKS } from '../../src/saml/response/checks.ts';

type Cells = readonly string[];

/** Escapes what would end a cell. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function table(header: Cells, rows: readonly Cells[]): string {
  const line = (cells: Cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(header), `|${header.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const FIXERS: Readonly<Record<Fixer, string>> = {
  user: 'user',
  owner: 'owner',
  'idp-administrator': 'administrator of the identity provider',
  operator: 'operator',
};

const both = ({ title, advice }: ErrorText): string => `**${title}**. ${advice}`;

function errors(): string {
  const rows = Object.entries(ERRORS).map(([code, { status, fixer, user, administrator }]) => [
    `\`${code}\``,
    String(status),
    both(user),
    both(administrator) === both(user) ? 'The same.' : both(administrator),
    FIXERS[fixer],
  ]);
  return table(['code', 'status', 'text for the user', 'text for owners and the operator', 'resolved by'], rows);
}

function errorVariants(): string {
  const rows = (Object.keys(ERROR_VARIANTS) as (keyof typeof ERROR_VARIANTS)[]).map((name) => {
    const { code } = ERROR_VARIANTS[name];
    const [user, administrator] = [errorText(code, 'user', name), errorText(code, 'administrator', name)];
    return [name.replaceAll('_', ' '), `\`${code}\``, both(user), both(administrator) === both(user) ? 'The same.' : both(administrator)];
  });
  return table(['situation', 'code', 'text for the user', 'text for owners and the operator'], rows);
}

function quotas(): string {
  const rows = Object.entries(QUOTAS).map(([name, { standard, max, description }]) => [
    `\`${name}\``,
    standard.toLocaleString('en'),
    max.toLocaleString('en'),
    description,
  ]);
  return table(['quota', 'default', 'at most', 'limits'], rows);
}

function variables(): string {
  return table(
    ['variable', 'default', 'meaning'],
    VARIABLES.map(({ name, defaultValue, description }) => [`\`${name}\``, defaultValue, description]),
  );
}

/** Only our own metrics; the others are Node's, by prom-client. */
async function metrics(): Promise<string> {
  const all = await createMetrics().registry.getMetricsAsJSON();
  const own = all.filter(({ name }) => name.startsWith('samlgate_'));
  return table(
    ['metric', 'meaning'],
    own.map(({ name, help }) => [`\`${name}\``, help]),
  );
}

const PER = {
  address: 'address',
  organization: 'organization',
  connection: 'connection',
  request: 'started sign-in',
  response: 'response',
} as const;
const timeOf = (seconds: number): string => (seconds === 60 ? 'minute' : seconds === 86_400 ? 'day' : `${seconds / 60} minutes`);

function rateLimits(): string {
  const rows = Object.entries(LIMITS).map(([name, { points, seconds, per, counts }]) => [
    `\`${name}\``,
    `${points} per ${PER[per]} and ${timeOf(seconds)}`,
    counts,
  ]);
  return table(['name', 'limit', 'counts'], rows);
}

const inCode = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

interface CheckText {
  readonly title: string;
  readonly section?: string;
  readonly codes: readonly string[];
}

const checkTable = (checks: readonly (readonly [string, CheckText])[], firstNumber: number): string =>
  table(
    ['order', 'check', 'passes if', 'specification', 'codes'],
    checks.map(([name, { title, section = '', codes }], at) => [`${firstNumber + at}`, inCode([name]), title, section, inCode(codes)]),
  );

const responseChecks = (): string => checkTable(Object.entries(RESPONSE_CHECKS), 1);

/** The checks after the verdict on a response. A sign-in reads the user once it has found the request. */
function signInChecks(): string {
  const signIn: [string, CheckText][] = Object.entries(SIGN_IN_CHECKS);
  const atUser = signIn.findIndex(([name]) => name === 'request') + 1;
  const checks = [...signIn.slice(0, atUser), ...Object.entries(PERSON_CHECKS), ...signIn.slice(atUser)];
  return checkTable(checks, Object.keys(RESPONSE_CHECKS).length + 1);
}

function operations(): string {
  const rows = Object.values(OPERATIONS).flat();
  return table(
    ['method', 'path', 'available to', 'summary'],
    rows.map(({ method, path, who, summary }) => [method.toUpperCase(), `\`${path}\``, CALLERS[who], summary]),
  );
}

/** The fields of each product that take a value of the organization. */
function idpFields(): string {
  const { other: _, ...products } = IDP_PRODUCTS;
  const rows = Object.values(products).flatMap(({ label, tasks, provisioning = [] }) =>
    [...tasks, ...provisioning].flatMap(({ title, fields = [] }) =>
      fields.flatMap(({ label: field, value }) => (typeof value === 'string' ? [] : [[label, title, field, OWN_LABELS[value.own]]])),
    ),
  );
  return table(['product', 'screen', 'field', 'value'], rows);
}

/** An example as a code block. The tests run the same file. */
const example = (file: string) => (): string => {
  const language = file.endsWith('.py') ? 'python' : 'js';
  return `\`\`\`${language}\n${readFileSync(path.join(import.meta.dirname, '../..', file), 'utf8').trim()}\n\`\`\``;
};

/** Page to its tables, by the name in the page's markers. */
export const GENERATED: Readonly<Record<string, Readonly<Record<string, () => string | Promise<string>>>>> = {
  'docs/configuration.md': { variables, quotas },
  'docs/operations.md': { metrics, 'rate-limits': rateLimits },
  'docs/errors.md': { errors, 'error-variants': errorVariants },
  'docs/api.md': {
    operations,
    'example-client': example('test/examples/client.mjs'),
    'example-express': example('test/examples/express.mjs'),
  },
  'docs/python.md': {
    'example-client': example('python/examples/client.py'),
    'example-flask': example('python/examples/flask_app.py'),
    'example-fastapi': example('python/examples/fastapi_app.py'),
  },
  'docs/identity-providers.md': { 'idp-fields': idpFields },
  'docs/saml-checks.md': { 'response-checks': responseChecks, 'sign-in-checks': signInChecks },
};

/** Returns the page with each table as the code gives it. @throws Error if the page lacks a marker */
export async function withTables(file: string, text: string): Promise<string> {
  let result = text;
  for (const [name, make] of Object.entries(GENERATED[file] ?? {})) {
    const [begin, end] = [`<!-- table ${name} -->`, `<!-- end of table ${name} -->`];
    const [from, to] = [result.indexOf(begin), result.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`${file} has no markers for the table ${name}`);
    result = `${result.slice(0, from)}${begin}\n${await make()}\n${result.slice(to)}`;
  }
  return result;
}
