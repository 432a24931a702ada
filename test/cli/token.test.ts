import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Home, makeHome } from '../support/command.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
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

const kept = () => home.readCredentials().gateways[gateway.url];
const isGood = async (token: string | undefined) => (await gateway.api('GET', '/me', undefined, token)).status === 200;
const by = (token: string) => ({ SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: token });

describe('samlgate whoami', () => {
  test('tells who, where and with which token', async () => {
    const { token, id } = await olivia.makeToken();
    const { code, stdout } = await home.run(['whoami'], by(token));
    expect(code).toBe(0);
    for (const words of [gateway.url, olivia.email, olivia.id, 'owner', acme.name, id, 'SAMLGATE_CLI_TOKEN'])
      expect(stdout).toContain(words);
    const { stdout: json } = await home.run(['whoami', '--json'], by(token));
    expect(JSON.parse(json)).toEqual({
      gateway: gateway.url,
      user: { id: olivia.id, email: olivia.email, name: expect.any(String), role: 'owner', groups: expect.any(Array) },
      organization: { id: acme.id, slug: acme.slug, name: acme.name },
      credential: { kind: 'cli_token', id, expires_at: null },
    });
    expect(stdout + json).not.toContain('samlgate_cli_');
  });

  test('exits with 1 and the gateway’s words where the token is not good, with 2 where there is none', async () => {
    const refused = await home.run(['whoami'], by('samlgate_cli_x.y.z'));
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^You are not signed in\. .*\n {2}code unauthenticated, request [0-9a-f-]{36}\n$/);
    expect(await home.run(['whoami'], { SAMLGATE_URL: gateway.url })).toEqual({
      code: 2,
      stdout: '',
      stderr: `There is no token for ${gateway.url}. Sign in with: samlgate login. Or set SAMLGATE_URL and SAMLGATE_CLI_TOKEN.\n`,
    });
  });
});

describe('samlgate token', () => {
  test('create prints the token alone to standard output; list shows it, revoke ends it', async () => {
    const { token } = await olivia.makeToken();
    const made = await home.run(['token', 'create', 'ci', '--expires-in-days', '30'], by(token));
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^samlgate_cli_[\w.-]+\n$/) });
    expect(made.stderr).toMatch(/^ci \(tok_\w+\), good until \S+\. It is shown this once:\n$/);
    expect(await isGood(made.stdout.trim())).toBe(true);
    const [, id = ''] = /\((tok_\w+)\)/.exec(made.stderr) ?? [];
    const listed = JSON.parse((await home.run(['token', 'list', '--json'], by(token))).stdout) as { id: string; name: string }[];
    expect(listed).toContainEqual(expect.objectContaining({ id, name: 'ci' }));
    expect((await home.run(['token', 'list'], by(token))).stdout).toMatch(new RegExp(`^${id} +ci +`, 'm'));
    expect(await home.run(['token', 'revoke', id], by(token))).toMatchObject({ code: 0, stdout: `${id} is revoked.\n` });
    expect(await isGood(made.stdout.trim())).toBe(false);
    expect(await home.run(['token', 'revoke', id], by(token))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code not_found'),
    });
  });

  test.each([['0'], ['1.5'], ['-1'], ['a']])('create with %s days is wrong usage', async (days) => {
    const { code, stderr } = await home.run(['token', 'create', 'ci', '--expires-in-days', days], by('x'));
    expect([code, stderr]).toEqual([2, expect.stringContaining('It is not a number of days.')]);
  });

  test('revoke of the kept token forgets it', async () => {
    const { token, id } = await olivia.makeToken();
    home.keepCredentials({ [gateway.url]: token }, gateway.url);
    writeFileSync(home.credentialsFile, readFileSync(home.credentialsFile, 'utf8').replace('tok_1', id));
    expect((await home.run(['token', 'revoke', id])).code).toBe(0);
    expect(home.readCredentials()).toEqual({ current: null, gateways: {} });
  });

  test('rotate saves the new one; the old ones are refused', async () => {
    const carl = await signedIn(gateway, acme, 'carl');
    const [one, two] = [await carl.makeToken(), await carl.makeToken()];
    home.keepCredentials({ [gateway.url]: one.token }, gateway.url);
    expect(await home.run(['token', 'rotate', '--name', 'rotated'])).toEqual({
      code: 0,
      stdout: '2 token(s) revoked; the new one is saved.\n',
      stderr: '',
    });
    expect(kept()?.token).toMatch(/^samlgate_cli_ey/);
    expect([await isGood(one.token), await isGood(two.token), await isGood(kept()?.token)]).toEqual([false, false, true]);
    const { stdout } = await home.run(['token', 'list', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([{ id: kept()?.token_id, name: 'rotated' }]);
  });

  test('rotate with the token of the environment prints the new one, and saves nothing', async () => {
    const { token } = await (await signedIn(gateway, acme, 'nina')).makeToken();
    const { code, stdout, stderr } = await home.run(['token', 'rotate'], by(token));
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^samlgate_cli_\S+\n$/)]);
    expect(stderr).toContain('1 token(s) revoked. Set SAMLGATE_CLI_TOKEN to the new one:');
    expect([await isGood(token), await isGood(stdout.trim())]).toEqual([false, true]);
    expect(existsSync(home.credentialsFile)).toBe(false);
  });

  test('rotate changes nothing where the new one could not be saved', async () => {
    const { token } = await olivia.makeToken();
    home.keepCredentials({ [gateway.url]: token }, gateway.url);
    writeFileSync(`${home.credentialsFile}.lock`, '');
    const { code, stderr } = await home.run(['token', 'rotate']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Another command is changing the credentials')]);
    expect(await isGood(token)).toBe(true);
  });
});
