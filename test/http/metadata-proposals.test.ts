import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MetadataProposal } from '../../src/client/index.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { createLink, openSetup, type Setup, startSetup } from '../support/setup.ts';
import { newIdentityProvider } from '../support/test-connection.ts';

const DAY_MS = 86_400_000;
let aheadMs = 0;
let gateway: TestGateway;
let acme: TestOrganization;
let olivia: HttpBrowser;
beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
});
afterEach(() => {
  aheadMs = 0;
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  acme = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  await acme.signIn(olivia, 'olivia');
});

interface Shown {
  readonly id: string;
  readonly entity_id: string;
  readonly metadata_url: string | null;
  readonly certificates: readonly { readonly fingerprint_sha256: string }[];
  readonly code?: string;
}

const path = () => `/organizations/${acme.slug}`;
const connection = async () => (await gateway.api<Shown>('GET', `${path()}/identity-provider`)).body;
const fingerprintsOf = ({ certificates }: Pick<Shown, 'certificates'>) => certificates.map((each) => each.fingerprint_sha256);
const proposalPath = async () => `${path()}/connections/${(await connection()).id}/proposal`;
const proposal = async () => (await gateway.api<MetadataProposal & { code?: string }>('GET', await proposalPath())).body;
const decide = async (decision: 'accept' | 'discard', id: string, more: object = {}) => {
  const { status, body } = await gateway.api<{ code?: string } | undefined>('POST', `${await proposalPath()}/${decision}`, {
    proposal: id,
    ...more,
  });
  return body?.code ?? status;
};
const verdict = ({ status, code }: Page) => (status === 303 ? 'accepted' : code);

/** Metadata of the present identity provider with the attacker’s key, and an unsolicited response that this key signs. */
async function newKey() {
  const { key, metadata, entityId } = await newIdentityProvider(acme);
  const signIn = async () => verdict(await acme.post(new HttpBrowser(), acme.respond({ key, user: 'olivia' })));
  return { metadata: metadata.replaceAll(entityId, OKTA_ISSUER), signIn };
}
const proposed = (page: Page) => textOf(page.text).includes('Your metadata is kept as a proposal.');

