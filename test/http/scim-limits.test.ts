/** SCIM clients that try to make the gateway hold more, or work longer, than their requests are worth. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { scimGroups, scimMemberships } from '../../src/organizations/groups/scim-groups.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { flushProvisioningLog, readProvisioningLog } from '../../src/organizations/provisioning/provisioning-log.ts';
import type { Step, Store } from '../../src/store/store.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let scim: ScimClient;
let connectionId: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  scim = await makeScimClient(gateway, acme);
  connectionId = (await getOrganizationById(gateway.runtime.store, acme.id))?.connections[0]?.id ?? '';
});
afterAll(() => gateway.stop());

let number = 0;
const makeUsers = async (count: number): Promise<string[]> => {
  const create = async () => (await scim.call('POST', '/Users', { userName: `user${++number}@acme.example` })).body.id as string;
  return Promise.all(Array.from({ length: count }, create));
};
const makeGroup = async (members: readonly string[] = []): Promise<string> => {
  const sent = { displayName: `Group ${++number}`, members: members.map((value) => ({ value })) };
  return (await scim.call('POST', '/Groups', sent)).body.id;
};
const membersOf = async (group: string): Promise<unknown[]> => (await scim.call('GET', `/Groups/${group}`)).body.members;

/** Sends a request that its sender can abort. Resolves with the status, or with undefined if there is no answer. */
function send(method: string, path: string, body: unknown, { slug, token } = { slug: acme.slug, token: scim.token }) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/scim+json',
    'content-length': Buffer.byteLength(text),
  };
  const sent = httpRequest(`${gateway.url}/scim/v2/${slug}${path}`, { method, headers });
  const status = new Promise<number | undefined>((resolve) => {
    sent.once('error', () => resolve(undefined));
    sent.once('response', (answer) => resolve(answer.resume().statusCode));
  });
  sent.end(text);
  return { status, abort: () => sent.destroy() };
}

/** Replaces a function of the store while something runs. */
async function whileStore<K extends 'get' | 'commit' | 'find'>(
  name: K,
  wrap: (original: Store[K]) => Store[K],
  run: () => Promise<void>,
): Promise<void> {
  const store = gateway.runtime.store as { [name in K]: Store[K] };
  const original = store[name];
  store[name] = wrap(original.bind(store) as Store[K]);
  try {
    await run();
  } finally {
    store[name] = original;
  }
}

describe('group changes that are sent at the same time', () => {
  it('run two at a time, also if their client disconnects, and wait with their bodies unread', async () => {
    const group = await makeGroup();
    const release = Promise.withResolvers<void>();
    let held = 0;
    const hold = (original: Store['get']) =>
      (async (partition: string, collection: { name: string }, id: string) => {
        if (collection.name === scimGroups(connectionId).name && id === group) {
          held++;
          await release.promise;
        }
        return original(partition, collection as never, id);
      }) as Store['get'];
    const push = () => send('PATCH', `/Groups/${group}`, { Operations: [{ op: 'add', path: 'members', value: [] }] });
    await whileStore('get', hold, async () => {
      for (let round = 0; round < 2; round++) {
        const all = Array.from({ length: 140 }, push);
        const refused = Promise.withResolvers<void>();
        let count = 0;
        for (const { status } of all) void status.then((each) => each === 429 && ++count === 10 && refused.resolve());
        await refused.promise;
        expect(held).toBe(2);
        for (const { abort } of all) abort();
        await Promise.all(all.map(({ status }) => status));
      }
      release.resolve();
    });
    await expect(push().status).resolves.toBe(204);
  });

  it('stop between two commits when the client disconnects', async () => {
    const users = await makeUsers(110);
    const group = await makeGroup();
    const responses: ServerResponse[] = [];
    const keep = (message: unknown) => void responses.push((message as { response: ServerResponse }).response);
    subscribe('http.server.request.start', keep);
    const pushed = Promise.withResolvers<void>();
    let sent: ReturnType<typeof send> | undefined;
    const disconnect = (original: Store['commit']) =>
      (async (partition: string, steps: readonly Step[], ...more: []) => {
        const result = await original(partition, steps, ...more);
        const isBatch = steps.some((step) => step.do === 'insert' && step.collection.name === scimMemberships(connectionId).name);
        if (!isBatch) return result;
        sent?.abort();
        const [response] = responses;
        if (response && !response.closed) await once(response, 'close');
        pushed.resolve();
        return result;
      }) as Store['commit'];
    await whileStore('commit', disconnect, async () => {
      sent = send('PUT', `/Groups/${group}`, { displayName: `Group ${number}`, members: users.map((value) => ({ value })) });
      await pushed.promise;
      expect(await sent.status).toBeUndefined();
      // Long enough for further commits, if the change goes on.
      for (let i = 0; i < 20; i++) await scim.call('GET', '/ServiceProviderConfig');
    });
    unsubscribe('http.server.request.start', keep);
    expect(await membersOf(group)).toHaveLength(50);
  });
});

