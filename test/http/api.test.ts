import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type Answer, newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
}
interface List<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}
interface MemberJson {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly role_source: unknown;
  readonly suspended: boolean;
}

let gateway: TestGateway;
let acme: TestOrganization;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
});
afterAll(() => gateway.stop());

/** Calls the API with a browser's session, CSRF header included. */
async function asSession(browser: HttpBrowser, method: string, resource: string, body?: unknown): Promise<Answer<Record<string, unknown>>> {
  const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  const { csrf_token } = JSON.parse(me.text) as { csrf_token: string };
  const headers = { 'x-samlgate-csrf': csrf_token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const page = await browser.request(`${gateway.url}/api/v1${resource}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: page.status, headers: page.headers, body: page.text === '' ? {} : (JSON.parse(page.text) as Record<string, unknown>) };
}

async function sessionOf(organization: TestOrganization, user: string): Promise<{ browser: HttpBrowser; id: string }> {
  const browser = new HttpBrowser();
  await organization.signIn(browser, user);
  const { body } = await asSession(browser, 'GET', '/me');
  return { browser, id: (body.user as { id: string }).id };
}

const codeOf = ({ status, body }: Answer<Record<string, unknown>>) => [status, body.code];
const root = (organization = acme) => `/organizations/${organization.slug}`;

describe('who may call', () => {
  it('without a credential, or with one that is not good: 401 with a challenge', async () => {
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'Bearer wrong',
      `Basic ${btoa('a:b')}`,
      `bearer ${'x'.repeat(10_000)}`,
      'Bearer samlgate_cli_x',
    ]) {
      const response = await fetch(
        `${gateway.url}/api/v1/organizations`,
        authorization === undefined ? {} : { headers: { authorization } },
      );
      expect([authorization, response.status]).toEqual([authorization, 401]);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
      const problem = (await response.json()) as Problem;
      expect(problem).toMatchObject({
        status: 401,
        code: 'unauthenticated',
        title: expect.any(String),
        type: expect.stringContaining('unauthenticated'),
      });
      expect(problem.request_id).toBe(response.headers.get('x-request-id'));
    }
  });

  it('the scheme’s case does not matter, the token’s does', async () => {
    const call = (authorization: string) => fetch(`${gateway.url}/api/v1/organizations`, { headers: { authorization } });
    expect((await call(`bEARER ${gateway.operatorToken}`)).status).toBe(200);
    expect((await call(`Bearer ${gateway.operatorToken.toUpperCase()}`)).status).toBe(401);
    expect((await call(`Bearer ${gateway.operatorToken.slice(0, -1)}`)).status).toBe(401);
  });

  it('a good cookie does not help a bad bearer token', async () => {
    const { browser } = await sessionOf(acme, 'olivia');
    const page = await browser.request(`${gateway.url}/api/v1/me`, {
      headers: { authorization: 'Bearer wrong', accept: 'application/json' },
    });
    expect(page.status).toBe(401);
  });

  // [method, path, body] of everything that is not for every member
  const MANAGED: readonly (readonly [string, string, unknown])[] = [
    ['GET', '', undefined],
    ['GET', '/members', undefined],
    ['GET', '/members/usr_x', undefined],
    ['PATCH', '/members/usr_x', {}],
    ['DELETE', '/members/usr_x', undefined],
    ['GET', '/identity-provider', undefined],
    ['PUT', '/identity-provider', { metadata_xml: '<a/>' }],
    ['PATCH', '/identity-provider', {}],
    ['DELETE', '/identity-provider', undefined],
    ['GET', '/role-mapping', undefined],
    ['PUT', '/role-mapping', { rules: [], default_role: 'owner' }],
    ['GET', '/audit', undefined],
  ];

  it.each(MANAGED)(
    '%s …%s: 403 for a collaborator, 404 for another organization’s owner, 401 for nobody',
    async (method, resource, body) => {
      const [carl, stranger] = [await sessionOf(acme, 'carl'), await sessionOf(await makeTestOrganization(gateway), 'olivia')];
      expect(codeOf(await asSession(carl.browser, method, root() + resource, body))).toEqual([403, 'forbidden']);
      expect(codeOf(await asSession(stranger.browser, method, root() + resource, body))).toEqual([404, 'organization_unknown']);
      expect((await fetch(`${gateway.url}/api/v1${root()}${resource}`, { method })).status).toBe(401);
    },
  );

  it.each([
    ['GET', '/organizations', undefined],
    ['POST', '/organizations', { slug: 'x-y', name: 'x' }],
    ['PATCH', 'own', { name: 'x' }],
    ['DELETE', 'own', undefined],
  ])('%s %s is the operator’s, not an owner’s', async (method, resource, body?: unknown) => {
    const { browser } = await sessionOf(acme, 'olivia');
    expect(codeOf(await asSession(browser, method, resource === 'own' ? root() : resource, body))).toEqual([403, 'forbidden']);
  });

  it('the operator is no member', async () => {
    expect(codeOf(await gateway.api('GET', '/me'))).toEqual([403, 'forbidden']);
  });

  it('an owner who became a collaborator is one at the next call', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser } = await sessionOf(organization, 'olivia');
    expect((await asSession(browser, 'GET', `${root(organization)}/members`)).status).toBe(200);
    await gateway.api('PUT', `${root(organization)}/role-mapping`, { rules: [], default_role: 'collaborator', allow_no_owner: true });
    await organization.signIn(new HttpBrowser(), 'olivia');
    expect(codeOf(await asSession(browser, 'GET', `${root(organization)}/members`))).toEqual([403, 'forbidden']);
  });
});

describe('organizations', () => {
  it('are made, shown, changed, listed and deleted', async () => {
    const slug = newSlug();
    const made = await gateway.api('POST', '/organizations', { slug, name: 'Ünïcode 🦊', domains: [`${slug}.EXAMPLE`, `${slug}.example`] });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({ slug, name: 'Ünïcode 🦊', domains: [`${slug}.example`], allowed_return_urls: [] });
    expect(made.body.id).toMatch(/^org_/);
    expect(made.body.created_at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toEqual(made.body);
    const changed = await gateway.api('PATCH', `/organizations/${slug}`, {
      name: 'New',
      allowed_return_urls: ['https://app.example/x'],
      contact_email: 'a@b.example',
    });
    expect(changed.body).toMatchObject({
      name: 'New',
      allowed_return_urls: ['https://app.example/x'],
      contact_email: 'a@b.example',
      domains: [`${slug}.example`],
    });
    expect((await gateway.api('PATCH', `/organizations/${slug}`, { contact_email: null })).body.contact_email).toBeNull();
    const { body } = await gateway.api<List<{ slug: string }>>('GET', '/organizations?limit=200');
    expect(body.items.map((item) => item.slug)).toContain(slug);
    expect((await gateway.api('DELETE', `/organizations/${slug}`)).status).toBe(204);
    expect(codeOf(await gateway.api('GET', `/organizations/${slug}`))).toEqual([404, 'organization_unknown']);
    // Slug and domain are free again.
    expect((await gateway.api('POST', '/organizations', { slug, name: 'x', domains: [`${slug}.example`] })).status).toBe(201);
  });

  it('a slug and a domain are one organization’s, also when two ask at once', async () => {
    const slug = newSlug();
    const answers = await Promise.all(Array.from({ length: 8 }, () => gateway.api('POST', '/organizations', { slug, name: 'x' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    const domain = `${slug}.example`;
    const others = await Promise.all(
      Array.from({ length: 8 }, (_, i) => gateway.api('POST', '/organizations', { slug: `${slug}${i}`, name: 'x', domains: [domain] })),
    );
    expect(others.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect(codeOf(await gateway.api('PATCH', `/organizations/${slug}`, { domains: [domain] }))).toEqual([409, 'conflict']);
  });

  it('deleting one ends its sessions, and nothing of it is left for the next with the same slug', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser } = await sessionOf(organization, 'olivia');
    await gateway.api('DELETE', root(organization));
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
    await gateway.api('POST', '/organizations', { slug: organization.slug, name: 'again' });
    expect((await gateway.api<List<unknown>>('GET', `${root(organization)}/members`)).body.items).toEqual([]);
    expect(codeOf(await gateway.api('GET', `${root(organization)}/identity-provider`))).toEqual([404, 'idp_not_configured']);
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
  });

  it.each([
    [{}, 'slug'],
    [{ slug: 'ab' }, 'name'],
    [{ slug: 'a', name: 'x' }, 'slug'],
    [{ slug: 'Ab', name: 'x' }, 'slug'],
    [{ slug: '-ab', name: 'x' }, 'slug'],
    [{ slug: 'a_b', name: 'x' }, 'slug'],
    [{ slug: 'a'.repeat(64), name: 'x' }, 'slug'],
    [{ slug: 'ab\n', name: 'x' }, 'slug'],
    [{ slug: 'ab', name: '' }, 'name'],
    [{ slug: 'ab', name: 'a\u0000b' }, 'name'],
    [{ slug: 'ab', name: 'x'.repeat(201) }, 'name'],
    [{ slug: 'ab', name: 7 }, 'name'],
    [{ slug: 'ab', name: 'x', domains: ['nodot'] }, 'domains'],
    [{ slug: 'ab', name: 'x', domains: ['a..b'] }, 'domains'],
    [{ slug: 'ab', name: 'x', domains: ['<script>.example'] }, 'domains'],
    [{ slug: 'ab', name: 'x', allowed_return_urls: ['javascript:alert(1)'] }, 'allowed_return_urls'],
    [{ slug: 'ab', name: 'x', allowed_return_urls: ['https://u:p@x.example'] }, 'allowed_return_urls'],
    [{ slug: 'ab', name: 'x', contact_email: 'nobody' }, 'contact_email'],
    [{ slug: 'ab', name: 'x', wrong: 1 }, 'wrong: is not a known field'],
    [{ slug: 'api', name: 'x' }, 'reserved'],
    [[], 'object'],
  ])('%j is refused, naming %s', async (body, named) => {
    const { status, body: problem } = await gateway.api<Problem>('POST', '/organizations', body);
    expect([status, problem.code]).toEqual([400, 'validation_failed']);
    expect(problem.detail).toContain(named);
    expect(problem.detail).not.toContain('script');
  });
});

describe('identity-provider', () => {
  const put = (organization: TestOrganization, body: string | Uint8Array | FormData, type?: string, query = '') =>
    fetch(`${gateway.url}/api/v1${root(organization)}/identity-provider${query}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${gateway.operatorToken}`, ...(type === undefined ? {} : { 'content-type': type }) },
      body: body as string,
    });

  it.each(['application/samlmetadata+xml', 'application/xml', 'text/xml; charset=utf-8'])('takes a document as %s', async (type) => {
    const organization = await makeTestOrganization(gateway);
    const response = await put(organization, organization.metadata, type);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      entity_id: OKTA_ISSUER,
      single_sign_on: { redirect: 'https://idp.example/sso', post: 'https://idp.example/sso' },
      certificates: [
        {
          fingerprint_sha256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
          key_type: 'rsa',
          key_bits: 2048,
          not_after: expect.any(String),
        },
      ],
      metadata_url: null,
      warnings: expect.any(Array),
      idp_initiated: 'accept',
      clock_skew_seconds: 180,
      sign_requests: null,
      service_provider: { acs_url: organization.acsUrl },
    });
  });

  it('takes a form with a file or a text, JSON with a document, and typed values', async () => {
    const organization = await makeTestOrganization(gateway);
    const form = new FormData();
    form.set('metadata', new File([organization.metadata], 'metadata.xml', { type: 'text/xml' }));
    expect((await put(organization, form)).status).toBe(200);
    form.set('metadata', organization.metadata);
    expect((await put(organization, form)).status).toBe(200);
    expect((await gateway.api('PUT', `${root(organization)}/identity-provider`, { metadata_xml: organization.metadata })).status).toBe(200);
    const [, certificate = ''] = /X509Certificate>([^<]+)</.exec(organization.metadata) ?? [];
    const manual = { entity_id: 'https://idp.example/e', sso_url: 'https://idp.example/s', certificates: [certificate] };
    const { status, body } = await gateway.api('PUT', `${root(organization)}/identity-provider`, manual);
    expect([status, body.entity_id]).toEqual([200, 'https://idp.example/e']);
  });

  it('metadata of several identity providers needs a choice', async () => {
    const organization = await makeTestOrganization(gateway);
    const one = organization.metadata.replace(/^<\?xml[^>]*\?>\s*/, '');
    const two = one.replace(/entityID="[^"]+"/, 'entityID="https://second.example/"').replace(/ ID="[^"]+"/, '');
    const both = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${one}${two}</md:EntitiesDescriptor>`;
    const undecided = await put(organization, both, 'application/xml');
    expect([undecided.status, ((await undecided.json()) as Problem).code]).toEqual([400, 'idp_metadata_invalid']);
    const chosen = await put(organization, both, 'application/xml', '?entity_id=https%3A%2F%2Fsecond.example%2F');
    expect(((await chosen.json()) as { entity_id: string }).entity_id).toBe('https://second.example/');
    const unknown = await put(organization, both, 'application/xml', '?entity_id=nobody');
    expect(unknown.status).toBe(400);
  });

  it('what is not metadata of an identity provider is refused, and what was there stays', async () => {
    const organization = await makeTestOrganization(gateway);
    const serviceProvider = await (await fetch(`${gateway.url}/saml/${organization.slug}/metadata`)).text();
    for (const [body, type, status, code] of [
      [serviceProvider, 'application/xml', 400, 'idp_metadata_invalid'],
      ['<html>', 'application/xml', 400, 'idp_metadata_invalid'],
      ['', 'application/xml', 400, 'idp_metadata_invalid'],
      ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 'application/xml', 400, 'idp_metadata_invalid'],
      [`<a>${'x'.repeat(1024 * 1024)}</a>`, 'application/xml', 413, 'payload_too_large'],
      ['x'.repeat(1200 * 1024), 'application/xml', 413, 'payload_too_large'],
      ['metadata', 'text/plain', 400, 'validation_failed'],
      ['--x\r\nbroken', 'multipart/form-data; boundary=y', 400, 'validation_failed'],
      ['x', 'multipart/form-data', 400, 'validation_failed'],
      ['{"metadata_xml":', 'application/json', 400, 'validation_failed'],
      ['{}', 'application/json', 400, 'validation_failed'],
      ['{"metadata_url":"http://169.254.169.254/latest"}', 'application/json', 400, 'idp_metadata_invalid'],
      ['{"metadata_url":"file:///etc/passwd"}', 'application/json', 400, 'idp_metadata_invalid'],
      ['{"entity_id":"x","sso_url":"javascript:alert(1)","certificates":["x"]}', 'application/json', 400, 'idp_metadata_invalid'],
    ] as const) {
      const response = await put(organization, body, type);
      expect([type, body.slice(0, 60), response.status, ((await response.json()) as Problem).code]).toEqual([
        type,
        body.slice(0, 60),
        status,
        code,
      ]);
    }
    expect((await gateway.api('GET', `${root(organization)}/identity-provider`)).body.entity_id).toBe(OKTA_ISSUER);
  });

  it('a dry run tells what would be understood and changes nothing', async () => {
    const organization = await makeTestOrganization(gateway);
    const metadata = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://other.example/"');
    const dry = await put(organization, metadata, 'application/xml', '?dry_run=true');
    expect(((await dry.json()) as { entity_id: string }).entity_id).toBe('https://other.example/');
    expect((await gateway.api('GET', `${root(organization)}/identity-provider`)).body.entity_id).toBe(OKTA_ISSUER);
  });

  it('settings are changed one by one, kept over new metadata, and checked', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${root(organization)}/identity-provider`;
    const changes = {
      idp_initiated: 'bounce',
      clock_skew_seconds: 60,
      attribute_mapping: { groups: ['teams'] },
      force_authn: true,
      authn_context: ['urn:x'],
    };
    expect((await gateway.api('PATCH', resource, changes)).body).toMatchObject(changes);
    await put(organization, organization.metadata, 'application/xml');
    expect((await gateway.api('GET', resource)).body).toMatchObject(changes);
    for (const wrong of [
      { idp_initiated: 'perhaps' },
      { clock_skew_seconds: 301 },
      { clock_skew_seconds: -1 },
      { clock_skew_seconds: 1.5 },
      { attribute_mapping: { groups: [] } },
      { attribute_mapping: { unknown: ['x'] } },
      { require_signed_assertion: 'yes' },
      { metadata_refresh_hours: 0 },
      { unknown: true },
    ]) {
      expect(codeOf(await gateway.api('PATCH', resource, wrong))).toEqual([400, 'validation_failed']);
    }
    expect((await gateway.api('DELETE', resource)).status).toBe(204);
    expect(codeOf(await gateway.api('PATCH', resource, { force_authn: true }))).toEqual([404, 'idp_not_configured']);
  });

  it('an owner does it for the own organization, and the audit trail tells who', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser, id } = await sessionOf(organization, 'olivia');
    expect((await asSession(browser, 'PATCH', `${root(organization)}/identity-provider`, { force_authn: true })).status).toBe(200);
    const { body } = await gateway.api<List<unknown>>('GET', `${root(organization)}/audit?event=identity_provider.settings_changed`);
    expect(body.items).toMatchObject([{ event: 'identity_provider.settings_changed', actor: { kind: 'member', id } }]);
  });
});

describe('role-mapping', () => {
  it('is read and written; a group stands once; groups keep their white space', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${root(organization)}/role-mapping`;
    const mapping = {
      rules: [
        { group: ' spaced ', role: 'owner' },
        { group: '<b>&', role: 'collaborator' },
      ],
      default_role: 'none',
    };
    expect((await gateway.api('PUT', resource, mapping)).body).toEqual(mapping);
    expect((await gateway.api('GET', resource)).body).toEqual(mapping);
    for (const wrong of [
      { rules: [] },
      { rules: [], default_role: 'admin' },
      { rules: [{ group: 'a', role: 'none' }], default_role: 'none' },
      { rules: [{ group: '', role: 'owner' }], default_role: 'none' },
      {
        rules: [
          { group: 'a', role: 'owner' },
          { group: 'a', role: 'collaborator' },
        ],
        default_role: 'none',
      },
      { rules: 'all', default_role: 'none' },
    ]) {
      expect(codeOf(await gateway.api('PUT', resource, wrong))).toEqual([400, 'validation_failed']);
    }
    expect((await gateway.api('GET', resource)).body).toEqual(mapping);
  });
});

