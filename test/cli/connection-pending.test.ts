import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type Home, makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';

const NEW_ISSUER = 'https://new.example/idp';
let gateway: TestGateway;
let acme: TestOrganization;
let home: Home;
let operator: Record<string, string>;
beforeAll(async () => {
  gateway = await startGateway();
  operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  home = makeHome();
  acme = await makeTestOrganization(gateway);
});
afterEach(() => home.remove());

const signIn = (issuer: string, user: string) =>
  acme.signIn(new HttpBrowser(), user, { values: { responseIssuer: issuer, assertionIssuer: issuer } });
const linkUntil = () => new Date(Date.now() + 3_600_000).toISOString();
const replaced = () => acme.metadata.replace(/entityID="[^"]+"/, `entityID="${NEW_ISSUER}"`);
const json = <T>(text: string) => JSON.parse(text) as T;

describe('samlgate connection pending', () => {
  test('lists, approves, declines and revokes after set-idp with link_by_email', async () => {
    for (const user of ['carl', 'olivia']) await signIn(OKTA_ISSUER, user);
    const setIdp = ['org', 'set-idp', acme.slug, '-', '--on-new-entity-id', 'link_by_email'];
    const refused = await home.run(setIdp, operator, replaced());
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('link_until')]);
    const set = await home.run([...setIdp, '--link-until', linkUntil(), '--json'], operator, replaced());
    expect(set.code).toBe(0);
    const { id } = json<{ id: string }>(set.stdout);
    for (const user of ['carl', 'olivia']) await signIn(NEW_ISSUER, user);
    const pending = (...args: string[]) => home.run(['connection', 'pending', ...args], operator);
    const listed = await pending('list', acme.slug, id, '--json');
    const [carl, olivia] = json<{ id: string; link_request: { id: string } }[]>(listed.stdout);
    expect((await pending('list', acme.slug, id)).stdout).toContain(carl?.link_request.id ?? 'missing');
    expect((await pending('approve', acme.slug, id, carl?.id ?? '', olivia?.link_request.id ?? '')).code).toBe(1);
    expect((await pending('approve', acme.slug, id, carl?.id ?? '', carl?.link_request.id ?? '')).stdout).toMatch(/^Approved carl/);
    expect((await pending('decline', acme.slug, id, olivia?.id ?? '', olivia?.link_request.id ?? '')).stdout).toMatch(/^Declined olivia/);
    expect((await signIn(NEW_ISSUER, 'carl')).status).toBe(303);
    expect((await pending('revoke', acme.slug, id)).code).toBe(2);
    expect((await pending('revoke', acme.slug, id, '--yes')).code).toBe(0);
    expect(json<{ id: string }[]>((await pending('list', acme.slug, id, '--json')).stdout)).toMatchObject([
      { id: olivia?.id, sessions: 0 },
    ]);
  });

  test('follows a decision of connection set', async () => {
    await signIn(OKTA_ISSUER, 'carl');
    const [{ id } = { id: '' }] = json<{ id: string }[]>((await home.run(['connection', 'list', acme.slug, '--json'], operator)).stdout);
    const set = ['connection', 'set', acme.slug, id, '--metadata', '-', '--on-new-entity-id', 'link_by_email', '--link-until', linkUntil()];
    expect((await home.run(set, operator, replaced())).code).toBe(0);
    await signIn(NEW_ISSUER, 'carl');
    expect((await home.run(['connection', 'pending', 'list', acme.slug, id], operator)).stdout).toContain('req_');
  });
});
