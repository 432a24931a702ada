/** Okta's SCIM 2.0 specification test, from the table in test/scim/okta-spec. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';

type Expectation = readonly [property: string, comparison: string, value?: string];

interface SpecRequest {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: unknown;
  readonly expect: readonly Expectation[];
  readonly save?: Readonly<Record<string, string>>;
}

const FILE = path.join(import.meta.dirname, '../scim/okta-spec/requests.json');
const { defaults, requests } = JSON.parse(readFileSync(FILE, 'utf8')) as {
  readonly defaults: Readonly<Record<string, string>>;
  readonly requests: readonly SpecRequest[];
};

const variables = new Map<string, string>();

/** Puts the variables into a text. */
const filled = (text: string): string =>
  text.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`The variable ${name} has no value.`);
    return value;
  });

/** Returns a property such as `Resources[0].name.familyName`. */
const propertyOf = (body: unknown, property: string): unknown =>
  (property.match(/[^.[\]]+/g) ?? []).reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], body);

const isFilled = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);

const COMPARISONS: Readonly<Record<string, (actual: unknown, expected: string) => boolean>> = {
  equal: (actual, expected) => String(actual) === expected,
  equal_number: (actual, expected) => typeof actual === 'number' && actual === Number(expected),
  is_a_number: (actual) => typeof actual === 'number',
  not_empty: isFilled,
  contains: (actual, expected) => (JSON.stringify(actual) ?? '').includes(expected),
  has_value: (actual, expected) => Object.values(Object(actual)).flat().includes(expected),
};

const problemOf = ([property, comparison, value = '']: Expectation, status: number, body: unknown): string | undefined => {
  const actual = property === '$status' ? status : propertyOf(body, property);
  const holds = COMPARISONS[comparison];
  if (!holds) throw new Error(`There is no comparison ${comparison}.`);
  return holds(actual, filled(value)) ? undefined : `${property} ${comparison} ${value}: ${JSON.stringify(actual)}`;
};

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
  const acme = await makeTestOrganization(gateway);
  const client = await makeScimClient(gateway, acme);
  // The collection expects a server that has a user already.
  await client.call('POST', '/Users', {
    userName: 'first@acme.example',
    name: { givenName: 'First', familyName: 'User' },
    emails: [{ value: 'first@acme.example', primary: true }],
  });
  const values = {
    base: `${gateway.url}/scim/v2/${acme.slug}`,
    auth: `Bearer ${client.token}`,
    unknownUserName: 'abcdefgh@atko.com',
    unknownId: '010101001010101011001010101011',
    userName: 'runscope370aberrant@atko.com',
    userNameInCapitals: 'RUNSCOPE370ABERRANT@ATKO.COM',
    email: 'runscope371aberrant@atko.com',
    givenName: 'Runscope370',
    familyName: 'Aberrant',
  };
  for (const [name, value] of Object.entries(values)) variables.set(name, value);
});
afterAll(() => gateway.stop());

describe('Okta’s SCIM 2.0 specification test', () => {
  it.each(requests)('$name', async ({ method, url, headers = {}, body, expect: expectations, save = {} }) => {
    const sent = Object.entries({ ...defaults, ...headers }).flatMap(([name, value]) => (value === null ? [] : [[name, filled(value)]]));
    const response = await fetch(filled(url), {
      method,
      headers: sent as [string, string][],
      body: body === undefined ? null : filled(JSON.stringify(body)),
    });
    const answer: unknown = await response.json();
    const problems = expectations.map((each) => problemOf(each, response.status, answer)).filter((problem) => problem !== undefined);
    expect(problems).toEqual([]);
    for (const [name, property] of Object.entries(save)) variables.set(name, String(propertyOf(answer, property)));
  });

  it('has a comparison that fails for each expectation that is not met', () => {
    const failing: Expectation[] = [
      ['$status', 'equal_number', '201'],
      ['active', 'equal', 'false'],
      ['count', 'equal', '0'],
      ['text', 'is_a_number'],
      ['none', 'not_empty'],
      ['list', 'not_empty'],
      ['none.x[0]', 'not_empty'],
      ['text', 'contains', 'z'],
      ['list', 'has_value', 'a'],
      ['', 'has_value', 'z'],
      ['none', 'has_value', 'a'],
    ];
    const body = { active: true, count: 1, text: '1', list: [] };
    expect(failing.filter((each) => problemOf(each, 200, body) === undefined)).toEqual([]);
  });
});
