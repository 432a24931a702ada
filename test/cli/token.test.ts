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

const saved = () => home.readCredentials().gateways[gateway.url];
const isAccepted = async (token: string | undefined) => (await gateway.api('GET', '/me', undefined, token)).status === 200;
const withToken = (token: string) => ({ SAMLGATE_URL: gateway.url, SAMLGATE_CLI_TOKEN: token });

describe('samlgate whoami', () => {
  test('shows gateway, user, role, organization and token', async () => {
    const { token, id, expires_at } = await olivia.makeToken();
    const { code, stdout } = await home.run(['whoami'], withToken(token));
    expect(code).toBe(0);
    for (const words of [gateway.url, olivia.email, olivia.id, 'owner', acme.name, id, 'SAMLGATE_CLI_TOKEN'])
      expect(stdout).toContain(words);
    const { stdout: json } = await home.run(['whoami', '--json'], withToken(token));
    expect(JSON.parse(json)).toEqual({
      gateway: gateway.url,
      user: { id: olivia.id, email: olivia.email, name: expect.any(String), role: 'owner', groups: expect.any(Array) },
      organization: { id: acme.id, slug: acme.slug, name: acme.name },
      credential: { kind: 'cli_token', id, expires_at },
    });
    expect(stdout + json).not.toContain('samlgate_cli_');
  });

  test('warns before a token expires, on standard error, and so does token list', async () => {
    const { token, id } = await olivia.makeToken({ name: 'short', expires_in_days: 7 });
    for (const command of [['whoami'], ['token', 'list']]) {
      const { code, stdout, stderr } = await home.run([...command, '--json'], withToken(token));
      expect([code, stderr]).toEqual([0, expect.stringContaining(id)]);
      expect(stderr).toContain('Replace it with: samlgate login, or samlgate token create');
      JSON.parse(stdout);
    }
    const long = await olivia.makeToken({ name: 'long', expires_in_days: 90 });
    expect((await home.run(['whoami'], withToken(long.token))).stderr).toBe('');
    await olivia.api('DELETE', `/me/tokens/${id}`);
  });

  test('exits with 1 for an invalid token and with 2 for a missing one', async () => {
    const refused = await home.run(['whoami'], withToken('samlgate_cli_x.y.z'));
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(/^You are not signed in\. .*\n {2}code unauthenticated, request [0-9a-f-]{36}\n$/);
    expect(await home.run(['whoami'], { SAMLGATE_URL: gateway.url })).toEqual({
      code: 2,
      stdout: '',
      stderr: `There is no token for ${gateway.url}. Set SAMLGATE_URL and SAMLGATE_CLI_TOKEN, or sign in with: samlgate login\n`,
    });
  });
});

