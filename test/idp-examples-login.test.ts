import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Api, connect } from '../src/cli/gateway-api.ts';
import { applyPlan, planChanges, readOrganizationFile } from '../src/cli/org-file.ts';
import { HABIT_NAMES, HABITS, type HabitName } from '../src/mock-idp/habits.ts';
import { ENTRA_GROUP_IDS } from '../src/mock-idp/people.ts';
import { HttpBrowser, type SignedIn, signIn } from './support/browser.ts';
import { startGateway, type TestGateway } from './support/gateway.ts';
import { textOf } from './support/html.ts';

const FOLDER = path.join(import.meta.dirname, '../config/idp-examples');
const exampleOf = (habit: HabitName) => readOrganizationFile(path.join(FOLDER, `${habit}.yaml`));

type GroupsState = 'present' | 'absent' | 'over_limit';
type Row = readonly [
  habit: HabitName,
  person: string,
  role: string,
  state: GroupsState,
  groups: readonly string[],
  ruleGroup: string | undefined,
];

const { engineering, 'platform-admins': admins } = ENTRA_GROUP_IDS;
/** What each example makes of each person of that identity provider. */
const PEOPLE: readonly Row[] = [
  ['okta', 'olivia', 'owner', 'present', ['platform-admins', 'engineering'], 'platform-admins'],
  ['okta', 'carl', 'collaborator', 'present', ['engineering'], undefined],
  ['okta', 'nina', 'collaborator', 'absent', [], undefined],
  ['entra-id', 'olivia', 'owner', 'present', [admins, engineering], admins],
  ['entra-id', 'carl', 'collaborator', 'present', [engineering], undefined],
  ['entra-id', 'nina', 'collaborator', 'absent', [], undefined],
  ['entra-id', 'oscar', 'collaborator', 'over_limit', [], undefined],
  ['entra-id', 'ada', 'collaborator', 'present', [engineering], undefined],
  ['google-workspace', 'olivia', 'owner', 'present', ['platform-admins', 'engineering'], 'platform-admins'],
  ['google-workspace', 'carl', 'collaborator', 'present', ['engineering'], undefined],
  ['google-workspace', 'nina', 'collaborator', 'absent', [], undefined],
];

let gateway: TestGateway;
let api: Api;
beforeAll(async () => {
  gateway = await startGateway();
  api = connect({ SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken });
});
afterAll(() => gateway.stop());

const personOf = (habit: HabitName, key: string) => {
  const person = HABITS[habit].people.find((each) => each.key === key);
  if (!person) throw new Error(`${habit} knows no ${key}`);
  return person;
};
const organizationPath = (habit: HabitName) => `/organizations/${exampleOf(habit).slug}`;
const memberOf = async (habit: HabitName, key: string) => {
  const email = encodeURIComponent(personOf(habit, key).email);
  const { body } = await gateway.api<{ items: Record<string, unknown>[] }>('GET', `${organizationPath(habit)}/members?email=${email}`);
  return body.items;
};
const comeIn = (habit: HabitName, key: string, browser = new HttpBrowser()): Promise<SignedIn> =>
  signIn(browser, gateway.loginUrl(exampleOf(habit).slug), key);

/** Applies the example with the metadata of the mock, and this default role. */
async function applyWithMock(habit: HabitName, defaultRole?: string): Promise<void> {
  const { identity_provider, role_mapping, ...rest } = exampleOf(habit);
  const { metadata_file: _, ...settings } = identity_provider ?? {};
  const metadata_xml = await (await fetch((await gateway.mockIdp()).metadataUrl(habit))).text();
  const mapping = { rules: role_mapping?.rules ?? [], default_role: defaultRole ?? String(role_mapping?.default_role) };
  await applyPlan(api, await planChanges(api, { ...rest, identity_provider: { ...settings, metadata_xml }, role_mapping: mapping }));
}

test('every example has a person of every kind here', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  expect(files.sort()).toEqual([...HABIT_NAMES].map((habit) => `${habit}.yaml`).sort());
  for (const habit of HABIT_NAMES) {
    expect(PEOPLE.filter(([name]) => name === habit).map(([, person]) => person)).toEqual(HABITS[habit].people.map(({ key }) => key));
  }
});

