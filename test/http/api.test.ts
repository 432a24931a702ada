import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type Answer, newSlug, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { callWithSession, type List, newSession, type Problem, verdictOf } from '../support/session-calls.ts';

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

const pathOf = (organization = acme) => `/organizations/${organization.slug}`;

describe('authentication and authorization', () => {
  it('refuses missing and invalid credentials with 401 and a challenge', async () => {
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

  it('ignores the case of the scheme, but not that of the token', async () => {
    const call = (authorization: string) => fetch(`${gateway.url}/api/v1/organizations`, { headers: { authorization } });
    expect((await call(`bEARER ${gateway.operatorToken}`)).status).toBe(200);
    expect((await call(`Bearer ${gateway.operatorToken.toUpperCase()}`)).status).toBe(401);
    expect((await call(`Bearer ${gateway.operatorToken.slice(0, -1)}`)).status).toBe(401);
  });

  it('refuses an invalid bearer token even if the session cookie is valid', async () => {
    const { browser } = await newSession(gateway, acme, 'olivia');
    const page = await browser.request(`${gateway.url}/api/v1/me`, {
      headers: { authorization: 'Bearer wrong', accept: 'application/json' },
    });
    expect(page.status).toBe(401);
  });

  // [method, path, body] of requests for owners and the operator
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
    '%s …%s answers 403 to collaborators, 404 to owners of another organization, 401 without a credential',
    async (method, resource, body) => {
      const [carl, otherOwner] = [
        await newSession(gateway, acme, 'carl'),
        await newSession(gateway, await makeTestOrganization(gateway), 'olivia'),
      ];
      expect(verdictOf(await callWithSession(gateway, carl.browser, method, pathOf() + resource, body))).toEqual([403, 'forbidden']);
      expect(verdictOf(await callWithSession(gateway, otherOwner.browser, method, pathOf() + resource, body))).toEqual([
        404,
        'organization_unknown',
      ]);
      expect((await fetch(`${gateway.url}/api/v1${pathOf()}${resource}`, { method })).status).toBe(401);
    },
  );

  it.each([
    ['GET', '/organizations', undefined],
    ['POST', '/organizations', { slug: 'x-y', name: 'x' }],
    ['PATCH', 'own', { name: 'x' }],
    ['DELETE', 'own', undefined],
  ])('%s %s refuses owners', async (method, resource, body?: unknown) => {
    const { browser } = await newSession(gateway, acme, 'olivia');
    expect(verdictOf(await callWithSession(gateway, browser, method, resource === 'own' ? pathOf() : resource, body))).toEqual([
      403,
      'forbidden',
    ]);
  });

  it('refuses the operator token where only members are allowed', async () => {
    expect(verdictOf(await gateway.api('GET', '/me'))).toEqual([403, 'forbidden']);
  });

  it('treats an owner who became a collaborator as one from the next call on', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, organization, 'olivia');
    expect((await callWithSession(gateway, browser, 'GET', `${pathOf(organization)}/members`)).status).toBe(200);
    await gateway.api('PUT', `${pathOf(organization)}/role-mapping`, { rules: [], default_role: 'collaborator', allow_no_owner: true });
    await organization.signIn(new HttpBrowser(), 'olivia');
    expect(verdictOf(await callWithSession(gateway, browser, 'GET', `${pathOf(organization)}/members`))).toEqual([403, 'forbidden']);
  });
});

