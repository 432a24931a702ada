import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Home, makeHome, type Running } from '../support/command.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis-server.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let home: Home;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
});
afterAll(() => gateway.stop());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const saved = () => home.readCredentials().gateways[gateway.url];
const isAccepted = async (token: string | undefined) => (await gateway.api('GET', '/me', undefined, token)).status === 200;

/** Opens the URL that the terminal shows, and confirms or denies the code. */
async function answer(command: Running, action: 'approve' | 'deny', person = olivia): Promise<void> {
  const [, address = ''] = await command.tells(/^Open +(\S+)$/m);
  const [, code = ''] = await command.tells(/^Code +(\S+)$/m);
  const { browser } = person;
  const confirmation = await browser.open(address);
  expect(confirmation.text).toContain(code);
  expect((await browser.submit(confirmation, { action })).status).toBe(200);
}

async function login(...args: string[]): Promise<Awaited<Running['ended']>> {
  const command = home.start(['login', '--gateway', gateway.url, ...args]);
  await answer(command, 'approve');
  return command.ended;
}

describe('samlgate login', () => {
  test('saves a token that only its owner can read, and replaces and revokes it at the next login', async () => {
    home.keepCredentials({ 'https://other.example': 'samlgate_cli_other' }, 'https://other.example');
    const first = await login();
    expect(first).toMatchObject({ code: 0, stdout: `Signed in as ${olivia.email} (owner of ${acme.name}) at ${gateway.url}.\n` });
    expect(first.stderr).toContain('Confirm only if the page shows the same code.');
    expect(statSync(home.credentialsFile).mode & 0o777).toBe(0o600);
    const before = saved();
    expect(before).toEqual({
      token: expect.stringMatching(/^samlgate_cli_ey/),
      token_id: expect.stringMatching(/^tok_/),
      user_id: olivia.id,
      email: olivia.email,
      organization: acme.slug,
      expires_at: expect.any(String),
    });
    expect(Math.round((Date.parse(before?.expires_at ?? '') - Date.now()) / 86_400_000)).toBe(90);
    expect(first.stdout + first.stderr).not.toContain(before?.token);
    const { body } = await gateway.api<{ items: { id: string; name: string }[] }>('GET', '/me/tokens', undefined, before?.token);
    expect(body.items).toContainEqual(expect.objectContaining({ id: before?.token_id, name: `samlgate login on ${hostname()}` }));

    const second = await login('--json', '--org', acme.slug);
    expect(JSON.parse(second.stdout)).toMatchObject({
      gateway: gateway.url,
      user: { email: olivia.email },
      organization: { slug: acme.slug },
    });
    expect(second.stdout).not.toContain('samlgate_cli_');
    const after = saved();
    expect(after?.token).not.toBe(before?.token);
    expect([await isAccepted(before?.token), await isAccepted(after?.token)]).toEqual([false, true]);
    expect(home.readCredentials()).toMatchObject({
      current: gateway.url,
      gateways: { 'https://other.example': { token: 'samlgate_cli_other' } },
    });
  }, 60_000);

  test('saves no token if the user denies the request', async () => {
    const command = home.start(['login', '--gateway', gateway.url]);
    await answer(command, 'deny');
    const { code, stdout, stderr } = await command.ended;
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('The user denied the sign-in.');
    expect(existsSync(home.credentialsFile)).toBe(false);
  }, 30_000);

  test('revokes a token that can’t be saved', async () => {
    const tokens = async () => (await olivia.api<{ items: unknown[] }>('GET', '/me/tokens')).body.items.length;
    const before = await tokens();
    home.keepCredentials({}, gateway.url);
    const command = home.start(['login', '--gateway', gateway.url]);
    await command.tells(/^Code/m);
    writeFileSync(`${home.credentialsFile}.lock`, '');
    await answer(command, 'approve');
    const { code, stdout, stderr } = await command.ended;
    expect([code, stdout, stderr]).toEqual([1, '', expect.stringContaining('Another command is changing the credentials file')]);
    expect(await tokens()).toBe(before);
  }, 60_000);

  test('refuses a credentials file that other users can read, and names the command that corrects it', async () => {
    home.keepCredentials({}, gateway.url);
    chmodSync(home.credentialsFile, 0o644);
    const { code, stderr } = await home.run(['login', '--gateway', gateway.url]);
    expect([code, stderr]).toEqual([
      1,
      `Other users can access ${home.credentialsFile} (mode 644). Run: chmod 600 ${home.credentialsFile}\n`,
    ]);
  });

  test('refuses an unknown organization immediately', async () => {
    const { code, stdout, stderr } = await home.run(['login', '--gateway', gateway.url, '--org', 'no-such-organization']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain('No organization has the short name “no-such-organization”.');
    expect(stderr).not.toContain('Open ');
  });

  test('puts the code and the organization into the URL', async () => {
    const command = home.start(['login', '--gateway', gateway.url, '--org', acme.slug]);
    const [, address = ''] = await command.tells(/^Open +(\S+)$/m);
    const [, code = ''] = await command.tells(/^Code +(\S+)$/m);
    expect(address).toBe(`${gateway.url}/device?user_code=${code}&organization=${acme.slug}`);
    await command.tells(new RegExp(`On another device, open ${gateway.url}/device and enter the code\\.$`, 'm'));
    command.kill();
  });

  test.each([
    ['does not exist', (parent: string) => path.join(parent, 'missing'), /The home directory \S+missing does not exist\. Set HOME/],
    // Also root can't create a folder there, as on a read-only file system.
    ['can’t be written', () => '/proc/self', /\/proc\/self\S* (can't be written \(|does not exist)/],
  ])('finds a home directory that %s before a user signs in, and offers --print-token', async (_what, homeOf, problem) => {
    const args = ['login', '--gateway', gateway.url, '--org', acme.slug];
    const { code, stdout, stderr } = await home.run(args, { HOME: homeOf(home.directory) });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(problem);
    expect(stderr).toContain('To sign in without saving the token, use: samlgate login --print-token');
    expect(stderr).not.toContain('Open ');
    expect(existsSync(path.join(home.directory, 'missing'))).toBe(false);
  });

  test('prints the token with --print-token and saves nothing, also without a home directory', async () => {
    const missing = path.join(home.directory, 'missing');
    const command = home.start(['login', '--gateway', gateway.url, '--org', acme.slug, '--print-token'], { HOME: missing });
    await answer(command, 'approve');
    const { code, stdout, stderr } = await command.ended;
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^samlgate_cli_\S+\n$/)]);
    expect(await isAccepted(stdout.trim())).toBe(true);
    expect(stderr).toContain(`Signed in as ${olivia.email} (owner of ${acme.name})`);
    expect(stderr).not.toContain('samlgate_cli_');
    expect(existsSync(missing)).toBe(false);
  }, 30_000);

  test('prints the token in JSON with --print-token --json, and keeps the saved sign-in', async () => {
    home.keepCredentials({ [gateway.url]: 'samlgate_cli_saved' }, gateway.url);
    const command = home.start(['login', '--print-token', '--json']);
    await answer(command, 'approve');
    const { code, stdout } = await command.ended;
    const { token } = JSON.parse(stdout) as { token: string };
    expect([code, await isAccepted(token), saved()?.token]).toEqual([0, true, 'samlgate_cli_saved']);
  }, 30_000);

  test('reports a gateway that can’t be reached, and an invalid URL', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await home.run(['login', '--gateway', url])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`The connection to the gateway at ${url} was refused (ECONNREFUSED). Nothing accepts connections`),
    });
    expect(await home.run(['login', '--gateway', 'sso.example.com'])).toMatchObject({ code: 2, stdout: '' });
  });

  test('warns about a URL that is not https', async () => {
    const { code, stderr } = await home.run(['login', '--gateway', 'http://sso.invalid']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('http://sso.invalid is not https, so the token can be read on the network.'),
    ]);
  });
});