describe('config/idp-examples over the API', () => {
  test.each(HABIT_NAMES)('%s: is taken as it stands, and then nothing is left to change', async (habit) => {
    const file = exampleOf(habit);
    await applyPlan(api, await planChanges(api, file));
    expect((await planChanges(api, file)).changes).toEqual([]);
    const identityProvider = (await gateway.api('GET', `${organizationPath(habit)}/identity-provider`)).body;
    expect(identityProvider).toMatchObject({ entity_id: HABITS[habit].issuer, idp_initiated: 'accept' });
    expect((await gateway.api('GET', organizationPath(habit))).body).toMatchObject({ name: file.name, domains: file.domains });
  });
});

describe('a login with a response of that shape, set up by the example', () => {
  beforeAll(() => Promise.all(HABIT_NAMES.map((habit) => applyWithMock(habit))));

  test.each(PEOPLE)('%s: %s comes in as %s (groups %s)', async (habit, key, role, state, groups, ruleGroup) => {
    const { answer, page } = await comeIn(habit, key);
    expect([answer.status, answer.location]).toEqual([303, `${gateway.url}/console`]);
    const { firstName, lastName, email } = personOf(habit, key);
    expect(textOf(page.text)).toContain(`You are signed in as ${firstName} ${lastName}.`);
    expect(await memberOf(habit, key)).toMatchObject([
      {
        email,
        name: expect.stringMatching(`${firstName} ${lastName}`),
        role,
        role_source: ruleGroup === undefined ? { kind: 'default' } : { kind: 'rule', group: ruleGroup },
        groups,
        groups_state: state,
      },
    ]);
  });

  test.each(HABIT_NAMES)('%s: a sign-in that starts at the identity provider leads where it says', async (habit) => {
    const query = new URLSearchParams({ organization: exampleOf(habit).slug, RelayState: '/console?from=idp' });
    const start = `${(await gateway.mockIdp()).url}/${habit}/start?${query}`;
    const { answer, page } = await signIn(new HttpBrowser(), start, 'carl');
    expect([answer.status, answer.location, page.status]).toEqual([303, `${gateway.url}/console?from=idp`, 200]);
  });

  test('the second login of a person is the same member, also for a guest whose name is no address', async () => {
    const [before] = await memberOf('entra-id', 'ada');
    await comeIn('entra-id', 'ada');
    const after = await memberOf('entra-id', 'ada');
    expect(after.map(({ id }) => id)).toEqual([before?.id]);
  });
});

describe('a login with default_role none: who is in no group with a role is told which of three reasons it is', () => {
  const words: Readonly<Record<GroupsState, string>> = {
    absent: 'sent no groups for you',
    over_limit: 'in more groups than the identity provider sends',
    present: 'None of the groups that the identity provider sent for you has a role here',
  };
  let carl: HttpBrowser;
  beforeAll(async () => {
    await applyWithMock('okta');
    carl = new HttpBrowser();
    await comeIn('okta', 'carl', carl);
    await Promise.all(HABIT_NAMES.map((habit) => applyWithMock(habit, 'none')));
  });

  test.each(PEOPLE.filter(([, , role]) => role !== 'owner'))('%s: %s is refused', async (habit, key, _role, state) => {
    const browser = new HttpBrowser();
    const { answer } = await comeIn(habit, key, browser);
    expect([answer.status, answer.code]).toEqual([403, 'saml_role_denied']);
    expect(answer.text).toContain(`<code>groups: ${state}</code>`);
    expect(answer.text).toContain(words[state]);
    expect(browser.cookie('samlgate_session')).toBeUndefined();
    const { body } = await gateway.api<{ items: { event: string }[] }>('GET', `${organizationPath(habit)}/audit?event=login.refused`);
    expect(body.items[0]).toMatchObject({ code: 'saml_role_denied', details: { got: `groups: ${state}` } });
  });

  test.each(PEOPLE.filter(([, , role]) => role === 'owner'))('%s: %s comes in as before', async (habit, key) => {
    const { page } = await comeIn(habit, key);
    expect(textOf(page.text)).toContain('Role owner');
  });

  test('the refusal ends the session that the person had', async () => {
    await comeIn('okta', 'carl');
    const console = await carl.request(`${gateway.url}/console`);
    expect(console.location).toBe(`${gateway.url}/login?return_to=%2Fconsole`);
    expect(await memberOf('okta', 'carl')).toMatchObject([{ role: 'none' }]);
  });
});