describe('metadata from a setup link while there are members', () => {
  it('is kept as a proposal and changes nothing before an owner accepts it', async () => {
    const before = await connection();
    const attacker = await newKey();
    const setup = await startSetup(gateway, acme.slug);
    expect(proposed(await setup.save(attacker.metadata))).toBe(true);
    expect(fingerprintsOf(await connection())).toEqual(fingerprintsOf(before));
    expect(await attacker.signIn()).toBe('saml_signature_invalid');
    expect(await proposal()).toMatchObject({
      setup_link: setup.linkId,
      entity_id: OKTA_ISSUER,
      certificates: [{ is_new: true }],
      on_new_entity_id: null,
    });
    expect(textOf((await setup.page()).text)).toContain('Proposed metadata');
    expect(textOf((await setup.page()).text)).not.toContain('Accept it only');
    expect((await setup.page()).forms.some(({ action }) => action.includes('/proposal/'))).toBe(false);
  });

  it('shows the fingerprints of new keys to an owner, who accepts it in the console', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const other = await newKey();
    await setup.save(other.metadata);
    const page = await olivia.open(`${gateway.url}/console/single-sign-on`);
    expect(textOf(page.text)).toContain(`This certificate is new: ${fingerprintsOf(await proposal())[0]}`);
    expect(textOf(page.text)).toContain('Accept it only if you know that it comes from your identity provider.');
    const accepted = await olivia.submit(page, {}, '/proposal/accept');
    expect(textOf(accepted.text)).toContain('The proposed metadata is in use.');
    expect(textOf(accepted.text)).not.toContain('Proposed metadata');
    expect(await other.signIn()).toBe('accepted');
    const audit = await gateway.api<{ items: object[] }>('GET', `${path()}/audit?event=identity_provider.changed`);
    expect(audit.body.items[0]).toMatchObject({ actor: { kind: 'member' }, details: { setup_link: setup.linkId } });
  });

  it('is discarded by an owner', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const before = await connection();
    await setup.save((await newKey()).metadata);
    const page = await olivia.submit(await olivia.open(`${gateway.url}/console/single-sign-on`), {}, '/proposal/discard');
    expect(textOf(page.text)).toContain('The proposed metadata is discarded.');
    expect((await proposal()).code).toBe('not_found');
    expect(fingerprintsOf(await connection())).toEqual(fingerprintsOf(before));
  });

  it('is not accepted if the setup link has replaced it since the owner looked at it', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.save(acme.metadata.replaceAll('https://idp.example/sso', 'https://idp.example/sso2'));
    const page = await olivia.open(`${gateway.url}/console/single-sign-on`);
    const attacker = await newKey();
    await setup.save(attacker.metadata);
    expect(textOf((await olivia.submit(page, {}, '/proposal/accept')).text)).toContain('since proposed other metadata');
    expect(await attacker.signIn()).toBe('saml_signature_invalid');
  });

  it('sets no metadata URL, from which keys would be refreshed', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.saveWith(acme.metadata, { metadata_url: 'https://attacker.example/metadata' });
    expect((await connection()).metadata_url).toBeNull();
    const proposed = await proposal();
    expect(proposed).toMatchObject({
      metadata_url: 'https://attacker.example/metadata',
      certificates: [{ is_new: false }],
      changes: ['metadata_url'],
    });
    const page = await olivia.open(`${gateway.url}/console/single-sign-on`);
    expect(textOf(page.text)).toContain(
      'certificates would be read from https://attacker.example/metadata , once a day and whenever a response has an unknown key.',
    );
  });

  it('with a new metadata URL is accepted only if the URL is confirmed', async () => {
    const url = 'https://attacker.example/metadata';
    const setup = await startSetup(gateway, acme.slug);
    await setup.saveWith(acme.metadata, { metadata_url: url });
    const { id } = await proposal();
    expect(await decide('accept', id)).toBe('conflict');
    expect(await decide('accept', id, { metadata_url: 'https://idp.example/metadata' })).toBe('conflict');
    const page = await olivia.open(`${gateway.url}/console/single-sign-on`);
    const unconfirmed = await olivia.submit(page, {}, '/proposal/accept');
    expect(textOf(unconfirmed.text)).toContain('The proposal has another metadata URL');
    expect((await connection()).metadata_url).toBeNull();
    await olivia.submit(page, { metadata_url: url }, '/proposal/accept');
    expect((await connection()).metadata_url).toBe(url);
    // A later proposal without a new URL needs no confirmation. One with another URL does.
    await setup.saveWith(acme.metadata.replaceAll('https://idp.example/sso', 'https://idp.example/sso2'), { metadata_url: url });
    const second = await proposal();
    expect(second.changes).toEqual(['single_sign_on']);
    expect(await decide('accept', second.id)).toBe(200);
  });

  it('without the metadata URL of the connection needs no confirmation of a URL', async () => {
    const setup = await startSetup(gateway, acme.slug);
    await setup.saveWith(acme.metadata.replaceAll('https://idp.example/sso', 'https://attacker.example/sso'), {});
    const { id, changes } = await proposal();
    expect(changes).toEqual(['single_sign_on']);
    expect(textOf((await olivia.open(`${gateway.url}/console/single-sign-on`)).text)).toMatch(
      /sent to other sign-in URLs: https:\/\/attacker/,
    );
    expect(await decide('accept', id, { metadata_url: 'https://idp.example/metadata' })).toBe('conflict');
    expect(await decide('accept', id)).toBe(200);
  });

  it('can only choose new accounts for another identity provider, and still waits for an owner', async () => {
    const setup = await startSetup(gateway, acme.slug);
    const idp = await newIdentityProvider(acme);
    for (const [decision, code] of [
      ['keep', 'forbidden'],
      ['link_by_email', 'forbidden'],
      [undefined, 'conflict'],
    ] as const) {
      expect((await setup.saveWith(idp.metadata, decision === undefined ? {} : { on_new_entity_id: decision })).code).toBe(code);
    }
    expect((await proposal()).code).toBe('not_found');
    expect(proposed(await setup.save(idp.metadata, 'new_accounts'))).toBe(true);
    expect((await connection()).entity_id).toBe(OKTA_ISSUER);
    const unsolicited = () => acme.post(new HttpBrowser(), idp.respond({ user: 'olivia' }));
    expect(verdict(await unsolicited())).toBe('saml_issuer_unknown');
    const { id, on_new_entity_id } = await proposal();
    expect(on_new_entity_id).toBe('new_accounts');
    expect(await decide('accept', id)).toBe(200);
    expect((await connection()).entity_id).toBe(idp.entityId);
    expect(verdict(await unsolicited())).toBe('accepted');
  });

  it('is kept once per connection, for seven days, until its link is revoked or its connection is deleted', async () => {
    const link = await createLink(gateway, acme.slug);
    const setup = await openSetup(gateway, link);
    await setup.save((await newKey()).metadata);
    const first = await proposal();
    await setup.save((await newKey()).metadata);
    const second = await proposal();
    expect(second.id).not.toBe(first.id);
    expect(await decide('accept', first.id)).toBe('conflict');
    aheadMs = 7 * DAY_MS + 1000;
    expect(await decide('accept', second.id)).toBe('not_found');
    aheadMs = 0;
    await gateway.api('DELETE', `${path()}/setup-links/${link.id}`);
    expect(await decide('accept', second.id)).toBe('not_found');
    const other = await startSetup(gateway, acme.slug);
    await other.save((await newKey()).metadata);
    const { id } = await proposal();
    await gateway.api('DELETE', `${path()}/identity-provider`);
    await gateway.api('PUT', `${path()}/identity-provider`, acme.metadata);
    expect(await decide('accept', id)).toBe('not_found');
  });

  it('is not kept if it is the current metadata', async () => {
    const setup = await startSetup(gateway, acme.slug);
    expect(textOf((await setup.save(acme.metadata)).text)).toContain('The connection already has this metadata.');
    expect((await proposal()).code).toBe('not_found');
  });

  it('is accepted by no setup, collaborator or owner of another organization', async () => {
    const setup: Setup = await startSetup(gateway, acme.slug);
    const attacker = await newKey();
    await setup.save(attacker.metadata);
    const { id } = await proposal();
    const con = (await connection()).id;
    for (const form of [`single-sign-on/${con}/proposal/accept`, 'single-sign-on/proposal/accept']) {
      expect((await setup.post(form, { proposal: id })).code).toBe('not_found');
    }
    const carl = new HttpBrowser();
    await acme.signIn(carl, 'carl');
    const other = await makeTestOrganization(gateway);
    const stranger = new HttpBrowser();
    await other.signIn(stranger, 'olivia');
    for (const [browser, code] of [
      [carl, 'forbidden'],
      [stranger, 'organization_unknown'],
    ] as const) {
      const me = await browser.request(`${gateway.url}/api/v1/me`);
      const answer = await browser.request(`${gateway.url}/api/v1${await proposalPath()}/accept`, {
        method: 'POST',
        body: JSON.stringify({ proposal: id }),
        headers: { 'content-type': 'application/json', 'x-samlgate-csrf': (JSON.parse(me.text) as { csrf_token: string }).csrf_token },
      });
      expect(answer.code).toBe(code);
    }
    expect(await attacker.signIn()).toBe('saml_signature_invalid');
  });
});