describe('role-mapping without an owner', () => {
  const NO_OWNER = { rules: [{ group: 'engineering', role: 'collaborator' }], default_role: 'collaborator' };

  it('is refused to an owner, who can’t confirm it either', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${root(organization)}/role-mapping`;
    const before = (await gateway.api('GET', resource)).body;
    const { browser } = await sessionOf(organization, 'olivia');
    const refused = await asSession(browser, 'PUT', resource, NO_OWNER);
    expect(codeOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('because neither a rule nor the default gives the role owner');
    expect(codeOf(await asSession(browser, 'PUT', resource, { ...NO_OWNER, allow_no_owner: true }))).toEqual([403, 'forbidden']);
    expect(codeOf(await asSession(browser, 'PUT', resource, { ...NO_OWNER, allow_no_owner: false }))).toEqual([409, 'conflict']);
    expect((await gateway.api('GET', resource)).body).toEqual(before);
  });

  it('is saved when the operator confirms it, and an identical request then needs no confirmation', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${root(organization)}/role-mapping`;
    const refused = await gateway.api('PUT', resource, NO_OWNER);
    expect(codeOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('"allow_no_owner": true');
    expect(codeOf(await gateway.api('PUT', resource, { ...NO_OWNER, allow_no_owner: 'yes' }))).toEqual([400, 'validation_failed']);
    expect(await gateway.api('PUT', resource, { ...NO_OWNER, allow_no_owner: true })).toMatchObject({ status: 200, body: NO_OWNER });
    expect((await gateway.api('GET', resource)).body).toEqual(NO_OWNER);
    expect((await gateway.api('PUT', resource, NO_OWNER)).status).toBe(200);
  });

  it('is refused if its rules fit no member of an organization that has an owner', async () => {
    const organization = await makeTestOrganization(gateway);
    await sessionOf(organization, 'olivia');
    const mapping = { rules: [{ group: 'chiefs', role: 'owner' }], default_role: 'collaborator' };
    const refused = await gateway.api('PUT', `${root(organization)}/role-mapping`, mapping);
    expect(codeOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('because no member was in a group with the role owner at their last sign-in');
  });
});

describe('members', () => {
  it('are found by address in any case, by a part of name or address, and by id', async () => {
    const organization = await makeTestOrganization(gateway);
    for (const user of ['olivia', 'carl', 'nina']) await sessionOf(organization, user);
    const list = async (query: string) => (await gateway.api<List<MemberJson>>('GET', `${root(organization)}/members${query}`)).body;
    expect((await list('')).items.map(({ email }) => email.split('@')[0])).toEqual(['carl', 'nina', 'olivia']);
    expect((await list('?email=CARL%40okta.acme.example')).items).toHaveLength(1);
    expect((await list('?email=carl')).items).toHaveLength(0);
    expect((await list('?query=OLI')).items).toHaveLength(1);
    expect((await list('?query=nobody')).items).toHaveLength(0);
    const [first] = (await list('?limit=1')).items as [MemberJson];
    expect((await gateway.api('GET', `${root(organization)}/members/${first.id}`)).body).toMatchObject({
      id: first.id,
      email: first.email,
    });
    expect(codeOf(await gateway.api('GET', `${root(organization)}/members/usr_nobody`))).toEqual([404, 'not_found']);
  });

  it('in pages, each once', async () => {
    const organization = await makeTestOrganization(gateway);
    for (const user of ['olivia', 'carl', 'nina']) await sessionOf(organization, user);
    const emails: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body }: Answer<List<MemberJson>> = await gateway.api('GET', `${root(organization)}/members?limit=1${query}`);
      emails.push(...body.items.map(({ email }) => email));
      cursor = body.next_cursor;
    }
    expect(emails).toHaveLength(3);
    expect(new Set(emails).size).toBe(3);
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=%00', `cursor=${'A'.repeat(5000)}`]) {
      expect([query, ...codeOf(await gateway.api('GET', `${root(organization)}/members?${query}`))]).toEqual([
        query,
        400,
        'validation_failed',
      ]);
    }
  });

  it('of another organization are not found under this one, not even by id', async () => {
    const other = await makeTestOrganization(gateway);
    const { id } = await sessionOf(other, 'carl');
    for (const [method, body] of [['GET'], ['PATCH', { suspended: true }], ['DELETE']] as const) {
      expect(codeOf(await gateway.api(method, `${root()}/members/${id}`, body))).toEqual([404, 'not_found']);
    }
    expect((await gateway.api('GET', `${root(other)}/members/${id}`)).body.suspended).toBe(false);
  });

  it('a role that a rule decides is not changed by hand', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await sessionOf(organization, 'olivia');
    expect(codeOf(await gateway.api('PATCH', `${root(organization)}/members/${id}`, { role: 'collaborator' }))).toEqual([409, 'conflict']);
    expect(codeOf(await gateway.api('PATCH', `${root(organization)}/members/${id}`, { role: 'none' }))).toEqual([400, 'validation_failed']);
    expect(codeOf(await gateway.api('PATCH', `${root(organization)}/members/${id}`, { email: 'x@y.example' }))).toEqual([
      400,
      'validation_failed',
    ]);
  });

  it('the last owner can’t be removed, suspended or made a collaborator', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PUT', `${root(organization)}/role-mapping`, { rules: [], default_role: 'collaborator', allow_no_owner: true });
    const { id } = await sessionOf(organization, 'olivia');
    const member = `${root(organization)}/members/${id}`;
    expect((await gateway.api('PATCH', member, { role: 'owner' })).body).toMatchObject({ role: 'owner', role_source: { kind: 'manual' } });
    for (const [method, body] of [
      ['DELETE'],
      ['PATCH', { suspended: true }],
      ['PATCH', { role: 'collaborator' }],
      ['PATCH', { role: 'collaborator', suspended: true }],
    ] as const) {
      expect(codeOf(await gateway.api(method, member, body))).toEqual([409, 'conflict']);
    }
    expect((await gateway.api('GET', member)).body).toMatchObject({ role: 'owner', suspended: false });
    const { id: second } = await sessionOf(organization, 'carl');
    await gateway.api('PATCH', `${root(organization)}/members/${second}`, { role: 'owner' });
    expect((await gateway.api('DELETE', member)).status).toBe(204);
  });

  it('two owners who remove each other at the same moment: one stays', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PUT', `${root(organization)}/role-mapping`, { rules: [], default_role: 'owner' });
    for (let round = 0; round < 5; round++) {
      const [a, b] = [await sessionOf(organization, 'olivia'), await sessionOf(organization, 'carl')];
      const answers = await Promise.all([
        asSession(a.browser, 'DELETE', `${root(organization)}/members/${b.id}`),
        asSession(b.browser, 'DELETE', `${root(organization)}/members/${a.id}`),
        gateway.api('PATCH', `${root(organization)}/members/${a.id}`, { suspended: true }),
        gateway.api('PATCH', `${root(organization)}/members/${b.id}`, { role: 'collaborator' }),
      ]);
      for (const { status } of answers) expect([200, 204, 401, 403, 404, 409]).toContain(status);
      const { body } = await gateway.api<List<MemberJson>>('GET', `${root(organization)}/members`);
      expect(body.items.filter(({ role, suspended }) => role === 'owner' && !suspended)).not.toHaveLength(0);
      for (const { id } of body.items) await gateway.api('PATCH', `${root(organization)}/members/${id}`, { suspended: false });
    }
  });

  it('what is sent twice is harmless', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await sessionOf(organization, 'carl');
    const member = `${root(organization)}/members/${id}`;
    for (let i = 0; i < 2; i++) expect((await gateway.api('PATCH', member, { suspended: true })).status).toBe(200);
    const { body } = await gateway.api<List<unknown>>('GET', `${root(organization)}/audit?event=member.suspended`);
    expect(body.items).toHaveLength(1);
    expect((await gateway.api('DELETE', member)).status).toBe(204);
    expect(codeOf(await gateway.api('DELETE', member))).toEqual([404, 'not_found']);
  });
});

