import { randomBytes } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/http/limits/limits.ts';
import { makeMetadata } from '../../src/mock-idp/metadata.ts';
import { requireDefaultConnection } from '../../src/organizations/connections/connections.ts';
import { refreshDueMetadata } from '../../src/organizations/connections/metadata-refresh.ts';
import { listMetadataVersions } from '../../src/organizations/connections/metadata-versions.ts';
import { recoverKeys } from '../../src/organizations/connections/recover-keys.ts';
import { restoreMetadataVersion } from '../../src/organizations/connections/restore-metadata.ts';
import { getOrganizationById, updateOrganization } from '../../src/organizations/organizations.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { addConnection } from '../support/test-connection.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
let aheadMs = 0;
const now = () => Date.now() + aheadMs;
let gateway: TestGateway;

/** What the server of the metadata answers, by path. Without a document it holds the request. */
const documents = new Map<string, string>();
const held = new Map<string, ServerResponse>();
const requests: string[] = [];
const server = createServer(({ url = '' }, response) => {
  requests.push(url);
  const document = documents.get(url);
  if (document === undefined) held.set(url, response);
  else response.end(document);
});

beforeAll(async () => {
  gateway = await startGateway({ now });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  requests.length = 0;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await gateway.stop();
});

const newKey = () => createSelfSignedCertificate({ commonName: 'test only', days: 3650, nowMs: Date.now(), rsaBits: 2048 });
const metadataWith = (first: KeyAndCertificate, ...others: readonly KeyAndCertificate[]) =>
  makeMetadata('okta', {
    ssoUrl: 'https://idp.example/sso',
    certificatesPem: [first.certificatePem, ...others.map((key) => key.certificatePem)],
    documentKey: first,
    randomBytes,
  });
const verdict = ({ status, code }: Page) => code ?? status;

interface RollingOrganization extends TestOrganization {
  /** The key that the identity provider signs with from now on. */
  readonly newKey: KeyAndCertificate;
  readonly path: string;
  serve(document: string | undefined): void;
  fetches(): number;
}

/** Returns an organization whose metadata comes from a URL that already has the new key. */
async function makeRollingOrganization(at = gateway): Promise<RollingOrganization> {
  const organization = await makeTestOrganization(at, now);
  const next = await newKey();
  const path = `/${organization.slug}`;
  documents.set(path, organization.metadata);
  const { port } = server.address() as { port: number };
  const { status } = await at.api('PUT', `/organizations/${organization.slug}/identity-provider`, {
    metadata_url: `http://127.0.0.1:${port}${path}`,
  });
  expect(status).toBe(200);
  documents.set(path, metadataWith(next));
  requests.length = 0;
  return {
    ...organization,
    newKey: next,
    path,
    serve: (document) => (document === undefined ? documents.delete(path) : documents.set(path, document)),
    fetches: () => requests.filter((each) => each === path).length,
  };
}

const recordOf = async ({ id }: TestOrganization) => {
  const organization = await getOrganizationById(gateway.runtime.store, id);
  if (!organization) throw new Error('no organization');
  return { organization, connection: requireDefaultConnection(organization) };
};
const keysOf = async (organization: TestOrganization) =>
  (await recordOf(organization)).connection.metadata.signingCertificates.map(({ pem }) => pem.replace(/\s/g, ''));
const pemOf = ({ certificatePem }: KeyAndCertificate) => certificatePem.replace(/\s/g, '');
const refreshes = async ({ slug }: TestOrganization) =>
  (
    await gateway.api<{ items: { actor: object; details: object }[] }>(
      'GET',
      `/organizations/${slug}/audit?event=identity_provider.refreshed`,
    )
  ).body.items;

