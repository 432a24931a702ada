import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Domain } from '../../src/client/api-types.ts';
import { DIRECTORY } from '../../src/organizations/directory.ts';
import { recheckDueDomains } from '../../src/organizations/domains/recheck-domains.ts';
import { noteOrganizationsDaily } from '../../src/organizations/note-organizations.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from '../../src/organizations/organizations.ts';
import { GLOBAL, type Store } from '../../src/store/store.ts';
import { HttpBrowser } from '../support/browser.ts';
import { BROKEN_ZONE, type DnsServer, startDnsServer, startSilentDnsServer } from '../support/dns-server.ts';
import { type OrganizationJson, startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { newSlug } from '../support/new-slug.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const DAY_MS = 86_400_000;
let aheadMs = 0;
const now = () => Date.now() + aheadMs;

let dns: DnsServer;
let gateway: TestGateway;
let acme: OrganizationJson;
let evil: OrganizationJson;
let olivia: SignedIn;
let domain: string;

beforeAll(async () => {
  dns = await startDnsServer();
  gateway = await startGateway({ now, environment: { SAMLGATE_DNS_SERVERS: dns.address } });
  [acme, evil] = [await gateway.makeOrganization(), await gateway.makeOrganization()];
  olivia = await signedIn(gateway, acme, 'olivia');
});
afterAll(async () => {
  await gateway.stop();
  await dns.stop();
});
/** Servers of one test. A server that a failed test leaves running would keep Jest from ending. */
const ofTest: { stop(): unknown }[] = [];
const started = async (options: TestGatewayOptions) => {
  const other = await startGateway(options);
  ofTest.push(other);
  return other;
};
const startedSilent = async () => {
  const silent = await startSilentDnsServer();
  ofTest.push(silent);
  return silent;
};
const replaceInRuntime = (parts: object) => Object.assign(gateway.runtime, parts);
let original: object;
beforeEach(() => {
  original = { config: gateway.runtime.config, log: gateway.runtime.log };
});
afterEach(async () => {
  replaceInRuntime(original);
  for (const server of ofTest.splice(0)) await server.stop();
});
beforeEach(() => {
  domain = `${newSlug()}.test`;
});

type Json = Domain & { readonly code?: string; readonly detail?: string };
const pathOf = ({ slug }: OrganizationJson) => `/organizations/${slug}/domains`;
const add = (organization: OrganizationJson, name = domain) => gateway.api<Json>('POST', pathOf(organization), { domain: name });
const verify = (organization: OrganizationJson, name = domain, body?: object) =>
  gateway.api<Json>('POST', `${pathOf(organization)}/${encodeURIComponent(name)}/verify`, body);
const remove = (organization: OrganizationJson, name = domain) => gateway.api<Json>('DELETE', `${pathOf(organization)}/${name}`);
const list = async (organization: OrganizationJson) => (await gateway.api<{ items: Domain[] }>('GET', pathOf(organization))).body.items;
const find = async (organization: OrganizationJson, name = domain) => (await list(organization)).find((each) => each.domain === name);
const verdict = ({ status, body }: { status: number; body: Json }) => [status, body.code];
const txt = ({ record }: Domain) => `${record.name}. TXT "${record.value}"`;
const publish = async (...claims: Domain[]) => dns.serve(claims.map(txt));
/** Adds the domain, publishes its record and verifies it. */
const own = async (organization: OrganizationJson, name = domain): Promise<Domain> => {
  const { body } = await add(organization, name);
  await publish(body);
  const verified = await verify(organization, name);
  expect([verified.status, verified.body.state]).toEqual([200, 'verified']);
  return verified.body;
};
/** Returns the slug of the organization that the sign-in page finds. */
const route = async (who: string) => {
  const { location } = await new HttpBrowser().request(`${gateway.url}/login`, { method: 'POST', body: new URLSearchParams({ who }) });
  return location && new URL(location).pathname.split('/')[2];
};
const events = async (organization: OrganizationJson, event: string, name = domain) => {
  const { body } = await gateway.api<{ items: { details: { domain: string } }[] }>(
    'GET',
    `/organizations/${organization.slug}/audit?event=${event}&limit=200`,
  );
  return body.items.filter(({ details }) => details.domain === name);
};
const CONFLICT = [409, 'conflict'];

describe('verification of a domain by DNS', () => {
  it('verifies the domain with the published record and routes sign-ins from then on', async () => {
    const { status, body: added } = await add(acme, domain.toUpperCase());
    expect([status, added.domain, added.state, added.verified_at]).toEqual([201, domain, 'pending', null]);
    expect(added.record).toEqual({
      type: 'TXT',
      name: `_samlgate.${domain}`,
      value: expect.stringMatching(/^samlgate-verification=[0-9a-f]{32}$/),
    });
    await dns.serve([]);
    expect(verdict(await verify(acme))).toEqual(CONFLICT);
    expect([await route(`ada@${domain}`), await route(domain)]).toEqual([undefined, undefined]);
    await publish(added);
    const { body } = await verify(acme);
    expect(body).toMatchObject({ state: 'verified', verified_by: 'dns', warning: null, missing_since: null });
    expect([await route(`Ada@${domain.toUpperCase()}`), await route(domain), await route(`${domain}.`)]).toEqual([
      acme.slug,
      acme.slug,
      acme.slug,
    ]);
    expect(await route(`ada@sub.${domain}`)).toBeUndefined();
    expect(await events(acme, 'domain.verified')).toMatchObject([{ actor: { kind: 'operator' }, details: { by: 'dns' } }]);
  });

  it('accepts one of several records, a record in several strings, a CNAME, and a record among hundreds', async () => {
    const { body: added } = await add(acme);
    const { name, value } = added.record;
    const others = Array.from({ length: 300 }, (_, i) => `${name}. TXT "${'x'.repeat(200)}${i}"`);
    for (const records of [
      [`${name}. TXT "v=spf1 -all"`, txt(added), `${name}. TXT "samlgate-verification=0"`],
      [`${name}. TXT "${value.slice(0, 30)}" "${value.slice(30)}"`],
      [`${name}. TXT " ${value} "`],
      [`${name}. CNAME elsewhere.${domain}.`, `elsewhere.${domain}. TXT "${value}"`],
      [...others, txt(added)],
    ]) {
      await dns.serve(records);
      const { status, body } = await verify(acme);
      expect([status, body.state]).toEqual([200, 'verified']);
      expect((await remove(acme)).status).toBe(204);
      // The same token, so that one zone serves all cases.
      await gateway.runtime.store.get(acme.id, ORGANIZATION, ORGANIZATION_RECORD).then(async (stored) => {
        const claim = { domain, token: value.split('=')[1] as string, addedAtMs: now() };
        const record = { ...stored?.value, domainClaims: [claim] };
        const step = {
          do: 'replace',
          collection: ORGANIZATION,
          id: ORGANIZATION_RECORD,
          version: stored?.version ?? 0,
          value: record,
        } as const;
        expect((await gateway.runtime.store.commit(acme.id, [step])).ok).toBe(true);
      });
    }
    await remove(acme);
  });

  it('refuses other values, other names and other types', async () => {
    const { body: added } = await add(acme);
    const { name, value } = added.record;
    for (const records of [
      [`${name}. TXT "${value}0"`],
      [`${name}. TXT "${value.toUpperCase()}"`],
      [`${name}. TXT "samlgate-verification="`],
      [`${domain}. TXT "${value}"`],
      [`_samlgate.www.${domain}. TXT "${value}"`],
      [`${name}. A 127.0.0.1`],
      [`${name}. CNAME gone.test.`],
      Array.from({ length: 100 }, (_, i) => `${name}. TXT "${i}"`),
    ]) {
      await dns.serve(records);
      expect([records[0], ...verdict(await verify(acme))]).toEqual([records[0], ...CONFLICT]);
      expect((await find(acme))?.state).toBe('pending');
    }
  });

  it('answers 409 with the reason if the server fails, refuses, is silent or is down', async () => {
    const silent = await startedSilent();
    const broken = `${newSlug()}.${BROKEN_ZONE}`;
    const reasons: string[] = [];
    const { config } = gateway.runtime;
    for (const [name, servers] of [
      [broken, [dns.address]],
      [`${newSlug()}.example`, [dns.address]],
      [domain, [silent.address]],
      [domain, ['127.0.0.1:1']],
    ] as const) {
      replaceInRuntime({ config: { ...config, dnsServers: servers } });
      await add(acme, name);
      const { status, body } = await verify(acme, name);
      expect([status, body.code]).toEqual(CONFLICT);
      reasons.push(/\((\w+)\)/.exec(body.detail ?? '')?.[1] ?? '');
      await remove(acme, name);
    }
    replaceInRuntime({ config });
    expect(reasons).toEqual(['ESERVFAIL', 'EREFUSED', 'ETIMEOUT', 'ECONNREFUSED']);
    expect(silent.questions()).toBe(2);
  });

  it('adds a domain once, counts at most 50 and refuses names that are no domains', async () => {
    const organization = await gateway.makeOrganization();
    const first = await add(organization);
    expect((await add(organization, `${domain}.`)).body.record).toEqual(first.body.record);
    expect(await events(organization, 'domain.added')).toHaveLength(1);
    for (const name of ['192.0.2.1', 'localhost', 'a_b.example', '', 'x'.repeat(2000)]) {
      expect(verdict(await add(organization, name))).toEqual([400, 'validation_failed']);
    }
    for (let i = 1; i < 50; i++) expect((await add(organization, `d${i}.${domain}`)).status).toBe(201);
    expect(verdict(await add(organization, `d50.${domain}`))).toEqual([403, 'quota_exceeded']);
    expect(await list(organization)).toHaveLength(50);
  });

  it('verifies the name in ASCII and finds it by the Unicode name of an email address', async () => {
    const unicode = `bücher.${domain}`;
    const verified = await own(acme, unicode);
    expect(verified.domain).toBe(`xn--bcher-kva.${domain}`);
    expect([await route(`ada@${unicode}`), await route(verified.domain)]).toEqual([acme.slug, acme.slug]);
  });

  it('saves one result and one audit entry if it is asked twice at the same moment', async () => {
    await publish((await add(acme)).body);
    const results = await Promise.all([verify(acme), verify(acme), verify(acme)]);
    expect(results.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await events(acme, 'domain.verified')).toHaveLength(1);
  });

  it('answers 404 for a domain that was not added, and for a second removal', async () => {
    expect(verdict(await verify(acme))).toEqual([404, 'not_found']);
    await add(acme);
    expect([(await remove(acme)).status, verdict(await remove(acme))]).toEqual([204, [404, 'not_found']]);
    expect(verdict(await verify(acme, '192.0.2.1'))).toEqual([404, 'not_found']);
  });
});

describe('domains of several organizations', () => {
  it('reserves nothing for a pending claim, and gives each organization its own token', async () => {
    const [mine, theirs] = [(await add(acme)).body, (await add(evil)).body];
    expect(mine.record.name).toBe(theirs.record.name);
    expect(mine.record.value).not.toBe(theirs.record.value);
    // The record of the one, copied or not, verifies nothing for the other.
    await publish(mine);
    expect(verdict(await verify(evil))).toEqual(CONFLICT);
    expect((await verify(acme)).status).toBe(200);
    expect(await route(domain)).toBe(acme.slug);
  });

  it('lets exactly one organization verify a domain at the same moment', async () => {
    for (let i = 0; i < 5; i++) {
      const name = `r${i}.${domain}`;
      const claims = [(await add(acme, name)).body, (await add(evil, name)).body];
      await publish(...claims);
      const results = await Promise.all([verify(acme, name), verify(evil, name), verify(acme, name), verify(evil, name)]);
      const states = [(await find(acme, name))?.state, (await find(evil, name))?.state];
      expect(states.sort()).toEqual(['pending', 'verified']);
      expect(results.map(({ status }) => status).sort()).toEqual([200, 200, 409, 409]);
    }
  });

  it('keeps a verified domain from another organization that has the record too, until it is removed', async () => {
    const mine = await own(acme);
    const theirs = (await add(evil)).body;
    await publish(mine, theirs);
    expect(verdict(await verify(evil))).toEqual(CONFLICT);
    expect(await route(domain)).toBe(acme.slug);
    expect((await remove(acme)).status).toBe(204);
    expect(await route(domain)).toBeUndefined();
    expect((await verify(evil)).status).toBe(200);
    expect(await route(domain)).toBe(evil.slug);
  });

  it('treats parent domains and subdomains as other domains', async () => {
    const mine = await own(acme);
    const [below, above] = [`evil.${domain}`, (await add(evil, `x.${domain}`)).body];
    const sub = (await add(evil, below)).body;
    await publish(mine, sub, above);
    expect((await verify(evil, below)).status).toBe(200);
    expect([await route(`a@${domain}`), await route(`a@${below}`)]).toEqual([acme.slug, evil.slug]);
  });

  it('does not tell an organization without control of the domain that another one has it', async () => {
    await own(acme);
    const free = (await add(evil, `free.${domain}`)).body;
    const { body: taken } = await add(evil);
    await dns.serve([]);
    const [one, other] = [await verify(evil), await verify(evil, free.domain)];
    expect(one.body.detail?.replaceAll(taken.domain, free.domain)).toBe(other.body.detail);
  });

  it('refuses domains of the operator that another organization verified, in PATCH and POST', async () => {
    await own(acme);
    expect(verdict(await gateway.api<Json>('PATCH', `/organizations/${evil.slug}`, { domains: [domain] }))).toEqual(CONFLICT);
    const created = await gateway.api<Json>('POST', '/organizations', { slug: newSlug(), name: 'New', domains: [domain] });
    expect(verdict(created)).toEqual(CONFLICT);
  });

  it('refuses to verify a domain that the operator set for another organization, in a race as well', async () => {
    await gateway.api('PATCH', `/organizations/${evil.slug}`, { domains: [domain] });
    await publish((await add(acme)).body);
    expect(verdict(await verify(acme))).toEqual(CONFLICT);
    await gateway.api('PATCH', `/organizations/${evil.slug}`, { domains: [] });
    const [patched, verified] = await Promise.all([
      gateway.api<Json>('PATCH', `/organizations/${evil.slug}`, { domains: [domain] }),
      verify(acme),
    ]);
    expect([patched.status, verified.status].sort()).toEqual([200, 409]);
    await gateway.api('PATCH', `/organizations/${evil.slug}`, { domains: [] });
  });

  it('keeps verified domains when the operator changes domains of the same organization', async () => {
    await own(acme);
    for (const domains of [[domain], [`other.${domain}`], []]) {
      expect((await gateway.api('PATCH', `/organizations/${acme.slug}`, { domains })).status).toBe(200);
      expect((await find(acme))?.state).toBe('verified');
      expect(await route(domain)).toBe(acme.slug);
    }
    await publish((await add(evil)).body);
    expect(verdict(await verify(evil))).toEqual(CONFLICT);
  });

  it('frees the domain of a deleted organization', async () => {
    const organization = await gateway.makeOrganization();
    await own(organization);
    await gateway.api('DELETE', `/organizations/${organization.slug}`);
    expect(await route(domain)).toBeUndefined();
    await own(acme);
  });

  it('frees a domain that an interrupted verification left in the directory', async () => {
    const entry = await gateway.runtime.store.get(GLOBAL, DIRECTORY, evil.id);
    const verifiedDomains = [{ domain, token: 'a', claimedAtMs: now() }];
    const step = {
      do: 'replace',
      collection: DIRECTORY,
      id: evil.id,
      version: entry?.version ?? 0,
      value: { ...entry?.value, verifiedDomains },
    };
    expect((await gateway.runtime.store.commit(GLOBAL, [step as never])).ok).toBe(true);
    await publish((await add(acme)).body);
    // It may still be running.
    expect(verdict(await verify(acme))).toEqual(CONFLICT);
    expect(await route(domain)).toBeUndefined();
    aheadMs += 11 * 60_000;
    expect((await verify(acme)).status).toBe(200);
  });
});

describe('two replicas on one Redis', () => {
  it('let exactly one organization verify a domain at the same moment', async () => {
    const environment = { SAMLGATE_SECRET: randomBytes(32).toString('base64'), SAMLGATE_DNS_SERVERS: dns.address };
    const a = await started({ store: 'redis', environment });
    const b = await started({ store: 'redis', environment });
    const slugs = [newSlug(), newSlug()];
    for (const slug of slugs) await a.api('POST', '/organizations', { slug, name: slug });
    for (let i = 0; i < 5; i++) {
      const name = `r${i}.${domain}`;
      const claims = await Promise.all(slugs.map((slug) => a.api<Json>('POST', `/organizations/${slug}/domains`, { domain: name })));
      await publish(...claims.map(({ body }) => body));
      const calls = [a, b].flatMap((replica) =>
        slugs.map((slug) => replica.api<Json>('POST', `/organizations/${slug}/domains/${name}/verify`)),
      );
      expect((await Promise.all(calls)).map(({ status }) => status).sort()).toEqual([200, 200, 409, 409]);
      const states = await Promise.all(
        slugs.map(async (slug) => (await b.api<{ items: Domain[] }>('GET', `/organizations/${slug}/domains`)).body.items.at(-1)?.state),
      );
      expect(states.sort()).toEqual(['pending', 'verified']);
    }
  });
});

describe('operator', () => {
  it('confirms a domain without DNS; owners cannot', async () => {
    await add(acme);
    await dns.serve([]);
    for (const body of [{ confirm: true }, { transfer: true }, { confirm: true, transfer: true }]) {
      const answer = await olivia.api<Json>('POST', `${pathOf(acme)}/${domain}/verify`, body);
      expect(verdict(answer)).toEqual([403, 'forbidden']);
    }
    expect((await find(acme))?.state).toBe('pending');
    const { body } = await verify(acme, domain, { confirm: true });
    expect(body).toMatchObject({ state: 'verified', verified_by: 'operator' });
    expect(await route(domain)).toBe(acme.slug);
    aheadMs += 100 * DAY_MS;
    await recheckDueDomains(gateway.runtime);
    expect((await find(acme))?.state).toBe('verified');
  });

  it('transfers a domain, verified or set, and only with the word', async () => {
    const mine = await own(acme);
    await gateway.api('PATCH', `/organizations/${acme.slug}`, { domains: [domain] });
    const theirs = (await add(evil)).body;
    expect(verdict(await verify(evil, domain, { confirm: true }))).toEqual(CONFLICT);
    // Without the record of the organization that gets it, nothing is taken away.
    await publish(mine);
    expect(verdict(await verify(evil, domain, { transfer: true }))).toEqual(CONFLICT);
    expect(await route(domain)).toBe(acme.slug);
    await publish(mine, theirs);
    expect((await verify(evil, domain, { transfer: true })).body.state).toBe('verified');
    expect([await route(domain), (await find(acme))?.state]).toEqual([evil.slug, 'unverified']);
    expect((await gateway.api<{ domains: string[] }>('GET', `/organizations/${acme.slug}`)).body.domains).toEqual([]);
    expect(await events(acme, 'domain.transferred')).toHaveLength(1);
    // The former record does not bring it back.
    expect(verdict(await verify(acme))).toEqual(CONFLICT);
  });
});

describe('owners', () => {
  it('manage domains, and lose that with their membership', async () => {
    const nina = await gateway.makeOrganization();
    const owner = await signedIn(gateway, nina, 'olivia');
    const { token } = await owner.makeToken();
    const asOwner = (method: string, path: string, body?: object) => gateway.api<Json>(method, `${pathOf(nina)}${path}`, body, token);
    const { body } = await asOwner('POST', '', { domain });
    await publish(body);
    expect((await asOwner('POST', `/${domain}/verify`)).body.state).toBe('verified');
    expect(await events(nina, 'domain.verified')).toMatchObject([{ actor: { kind: 'member', id: owner.id } }]);
    await signedIn(gateway, nina, 'carl').then((carl) =>
      gateway.api('PATCH', `/organizations/${nina.slug}/members/${carl.id}`, { role: 'owner' }),
    );
    await gateway.api('DELETE', `/organizations/${nina.slug}/members/${owner.id}`);
    expect(verdict(await asOwner('DELETE', `/${domain}`))).toEqual([401, 'unauthenticated']);
    expect((await find(nina))?.state).toBe('verified');
  });

  it('cause a bounded number of look-ups', async () => {
    const limited = await started({ environment: { SAMLGATE_DNS_SERVERS: dns.address, SAMLGATE_RATE_LIMITS: 'on' } });
    const { slug } = await limited.makeOrganization();
    await limited.api('POST', `/organizations/${slug}/domains`, { domain });
    const statuses: number[] = [];
    for (let i = 0; i < 101; i++) statuses.push((await limited.api('POST', `/organizations/${slug}/domains/${domain}/verify`)).status);
    expect([statuses[99], statuses[100]]).toEqual([409, 429]);
  });
});

describe('daily check', () => {
  /** Returns how many organizations the check reads. */
  const readsOf = async (check: () => Promise<void>): Promise<number> => {
    let reads = 0;
    const { store } = gateway.runtime;
    const get: Store['get'] = (partition, collection, id) => {
      if (collection.name === ORGANIZATION.name) reads++;
      return store.get(partition, collection, id);
    };
    replaceInRuntime({ store: new Proxy(store, { get: (_target, name) => (name === 'get' ? get : bound(store, name)) }) });
    try {
      await check();
    } finally {
      replaceInRuntime({ store });
    }
    return reads;
  };
  const bound = (store: Store, name: string | symbol) => {
    const value: unknown = Reflect.get(store, name);
    return typeof value === 'function' ? value.bind(store) : value;
  };

  it('reads only the organizations that are due', async () => {
    await own(acme);
    await own(evil, `other.${domain}`);
    await recheckDueDomains(gateway.runtime);
    expect(await readsOf(() => recheckDueDomains(gateway.runtime))).toBe(0);
    aheadMs += DAY_MS;
    expect(await readsOf(() => recheckDueDomains(gateway.runtime))).toBeGreaterThanOrEqual(2);
    expect(await readsOf(() => recheckDueDomains(gateway.runtime))).toBe(0);
  });

  it('finds organizations whose entry was written before there was an index of due domains', async () => {
    await own(acme);
    await recheckDueDomains(gateway.runtime);
    const { store } = gateway.runtime;
    const entry = await store.get(GLOBAL, DIRECTORY, acme.id);
    const { domainsDue: _, ...indexes } = DIRECTORY.indexes;
    const { domainsDueAtMs: _due, ...value } = entry?.value ?? {};
    const former = { ...DIRECTORY, indexes } as unknown as typeof DIRECTORY;
    await store.commit(GLOBAL, [{ do: 'replace', collection: former, id: acme.id, version: entry?.version ?? 0, value }]);
    await dns.serve([]);
    expect(await daysLater(1)).toMatchObject({ missing_since: null });
    await store.commit(GLOBAL, [{ do: 'drop', key: 'directory-notes:done' }]);
    await noteOrganizationsDaily(gateway.runtime);
    await recheckDueDomains(gateway.runtime);
    expect(await find(acme)).toMatchObject({ missing_since: expect.any(String) });
  });

  const daysLater = async (days: number) => {
    aheadMs += days * DAY_MS;
    await recheckDueDomains(gateway.runtime);
    return find(acme);
  };

  it('warns after 7 days without the record, unverifies after 30, and leaves the members', async () => {
    const claim = await own(acme);
    await dns.serve([]);
    expect(await daysLater(1)).toMatchObject({ state: 'verified', warning: null, missing_since: expect.any(String) });
    expect(await daysLater(6.5)).toMatchObject({ state: 'verified', warning: null });
    expect(await daysLater(1)).toMatchObject({ state: 'verified', warning: expect.stringContaining(domain) });
    expect(await events(acme, 'domain.record_missing')).toHaveLength(1);
    expect(await daysLater(22)).toMatchObject({ state: 'verified' });
    expect(await route(domain)).toBe(acme.slug);
    expect(await events(acme, 'domain.record_missing')).toHaveLength(1);
    expect(await daysLater(1)).toMatchObject({ state: 'unverified', verified_at: null, warning: null });
    expect(await route(domain)).toBeUndefined();
    expect(await events(acme, 'domain.unverified')).toMatchObject([{ actor: { kind: 'gateway' } }]);
    expect((await gateway.api(`GET`, `/organizations/${acme.slug}/members/${olivia.id}`)).status).toBe(200);
    // It belongs to no organization now.
    const theirs = (await add(evil)).body;
    await publish(claim, theirs);
    expect((await verify(evil)).status).toBe(200);
    expect(verdict(await verify(acme))).toEqual(CONFLICT);
  });

  it('counts neither timeouts nor failures as a loss', async () => {
    await own(acme);
    await dns.serve([]);
    await daysLater(1);
    const { config } = gateway.runtime;
    replaceInRuntime({ config: { ...config, dnsServers: ['127.0.0.1:1'] } });
    for (let i = 0; i < 4; i++) expect(await daysLater(10)).toMatchObject({ state: 'verified', warning: null });
    replaceInRuntime({ config });
    await publish((await find(acme)) as Domain);
    // An unanswered check is repeated after an hour.
    expect(await daysLater(1 / 20)).toMatchObject({ state: 'verified', missing_since: null });
  });

  it('starts to count again after the record was found', async () => {
    const claim = await own(acme);
    await dns.serve([]);
    await daysLater(1);
    await daysLater(20);
    await publish(claim);
    expect(await daysLater(1)).toMatchObject({ missing_since: null, warning: null });
    await dns.serve([]);
    expect(await daysLater(15)).toMatchObject({ state: 'verified', warning: null });
    expect(await daysLater(20)).toMatchObject({ state: 'verified', warning: expect.any(String) });
    await publish(claim);
    // The owner need not wait for the next day.
    expect((await verify(acme)).body).toMatchObject({ state: 'verified', warning: null });
  });

  it('does not lose a domain when the gateway was stopped for a long time', async () => {
    await own(acme);
    await dns.serve([]);
    expect(await daysLater(100)).toMatchObject({ state: 'verified', warning: null });
  });

  it('logs a warning on each day of a missing record from the seventh, and the loss', async () => {
    const lines: string[] = [];
    const { log } = gateway.runtime;
    const warn = (facts: { domain?: string }, text: string) => (facts.domain === domain ? lines.push(text) : 0);
    replaceInRuntime({ log: Object.assign(Object.create(log), { warn, error: warn }) });
    await own(acme);
    await dns.serve([]);
    for (const days of [1, 6.5]) await daysLater(days);
    expect(lines).toEqual([]);
    for (const days of [1, 1, 22]) await daysLater(days);
    expect(lines).toEqual([
      'the DNS record of a verified domain has been missing for 7 days or more',
      'the DNS record of a verified domain has been missing for 7 days or more',
      'a domain is no longer verified because its DNS record was missing for 30 days',
    ]);
  });

  it('asks once for each domain although two replicas check', async () => {
    await own(acme);
    aheadMs += DAY_MS;
    const silent = await startedSilent();
    const { config } = gateway.runtime;
    replaceInRuntime({ config: { ...config, dnsServers: [silent.address] } });
    const due = (await Promise.all([list(acme), list(evil)])).flat().filter(({ verified_by }) => verified_by === 'dns').length;
    await Promise.all([recheckDueDomains(gateway.runtime), recheckDueDomains(gateway.runtime)]);
    replaceInRuntime({ config });
    expect(due).toBeGreaterThan(0);
    expect(silent.questions()).toBeLessThanOrEqual(2 * (due + 2));
  });

  it('keeps a confirmation by the operator that comes during the check', async () => {
    await own(acme);
    await dns.serve([]);
    await daysLater(1);
    await verify(acme, domain, { confirm: true });
    expect(await daysLater(40)).toMatchObject({ state: 'verified', verified_by: 'operator', warning: null });
  });
});
