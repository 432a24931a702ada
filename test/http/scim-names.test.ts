/** Names that JavaScript objects inherit, in every position of a SCIM request, and sequences of changes against a slow model. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimAnswer, type ScimClient, scimCall } from '../support/scim-client.ts';

const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
});
afterAll(() => gateway.stop());

let number = 0;
const newName = () => `user${++number}@acme.example`;
const find = async (filter: string, path = '/Users') =>
  (await scim.call('GET', `${path}?filter=${encodeURIComponent(filter)}`)).body.Resources.map(({ id }: { id: string }) => id) as string[];
const memberOf = async (id: string) => (await gateway.api('GET', `/organizations/${acme.slug}/members/${id}`)).body;

const INHERITED = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

describe.each(INHERITED)('the name %s', (name) => {
  const quoted = JSON.stringify(name);
  const value = '{"polluted":"yes","value":"x","active":false}';

  it('changes no prototype and fails no request in the place of an attribute', async () => {
    const userName = newName();
    const { id } = (await scim.call('POST', '/Users', { userName })).body;
    const group = (await scim.call('POST', '/Groups', { displayName: newName() })).body;
    const operations = [
      ...[name, `${name}.polluted`, `name.${name}`, `${name}.${name}`, `emails[${name} eq "x"].value`, `emails[type eq "work"].${name}`],
      ...[
        `${ENTERPRISE}:${name}`,
        `${ENTERPRISE}:${name}.polluted`,
        `urn:x:${name}`,
        `${name}[value eq "x"]`,
        `${name}[value eq "x"].polluted`,
      ],
    ].flatMap((path) => ['add', 'replace', 'remove'].map((op) => `{"op":"${op}","path":${JSON.stringify(path)},"value":${value}}`));
    const values = [
      ...[
        `{${quoted}:${value}}`,
        `{"name":{${quoted}:${value}}}`,
        `{"emails":[{${quoted}:${value}}]}`,
        `{${JSON.stringify(`name.${name}`)}:"x"}`,
      ],
      ...[`{"${ENTERPRISE}":{${quoted}:${value}}}`, `{"${ENTERPRISE}:${name}":"x"}`, `{${JSON.stringify(`${name}.polluted`)}:"x"}`],
    ];
    const bodies = [...values.map((each) => `{"op":"add","value":${each}}`), ...operations].map((each) => `{"Operations":[${each}]}`);
    const requests: [method: string, path: string, body?: string | undefined][] = [
      ...[...bodies, `{"Operations":[{${quoted}:1,"op":"add","path":"title","value":"x"}]}`, `{${quoted}:1,"Operations":[]}`].flatMap(
        (body): typeof requests => [
          ['PATCH', `/Users/${id}`, body],
          ['PATCH', `/Groups/${group.id}`, body],
        ],
      ),
      ...values.flatMap((each): typeof requests => {
        const rest = each.slice(1);
        return [
          ['POST', '/Users', `{"userName":"${newName()}",${rest}`],
          ['PUT', `/Users/${id}`, `{"userName":"${userName}",${rest}`],
          ['POST', '/Groups', `{"displayName":"${newName()}",${rest}`],
          ['PUT', `/Groups/${group.id}`, `{"displayName":"${group.displayName}",${rest}`],
        ];
      }),
      ['POST', '/Groups', `{"displayName":"${newName()}","members":[{${quoted}:${value},"value":"x"}]}`],
      ...[
        `${name} eq "x"`,
        `name.${name} eq "x"`,
        `emails[${name} eq "x"]`,
        `${ENTERPRISE}:${name} pr`,
        `userName eq "${userName}" and ${name} pr`,
      ].flatMap((filter): typeof requests => [
        ['GET', `/Users?filter=${encodeURIComponent(filter)}`],
        ['GET', `/Groups?filter=${encodeURIComponent(filter)}`],
      ]),
      ...['attributes', 'excludedAttributes', 'startIndex', 'count', 'filter', name].map((parameter): [string, string] => [
        'GET',
        `/Users?${parameter}=${name}`,
      ]),
      ...['attributes', 'excludedAttributes'].map((parameter): [string, string] => [
        'GET',
        `/Users/${id}?${parameter}=${name},name.${name}`,
      ]),
      ...['/Users', '/Groups', '/Schemas', '/ResourceTypes', ''].map((path): [string, string] => ['GET', `${path}/${name}`]),
      ...['PUT', 'PATCH', 'DELETE'].flatMap((method): typeof requests => [
        [method, `/Users/${name}`, method === 'DELETE' ? undefined : '{"userName":"x","Operations":[]}'],
        [method, `/Groups/${name}`, method === 'DELETE' ? undefined : '{"displayName":"x","Operations":[]}'],
      ]),
    ];
    const before = Object.getOwnPropertyNames(Object.prototype);
    for (const [method, path, body] of requests) {
      const { status } = await scim.call(method, path, body);
      expect([method, path, body, status < 500]).toEqual([method, path, body, true]);
    }
    expect((await scimCall(gateway.url, scim.token, { method: 'GET', path: `/scim/v2/${name}/Users` })).status).toBe(401);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    expect((Object.prototype as { polluted?: unknown }).polluted).toBeUndefined();
    expect((await scim.call('GET', `/Users/${id}`)).body).toMatchObject({ id, userName, active: true });
    expect(await memberOf(id)).toMatchObject({ suspended: false });
  });

  it('is a value like any other', async () => {
    const emails = [{ value: `${name}@acme.example`, type: name }];
    const answer = await scim.call('POST', '/Users', { userName: name, externalId: name, displayName: name, emails });
    expect(answer).toMatchObject({ status: 201, body: { userName: name, externalId: name, displayName: name, emails, active: true } });
    const { id } = answer.body;
    for (const filter of [
      `userName eq ${quoted}`,
      `externalId eq ${quoted}`,
      `emails[type eq ${quoted}].value eq "${name}@acme.example"`,
    ]) {
      expect([filter, await find(filter)]).toEqual([filter, [id]]);
    }
    expect((await scim.call('POST', '/Users', { userName: name })).status).toBe(409);
    const group = await scim.call('POST', '/Groups', { displayName: name, externalId: name, members: [{ value: name }, { value: id }] });
    expect([group.status, group.body.members.map(({ value }: { value: string }) => value)]).toEqual([201, [id]]);
    expect(await find(`displayName eq ${quoted}`, '/Groups')).toEqual([group.body.id]);
    for (const path of [`/Groups/${group.body.id}`, `/Users/${id}`]) expect((await scim.call('DELETE', path)).status).toBe(204);
  });
});

/** What a client does to one attribute, in the words of an administrator. */
interface Edit {
  readonly attribute: 'active' | 'displayName' | 'title' | 'givenName' | 'email' | 'department' | 'externalId';
  /** Undefined removes the attribute. */
  readonly value: string | boolean | undefined;
  /** Which of the forms of Okta and Entra ID sends it. */
  readonly form: number;
}