describe('recovery after a certificate rollover', () => {
  it('signs in the user whose sign-in meets the new certificate first, with one fetch', async () => {
    const acme = await makeRollingOrganization();
    const browser = new HttpBrowser();
    expect((await acme.signIn(browser, 'olivia', { key: acme.newKey })).status).toBe(303);
    expect((await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status).toBe(200);
    expect(acme.fetches()).toBe(1);
    expect(await refreshes(acme)).toMatchObject([
      {
        actor: { kind: 'identity_provider' },
        details: { reason: 'unknown_key', connection: (await recordOf(acme)).connection.id, certificates: [expect.any(String)] },
      },
    ]);
    expect((await acme.signIn(new HttpBrowser(), 'carl', { key: acme.newKey })).status).toBe(303);
    expect(acme.fetches()).toBe(1);
  });

  it('signs in a user whose sign-in starts at the identity provider', async () => {
    const acme = await makeRollingOrganization();
    expect((await acme.post(new HttpBrowser(), acme.respond({ key: acme.newKey }))).status).toBe(303);
  });

  it('fetches once for many users at the same moment', async () => {
    const acme = await makeRollingOrganization();
    const pages = await Promise.all(Array.from({ length: 8 }, () => acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })));
    expect(pages.map(verdict)).toEqual(Array(8).fill(303));
    expect(acme.fetches()).toBe(1);
    expect(await refreshes(acme)).toHaveLength(1);
  });

  it('works for a test sign-in too', async () => {
    const acme = await makeRollingOrganization();
    const owner = new HttpBrowser();
    expect((await acme.signIn(owner)).status).toBe(303);
    const test = startedBy(await owner.request(`${gateway.url}/saml/${acme.slug}/login?test=1`));
    const page = await acme.post(owner, acme.respond({ key: acme.newKey, inResponseTo: test.requestId }));
    const { body } = await gateway.api('GET', `/organizations/${acme.slug}/sign-ins/${page.location?.split('/').at(-1)}`);
    expect(body).toMatchObject({ kind: 'test', outcome: 'accepted' });
    expect(acme.fetches()).toBe(1);
  });

  it('adopts keys and the end of their validity, and no endpoint', async () => {
    const acme = await makeRollingOrganization();
    const until = new Date(now() + DAY_MS).toISOString();
    const document = metadataWith(acme.newKey)
      .replaceAll('https://idp.example/', 'https://evil.example/')
      .replace('entityID=', `validUntil="${until}" entityID=`);
    acme.serve(document);
    const { connection: before } = await recordOf(acme);
    expect((await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })).status).toBe(303);
    const { connection: after } = await recordOf(acme);
    const { signingCertificates, validUntil, ...rest } = after.metadata;
    const { signingCertificates: _former, validUntil: _until, ...restBefore } = before.metadata;
    expect(rest).toEqual(restBefore);
    expect(Date.parse(validUntil ?? '')).toBe(Math.floor(Date.parse(until)));
    expect(signingCertificates.map(({ pem }) => pem.replace(/\s/g, ''))).toEqual([pemOf(acme.newKey)]);
  });

  it('judges the response again from the beginning', async () => {
    const acme = await makeRollingOrganization();
    const values = { audiences: [['https://other.example']] };
    expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey, values }))).toBe('saml_audience_mismatch');
    expect(await keysOf(acme)).toEqual([pemOf(acme.newKey)]);
  });
});

