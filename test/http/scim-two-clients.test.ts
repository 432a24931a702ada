/** Two SCIM clients of one connection that change the same users at the same moment. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimAnswer, type ScimClient } from '../support/scim-client.ts';

describe.each<'sqlite' | 'redis'>(['sqlite', 'redis'])('two SCIM clients at the same moment, on %s', (store) => {
  let gateway: TestGateway;
  let acme: TestOrganization;
  let clients: readonly ScimClient[];
  let number = 0;

  beforeAll(async () => {
    gateway = await startGateway({ store });
    acme = await makeTestOrganization(gateway);
    clients = [await makeScimClient(gateway, acme), await makeScimClient(gateway, acme)];
  });
  afterAll(() => gateway.stop());

  const client = (i: number): ScimClient => clients[i % clients.length] as ScimClient;
  const atOnce = (count: number, send: (by: ScimClient, i: number) => Promise<ScimAnswer>) =>
    Promise.all(Array.from({ length: count }, (_, i) => send(client(i), i)));
  const statuses = (answers: readonly ScimAnswer[]) => answers.map(({ status }) => status).sort();
  const newName = () => `user${++number}@acme.example`;
  const newUser = async () => (await client(0).call('POST', '/Users', { userName: newName() })).body as { id: string; userName: string };
  const patch = (by: ScimClient, id: string, value: Record<string, unknown>) =>
    by.call('PATCH', `/Users/${id}`, { Operations: [{ op: 'replace', value }] });
  const memberStatus = async (id: string) => (await gateway.api('GET', `/organizations/${acme.slug}/members/${id}`)).status;
  const ok = (count: number, status: number, others: number) => [status, ...Array.from({ length: count - 1 }, () => others)].sort();

  it('create one user of the same POST, and refuse the others with uniqueness', async () => {
    const userName = newName();
    const answers = await atOnce(6, (by, i) => by.call('POST', '/Users', { userName: i % 2 ? userName : userName.toUpperCase() }));
    expect(statuses(answers)).toEqual(ok(6, 201, 409));
    const refused = answers.filter(({ status }) => status === 409);
    expect(refused.map(({ body }) => [body.status, body.scimType])).toEqual(refused.map(() => ['409', 'uniqueness']));
    const found = await client(0).call('GET', `/Users?filter=${encodeURIComponent(`userName eq "${userName}"`)}`);
    expect(found.body.totalResults).toBe(1);
  });

  it('both keep their changes of different attributes', async () => {
    const { id } = await newUser();
    const answers = await atOnce(6, (by, i) => patch(by, id, { [`custom${i}`]: `${i}` }));
    expect(statuses(answers)).toEqual([200, 200, 200, 200, 200, 200]);
    const { body } = await client(0).call('GET', `/Users/${id}`);
    expect(body).toMatchObject(Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`custom${i}`, `${i}`])));
    expect(new Set(answers.map(({ headers }) => headers.get('etag'))).size).toBe(6);
  });

  it('change a version that both have seen only once', async () => {
    const { id } = await newUser();
    const etag = (await client(0).call('GET', `/Users/${id}`)).headers.get('etag') ?? '';
    const answers = await atOnce(6, (by, i) =>
      by.call('PUT', `/Users/${id}`, { userName: newName(), title: `${i}` }, { 'if-match': etag }),
    );
    expect(statuses(answers)).toEqual(ok(6, 200, 412));
    const winner = answers.findIndex(({ status }) => status === 200);
    expect((await client(0).call('GET', `/Users/${id}`)).body.title).toBe(`${winner}`);
  });

  it('give one userName to one user only', async () => {
    const users = await Promise.all(Array.from({ length: 5 }, newUser));
    const userName = newName();
    const answers = await atOnce(5, (by, i) => patch(by, users[i]?.id ?? '', { userName }));
    expect(statuses(answers)).toEqual(ok(5, 200, 409));
  });

  it('delete a user once', async () => {
    const { id } = await newUser();
    expect(statuses(await atOnce(4, (by) => by.call('DELETE', `/Users/${id}`)))).toEqual(ok(4, 204, 404));
    expect(await memberStatus(id)).toBe(404);
  });

  it('leave no member of a user whom one deletes and the other changes', async () => {
    for (let round = 0; round < 5; round++) {
      const { id, userName } = await newUser();
      const [deleted, ...changed] = await Promise.all([
        client(0).call('DELETE', `/Users/${id}`),
        patch(client(1), id, { active: true, title: 'x' }),
        patch(client(1), id, { active: false }),
      ]);
      expect(deleted.status).toBe(204);
      for (const { status } of changed) expect([200, 404]).toContain(status);
      expect([await memberStatus(id), (await client(0).call('GET', `/Users/${id}`)).status]).toEqual([404, 404]);
      expect((await client(1).call('POST', '/Users', { userName })).status).toBe(201);
    }
  });

  it('leave a user deactivated or active in whatever order, with the member in the same state', async () => {
    for (let round = 0; round < 5; round++) {
      const { id } = await newUser();
      const answers = await atOnce(4, (by, i) => patch(by, id, { active: i % 2 === 0 }));
      expect(statuses(answers)).toEqual([200, 200, 200, 200]);
      const { active } = (await client(0).call('GET', `/Users/${id}`)).body;
      const member = (await gateway.api<{ suspended: boolean }>('GET', `/organizations/${acme.slug}/members/${id}`)).body;
      expect(member.suspended).toBe(!active);
    }
  });
});
