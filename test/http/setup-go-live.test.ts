import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NAME_ID_EMAIL } from '../../src/saml/names.ts';
import { beforeCommit } from '../support/before-sign-in-is-written.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { createLink, openSetup, type Setup, startSetup } from '../support/setup.ts';
import { addConnection, newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
});

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly entity_id: string;
  readonly clock_skew_seconds: number;
  readonly metadata_url: string | null;
  readonly certificates: readonly { readonly fingerprint_sha256: string }[];
}

const path = () => `/organizations/${acme.slug}`;
const connections = async () => (await gateway.api<{ items: Shown[] }>('GET', `${path()}/connections`)).body.items;
const states = async () => (await connections()).map(({ state }) => state);
const disconnect = () => gateway.api('DELETE', `${path()}/identity-provider`);
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);
const signIn = async (user = 'olivia') => verdict(await acme.post(new HttpBrowser(), acme.respond({ user })));
const goLive = async (setup: Setup) => {
  const page = await setup.post('single-sign-on/go-live');
  return page.status === 303 ? textOf((await setup.browser.open(page.location ?? '')).text) : page.code;
};
const isEnded = async (setup: Setup) => (await setup.page()).code === 'unauthenticated';

describe('the first metadata of a setup link', () => {
  beforeEach(disconnect);

  it('creates a draft, which accepts no sign-in', async () => {
    const setup = await startSetup(gateway, acme.slug);
    expect(textOf((await setup.save(acme.metadata)).text)).toContain('How are users identified?');
    expect(textOf((await setup.page()).text)).toContain('This connection is a draft.');
    expect(await states()).toEqual(['draft']);
    expect(await signIn()).toBe('saml_issuer_unknown');
    expect((await new HttpBrowser().request(`${gateway.url}/saml/${acme.slug}/login`)).code).toBe('idp_not_configured');
  });

  it('goes live after a successful test sign-in', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    expect((await setup.step('live')).forms.some(({ action }) => action.endsWith('/go-live'))).toBe(false);
    const result = await setup.test(acme);
    expect(textOf(result.text)).toContain('The connection is still a draft. Go live to let users sign in.');
    expect(textOf((await setup.page()).text)).toContain('A test sign-in succeeded on');
    const page = await setup.step('live');
    const live = await setup.browser.submit(page, {}, '/go-live');
    expect(textOf(live.text)).toContain('Single sign-on is live.');
    expect(await states()).toEqual(['active']);
    expect(await signIn()).toBe('accepted');
    expect(await goLive(setup)).toContain('Single sign-on is live.');
    const audit = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=connection.changed`);
    expect(audit.body.items).toMatchObject([{ actor: { kind: 'setup_link', id: setup.linkId }, details: { state: 'active' } }]);
  });

  it('does not go live without a test, or after a refused one', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    expect(await goLive(setup)).toContain('Test the sign-in first.');
    await setup.test(acme, (options) => acme.respond({ ...options, values: { audiences: [['https://other.example']] } }));
    expect(await goLive(setup)).toContain('Test the sign-in first.');
    expect(await states()).toEqual(['draft']);
  });

  it.each([
    ['metadata', (setup: Setup) => setup.save(acme.metadata.replaceAll('https://idp.example/sso', 'https://idp.example/sso2'))],
    ['settings', (setup: Setup) => setup.post('single-sign-on/settings', { idp_initiated: 'reject', clock_skew_seconds: '60' })],
    ['identifier', (setup: Setup) => setup.post('single-sign-on/identifier', { attribute: 'uid' })],
  ])('needs another test after a change of the %s', async (_what, change) => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await setup.test(acme);
    expect((await change(setup)).status).toBeLessThan(400);
    expect(await goLive(setup)).toContain('Test the sign-in first.');
    expect(await states()).toEqual(['draft']);
  });

  it('is shown to owners and the operator, and can be activated by them without a test', async () => {
    await (await startSetup(gateway, acme.slug)).save(acme.metadata);
    const [draft] = await connections();
    expect(draft).toMatchObject({ state: 'draft', entity_id: OKTA_ISSUER });
    expect((await gateway.api('PATCH', `${path()}/connections/${draft?.id}`, { state: 'active' })).status).toBe(200);
    expect(await signIn()).toBe('accepted');
  });

  it('belongs to the first of two links that are used at the same moment', async () => {
    const setups = await Promise.all([startSetup(gateway, acme.slug), startSetup(gateway, acme.slug)]);
    const idps = await Promise.all([newIdentityProvider(acme), newIdentityProvider(acme)]);
    await Promise.all(setups.map((setup, each) => setup.save(idps[each]?.metadata ?? '').catch(() => undefined)));
    const [only, ...others] = await connections();
    expect(others).toEqual([]);
    const ended = await Promise.all(setups.map(isEnded));
    expect(ended.filter((each) => each)).toHaveLength(1);
    const winner = ended.indexOf(false);
    expect(only?.entity_id).toBe(idps[winner]?.entityId);
    expect(textOf((await setups[winner]?.page().then(({ text }) => text)) ?? '')).toContain(only?.entity_id);
  });
});

describe('a setup link that was created before there was a connection', () => {
  beforeEach(disconnect);

  it('cannot see or change a connection that an owner, the operator or another link creates', async () => {
    const open = await createLink(gateway, acme.slug);
    const setup = await startSetup(gateway, acme.slug);
    const preview = await setup.browser.submit(await setup.step('metadata'), { metadata: acme.metadata }, '/preview');
    const own = await newIdentityProvider(acme);
    await gateway.api('PUT', `${path()}/identity-provider`, own.metadata);
    expect((await setup.browser.submit(preview, {}, '/save')).code).toBe('unauthenticated');
    expect((await new HttpBrowser().request(open.url)).code).toBe('not_found');
    expect(await connections()).toMatchObject([{ entity_id: own.entityId }]);
  });

  it('stays with its connection when another one becomes the default', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    const other = await addConnection(gateway, acme);
    await gateway.api('PATCH', `${path()}/connections/${other.id}`, { is_default: true });
    expect((await setup.page()).text).toContain(OKTA_ISSUER);
    await setup.post('single-sign-on/settings', { idp_initiated: 'accept', clock_skew_seconds: '7' });
    expect((await connections()).map(({ clock_skew_seconds }) => clock_skew_seconds)).toEqual([180, 7]);
  });

  it('ends when its connection is deleted, also if the same identity provider is connected again', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata);
    await disconnect();
    expect(await isEnded(setup)).toBe(true);
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    expect(await isEnded(setup)).toBe(true);
  });
});

describe('a setup link of an existing connection', () => {
  it('ends with the connection, also if the same identity provider is connected again under the same ID', async () => {
    const open = await createLink(gateway, acme.slug);
    const setup = await startSetup(gateway, acme.slug);
    const [before] = await connections();
    await disconnect();
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    expect((await connections())[0]?.id).toBe(before?.id);
    expect(await isEnded(setup)).toBe(true);
    expect((await new HttpBrowser().request(open.url)).code).toBe('not_found');
    expect(await isEnded(await startSetup(gateway, acme.slug))).toBe(false);
  });
});

describe('the holder of a setup link', () => {
  const fingerprints = async () => (await connections()).map(({ certificates }) => certificates.map((each) => each.fingerprint_sha256));
  /** The metadata of the organization's identity provider with a key of the attacker. */
  const forged = async () => {
    const own = await newIdentityProvider(acme);
    return { key: own.key, metadata: own.metadata.replaceAll(own.entityId, OKTA_ISSUER) };
  };

  it('cannot change the settings of a connection with members', async () => {
    await acme.signIn(new HttpBrowser(), 'olivia');
    const setup = await startSetup(gateway, acme.slug);
    const text = textOf((await setup.page()).text);
    expect(text).toContain('Members exist, so the settings can only be changed by an owner.');
    expect(text).not.toContain('Change the identifier');
    for (const [form, fields] of [
      ['settings', { idp_initiated: 'accept', clock_skew_seconds: '180', attributes_groups: 'nickname' }],
      ['identifier', { attribute: 'nickname', confirmed: 'yes' }],
    ] as const) {
      expect([form, (await setup.post(`single-sign-on/${form}`, fields)).code]).toEqual([form, 'forbidden']);
    }
  });

  it('cannot change the key at the moment when the first member signs in', async () => {
    const setup = await startSetup(gateway, acme.slug);
    // Otherwise the sign-in would pin the identifier and so change the connection.
    await gateway.api('PATCH', `${path()}/identity-provider`, { identifier: { name_id: NAME_ID_EMAIL } });
    const [before, { key, metadata }] = [await fingerprints(), await forged()];
    let member: string | undefined;
    beforeCommit(
      gateway,
      (step) => step.do === 'insert' && (step.value as { event?: string }).event === 'identity_provider.changed',
      async () => {
        member = await signIn();
      },
    );
    expect((await setup.save(metadata)).code).toBe('conflict');
    expect([member, await fingerprints()]).toEqual(['accepted', before]);
    expect(verdict(await acme.post(new HttpBrowser(), acme.respond({ key })))).toBe('saml_signature_invalid');
  });

  it('cannot enable a disabled connection', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const [connection] = await connections();
    await gateway.api('PATCH', `${path()}/connections/${connection?.id}`, { state: 'disabled' });
    await setup.test(acme).catch(() => undefined);
    expect(await goLive(setup)).toBe('forbidden');
    expect(textOf((await setup.page()).text)).toContain('Ask an owner of the organization to enable it.');
    expect(await states()).toEqual(['disabled']);
  });

  it('cannot activate a draft of another link', async () => {
    const draft = await addConnection(gateway, acme, { state: 'draft' });
    const setup = await startSetup(gateway, acme.slug);
    expect(await goLive(setup)).not.toBe('forbidden'); // its own connection is active
    for (const form of [`single-sign-on/${draft.id}/go-live`, `single-sign-on/${draft.id}/enable`, `single-sign-on/go-live/${draft.id}`]) {
      expect([form, (await setup.post(form)).code]).toEqual([form, 'not_found']);
    }
    await setup.post('single-sign-on/go-live', { connection: draft.id, con: draft.id });
    expect(await states()).toEqual(['active', 'draft']);
  });

  it('cannot activate or change a draft with the members of a deleted identity provider', async () => {
    await acme.signIn(new HttpBrowser(), 'olivia');
    await disconnect();
    const { body } = await gateway.api<{ id: string }>('POST', `${path()}/connections`, { name: 'Again', metadata_xml: acme.metadata });
    const setup = await startSetup(gateway, acme.slug, { connection: body.id });
    await setup.test(acme);
    expect(await goLive(setup)).toBe('forbidden');
    const before = await fingerprints();
    await setup.save((await forged()).metadata);
    expect(await fingerprints()).toEqual(before);
    expect(await states()).toEqual(['draft']);
  });

  it('cannot use a link of another organization or a revoked one', async () => {
    const other = await makeTestOrganization(gateway);
    const setup = await startSetup(gateway, other.slug);
    const { metadata } = await forged();
    await setup.save(metadata);
    expect(await fingerprints()).not.toEqual((await gateway.api('GET', `/organizations/${other.slug}/connections`)).body);
    const link = await createLink(gateway, acme.slug);
    const revoked = await openSetup(gateway, link);
    const preview = await revoked.browser.submit(await revoked.step('metadata'), { metadata }, '/preview');
    await gateway.api('DELETE', `${path()}/setup-links/${link.id}`);
    expect((await revoked.browser.submit(preview, {}, '/save')).code).toBe('unauthenticated');
    expect((await revoked.post('single-sign-on/go-live')).code).toBe('unauthenticated');
  });
});