const PATHS: Readonly<Record<Edit['attribute'], string>> = {
  active: 'active',
  displayName: 'displayName',
  title: 'title',
  givenName: 'name.givenName',
  email: 'emails[type eq "work"].value',
  department: `${ENTERPRISE}:department`,
  externalId: 'externalId',
};

/** Returns the operation of an edit as a client sends it. */
function operationOf({ attribute, value, form }: Edit): unknown {
  const path = PATHS[attribute];
  if (value === undefined) return { op: form % 2 ? 'remove' : 'Remove', path: attribute === 'email' ? 'emails[type eq "work"]' : path };
  const sent = typeof value === 'boolean' && form % 2 ? (value ? 'True' : 'False') : value;
  const op = ['add', 'Add', 'replace', 'Replace', 'REPLACE'][form % 5];
  if (form % 3 === 0 && attribute !== 'email') return { op, value: { [path]: sent } };
  if (form % 3 === 1 && attribute === 'givenName') return { op, path: 'name', value: { givenName: sent } };
  return { op, path: form % 4 === 0 ? path.toUpperCase().replace('"WORK"', '"work"') : path, value: sent };
}

describe('a user after any sequence of changes', () => {
  const text = fc.stringMatching(/^[a-zA-Z0-9 äß漢"'\\]{0,6}[a-z]$/);
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    fc.record({ attribute: fc.constant('active' as const), value: fc.boolean(), form: fc.nat(60) }),
    fc.record({
      attribute: fc.constantFrom(
        'displayName' as const,
        'title' as const,
        'givenName' as const,
        'department' as const,
        'externalId' as const,
      ),
      value: fc.option(text, { nil: undefined }),
      form: fc.nat(60),
    }),
    fc.record({
      attribute: fc.constant('email' as const),
      value: fc.option(fc.stringMatching(/^[a-z]{1,5}@[a-z]{1,5}\.example$/), { nil: undefined }),
      form: fc.nat(60),
    }),
  );

  it('is what a slow model says, and so is its member', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(edit, { minLength: 1, maxLength: 4 }), { maxLength: 5 }), async (requests) => {
        const userName = newName();
        const { id, meta } = (await scim.call('POST', '/Users', { userName, active: true })).body;
        const model = new Map<Edit['attribute'], Edit['value']>([['active', true]]);
        let answer: ScimAnswer['body'];
        let version = meta.version as string;
        for (const edits of requests) {
          const before = JSON.stringify([...model].sort());
          for (const { attribute, value } of edits) {
            if (value === undefined) model.delete(attribute);
            else model.set(attribute, value);
          }
          const { status, body } = await scim.call('PATCH', `/Users/${id}`, { Operations: edits.map(operationOf) });
          expect([status, body.detail]).toEqual([200, undefined]);
          if (before === JSON.stringify([...model].sort())) expect(body.meta.version).toBe(version);
          version = body.meta.version;
          answer = body;
        }
        const stored = (await scim.call('GET', `/Users/${id}`)).body;
        if (answer) expect(stored).toEqual(answer);
        const { displayName, title, name, emails, externalId, active } = stored;
        const has = Object.entries({
          ...{ displayName, title, externalId, active },
          ...{ givenName: name?.givenName, email: emails?.[0]?.value, department: stored[ENTERPRISE]?.department },
        }).filter(([, value]) => value !== undefined);
        expect(Object.fromEntries(has)).toEqual(Object.fromEntries(model));
        expect(emails ?? []).toEqual(model.has('email') ? [{ type: 'work', value: model.get('email') }] : []);
        expect(await memberOf(id)).toMatchObject({
          suspended: !model.get('active'),
          email: model.get('email') ?? userName,
        });
      }),
      { numRuns: 25 },
    );
  }, 120_000);
});