describe('attacks on the recovery', () => {
  it('lets a stranger cause one fetch in five minutes, which changes nothing', async () => {
    const acme = await makeRollingOrganization();
    acme.serve(acme.metadata);
    const before = await recordOf(acme);
    const forged = await newKey();
    for (let i = 0; i < 5; i++)
      expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', { key: forged }))).toBe('saml_signature_invalid');
    for (let i = 0; i < 5; i++)
      expect(verdict(await acme.post(new HttpBrowser(), acme.respond({ key: forged })))).toBe('saml_signature_invalid');
    expect(acme.fetches()).toBe(1);
    aheadMs += 5 * MINUTE_MS;
    for (let i = 0; i < 5; i++) await acme.signIn(new HttpBrowser(), 'olivia', { key: forged });
    expect(acme.fetches()).toBe(2);
    expect(await recordOf(acme)).toEqual(before);
    expect(await refreshes(acme)).toEqual([]);
  });

  it.each<[string, (acme: RollingOrganization) => Promise<Page>]>([
    [
      'another Issuer',
      (acme) =>
        acme.signIn(new HttpBrowser(), 'olivia', {
          key: acme.newKey,
          values: { responseIssuer: 'https://evil.example', assertionIssuer: 'https://evil.example' },
        }),
    ],
    [
      'another Issuer in the assertion only',
      (acme) =>
        acme.signIn(new HttpBrowser(), 'olivia', {
          key: acme.newKey,
          values: { responseIssuer: undefined, assertionIssuer: 'https://evil.example' },
          signing: { response: false, assertion: true },
        }),
    ],
    [
      'another Destination',
      (acme) => acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey, values: { destination: 'https://evil.example/acs' } }),
    ],
    ['an unknown request', (acme) => acme.post(new HttpBrowser(), acme.respond({ key: acme.newKey, inResponseTo: '_invented' }))],
    [
      'the request of another browser',
      async (acme) => {
        const { requestId } = await acme.start(new HttpBrowser());
        const browser = new HttpBrowser();
        await acme.start(browser);
        return acme.post(browser, acme.respond({ key: acme.newKey, inResponseTo: requestId }));
      },
    ],
    [
      'a request to another connection',
      async (acme) => {
        const other = await addConnection(gateway, acme);
        const browser = new HttpBrowser();
        return acme.post(browser, acme.respond({ key: acme.newKey, inResponseTo: await other.start(browser) }));
      },
    ],
    [
      'content that was altered',
      async (acme) => {
        const browser = new HttpBrowser();
        const { requestId } = await acme.start(browser);
        return acme.post(browser, acme.respond({ key: acme.newKey, inResponseTo: requestId }).replaceAll('olivia', 'carl'));
      },
    ],
    [
      'no signature',
      async (acme) => {
        const browser = new HttpBrowser();
        const { requestId } = await acme.start(browser);
        return acme.post(browser, acme.respond({ inResponseTo: requestId, signing: { response: false, assertion: false } }));
      },
    ],
    [
      'no request, if the organization rejects unsolicited responses',
      async (acme) => {
        await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, { idp_initiated: 'reject' });
        return acme.post(new HttpBrowser(), acme.respond({ key: acme.newKey }));
      },
    ],
    [
      'an unknown key, if the refresh is off',
      async (acme) => {
        await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, { metadata_refresh_hours: null });
        return acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey });
      },
    ],
  ])('does not fetch for a response with %s', async (_case, send) => {
    const acme = await makeRollingOrganization();
    const page = await send(acme);
    expect([page.status, page.code]).toEqual([400, expect.stringMatching(/^saml_/)]);
    expect(acme.fetches()).toBe(0);
  });

  it.each(['draft', 'disabled'] as const)('does not fetch for a %s connection', async (state) => {
    const acme = await makeRollingOrganization();
    const browser = new HttpBrowser();
    const { requestId } = await acme.start(browser);
    await updateOrganization(
      gateway.runtime,
      { kind: 'operator' },
      {
        organizationId: acme.id,
        change: (before) => ({ ...before, connections: before.connections.map((connection) => ({ ...connection, state })) }),
      },
    );
    for (const inResponseTo of [requestId, undefined]) {
      const page = await acme.post(browser, acme.respond({ key: acme.newKey, inResponseTo }));
      expect([page.status, page.code]).toEqual([400, expect.stringMatching(/^saml_/)]);
    }
    expect(acme.fetches()).toBe(0);
  });

  it('fetches for an encrypted assertion only if its refusal may tell whether it was decrypted, so never for AES-CBC', async () => {
    const acme = await makeRollingOrganization();
    const { organization } = await recordOf(acme);
    const certificatePem = `-----BEGIN CERTIFICATE-----\n${organization.spKeys[0]?.certificate}\n-----END CERTIFICATE-----\n`;
    const signing = { response: false, assertion: true };
    const send = (content: 'aes256-cbc' | 'aes256-gcm') =>
      acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey, signing, encryption: { certificatePem, content } });
    expect(verdict(await send('aes256-cbc'))).toBe('saml_decryption_failed');
    expect(acme.fetches()).toBe(0);
    expect(verdict(await send('aes256-gcm'))).toBe(303);
    expect(acme.fetches()).toBe(1);
    expect(verdict(await send('aes256-cbc'))).toBe(303);
  });

  it('fetches once for two replicas on one Redis', async () => {
    const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64') };
    const [one, two] = [await startGateway({ now, store: 'redis', environment }), await startGateway({ now, store: 'redis', environment })];
    try {
      const acme = await makeRollingOrganization(one);
      acme.serve(acme.metadata);
      const forged = await newKey();
      const elsewhere = { ...acme, acsUrl: acme.acsUrl.replace(one.url, two.url) };
      // The public URL of the second replica differs in this test, so the response of each names its own ACS.
      const responses = [acme.acsUrl, elsewhere.acsUrl].map((acsUrl) => acme.respond({ key: forged, acsUrl }));
      const send = (url: string, xml = '') =>
        new HttpBrowser().request(url, {
          method: 'POST',
          body: new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') }),
        });
      const pages = await Promise.all([
        ...Array.from({ length: 3 }, () => send(acme.acsUrl, responses[0])),
        ...Array.from({ length: 3 }, () => send(elsewhere.acsUrl, responses[1])),
      ]);
      expect(pages.map(verdict)).toEqual(Array(6).fill('saml_signature_invalid'));
      expect(acme.fetches()).toBe(1);
    } finally {
      await one.stop();
      await two.stop();
    }
  });

  it('rejects metadata of another entity, expired metadata and documents that are no metadata', async () => {
    const acme = await makeRollingOrganization();
    const expired = new Date(now() - MINUTE_MS).toISOString();
    for (const document of [
      metadataWith(acme.newKey).replaceAll(OKTA_ISSUER, 'https://evil.example'),
      metadataWith(acme.newKey).replace('entityID=', `validUntil="${expired}" entityID=`),
      '<html></html>',
    ]) {
      acme.serve(document);
      aheadMs += 6 * MINUTE_MS;
      expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey }))).toBe('saml_signature_invalid');
    }
    expect(acme.fetches()).toBe(3);
    expect(await keysOf(acme)).toEqual([pemOf(acme.key)]);
    expect(await refreshes(acme)).toEqual([]);
  });

  it('never brings back a certificate that an administrator removed, neither now nor with the daily refresh', async () => {
    const acme = await makeRollingOrganization();
    expect((await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })).status).toBe(303);
    // The new key turns out to be stolen, so an owner returns to the version before.
    const { organization, connection } = await recordOf(acme);
    const versions = await listMetadataVersions(gateway.runtime.store, acme.id, connection);
    const first = versions.find(({ value }) =>
      value.metadata.signingCertificates.some(({ pem }) => pem.replace(/\s/g, '') === pemOf(acme.key)),
    );
    await restoreMetadataVersion(gateway.runtime, { kind: 'operator' }, { organization, versionId: first?.id ?? '' });
    await gateway.api('PATCH', `/organizations/${acme.slug}/identity-provider`, { metadata_refresh_hours: 24 });
    for (const document of [metadataWith(acme.newKey), metadataWith(acme.key, acme.newKey)]) {
      acme.serve(document);
      aheadMs += 6 * MINUTE_MS;
      expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey }))).toBe('saml_signature_invalid');
      aheadMs += DAY_MS;
      await refreshDueMetadata(gateway.runtime);
      expect(await keysOf(acme)).toEqual([pemOf(acme.key)]);
    }
    expect(acme.fetches()).toBe(5);
    // An administrator who sets the metadata again accepts it on purpose.
    await gateway.api('PUT', `/organizations/${acme.slug}/identity-provider`, metadataWith(acme.newKey));
    expect((await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })).status).toBe(303);
  });

  it('refuses the signature, and not the size, if the settings have no room for the new key', async () => {
    const acme = await makeRollingOrganization();
    expect((await gateway.api('PATCH', `/organizations/${acme.slug}`, { quotas: { settings_bytes: 1000 } })).status).toBe(200);
    acme.serve(metadataWith(acme.newKey, acme.key));
    const before = await recordOf(acme);
    expect(verdict(await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey }))).toBe('saml_signature_invalid');
    expect([acme.fetches(), await recordOf(acme), await refreshes(acme)]).toEqual([1, before, []]);
    expect((await acme.signIn(new HttpBrowser(), 'olivia')).status).toBe(303);
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { quotas: { settings_bytes: 1_000_000 } });
    aheadMs += 6 * MINUTE_MS;
    expect((await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })).status).toBe(303);
  });

  it('keeps what an administrator saves during the fetch', async () => {
    const acme = await makeRollingOrganization();
    const chosen = await newKey();
    acme.serve(undefined);
    const signIn = acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey });
    while (acme.fetches() === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await gateway.api('PUT', `/organizations/${acme.slug}/identity-provider`, metadataWith(chosen));
    held.get(acme.path)?.end(metadataWith(acme.newKey));
    expect(verdict(await signIn)).toBe('saml_signature_invalid');
    expect(await keysOf(acme)).toEqual([pemOf(chosen)]);
  });

  it('waits at most five seconds for four slow servers at a time, and does not fetch for others meanwhile', async () => {
    const slow = await Promise.all(Array.from({ length: 4 }, () => makeRollingOrganization()));
    const other = await makeRollingOrganization();
    for (const each of slow) each.serve(undefined);
    const startedMs = performance.now();
    const waiting = slow.map((each) => each.signIn(new HttpBrowser(), 'olivia', { key: each.newKey }));
    while (slow.some((each) => each.fetches() === 0)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(verdict(await other.signIn(new HttpBrowser(), 'olivia', { key: other.newKey }))).toBe('saml_signature_invalid');
    expect(other.fetches()).toBe(0);
    expect((await other.signIn(new HttpBrowser(), 'olivia')).status).toBe(303);
    for (const page of await Promise.all(waiting)) expect(verdict(page)).toBe('saml_signature_invalid');
    expect(performance.now() - startedMs).toBeLessThan(12_000);
    // The refused attempt has not used up the pause of the other connection.
    expect((await other.signIn(new HttpBrowser(), 'olivia', { key: other.newKey })).status).toBe(303);
  });

  it('fetches for one connection of an organization at a time, so that none takes the fetches of the others', async () => {
    const [slow, other] = [await makeRollingOrganization(), await makeRollingOrganization()];
    slow.serve(undefined);
    const { organization, connection } = await recordOf(slow);
    const waiting = recoverKeys(gateway.runtime, { organization, connection });
    const more = Array.from({ length: 9 }, (_, i) => ({ ...connection, id: `con_more${i}` }));
    const results = await Promise.all(more.map((each) => recoverKeys(gateway.runtime, { organization, connection: each })));
    expect(results).toEqual(more.map(() => false));
    expect((await other.signIn(new HttpBrowser(), 'olivia', { key: other.newKey })).status).toBe(303);
    expect(await waiting).toBe(false);
    expect([slow.fetches(), other.fetches()]).toEqual([1, 1]);
  });

  it('limits fetches for unsolicited responses by address, and still fetches for requests of this browser', async () => {
    const limiting = await startGateway({ now, environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    try {
      const { points } = LIMITS.unsolicited_fetches;
      for (let i = 0; i <= points; i++) {
        const acme = await makeRollingOrganization(limiting);
        const page = await acme.post(new HttpBrowser(), acme.respond({ key: acme.newKey }));
        expect([i, verdict(page), acme.fetches()]).toEqual(i < points ? [i, 303, 1] : [i, 'saml_signature_invalid', 0]);
        if (i === points) expect((await acme.signIn(new HttpBrowser(), 'olivia', { key: acme.newKey })).status).toBe(303);
      }
    } finally {
      await limiting.stop();
    }
  });
});
