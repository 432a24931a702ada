import { createPrivateKey, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Api, connect } from '../src/cli/gateway-api.ts';
import { readOrganizationFile } from '../src/cli/organization-file/file.ts';
import { applyPlan, planChanges } from '../src/cli/organization-file/plan.ts';
import { decodeSamlRequest, readAuthnRequest } from '../src/mock-idp/authn-request.ts';
import { type ContentEncryption, encryptAssertion } from '../src/mock-idp/encryption.ts';
import { HABIT_NAMES, HABITS, type HabitName } from '../src/mock-idp/habits.ts';
import { ENTRA_GROUP_IDS } from '../src/mock-idp/people.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../src/saml/metadata/self-signed-certificate.ts';
import { ACS_URL, ENTITY_ID, NOW_MS, REQUEST_ID, sign } from './saml/fixture-cases/hand-made.ts';
import { PRODUCTS, type SetUp } from './saml/fixture-cases/products.ts';
import { HttpBrowser, type Page, type SignedIn, signIn } from './support/browser.ts';
import { startGateway, type TestGateway } from './support/gateway.ts';
import { textOf } from './support/html.ts';

const FOLDER = path.join(import.meta.dirname, '../config/idp-examples');
const exampleOf = (name: string) => readOrganizationFile(path.join(FOLDER, `${name}.yaml`));
const metadataOf = (name: string) => readFileSync(path.join(FOLDER, `${name}-metadata.xml`), 'utf8');
const entityIdIn = (metadata: string) => /entityID="([^"]+)"/.exec(metadata)?.[1] ?? '';

type ProductName = keyof typeof PRODUCTS;
const PRODUCT_NAMES = Object.keys(PRODUCTS) as readonly ProductName[];
const EXAMPLE_NAMES: readonly string[] = [...HABIT_NAMES, ...PRODUCT_NAMES];

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
/** The expected role and groups of each person, by example. */
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
  if (!person) throw new Error(`${habit} has no person ${key}`);
  return person;
};
const organizationPath = (name: string) => `/organizations/${exampleOf(name).slug}`;
const membersAt = async (name: string, email: string) => {
  const query = `members?email=${encodeURIComponent(email)}`;
  return (await gateway.api<{ items: Record<string, unknown>[] }>('GET', `${organizationPath(name)}/${query}`)).body.items;
};
const memberOf = (habit: HabitName, key: string) => membersAt(habit, personOf(habit, key).email);
const signInAs = (habit: HabitName, key: string, browser = new HttpBrowser()): Promise<SignedIn> =>
  signIn(browser, gateway.loginUrl(exampleOf(habit).slug), key);

/** Applies the example with the metadata of the mock identity provider. */
async function applyWithMock(habit: HabitName, defaultRole?: string): Promise<void> {
  await applyWith(habit, await (await fetch((await gateway.mockIdp()).metadataUrl(habit))).text(), defaultRole);
}

async function applyWith(name: string, metadata_xml: string, defaultRole?: string): Promise<void> {
  const { identity_provider, role_mapping, ...rest } = exampleOf(name);
  const { metadata_file: _, ...settings } = identity_provider ?? {};
  const mapping = { rules: role_mapping?.rules ?? [], default_role: defaultRole ?? String(role_mapping?.default_role) };
  await applyPlan(api, await planChanges(api, { ...rest, identity_provider: { ...settings, metadata_xml }, role_mapping: mapping }));
}

test('every example is tested here', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
  expect(files.sort()).toEqual(EXAMPLE_NAMES.map((name) => `${name}.yaml`).sort());
  for (const habit of HABIT_NAMES) {
    expect(PEOPLE.filter(([name]) => name === habit).map(([, person]) => person)).toEqual(HABITS[habit].people.map(({ key }) => key));
  }
});

describe('config/idp-examples', () => {
  test.each(EXAMPLE_NAMES)('%s is applied, and then has no changes left', async (name) => {
    const file = exampleOf(name);
    await applyPlan(api, await planChanges(api, file));
    expect((await planChanges(api, file)).changes).toEqual([]);
    const identityProvider = (await gateway.api('GET', `${organizationPath(name)}/identity-provider`)).body;
    expect(identityProvider).toMatchObject({ entity_id: entityIdIn(metadataOf(name)), idp_initiated: 'accept' });
    expect((await gateway.api('GET', organizationPath(name))).body).toMatchObject({ name: file.name, domains: file.domains });
  });
});