describe('a userName with spaces around it', () => {
  it('is one user, whether or not the client sends the spaces', async () => {
    const userName = newName();
    const { body } = await scim.call('POST', '/Users', { userName: ` ${userName} `, externalId: ` ${userName}` });
    expect(body.userName).toBe(` ${userName} `);
    for (const sent of [userName, ` ${userName} `, `${userName.toUpperCase()} `]) {
      expect([sent, await find(`userName eq "${sent}"`)]).toEqual([sent, [body.id]]);
      expect((await scim.call('POST', '/Users', { userName: sent })).status).toBe(409);
    }
    for (const sent of [userName, ` ${userName}`]) expect([sent, await find(`externalId eq "${sent}"`)]).toEqual([sent, [body.id]]);
    expect(await find(`userName eq "${userName}" and active eq false`)).toEqual([]);
  });
});

describe('a group whose displayName and externalId have spaces around them', () => {
  it('is found by the name as it was sent, and by the externalId with or without spaces', async () => {
    const name = newName();
    const displayName = ` ${name} `;
    const { body } = await scim.call('POST', '/Groups', { displayName, externalId: ` ${name}` });
    expect(await find(`displayName eq "${displayName}"`, '/Groups')).toEqual([body.id]);
    for (const sent of [name, ` ${name}`]) expect([sent, await find(`externalId eq "${sent}"`, '/Groups')]).toEqual([sent, [body.id]]);
    expect((await scim.call('POST', '/Groups', { displayName })).status).toBe(409);
  });
});