describe('organizations', () => {
  it('creates, returns, changes, lists and deletes organizations', async () => {
    const slug = newSlug();
    const created = await gateway.api('POST', '/organizations', {
      slug,
      name: 'Ünïcode 🦊',
      domains: [`${slug}.EXAMPLE`, `${slug}.example`],
    });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ slug, name: 'Ünïcode 🦊', domains: [`${slug}.example`], allowed_return_urls: [] });
    expect(created.body.id).toMatch(/^org_/);
    expect(created.body.created_at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect((await gateway.api('GET', `/organizations/${slug}`)).body).toEqual(created.body);
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
    expect(verdictOf(await gateway.api('GET', `/organizations/${slug}`))).toEqual([404, 'organization_unknown']);
    // The slug and the domain are available again.
    expect((await gateway.api('POST', '/organizations', { slug, name: 'x', domains: [`${slug}.example`] })).status).toBe(201);
  });

  it('gives a slug and a domain to only one organization, also if several requests race', async () => {
    const slug = newSlug();
    const answers = await Promise.all(Array.from({ length: 8 }, () => gateway.api('POST', '/organizations', { slug, name: 'x' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    const domain = `${slug}.example`;
    const others = await Promise.all(
      Array.from({ length: 8 }, (_, i) => gateway.api('POST', '/organizations', { slug: `${slug}${i}`, name: 'x', domains: [domain] })),
    );
    expect(others.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(409)]);
    expect(verdictOf(await gateway.api('PATCH', `/organizations/${slug}`, { domains: [domain] }))).toEqual([409, 'conflict']);
  });

  it('ends the sessions of a deleted organization and leaves nothing to the next one with its slug', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser } = await newSession(gateway, organization, 'olivia');
    await gateway.api('DELETE', pathOf(organization));
    expect((await browser.request(`${gateway.url}/api/v1/me`)).status).toBe(401);
    await gateway.api('POST', '/organizations', { slug: organization.slug, name: 'again' });
    expect((await gateway.api<List<unknown>>('GET', `${pathOf(organization)}/members`)).body.items).toEqual([]);
    expect(verdictOf(await gateway.api('GET', `${pathOf(organization)}/identity-provider`))).toEqual([404, 'idp_not_configured']);
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
  ])('rejects %j and names %s', async (body, named) => {
    const { status, body: problem } = await gateway.api<Problem>('POST', '/organizations', body);
    expect([status, problem.code]).toEqual([400, 'validation_failed']);
    expect(problem.detail).toContain(named);
    expect(problem.detail).not.toContain('script');
  });
});

