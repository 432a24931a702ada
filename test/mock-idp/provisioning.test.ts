import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HABITS } from '../../src/mock-idp/habits.ts';
import { type MockIdp, startMockIdp } from '../../src/mock-idp/server.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { makeScimClient, type ScimClient } from '../support/scim-client.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let idp: MockIdp;
let okta: ScimClient;
let formToken: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  okta = await makeScimClient(gateway, acme);
  const { token } = okta;
  const organizations = [
    { habit: 'okta' as const, slug: acme.slug, name: 'Acme', outcomes: {} },
    { habit: 'entra-id' as const, slug: 'other', name: 'Other', outcomes: {} },
  ];
  idp = await startMockIdp({ gatewayBaseUrl: gateway.url, port: 0, organizations, scimTokens: new Map([[acme.slug, token]]) });
  formToken = /name="form_token" value="([\w-]{22})"/.exec(await (await fetch(idp.url)).text())?.[1] ?? '';
});
afterAll(async () => {
  await idp.close();
  await gateway.stop();
});

const post = async (fields: Record<string, string>, habit = 'okta') => {
  const body = new URLSearchParams({ form_token: formToken, organization: acme.slug, ...fields });
  const response = await fetch(`${idp.url}/${habit}/provisioning`, { method: 'POST', body });
  return { status: response.status, text: textOf(await response.text()) };
};
const members = async () =>
  (await gateway.api<{ items: { email: string; suspended: boolean; state: string }[] }>('GET', `/organizations/${acme.slug}/members`)).body
    .items;

describe('provisioning by the mock identity provider', () => {
  it('is offered for each person of an organization with a SCIM token', async () => {
    const html = await (await fetch(idp.url)).text();
    for (const { key, firstName, lastName } of HABITS.okta.people) {
      for (const action of ['Provision', 'Deactivate']) {
        expect(html).toContain(
          `form="provision-${acme.slug}" name="${action.toLowerCase()}" value="${key}" class="secondary outline" aria-label="${action} ${firstName} ${lastName}"`,
        );
      }
    }
    expect(html).not.toContain('provision-other');
  });

  it('creates, deactivates and activates the member, and shows each request', async () => {
    const created = await post({ provision: 'carl' });
    expect(created).toMatchObject({ status: 200, text: expect.stringContaining('Carl Čapek was provisioned') });
    expect(created.text).toMatch(/GET \/Users\?filter=userName eq "carl@okta.acme.example".* 200 .*POST \/Users 201 .*"externalId": "00u2/);
    expect(await members()).toMatchObject([{ email: 'carl@okta.acme.example', state: 'invited' }]);
    const deactivated = await post({ deactivate: 'carl' });
    expect(deactivated.text).toMatch(/Carl Čapek was deactivated .*PATCH \/Users\/usr_\w+ 200 .*"active": false/);
    expect(await members()).toMatchObject([{ suspended: true }]);
    expect((await post({ provision: 'carl' })).text).toContain('The gateway already knew the user.');
    expect(await members()).toMatchObject([{ suspended: false }]);
  });

  it('pushes the groups with their provisioned members, and shows each request', async () => {
    const html = await (await fetch(idp.url)).text();
    expect(html).toContain('name="push_groups" value="all" class="secondary outline" aria-label="Push groups to Acme"');
    expect(html).not.toContain('Push groups to Other');
    await post({ provision: 'carl' });
    const groups = () =>
      okta
        .call('GET', '/Groups')
        .then(({ body }) =>
          (body.Resources as { displayName: string; members: unknown[] }[])
            .map(({ displayName, members: { length } }) => [displayName, length])
            .sort(),
        );
    const pushed = await post({ push_groups: 'all' });
    expect(pushed).toMatchObject({ status: 200, text: expect.stringContaining('The groups were pushed') });
    expect(pushed.text).toMatch(/GET \/Groups\?filter=displayName eq "platform-admins".* POST \/Groups 201 .*PATCH \/Groups\/grp_\w+ 204/);
    expect(await groups()).toEqual([
      ['engineering', 1],
      ['platform-admins', 0],
    ]);
    await post({ deactivate: 'carl' });
    expect((await post({ push_groups: 'all' })).text).not.toContain('POST /Groups');
    expect(await groups()).toEqual([
      ['engineering', 0],
      ['platform-admins', 0],
    ]);
    await post({ provision: 'carl' });
  });

  it('pushes the groups of Entra ID with their names', async () => {
    const entra = await makeTestOrganization(gateway);
    const { token, call } = await makeScimClient(gateway, entra);
    const organizations = [{ habit: 'entra-id' as const, slug: entra.slug, name: 'Entra', outcomes: {} }];
    const other = await startMockIdp({ gatewayBaseUrl: gateway.url, port: 0, organizations, scimTokens: new Map([[entra.slug, token]]) });
    try {
      const form_token = /name="form_token" value="([\w-]{22})"/.exec(await (await fetch(other.url)).text())?.[1] ?? '';
      const send = async (fields: Record<string, string>) => {
        const body = new URLSearchParams({ form_token, organization: entra.slug, ...fields });
        return textOf(await (await fetch(`${other.url}/entra-id/provisioning`, { method: 'POST', body })).text());
      };
      for (const person of ['olivia', 'ada']) await send({ provision: person });
      expect(await send({ push_groups: 'all' })).toMatch(/The groups were pushed .*PATCH \/Groups\/grp_\w+ 204 .*"op": "Add"/);
      const listed: { displayName: string; members: unknown[] }[] = (await call('GET', '/Groups')).body.Resources;
      expect(listed.map(({ displayName, members: { length } }) => [displayName, length]).sort()).toEqual([
        ['engineering', 2],
        ['platform-admins', 1],
      ]);
    } finally {
      await other.close();
    }
  });

  it('shows the refusal of the gateway', async () => {
    const { text, status } = await post({ deactivate: 'nina' });
    expect([status, text]).toEqual([400, expect.stringContaining('nina@okta.acme.example is not assigned')]);
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { quotas: { members: 1 } });
    const refused = await post({ provision: 'nina' });
    expect(refused.text).toMatch(/Nina Nuñez was not provisioned .*The gateway refused the request: /);
    expect(refused.text).toContain('POST /Users 4');
  });

  it.each([
    ['a form of another site', 403, { form_token: 'x'.repeat(22), provision: 'olivia' }, 'okta'],
    ['no form token', 403, { form_token: '', provision: 'olivia' }, 'okta'],
    ['an organization without a SCIM token', 404, { organization: 'other', provision: 'olivia' }, 'entra-id'],
    ['an organization of another identity provider', 404, { provision: 'olivia' }, 'entra-id'],
    ['an unknown identity provider', 404, { provision: 'olivia' }, '__proto__'],
    ['an unknown person', 400, { provision: 'constructor' }, 'okta'],
    ['no person', 400, {}, 'okta'],
  ])('refuses %s', async (_name, status, fields, habit) => {
    expect(await post(fields as Record<string, string>, habit)).toMatchObject({ status });
    expect((await members()).map(({ email }) => email)).not.toContain('olivia@okta.acme.example');
  });
});
