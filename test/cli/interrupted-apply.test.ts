import { writeFileSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { stringify } from 'yaml';
import { type Home, makeHome } from '../support/command.ts';
import { newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization } from '../support/identity-provider.ts';

// Each command is a process of its own, possibly on a busy machine.
jest.setTimeout(180_000);

let gateway: TestGateway;
let proxy: Server;
let home: Home;
let metadata: string;
/** Changes that the gateway still makes before it fails. Dry runs do not count. */
let left = Number.POSITIVE_INFINITY;
/** Whether the change that fails is made without an answer. */
let isMade = false;

beforeAll(async () => {
  gateway = await startGateway();
  ({ metadata } = await makeTestOrganization(gateway));
  home = makeHome();
  proxy = createServer((incoming, response) => {
    const { method = 'GET', url = '/', headers } = incoming;
    const isChange = method !== 'GET' && !url.includes('dry_run=true');
    const fails = isChange && --left < 0;
    if (fails && !isMade) return void incoming.socket.destroy();
    const forwarded = request(`${gateway.url}${url}`, { method, headers }, (answer) => {
      if (fails) return void incoming.socket.destroy();
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  home.remove();
  proxy.close();
  await gateway.stop();
});

const fileOf = (slug: string) => ({
  slug,
  name: 'Acme',
  connections: [{ name: 'Okta', state: 'active', metadata_xml: metadata, is_default: true, clock_skew_seconds: 60 }],
  role_mapping: { rules: [{ group: 'platform-admins', role: 'owner' }], default_role: 'collaborator' },
});

/** Applies the file of each organization in one command. */
function apply(...slugs: readonly string[]) {
  const files = slugs.map((slug) => {
    const name = path.join(home.directory, `${slug}.yaml`);
    writeFileSync(name, stringify(fileOf(slug)));
    return name;
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return home.run(['org', 'apply', ...files], { SAMLGATE_URL: url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken });
}

async function failAfter(changes: number, made: boolean, slugs: readonly string[]) {
  [left, isMade] = [changes, made];
  try {
    return await apply(...slugs);
  } finally {
    left = Number.POSITIVE_INFINITY;
  }
}

const UNKNOWN = 'It is not known whether this change was applied.';

describe('samlgate org apply with a gateway that fails halfway', () => {
  test('names what was applied and what was not, and continues when the file is applied again', async () => {
    const slug = newSlug();
    // Two creations, then the role rules; the connection stays a draft.
    const failed = await failAfter(3, false, [slug]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain(`${slug}: could not set clock_skew_seconds, activate it`);
    expect(failed.stderr).toContain(UNKNOWN);
    expect(failed.stderr).toMatch(/^ {2}Applied: create the organization “Acme”; create the connection “Okta”.*; set 1 role rule/m);
    expect(failed.stderr).not.toContain('Not applied:');
    expect(failed.stderr).toContain('Apply the file again to continue. Changes that were applied are not made twice.');
    const again = await apply(slug);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(new RegExp(`^${slug}: set clock_skew_seconds[^\\n]*\\n$`));
    expect((await apply(slug)).stdout).toBe(`${slug}: no changes\n`);
  });

  test('does not make a change twice whose answer was lost', async () => {
    const slug = newSlug();
    const failed = await failAfter(2, true, [slug]);
    expect(failed.stderr).toContain(`${slug}: could not set 1 role rule`);
    expect(failed.stderr).toContain(UNKNOWN);
    expect(failed.stderr).toMatch(/^ {2}Not applied: set clock_skew_seconds, activate it/m);
    expect((await apply(slug)).stdout).toMatch(new RegExp(`^${slug}: set clock_skew_seconds[^\\n]*\\n$`));
    const { body } = await gateway.api<{ items: object[] }>('GET', `/organizations/${slug}/audit?event=role_mapping.changed`);
    expect(body.items).toHaveLength(1);
  });

  test('names the organizations of the files before the one that failed', async () => {
    const [first, second] = [newSlug(), newSlug()];
    const { stderr } = await failAfter(6, false, [first, second]);
    expect(stderr).toContain(`${second}: could not set 1 role rule`);
    expect(stderr).toMatch(new RegExp(`Applied before, from other files:\\n {2}${first}: create the organization “Acme”; `));
    const again = await apply(first, second);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining(`${first}: no changes\n${second}: set 1 role rule`) });
  });
});