describe('samlgate token', () => {
  test('create prints only the token to standard output, list lists it, revoke revokes it', async () => {
    const { token } = await olivia.makeToken();
    const made = await home.run(['token', 'create', 'ci', '--expires-in-days', '30'], withToken(token));
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^samlgate_cli_[\w.-]+\n$/) });
    expect(made.stderr).toMatch(/^Token ci \(tok_\w+\), expires \S+\. The token is shown only once\. Store it now\.\n$/);
    expect(await isAccepted(made.stdout.trim())).toBe(true);
    const [, id = ''] = /\((tok_\w+)\)/.exec(made.stderr) ?? [];
    const listed = JSON.parse((await home.run(['token', 'list', '--json'], withToken(token))).stdout) as { id: string; name: string }[];
    expect(listed).toContainEqual(expect.objectContaining({ id, name: 'ci' }));
    expect((await home.run(['token', 'list'], withToken(token))).stdout).toMatch(new RegExp(`^${id} +ci +`, 'm'));
    expect(await home.run(['token', 'revoke', id], withToken(token))).toMatchObject({ code: 0, stdout: `Revoked ${id}.\n` });
    expect(await isAccepted(made.stdout.trim())).toBe(false);
    expect(await home.run(['token', 'revoke', id], withToken(token))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code not_found'),
    });
  });

  test('create and rotate expire after 90 days, or never on request', async () => {
    const person = await signedIn(gateway, await gateway.makeOrganization(), 'olivia');
    const { token } = await person.makeToken({ expires_in_days: null });
    const inDays = ({ stderr }: { stderr: string }) =>
      Math.round((Date.parse(/expires (\S+)\. The token/.exec(stderr)?.[1] ?? '') - Date.now()) / 86_400_000);
    const [byDefault, never] = await Promise.all([
      home.run(['token', 'create', 'ci'], withToken(token)),
      home.run(['token', 'create', 'ci', '--expires-in-days', 'never'], withToken(token)),
    ]);
    expect(inDays(byDefault)).toBe(90);
    expect(never.stderr).toMatch(/^Token ci \(tok_\w+\), never expires\. /);
    const rotated = await home.run(['token', 'rotate', '--expires-in-days', 'never'], withToken(token));
    expect(rotated.stderr).toMatch(/ never expires\. /);
    expect(inDays(await home.run(['token', 'rotate'], withToken(rotated.stdout.trim())))).toBe(90);
  }, 120_000);

  test('create, revoke and rotate are refused with a session token, and never if the organization has a maximum', async () => {
    const { slug } = await gateway.makeOrganization();
    const person = await signedIn(gateway, { slug }, 'olivia');
    await gateway.api('PATCH', `/organizations/${slug}`, { cli_token_max_days: 30 });
    const other = await person.makeToken();
    const { token: sessionToken } = (await person.api<{ token: string }>('POST', '/me/session-token')).body;
    const [never, ...refused] = await Promise.all([
      home.run(['token', 'create', 'ci', '--expires-in-days', 'never'], withToken(other.token)),
      ...[['create', 'ci'], ['revoke', other.id], ['rotate']].map((args) => home.run(['token', ...args], withToken(sessionToken))),
    ]);
    expect([never?.code, never?.stderr]).toEqual([1, expect.stringContaining('code validation_failed')]);
    for (const { code, stderr } of refused) expect([code, stderr]).toEqual([1, expect.stringContaining('code forbidden')]);
    expect(await isAccepted(other.token)).toBe(true);
  }, 120_000);

  test.each([['0'], ['1.5'], ['-1'], ['a']])('create refuses %s days as wrong usage', async (days) => {
    const { code, stderr } = await home.run(['token', 'create', 'ci', '--expires-in-days', days], withToken('x'));
    expect([code, stderr]).toEqual([2, expect.stringContaining('Expected a number of days from 1 to 3650, or never.')]);
  });

  test('revoke deletes the saved token', async () => {
    const { token, id } = await olivia.makeToken();
    home.keepCredentials({ [gateway.url]: token }, gateway.url);
    writeFileSync(home.credentialsFile, readFileSync(home.credentialsFile, 'utf8').replace('tok_1', id));
    expect((await home.run(['token', 'revoke', id])).code).toBe(0);
    expect(home.readCredentials()).toEqual({ current: null, gateways: {} });
  });

  test('rotate saves the new token and revokes the old ones', async () => {
    const carl = await signedIn(gateway, acme, 'carl');
    const [one, two] = [await carl.makeToken(), await carl.makeToken()];
    home.keepCredentials({ [gateway.url]: one.token }, gateway.url);
    expect(await home.run(['token', 'rotate', '--name', 'rotated'])).toEqual({
      code: 0,
      stdout: 'Revoked 2 tokens and saved a new one.\n',
      stderr: '',
    });
    expect(saved()?.token).toMatch(/^samlgate_cli_ey/);
    expect([await isAccepted(one.token), await isAccepted(two.token), await isAccepted(saved()?.token)]).toEqual([false, false, true]);
    const { stdout } = await home.run(['token', 'list', '--json']);
    expect(JSON.parse(stdout)).toMatchObject([{ id: saved()?.token_id, name: 'rotated' }]);
  });

  test('rotate prints the new token if the old one came from the environment', async () => {
    const { token } = await (await signedIn(gateway, acme, 'nina')).makeToken();
    const { code, stdout, stderr } = await home.run(['token', 'rotate'], withToken(token));
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^samlgate_cli_\S+\n$/)]);
    expect(stderr).toContain('Revoked 1 token. Set SAMLGATE_CLI_TOKEN to the new token.');
    expect([await isAccepted(token), await isAccepted(stdout.trim())]).toEqual([false, true]);
    expect(existsSync(home.credentialsFile)).toBe(false);
  });

  test('rotate revokes nothing if the new token can’t be saved', async () => {
    const { token } = await olivia.makeToken();
    home.keepCredentials({ [gateway.url]: token }, gateway.url);
    writeFileSync(`${home.credentialsFile}.lock`, '');
    const { code, stderr } = await home.run(['token', 'rotate']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('Another command is changing the credentials file')]);
    expect(await isAccepted(token)).toBe(true);
  });
});
