import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient } from '../support/scim-client.ts';

// A command is a process of its own, possibly on a busy machine.
jest.setTimeout(90_000);

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  for (const user of ['olivia', 'carl', 'nina']) await acme.signIn(new HttpBrowser(), user);
  const scim = await makeScimClient(gateway, acme);
  expect((await scim.call('POST', '/Users', { userName: 'nina@okta.acme.example' })).status).toBe(201);
});

interface Members {
  readonly items: readonly { readonly email: string }[];
  readonly next_cursor: string | null;
}
const root = () => `/organizations/${acme.slug}`;
const unprovisioned = async (query = '') => (await gateway.api<Members>('GET', `${root()}/members?provisioned=false${query}`)).body;
const names = ({ items }: Members) => items.map(({ email }) => email.split('@')[0]);

const operator = async (): Promise<HttpBrowser> => {
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(`${gateway.url}/console/operator/sign-in`), { token: gateway.operatorToken });
  return browser;
};
const applyFile = async (...options: string[]) => {
  const home = makeHome();
  const file = path.join(home.directory, 'acme.json');
  writeFileSync(file, JSON.stringify({ slug: acme.slug, name: acme.slug, provisioning: 'scim_required' }));
  const ended = await home.run(['org', 'apply', file, ...options], {
    SAMLGATE_URL: gateway.url,
    SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken,
  });
  home.remove();
  return ended;
};

describe('members without a SCIM user', () => {
  it('are listed page by page, and counted by a dry run that changes nothing', async () => {
    expect(names(await unprovisioned())).toEqual(['carl', 'olivia']);
    const first = await unprovisioned('&limit=1');
    expect(names(first)).toEqual(['carl']);
    expect(names(await unprovisioned(`&limit=1&cursor=${first.next_cursor}`))).toEqual(['olivia']);
    expect(names(await unprovisioned('&query=olivia'))).toEqual(['olivia']);
    const { body } = await gateway.api('PATCH', `${root()}?dry_run=true`, { provisioning: 'scim_required' });
    expect(body).toMatchObject({ provisioning: 'scim_required', members_not_provisioned: 2 });
    expect((await gateway.api('GET', root())).body).toMatchObject({ provisioning: 'jit' });
  });

  it('are listed by the command line', async () => {
    const home = makeHome();
    const { stdout } = await home.run(['members', 'list', '--org', acme.slug, '--not-provisioned'], {
      SAMLGATE_URL: gateway.url,
      SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken,
    });
    home.remove();
    expect([stdout.includes('carl@'), stdout.includes('nina@')]).toEqual([true, false]);
  });

  it('are counted and linked on the form with which the operator requires provisioning', async () => {
    const browser = await operator();
    const base = `${gateway.url}/console/operator/organizations/${acme.slug}`;
    expect((await browser.open(`${base}/change`)).text).toContain('2 members without a SCIM user');
    const { text } = await browser.open(`${base}/members?provisioned=no`);
    expect([text.includes('carl@'), text.includes('nina@')]).toEqual([true, false]);
    expect((await browser.open(`${base}/provisioning`)).text).toContain('2 members of the organization have no SCIM user');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['the API', () => gateway.api('PATCH', root(), { provisioning: 'scim_required' })],
    [
      'the console',
      async () => {
        const browser = await operator();
        const form = await browser.open(`${gateway.url}/console/operator/organizations/${acme.slug}/change`);
        return browser.submit(form, { provisioning: 'scim_required' }, '/change');
      },
    ],
    ['an organization file', () => applyFile()],
  ])('are refused after %s requires provisioning', async (_name, require) => {
    await require();
    expect((await gateway.api('GET', root())).body).toMatchObject({ provisioning: 'scim_required' });
    const verdict = async (user: string) => {
      const { status, code } = await acme.signIn(new HttpBrowser(), user);
      return status === 303 ? 'accepted' : code;
    };
    expect(await verdict('carl')).toBe('member_not_provisioned');
    // The last owner is no exception.
    expect(await verdict('olivia')).toBe('member_not_provisioned');
    expect(await verdict('nina')).toBe('accepted');
  });
});