describe('role rules', () => {
  it('saves and returns rules, rejects a repeated group, and keeps white space in groups with a warning', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${pathOf(organization)}/role-mapping`;
    const mapping = {
      rules: [
        { group: ' spaced ', role: 'owner' },
        { group: '<b>&', role: 'collaborator' },
      ],
      default_role: 'none',
    };
    expect((await gateway.api('PUT', resource, mapping)).body).toEqual({
      ...mapping,
      warnings: [{ code: 'group_white_space', text: expect.stringContaining('"␣spaced␣"') }],
    });
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
      expect(verdictOf(await gateway.api('PUT', resource, wrong))).toEqual([400, 'validation_failed']);
    }
    expect((await gateway.api('GET', resource)).body).toEqual(mapping);
  });
});

describe('role rules without an owner', () => {
  const NO_OWNER = { rules: [{ group: 'engineering', role: 'collaborator' }], default_role: 'collaborator' };

  it('are refused to an owner, who cannot confirm them either', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${pathOf(organization)}/role-mapping`;
    const before = (await gateway.api('GET', resource)).body;
    const { browser } = await newSession(gateway, organization, 'olivia');
    const refused = await callWithSession(gateway, browser, 'PUT', resource, NO_OWNER);
    expect(verdictOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('because neither a rule nor the default gives the owner role');
    expect(verdictOf(await callWithSession(gateway, browser, 'PUT', resource, { ...NO_OWNER, allow_no_owner: true }))).toEqual([
      403,
      'forbidden',
    ]);
    expect(verdictOf(await callWithSession(gateway, browser, 'PUT', resource, { ...NO_OWNER, allow_no_owner: false }))).toEqual([
      409,
      'conflict',
    ]);
    expect((await gateway.api('GET', resource)).body).toEqual(before);
  });

  it('are saved if the operator confirms them, and an identical request then needs no confirmation', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${pathOf(organization)}/role-mapping`;
    const refused = await gateway.api('PUT', resource, NO_OWNER);
    expect(verdictOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('"allow_no_owner": true');
    expect(verdictOf(await gateway.api('PUT', resource, { ...NO_OWNER, allow_no_owner: 'yes' }))).toEqual([400, 'validation_failed']);
    expect(await gateway.api('PUT', resource, { ...NO_OWNER, allow_no_owner: true })).toMatchObject({ status: 200, body: NO_OWNER });
    expect((await gateway.api('GET', resource)).body).toEqual(NO_OWNER);
    expect((await gateway.api('PUT', resource, NO_OWNER)).status).toBe(200);
  });

  it('are refused if they match no member of an organization that has an owner', async () => {
    const organization = await makeTestOrganization(gateway);
    await newSession(gateway, organization, 'olivia');
    const mapping = { rules: [{ group: 'chiefs', role: 'owner' }], default_role: 'collaborator' };
    const refused = await gateway.api('PUT', `${pathOf(organization)}/role-mapping`, mapping);
    expect(verdictOf(refused)).toEqual([409, 'conflict']);
    expect(refused.body.detail).toContain('because no member was in a group with the owner role at their last sign-in');
  });
});

describe('members', () => {
  it('finds members by email in any case, by a part of the name or email, and by ID', async () => {
    const organization = await makeTestOrganization(gateway);
    for (const user of ['olivia', 'carl', 'nina']) await newSession(gateway, organization, user);
    const list = async (query: string) => (await gateway.api<List<MemberJson>>('GET', `${pathOf(organization)}/members${query}`)).body;
    expect((await list('')).items.map(({ email }) => email.split('@')[0])).toEqual(['carl', 'nina', 'olivia']);
    expect((await list('?email=CARL%40okta.acme.example')).items).toHaveLength(1);
    expect((await list('?email=carl')).items).toHaveLength(0);
    expect((await list('?query=OLI')).items).toHaveLength(1);
    expect((await list('?query=nobody')).items).toHaveLength(0);
    const [first] = (await list('?limit=1')).items as [MemberJson];
    expect((await gateway.api('GET', `${pathOf(organization)}/members/${first.id}`)).body).toMatchObject({
      id: first.id,
      email: first.email,
    });
    expect(verdictOf(await gateway.api('GET', `${pathOf(organization)}/members/usr_nobody`))).toEqual([404, 'not_found']);
  });

  it('lists each member once across pages', async () => {
    const organization = await makeTestOrganization(gateway);
    for (const user of ['olivia', 'carl', 'nina']) await newSession(gateway, organization, user);
    const emails: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body }: Answer<List<MemberJson>> = await gateway.api('GET', `${pathOf(organization)}/members?limit=1${query}`);
      emails.push(...body.items.map(({ email }) => email));
      cursor = body.next_cursor;
    }
    expect(emails).toHaveLength(3);
    expect(new Set(emails).size).toBe(3);
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=x', 'cursor=%00', `cursor=${'A'.repeat(5000)}`]) {
      expect([query, ...verdictOf(await gateway.api('GET', `${pathOf(organization)}/members?${query}`))]).toEqual([
        query,
        400,
        'validation_failed',
      ]);
    }
  });

  it('does not find members of another organization, not even by ID', async () => {
    const other = await makeTestOrganization(gateway);
    const { id } = await newSession(gateway, other, 'carl');
    for (const [method, body] of [['GET'], ['PATCH', { suspended: true }], ['DELETE']] as const) {
      expect(verdictOf(await gateway.api(method, `${pathOf()}/members/${id}`, body))).toEqual([404, 'not_found']);
    }
    expect((await gateway.api('GET', `${pathOf(other)}/members/${id}`)).body.suspended).toBe(false);
  });

  it('refuses to change a role that a rule determines', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await newSession(gateway, organization, 'olivia');
    expect(verdictOf(await gateway.api('PATCH', `${pathOf(organization)}/members/${id}`, { role: 'collaborator' }))).toEqual([
      409,
      'conflict',
    ]);
    expect(verdictOf(await gateway.api('PATCH', `${pathOf(organization)}/members/${id}`, { role: 'none' }))).toEqual([
      400,
      'validation_failed',
    ]);
    expect(verdictOf(await gateway.api('PATCH', `${pathOf(organization)}/members/${id}`, { email: 'x@y.example' }))).toEqual([
      400,
      'validation_failed',
    ]);
  });

  it('refuses to remove, suspend or demote the last owner', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PUT', `${pathOf(organization)}/role-mapping`, { rules: [], default_role: 'collaborator', allow_no_owner: true });
    const { id } = await newSession(gateway, organization, 'olivia');
    const member = `${pathOf(organization)}/members/${id}`;
    expect((await gateway.api('PATCH', member, { role: 'owner' })).body).toMatchObject({ role: 'owner', role_source: { kind: 'manual' } });
    for (const [method, body] of [
      ['DELETE'],
      ['PATCH', { suspended: true }],
      ['PATCH', { role: 'collaborator' }],
      ['PATCH', { role: 'collaborator', suspended: true }],
    ] as const) {
      expect(verdictOf(await gateway.api(method, member, body))).toEqual([409, 'conflict']);
    }
    expect((await gateway.api('GET', member)).body).toMatchObject({ role: 'owner', suspended: false });
    const { id: second } = await newSession(gateway, organization, 'carl');
    await gateway.api('PATCH', `${pathOf(organization)}/members/${second}`, { role: 'owner' });
    expect((await gateway.api('DELETE', member)).status).toBe(204);
  });

  it('keeps one of two owners who remove each other at the same time', async () => {
    const organization = await makeTestOrganization(gateway);
    await gateway.api('PUT', `${pathOf(organization)}/role-mapping`, { rules: [], default_role: 'owner' });
    for (let round = 0; round < 5; round++) {
      const [a, b] = [await newSession(gateway, organization, 'olivia'), await newSession(gateway, organization, 'carl')];
      const answers = await Promise.all([
        callWithSession(gateway, a.browser, 'DELETE', `${pathOf(organization)}/members/${b.id}`),
        callWithSession(gateway, b.browser, 'DELETE', `${pathOf(organization)}/members/${a.id}`),
        gateway.api('PATCH', `${pathOf(organization)}/members/${a.id}`, { suspended: true }),
        gateway.api('PATCH', `${pathOf(organization)}/members/${b.id}`, { role: 'collaborator' }),
      ]);
      for (const { status } of answers) expect([200, 204, 401, 403, 404, 409]).toContain(status);
      const { body } = await gateway.api<List<MemberJson>>('GET', `${pathOf(organization)}/members`);
      expect(body.items.filter(({ role, suspended }) => role === 'owner' && !suspended)).not.toHaveLength(0);
      for (const { id } of body.items) await gateway.api('PATCH', `${pathOf(organization)}/members/${id}`, { suspended: false });
    }
  });

  it('accepts repeated requests without another effect', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await newSession(gateway, organization, 'carl');
    const member = `${pathOf(organization)}/members/${id}`;
    for (let i = 0; i < 2; i++) expect((await gateway.api('PATCH', member, { suspended: true })).status).toBe(200);
    const { body } = await gateway.api<List<unknown>>('GET', `${pathOf(organization)}/audit?event=member.suspended`);
    expect(body.items).toHaveLength(1);
    expect((await gateway.api('DELETE', member)).status).toBe(204);
    expect(verdictOf(await gateway.api('DELETE', member))).toEqual([404, 'not_found']);
  });
});

describe('audit trail', () => {
  it('returns entries newest first, filtered by event, member and time, with request IDs', async () => {
    const organization = await makeTestOrganization(gateway);
    const { id } = await newSession(gateway, organization, 'carl');
    await organization.post(new HttpBrowser(), organization.respond({ values: { audiences: [['https://other.example']] } }));
    const audit = async (query = '') =>
      (
        await gateway.api<List<{ at: string; event: string; member_id?: string; code?: string; actor: { request_id?: string } }>>(
          'GET',
          `${pathOf(organization)}/audit${query}`,
        )
      ).body.items;
    const all = await audit();
    expect(all.map(({ event }) => event)).toEqual([
      'login.refused',
      'identifier.pinned',
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
      expect(verdictOf(await gateway.api('GET', `${pathOf(organization)}/audit?${query}`))).toEqual([400, 'validation_failed']);
    }
  });
});