describe('audit', () => {
  it('newest first, by event, by member and since a time, with request ids', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await sessionOf(organization, 'carl');
    await organization.post(new HttpBrowser(), organization.respond({ values: { audiences: [['https://other.example']] } }));
    const audit = async (query = '') =>
      (
        await gateway.api<List<{ at: string; event: string; member_id?: string; code?: string; actor: { request_id?: string } }>>(
          'GET',
          `${root(organization)}/audit${query}`,
        )
      ).body.items;
    const all = await audit();
    expect(all.map(({ event }) => event)).toEqual([
      'login.refused',
      'login.accepted',
      'member.created',
      'role_mapping.changed',
      'identity_provider.changed',
      'organization.created',
    ]);
    expect(all[0]).toMatchObject({ code: 'saml_audience_mismatch', actor: { kind: 'anonymous', request_id: expect.any(String) } });
    expect((await audit(`?member=${id}`)).map(({ event }) => event)).toEqual(['login.accepted', 'member.created']);
    expect((await audit(`?member=${id}&event=login.accepted`)).map(({ event }) => event)).toEqual(['login.accepted']);
    expect(await audit(`?since=${encodeURIComponent(new Date(Date.now() + 1000).toISOString())}`)).toEqual([]);
    expect(await audit(`?since=${encodeURIComponent(all.at(-1)?.at ?? '')}`)).toHaveLength(all.length);
    for (const query of ['event=nothing', 'since=yesterday', 'since=2026-01-01', 'limit=999']) {
      expect(codeOf(await gateway.api('GET', `${root(organization)}/audit?${query}`))).toEqual([400, 'validation_failed']);
    }
  });
});

