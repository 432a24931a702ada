import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { IdentityProvider, MetadataProposal } from '../../src/client/index.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type Home, makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { type Setup, startSetup } from '../support/setup.ts';
import { newIdentityProvider } from '../support/test-connection.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let setup: Setup;
let home: Home;
let id: string;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  home = makeHome();
  acme = await makeTestOrganization(gateway);
  await acme.signIn(new HttpBrowser(), 'olivia');
  setup = await startSetup(gateway, acme.slug);
  id = (await connection()).id;
});
afterEach(() => home.remove());

const connection = async () => (await gateway.api<IdentityProvider>('GET', `/organizations/${acme.slug}/identity-provider`)).body;
const operator = () => ({ SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken });
const proposal = (...args: string[]) => home.run(['connection', 'proposal', ...args], operator());
const proposed = async () => (await gateway.api<MetadataProposal>('GET', `/organizations/${acme.slug}/connections/${id}/proposal`)).body;
const present = async () => (await connection()).certificates.map((each) => each.fingerprint_sha256);

/** Lets the holder of the setup link propose a key of another identity provider. Returns its fingerprint. */
async function propose(): Promise<string> {
  const { metadata, entityId } = await newIdentityProvider(acme);
  await setup.save(metadata.replaceAll(entityId, OKTA_ISSUER));
  return (await proposed()).certificates[0]?.fingerprint_sha256 ?? '';
}

describe('samlgate connection proposal', () => {
  test('lists and shows proposed metadata', async () => {
    expect((await proposal('list', acme.slug)).stdout).toBe(`No metadata is proposed for ${acme.slug}.\n`);
    expect(await proposal('show', acme.slug, id)).toMatchObject({ code: 1, stderr: expect.stringContaining('no proposal') });
    const fingerprint = await propose();
    const { stdout } = await proposal('show', acme.slug, id);
    expect(stdout).toMatch(new RegExp(`certificate ${fingerprint}, expires \\S+, new`));
    expect(stdout).toContain(`warning: Users are sent to other sign-in URLs: ${OKTA_ISSUER}/sso, now https://idp.example/sso.`);
    expect(stdout).toContain('Compare its fingerprint with the identity provider before you accept it.');
    expect(JSON.parse((await proposal('list', acme.slug, '--json')).stdout)).toMatchObject([{ connection: id, entity_id: OKTA_ISSUER }]);
  });

  test('accepts metadata only if each new certificate is named by its whole fingerprint', async () => {
    const before = await present();
    const fingerprint = await propose();
    const seen = (await proposed()).id;
    const accept = (...args: string[]) => proposal('accept', acme.slug, id, seen, '--yes', ...args);
    expect(await accept()).toMatchObject({ code: 1, stderr: expect.stringContaining(`Missing: ${fingerprint}`) });
    expect(await accept('--fingerprint', before[0] ?? '')).toMatchObject({ code: 1, stderr: expect.stringContaining('No proposed') });
    expect((await accept('--fingerprint', fingerprint.slice(0, 23))).code).toBe(2);
    expect((await proposal('accept', acme.slug, id, seen, '--fingerprint', fingerprint)).code).toBe(2); // needs --yes without a terminal
    expect(await present()).toEqual(before);
    expect((await accept('--fingerprint', fingerprint.replaceAll(':', '').toLowerCase())).code).toBe(0);
    expect(await present()).toEqual([fingerprint]);
  });

  test('does not accept metadata that replaced the one whose fingerprint was compared', async () => {
    const before = await present();
    const compared = await propose();
    const seen = (await proposed()).id;
    await propose();
    const accept = (named: string) => proposal('accept', acme.slug, id, named, '--yes', '--fingerprint', compared);
    expect(await accept((await proposed()).id)).toMatchObject({ code: 1, stderr: expect.stringContaining('No proposed certificate') });
    expect(await accept(seen)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`The current proposal is ${(await proposed()).id}`),
    });
    expect(await present()).toEqual(before);
  });

  test('does not accept metadata without new certificates that replaced the one that was shown', async () => {
    await setup.save(acme.metadata.replaceAll('https://idp.example/sso', 'https://idp.example/sso2'));
    const seen = (await proposed()).id;
    await setup.save(acme.metadata.replaceAll('https://idp.example/sso', 'https://attacker.example/sso'));
    expect((await proposal('accept', acme.slug, id, seen, '--yes')).code).toBe(1);
    expect((await connection()).single_sign_on).not.toMatchObject({ redirect: 'https://attacker.example/sso' });
  });

  test('accepts a new metadata URL only if it is named, even if no certificate is new', async () => {
    const url = 'https://attacker.example/metadata';
    await setup.saveWith(acme.metadata, { metadata_url: url });
    const seen = (await proposed()).id;
    const { stdout } = await proposal('show', acme.slug, id);
    expect(stdout).toContain(
      `warning: Certificates are read from ${url} (now from no URL), once a day and whenever a response has an unknown`,
    );
    const accept = (...args: string[]) => proposal('accept', acme.slug, id, seen, '--yes', ...args);
    expect(await accept()).toMatchObject({ code: 1, stderr: expect.stringContaining(`The metadata URL ${url} is new.`) });
    expect(await accept('--metadata-url', 'https://idp.example/metadata')).toMatchObject({ code: 1, stderr: expect.stringContaining(url) });
    expect((await connection()).metadata_url).toBeNull();
    expect((await accept('--metadata-url', url)).code).toBe(0);
    expect((await connection()).metadata_url).toBe(url);
  });

  test('discards metadata', async () => {
    const before = await present();
    await propose();
    expect((await proposal('decline', acme.slug, id)).stdout).toMatch(/^Discarded prp_/);
    expect((await proposal('discard', acme.slug, id)).code).toBe(1);
    expect(await present()).toEqual(before);
  });
});
