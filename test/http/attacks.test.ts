/** Attacks that were tried or are likely, each against a running gateway. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { refreshDueMetadata } from '../../src/organizations/connections/metadata-refresh.ts';
import { resumeDeletions } from '../../src/organizations/deletion.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let aheadMs = 0;
beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
  acme = await makeTestOrganization(gateway, () => Date.now() + aheadMs);
});
afterAll(() => gateway.stop());

const me = async (browser: HttpBrowser) =>
  (await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } })).status;

/** Makes the purge of a partition fail until the returned function is called. */
function breakPurge(): () => void {
  const { store } = gateway.runtime;
  const purge = store.purge.bind(store);
  store.purge = () => Promise.reject(new Error('the store failed'));
  return () => {
    store.purge = purge;
  };
}

describe('a deletion of an organization that fails half-way', () => {
  it('ends all access before it returns, and frees the slug', async () => {
    const doomed = await makeTestOrganization(gateway);
    const browser = new HttpBrowser();
    await doomed.signIn(browser);
    expect(await me(browser)).toBe(200);
    const repair = breakPurge();
    let status = 0;
    const deleted = gateway.api('DELETE', `/organizations/${doomed.slug}`).then((answer) => {
      status = answer.status;
    });
    // Keeps the cached rules of the organization as recent as possible.
    while (status === 0) await me(browser);
    await deleted;
    expect(status).toBe(204);
    expect(await me(browser)).toBe(401);
    repair();
    expect((await doomed.signIn(new HttpBrowser()).catch(() => undefined))?.status).not.toBe(303);
    expect((await gateway.api('DELETE', `/organizations/${doomed.slug}`)).status).toBe(404);
    expect((await gateway.api('POST', '/organizations', { slug: doomed.slug, name: 'x' })).status).toBe(201);
  });

  it('frees the slug without leaving data of the former organization to the next one', async () => {
    const doomed = await makeTestOrganization(gateway);
    await doomed.signIn(new HttpBrowser());
    const repair = breakPurge();
    await gateway.api('DELETE', `/organizations/${doomed.slug}`);
    repair();
    aheadMs += 120_000;
    expect((await gateway.api('POST', '/organizations', { slug: doomed.slug, name: 'x' })).status).toBe(201);
    await resumeDeletions(gateway.runtime);
    const { store } = gateway.runtime;
    const { MEMBERS } = await import('../../src/organizations/members.ts');
    expect((await store.find(doomed.id, MEMBERS, 'email', { limit: 10 })).items).toEqual([]);
  });
});

describe('a session token held by a service', () => {
  it('can read the owner’s organization but not change it', async () => {
    const organization = await gateway.makeOrganization();
    const olivia = await signedIn(gateway, organization, 'olivia');
    const { body } = await olivia.api<{ token: string }>('POST', '/me/session-token');
    const root = `/organizations/${organization.slug}`;
    expect((await gateway.api('GET', `${root}/members`, undefined, body.token)).status).toBe(200);
    for (const [method, resource, content] of [
      ['PUT', '/role-mapping', { rules: [], default_role: 'owner' }],
      ['PATCH', '/identity-provider', { force_authn: true }],
      ['DELETE', '/identity-provider', undefined],
      ['DELETE', '/members/usr_x', undefined],
    ] as const) {
      const answer = await gateway.api(method, root + resource, content, body.token);
      expect([method, resource, answer.status, answer.body.code]).toEqual([method, resource, 403, 'forbidden']);
    }
  });
});

describe('metadata of a malicious owner', () => {
  it('is never fetched from the gateway’s own host, except by a gateway on localhost', async () => {
    let requests = 0;
    const inside = createServer((_request, response) => {
      requests++;
      response.statusCode = 418;
      response.end();
    });
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(inside.address() as { port: number }).port}/admin?delete=all`;
    const address = new URL(gateway.url);
    const open = await startGateway({
      environment: { SAMLGATE_BASE_URL: 'https://sso.example.com', SAMLGATE_LISTEN: `127.0.0.2:${address.port}` },
    });
    const api = (method: string, resource: string, body: unknown) =>
      fetch(`http://127.0.0.2:${address.port}/api/v1${resource}`, {
        method,
        headers: { authorization: `Bearer ${open.operatorToken}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    await api('POST', '/organizations', { slug: 'evil', name: 'Evil' });
    for (const metadata_url of [url, url.replace('127.0.0.1', 'localhost')]) {
      const answer = await api('PUT', '/organizations/evil/identity-provider?dry_run=true', { metadata_url });
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([400, 'idp_metadata_invalid']);
    }
    expect(requests).toBe(0);
    await open.stop();
    inside.close();
  });

  it('may hold a certificate without a subject, and never stops the refresh of other organizations', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'samlgate-attack-'));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '9', '-subj', '/', '-keyout', 'k', '-out', 'c'], {
      cwd: folder,
      stdio: 'ignore',
    });
    const nameless = readFileSync(path.join(folder, 'c'), 'utf8').replace(/-----[A-Z ]+-----|\s/g, '');
    rmSync(folder, { recursive: true });
    const metadata = acme.metadata.replace(/(X509Certificate>)[^<]+/g, `$1${nameless}`);
    expect((await gateway.api('PUT', `/organizations/${acme.slug}/identity-provider`, metadata)).status).toBe(200);

    const served = createServer((_request, response) => response.end(acme.metadata));
    await new Promise<void>((resolve) => served.listen(0, '127.0.0.1', resolve));
    const metadata_url = `http://127.0.0.1:${(served.address() as { port: number }).port}/`;
    const organizations = [await makeTestOrganization(gateway), await makeTestOrganization(gateway), await makeTestOrganization(gateway)];
    for (const { slug } of organizations) await gateway.api('PUT', `/organizations/${slug}/identity-provider`, { metadata_url });
    aheadMs += 25 * 3_600_000;
    const fetched: string[] = [];
    await refreshDueMetadata(gateway.runtime, (_runtime, url) => {
      fetched.push(url);
      throw new TypeError('a defect that this metadata triggers');
    });
    expect(fetched).toHaveLength(organizations.length);
    served.close();
  });
});

describe('paths in another case or with a trailing slash', () => {
  it('answer 404', async () => {
    for (const resource of ['/METRICS', '/metrics/', '/API/v1/organizations', '/Auth/verify', '/SAML/acme/metadata', '/Console']) {
      expect([resource, (await fetch(gateway.url + resource, { redirect: 'manual' })).status]).toEqual([resource, 404]);
    }
  });
});