describe('bad input anywhere', () => {
  const PATHS = [
    '/',
    '/login',
    '/logout',
    '/console',
    '/healthz',
    '/readyz',
    '/metrics',
    '/device',
    '/assets/style.css',
    '/assets/../main.js',
    '/saml/acme/metadata',
    '/saml/acme/login',
    '/saml/acme/acs',
    '/saml/acme/slo',
    '/saml/%00/login',
    '/saml/%zz/login',
    '/%',
    '/api',
    '/api/v1',
    '/api/v1/me',
    '/api/v1/organizations',
    '/api/v1/organizations/%2e%2e',
    '/api/v1/nothing',
    '/oauth/token',
    '/auth/verify',
    '/.well-known/jwks.json',
    '/.env',
    '/__proto__',
    '/constructor',
    `/${'a'.repeat(4000)}`,
    '/login?return_to[]=x&return_to[a]=b',
    '/login?return_to=a&return_to=b',
    '/console?x=%ff',
  ];
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'];

  it('no method on any path makes a 500 or shows a stack', async () => {
    for (const resource of PATHS) {
      for (const method of METHODS) {
        const { status, text } = await raw(
          method,
          resource,
          { 'content-type': 'application/json' },
          method === 'GET' || method === 'HEAD' ? undefined : '{"a":',
        );
        expect([method, resource.slice(0, 40), status < 500]).toEqual([method, resource.slice(0, 40), true]);
        expect(text).not.toMatch(/node_modules|\.[jt]sx?:\d+|at \w+ \(/);
      }
    }
  });

  it('no header makes a 500', async () => {
    for (const headers of [
      { cookie: 'samlgate_session=%' },
      { cookie: `samlgate_session=${'x'.repeat(7000)}` },
      { cookie: '=;;;=; __proto__=x; samlgate_session' },
      { authorization: 'Bearer \u00ff' },
      { 'content-length': '0' },
      { 'x-forwarded-for': '<script>' },
      { accept: '*/*;q=x, ,;' },
      { 'content-encoding': 'br' },
      { 'transfer-encoding': 'chunked' },
      { host: 'evil.example' },
      { origin: 'null' },
      { 'if-none-match': '*', 'if-modified-since': 'x' },
      { range: 'bytes=0-' },
    ]) {
      for (const resource of ['/console', '/api/v1/me', '/login', '/saml/acme/metadata', '/assets/style.css']) {
        const { status } = await raw('GET', resource, headers);
        expect([JSON.stringify(headers).slice(0, 60), resource, status < 500]).toEqual([
          JSON.stringify(headers).slice(0, 60),
          resource,
          true,
        ]);
      }
    }
  });

  it('malformed JSON, another type, too much: the contract’s errors', async () => {
    const post = async (body: string, type: string) => {
      const response = await fetch(`${gateway.url}/api/v1/organizations`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.operatorToken}`, 'content-type': type },
        body,
      });
      return [response.status, ((await response.json()) as Problem).code];
    };
    expect(await post('{"slug":', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post('\ud800', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post('{}', 'application/json; charset=utf-16')).toEqual([400, 'validation_failed']);
    expect(await post('slug=x', 'application/x-www-form-urlencoded')).toEqual([400, 'validation_failed']);
    expect(await post(`{"name":"${'x'.repeat(3_000_000)}"}`, 'application/json')).toEqual([413, 'payload_too_large']);
    expect(await post('{"__proto__":{"slug":"ab","name":"x"}}', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post(`${'['.repeat(100_000)}`, 'application/json')).toEqual([400, 'validation_failed']);
  });

  it('a page for browsers, JSON for programs, the same code and request id in both', async () => {
    const page = await raw('GET', '/saml/nobody-here/login', { accept: 'text/html' });
    expect(page.text).toContain('organization_unknown');
    expect(page.text).toContain(page.headers['x-request-id']);
    const json = await raw('GET', '/saml/nobody-here/login', { accept: 'application/json' });
    expect(JSON.parse(json.text)).toMatchObject({ code: 'organization_unknown', request_id: json.headers['x-request-id'] });
    expect((await raw('GET', '/api/v1/nothing', { accept: 'text/html' })).headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('pages have the policy that allows nothing inline, and what helmet sets', async () => {
    for (const resource of ['/login', '/saml/nobody-here/login', '/logout']) {
      const { headers } = await raw('GET', resource, { accept: 'text/html' });
      expect(headers['content-security-policy']).toMatch(/default-src 'none'/);
      expect(headers['content-security-policy']).not.toMatch(/unsafe/);
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'cache-control': 'no-store' });
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });

  it.each([
    ['http', undefined],
    ['https', 'max-age=63072000'],
  ])('every answer has the headers that protect a browser, over %s', async (scheme, hsts) => {
    const environment = scheme === 'https' ? { SAMLGATE_BASE_URL: 'https://sso.example.com' } : {};
    const other = await startGateway({ environment });
    const { host, port } = other.runtime.config.listen;
    try {
      for (const resource of ['/login', '/saml/nobody-here/login', '/nothing-here', '/api/v1/nothing', '/auth/verify', '/healthz']) {
        const { headers } = await fetch(`http://${host}:${port}${resource}`, { redirect: 'manual' });
        const got = Object.fromEntries([...headers].filter(([name]) => /^(cross-origin|origin-agent|referrer|strict|x-)/.test(name)));
        const { 'x-request-id': _, ...rest } = got;
        expect({ resource, ...rest }).toEqual({
          resource,
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'origin-agent-cluster': '?1',
          'referrer-policy': 'same-origin',
          'x-content-type-options': 'nosniff',
          'x-dns-prefetch-control': 'off',
          'x-download-options': 'noopen',
          'x-frame-options': 'DENY',
          'x-permitted-cross-domain-policies': 'none',
          'x-xss-protection': '0',
          ...(hsts === undefined ? {} : { 'strict-transport-security': hsts }),
        });
        expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/);
      }
    } finally {
      await other.stop();
    }
  });

  /** Not fetch: it would mend what is sent. */
  function raw(
    method: string,
    resource: string,
    headers: Record<string, string | undefined> = {},
    body?: string,
  ): Promise<{ status: number; headers: Record<string, string>; text: string }> {
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, string>;
    const { hostname, port } = new URL(gateway.url);
    // Without it Node frames no body for some methods, and the rest of it would be the next request.
    if (body !== undefined) given['content-length'] ??= String(Buffer.byteLength(body));
    return new Promise((resolve, reject) => {
      const request = httpRequest({ hostname, port, method, path: resource, headers: given }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, text }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
});