describe('a client that disconnects before the answer', () => {
  it('is recorded in the provisioning log, and as the last use of the token', async () => {
    const other = await makeTestOrganization(gateway);
    const client = await makeScimClient(gateway, other);
    const connection = (await getOrganizationById(gateway.runtime.store, other.id))?.connections[0]?.id ?? '';
    const responses: ServerResponse[] = [];
    const keep = (message: unknown) => void responses.push((message as { response: ServerResponse }).response);
    subscribe('http.server.request.start', keep);
    const closed = Promise.withResolvers<void>();
    let sent: ReturnType<typeof send> | undefined;
    const disconnect = (original: Store['get']) =>
      (async (partition: string, collection: { name: string }, id: string) => {
        if (collection.name === scimGroups(connection).name) {
          sent?.abort();
          const [response] = responses;
          if (response && !response.closed) await once(response, 'close');
          closed.resolve();
        }
        return original(partition, collection as never, id);
      }) as Store['get'];
    await whileStore('get', disconnect, async () => {
      sent = send('DELETE', '/Groups/grp_00000000000000000000', undefined, { slug: other.slug, token: client.token });
      expect(await sent.status).toBeUndefined();
      await closed.promise;
    });
    unsubscribe('http.server.request.start', keep);
    await flushProvisioningLog(gateway.runtime);
    const log = await readProvisioningLog(gateway.runtime, { organizationId: other.id, connectionId: connection });
    expect(log.requests).toMatchObject([{ method: 'DELETE', path: 'Groups/{id}', status: 499 }]);
    const { body } = await gateway.api<{ items: { last_used_at: string | null }[] }>('GET', `/organizations/${other.slug}/scim-tokens`);
    expect(body.items[0]?.last_used_at).toEqual(expect.any(String));
  });
});

describe('a list of users with many groups', () => {
  const SIZE = 20;

  /** Collects the lengths of the parts that the next response writes. */
  function watchParts(): { readonly lengths: readonly number[]; stop(): void } {
    const lengths: number[] = [];
    const watch = (message: unknown) => {
      const { response } = message as { response: ServerResponse };
      for (const name of ['write', 'end'] as const) {
        const original = response[name].bind(response) as (...args: unknown[]) => never;
        response[name] = (part?: unknown, ...more: unknown[]) => {
          if (typeof part === 'string' || part instanceof Buffer) lengths.push(part.length);
          return original(part, ...more);
        };
      }
    };
    subscribe('http.server.request.start', watch);
    return { lengths, stop: () => unsubscribe('http.server.request.start', watch) };
  }

  beforeAll(async () => {
    const users = await makeUsers(SIZE);
    for (let i = 0; i < SIZE; i++) await makeGroup(users);
  });

  it('is sent user by user', async () => {
    const parts = watchParts();
    const { body } = await scim.call('GET', '/Users?count=200');
    parts.stop();
    const sizes = body.Resources.map((user: unknown) => JSON.stringify(user).length) as number[];
    expect(body.Resources).toHaveLength(body.totalResults);
    expect(body.itemsPerPage).toBe(body.totalResults);
    expect(body.Resources.filter(({ groups = [] }) => groups.length === SIZE)).toHaveLength(SIZE);
    expect(Math.max(...parts.lengths)).toBeLessThanOrEqual(Math.max(...sizes));
  });

  it('waits for the disconnection of its client once, not once for each group', async () => {
    const listeners: number[] = [];
    const watch = (message: unknown) => {
      const { response } = message as { response: ServerResponse };
      const end = response.end.bind(response) as (...args: unknown[]) => never;
      response.end = (...args: unknown[]) => {
        listeners.push(response.listenerCount('close'));
        return end(...args);
      };
    };
    subscribe('http.server.request.start', watch);
    await scim.call('GET', '/Groups?count=1');
    await scim.call('GET', '/Groups?count=20');
    unsubscribe('http.server.request.start', watch);
    expect(listeners).toHaveLength(2);
    expect(listeners[1]).toBe(listeners[0]);
  });

  it('reads no further users when the client disconnects', async () => {
    const responses: ServerResponse[] = [];
    const keep = (message: unknown) => void responses.push((message as { response: ServerResponse }).response);
    subscribe('http.server.request.start', keep);
    let reads = 0;
    let sent: ReturnType<typeof send> | undefined;
    const disconnect = (original: Store['find']) =>
      (async (partition: string, collection: { name: string }, ...more: never[]) => {
        if (collection.name === scimMemberships(connectionId).name && ++reads === 3) {
          sent?.abort();
          const [response] = responses;
          if (response && !response.closed) await once(response, 'close');
        }
        return (original as (...args: unknown[]) => never)(partition, collection, ...more);
      }) as Store['find'];
    await whileStore('find', disconnect, async () => {
      sent = send('GET', '/Users?count=200', undefined);
      expect(await sent.status).not.toBe(500);
      for (let i = 0; i < 20; i++) await scim.call('GET', '/ServiceProviderConfig');
    });
    unsubscribe('http.server.request.start', keep);
    expect(reads).toBe(3);
  });

  it.each(['\u0001', '\n', '\u0085'])('has no names of groups with the control character %j', async (character) => {
    const displayName = `Staff${character}`;
    const refused = { status: 400, body: { scimType: 'invalidValue' } };
    expect(await scim.call('POST', '/Groups', { displayName })).toMatchObject(refused);
    const group = await makeGroup();
    expect(await scim.call('PUT', `/Groups/${group}`, { displayName })).toMatchObject(refused);
    const Operations = [{ op: 'replace', path: 'displayName', value: displayName }];
    expect(await scim.call('PATCH', `/Groups/${group}`, { Operations })).toMatchObject(refused);
  });
});