describe('sign-in at the mock identity provider with the example’s settings', () => {
  beforeAll(() => Promise.all(HABIT_NAMES.map((habit) => applyWithMock(habit))));

  test.each(PEOPLE)('%s: %s signs in as %s (groups %s)', async (habit, key, role, state, groups, ruleGroup) => {
    const { answer, page } = await signInAs(habit, key);
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

  test.each(HABIT_NAMES)('%s: a sign-in that starts at the identity provider redirects to its RelayState', async (habit) => {
    const query = new URLSearchParams({ organization: exampleOf(habit).slug, RelayState: '/console?from=idp' });
    const start = `${(await gateway.mockIdp()).url}/${habit}/start?${query}`;
    const browser = new HttpBrowser();
    const { answer, page } = await signIn(browser, start, 'carl');
    // The response comes from another origin without a cookie of the gateway, so a page of the gateway starts the session.
    expect([answer.status, answer.location]).toEqual([303, `${gateway.url}/saml/${exampleOf(habit).slug}/continue`]);
    expect(browser.history.map(({ location }) => location)).toContain(`${gateway.url}/console?from=idp`);
    expect(page.status).toBe(200);
  });

  test('a second sign-in finds the same member, including a guest whose user name is not an email address', async () => {
    const [before] = await memberOf('entra-id', 'ada');
    await signInAs('entra-id', 'ada');
    const after = await memberOf('entra-id', 'ada');
    expect(after.map(({ id }) => id)).toEqual([before?.id]);
  });
});

describe('sign-in without a matching group and with default_role none', () => {
  const words: Readonly<Record<GroupsState, string>> = {
    absent: 'did not send your groups',
    over_limit: 'in more groups than your identity provider sends',
    present: 'None of the groups that your identity provider sent has a role in this organization',
  };
  let carl: HttpBrowser;
  beforeAll(async () => {
    await applyWithMock('okta');
    carl = new HttpBrowser();
    await signInAs('okta', 'carl', carl);
    await Promise.all(HABIT_NAMES.map((habit) => applyWithMock(habit, 'none')));
  });

  test.each(PEOPLE.filter(([, , role]) => role !== 'owner'))(
    '%s: %s is denied with the reason for missing groups',
    async (habit, key, _role, state) => {
      const browser = new HttpBrowser();
      const { answer } = await signInAs(habit, key, browser);
      expect([answer.status, answer.code]).toEqual([403, 'saml_role_denied']);
      expect(answer.text).toContain(`<code>groups: ${state}</code>`);
      expect(answer.text).toContain(words[state]);
      expect(browser.cookie('samlgate_session')).toBeUndefined();
      const { body } = await gateway.api<{ items: { event: string }[] }>('GET', `${organizationPath(habit)}/audit?event=login.refused`);
      expect(body.items[0]).toMatchObject({ code: 'saml_role_denied', details: { got: `groups: ${state}` } });
    },
  );

  test.each(PEOPLE.filter(([, , role]) => role === 'owner'))('%s: %s signs in as before', async (habit, key) => {
    const { page } = await signInAs(habit, key);
    expect(textOf(page.text)).toContain('Role owner');
  });

  test('ends the session that the member had', async () => {
    await signInAs('okta', 'carl');
    const console = await carl.request(`${gateway.url}/console`);
    expect(console.location).toBe(`${gateway.url}/login?return_to=%2Fconsole`);
    expect(await memberOf('okta', 'carl')).toMatchObject([{ role: 'none' }]);
  });
});

interface ProductLogin {
  /** What the product signs, and how it encrypts, if it is configured as the file describes. */
  readonly signs: readonly ('assertionId' | 'responseId')[];
  readonly encrypts?: ContentEncryption;
  /** Attributes that it sends, if the file prescribes their names. */
  readonly sent?: NonNullable<SetUp['sent']>;
}

const PERSON = [
  ['email', 'olivia@acme.test'],
  ['firstName', 'Olivia'],
  ['lastName', 'Owner'],
] as const;
const PRODUCT_LOGINS: Readonly<Record<ProductName, ProductLogin>> = {
  adfs: { signs: ['assertionId'], encrypts: 'aes256-cbc' },
  keycloak: { signs: ['responseId'], encrypts: 'aes128-cbc' },
  shibboleth: { signs: ['responseId'], encrypts: 'aes128-gcm' },
  simplesamlphp: { signs: ['assertionId', 'responseId'] },
  onelogin: { signs: ['assertionId'], sent: [...PERSON, ['groups', 'platform-admins', 'engineering']] },
  ping: { signs: ['assertionId'], sent: [...PERSON, ['groups', 'platform-admins', 'engineering']] },
  jumpcloud: { signs: ['responseId'], sent: [...PERSON, ['memberOf', 'engineering', 'platform-admins']] },
};

describe('sign-in with a response of a product without a mock, with the example’s settings', () => {
  let idpKey: KeyAndCertificate;
  const bare = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, '');
  const urlOf = (name: string, endpoint: string) => `${gateway.url}/saml/${exampleOf(name).slug}/${endpoint}`;
  const productOf = (name: ProductName) => {
    const { sent } = PRODUCT_LOGINS[name];
    return PRODUCTS[name](bare(idpKey.certificatePem), { idp: entityIdIn(metadataOf(name)), ...(sent && { sent }) });
  };

  beforeAll(async () => {
    idpKey = await createSelfSignedCertificate({ commonName: 'test only', days: 1, nowMs: Date.now(), rsaBits: 2048 });
    const withKey = (metadata: string) => metadata.replace(/(<(?:ds:)?X509Certificate>)[^<]+/g, `$1${bare(idpKey.certificatePem)}`);
    await Promise.all(PRODUCT_NAMES.map((name) => applyWith(name, withKey(metadataOf(name)))));
  });

  /** Returns the encryption certificate in the gateway's metadata. */
  async function encryptionCertificate(name: string): Promise<string> {
    const metadata = await (await fetch(urlOf(name, 'metadata'))).text();
    const [, base64 = ''] = /use="encryption">.*?X509Certificate>([^<]+)</s.exec(metadata) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  }

  /** Returns the fixture's response with changes, readdressed to this gateway and the current time. */
  async function respond(name: ProductName, change: (xml: string) => string): Promise<string> {
    const { signs, encrypts } = PRODUCT_LOGINS[name];
    const product = productOf(name);
    const now = Date.now();
    const moved = (instant: string) => new Date(Date.parse(instant) + now - NOW_MS).toISOString();
    const ids = { assertionId: `_a${randomBytes(16).toString('hex')}`, responseId: `_r${randomBytes(16).toString('hex')}` };
    let xml = change(product.xml)
      .replaceAll(ACS_URL, urlOf(name, 'acs'))
      .replaceAll(ENTITY_ID, urlOf(name, 'metadata'))
      .replaceAll(product.assertionId, ids.assertionId)
      .replaceAll(product.responseId, ids.responseId)
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, moved);
    const key = createPrivateKey(idpKey.privateKeyPem);
    if (signs.includes('assertionId')) xml = sign(xml, key, { ...product.signature, id: ids.assertionId });
    if (encrypts) xml = encryptAssertion(xml, { certificatePem: await encryptionCertificate(name), content: encrypts }, randomBytes);
    return signs.includes('responseId') ? sign(xml, key, { ...product.signature, id: ids.responseId }) : xml;
  }

  const post = (browser: HttpBrowser, name: string, xml: string, RelayState: string): Promise<Page> => {
    const body = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64'), RelayState });
    return browser.request(urlOf(name, 'acs'), { method: 'POST', body, headers: { 'sec-fetch-site': 'cross-site' } });
  };

  /** Signs in. Returns the URL at the identity provider and the gateway's answer to the response. */
  async function signInWith(name: ProductName, change = (xml: string) => xml): Promise<{ at: URL; answer: Page }> {
    const browser = new HttpBrowser();
    const at = new URL((await browser.request(gateway.loginUrl(exampleOf(name).slug))).location ?? '');
    const { id } = readAuthnRequest(decodeSamlRequest(at.searchParams.get('SAMLRequest') ?? '', 'redirect'));
    const xml = await respond(name, (text) => change(text).replaceAll(REQUEST_ID, id));
    return { at, answer: await post(browser, name, xml, at.searchParams.get('RelayState') ?? '') };
  }

  const accepted = (answer: Page) => [answer.code, answer.status, answer.location];
  const ruleGroup = (name: string) => exampleOf(name).role_mapping?.rules[0]?.group ?? '';

  test.each(PRODUCT_NAMES)(
    '%s: is redirected to the address in its metadata, and signs in a member of the rule’s group as owner',
    async (name) => {
      const metadata = metadataOf(name);
      const { at, answer } = await signInWith(name);
      const addresses = [...metadata.matchAll(/SingleSignOnService [^>]*Location="([^"]+)"/g)].map(([, address]) => address);
      expect(addresses).toContain(at.origin + at.pathname);
      expect(at.searchParams.has('Signature')).toBe(metadata.includes('WantAuthnRequestsSigned="true"'));
      expect(accepted(answer)).toEqual([undefined, 303, `${gateway.url}/console`]);
      const { person } = productOf(name);
      const { sent } = PRODUCT_LOGINS[name];
      expect(await membersAt(name, person.email)).toMatchObject([
        {
          name: sent ? 'Olivia Owner' : person.name,
          role: 'owner',
          role_source: { kind: 'rule', group: ruleGroup(name) },
          groups: sent?.at(-1)?.slice(1) ?? person.groups,
          groups_state: 'present',
        },
      ]);
    },
  );

  test.each(PRODUCT_NAMES)('%s: the same member signs in as collaborator after leaving the group', async (name) => {
    const { email } = productOf(name).person;
    await signInWith(name);
    const [before] = await membersAt(name, email);
    expect(before).toMatchObject({ role: 'owner' });
    const { answer } = await signInWith(name, (xml) => xml.replaceAll(`>${ruleGroup(name)}<`, '>others<'));
    expect(accepted(answer)).toEqual([undefined, 303, `${gateway.url}/console`]);
    expect(await membersAt(name, email)).toMatchObject([{ id: before?.id, role: 'collaborator', role_source: { kind: 'default' } }]);
  });

  test.each(PRODUCT_NAMES)('%s: a sign-in that starts at the identity provider redirects to its RelayState', async (name) => {
    const xml = await respond(name, (text) => text.replaceAll(` InResponseTo="${REQUEST_ID}"`, ''));
    const answer = await post(new HttpBrowser(), name, xml, '/console?from=idp');
    expect(accepted(answer)).toEqual([undefined, 303, `${gateway.url}/console?from=idp`]);
  });
});