describe('samlgate logout', () => {
  test('revokes and deletes the token, and keeps those of other gateways', async () => {
    const { token } = await olivia.makeToken();
    home.keepCredentials({ [gateway.url]: token, 'https://other.example': 'x' }, gateway.url);
    expect(await home.run(['logout'])).toMatchObject({
      code: 0,
      stdout: `Signed out ada@acme.example at ${gateway.url} and revoked the token.\n`,
    });
    expect(await isAccepted(token)).toBe(false);
    expect(home.readCredentials()).toMatchObject({ current: 'https://other.example', gateways: { 'https://other.example': {} } });
    expect(saved()).toBeUndefined();
    const again = await home.run(['logout', '--gateway', gateway.url, '--json']);
    expect(JSON.parse(again.stdout)).toEqual({ gateway: gateway.url, revoked: false });
  });

  test('deletes the token if the gateway can’t be reached, and says that it is still valid', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    home.keepCredentials({ [url]: 'samlgate_cli_saved' }, url);
    const { code, stdout, stderr } = await home.run(['logout']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`so it is still valid. The connection to the gateway at ${url} was refused (ECONNREFUSED)`);
    expect(stderr).toContain('samlgate token revoke tok_1');
    expect(stderr).not.toContain('samlgate_cli_saved');
    expect(home.readCredentials()).toEqual({ current: null, gateways: {} });
  });

  test('says that the user is not signed in', async () => {
    expect(await home.run(['logout'])).toEqual({ code: 0, stdout: 'Not signed in.\n', stderr: '' });
  });
});
