import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { Express } from 'express';
import * as answers from '../../src/http/api/answer-shapes.ts';
import { apiRoutes, OPERATIONS } from '../../src/http/api/api.ts';
import type { OperationDescription } from '../../src/http/api/operation.ts';
import { makeApp } from '../../src/http/app.ts';
import { DEVICE_CODE_GRANT, TOKEN_EXCHANGE_GRANT } from '../../src/http/discovery.ts';
import { loadMetadata } from '../../src/organizations/connections/identity-providers.ts';
import { organizationIdOf } from '../../src/organizations/directory.ts';
import { setLogo } from '../../src/organizations/logo/logo.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { saveOrPropose } from '../../src/organizations/setup/metadata-proposals.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER } from '../support/identity-provider.ts';
import { PNG } from '../support/images.ts';
import { newSlug } from '../support/new-slug.ts';
import { makeScimClient } from '../support/scim-client.ts';
import { seedMember } from '../support/seed.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const ALL: readonly OperationDescription[] = Object.values(OPERATIONS).flat();

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let carl: SignedIn;
let ownerToken: string;
let collaboratorToken: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  [olivia, carl] = await Promise.all([signedIn(gateway, acme, 'olivia'), signedIn(gateway, acme, 'carl')]);
  const tokenOf = async (person: SignedIn) => (await person.makeToken()).token;
  [ownerToken, collaboratorToken] = await Promise.all([tokenOf(olivia), tokenOf(carl)]);
});
afterAll(() => gateway.stop());

type Document = { paths: Record<string, Record<string, { operationId: string; parameters?: { name: string; in: string }[] }>> };
const fetchDocument = async () => (await fetch(`${gateway.url}/api/v1/openapi.json`)).json() as Promise<Document>;

describe('OpenAPI document', () => {
  test('is valid OpenAPI 3.1 and public', async () => {
    const response = await fetch(`${gateway.url}/api/v1/openapi.json`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    const document = (await response.json()) as Record<string, unknown>;
    const validator = new Validator();
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
    expect(validator.resolveRefs()).toBeDefined();
    expect(document).toMatchObject({ openapi: expect.stringMatching(/^3\.1\./), servers: [{ url: gateway.url }] });
  });

  test('resolves every reference and has no unused component', async () => {
    const document = (await fetchDocument()) as unknown as { components: { schemas: Record<string, unknown> } };
    const used = new Set([...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
    expect(Object.keys(document.components.schemas).sort()).toEqual([...used].sort());
  });

  test('describes every route of the API and no other', async () => {
    const documented = Object.entries((await fetchDocument()).paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    // Forward authentication is answered in front of Express.
    const routes = [...apiRoutesOf(makeApp(gateway.runtime)), 'get /auth/verify'];
    expect(documented.sort()).toEqual(routes.sort());
    expect(routes.length).toBeGreaterThan(25);
  });

  test('has unique operation IDs and all path parameters', async () => {
    expect(new Set(ALL.map(({ id }) => id)).size).toBe(ALL.length);
    for (const [path, methods] of Object.entries((await fetchDocument()).paths)) {
      for (const { parameters = [] } of Object.values(methods)) {
        const inPath = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => `{${name}}`);
        expect(inPath).toEqual(path.match(/\{\w+\}/g) ?? []);
      }
    }
  });
});

interface Layer {
  readonly rawPath: string;
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle: { readonly stack?: readonly Layer[] };
}

/** Returns the routes of Express, such as `get /api/v1/me`. */
function apiRoutesOf(app: Express): string[] {
  const walk = (layers: readonly Layer[], prefix: string): string[] =>
    layers.flatMap(({ rawPath, route, handle }) => {
      const path = `${prefix}${route?.path ?? rawPath}`.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
      if (route) return Object.keys(route.methods).map((method) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
      return handle.stack ? walk(handle.stack, path) : [];
    });
  const layers = (app as unknown as { router: { stack: readonly Layer[] } }).router.stack;
  // The app loads the API on its first request.
  const api = (apiRoutes(gateway.runtime) as unknown as { stack: readonly Layer[] }).stack;
  return [...walk(layers, ''), ...walk(api, '')].filter((route) => /^\w+ \/(api\/v1|oauth|auth|\.well-known)(\/|$)/.test(route));
}

interface Sending {
  readonly token?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly type?: string;
}

async function send({ method, path }: OperationDescription, params: Params, { token, query = {}, body, form, type }: Sending) {
  const at = path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? 'unknown');
  const response = await fetch(`${gateway.url}${at}?${new URLSearchParams(query)}`, {
    method: method.toUpperCase(),
    headers: {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
    },
    body: form
      ? new URLSearchParams(form)
      : body === undefined
        ? null
        : typeof body === 'string'
          ? body
          : Buffer.isBuffer(body)
            ? new Uint8Array(body)
            : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) as unknown };
}

type Params = Readonly<Record<string, string>>;

interface Example {
  readonly params?: Params;
  readonly sending?: Sending;
}

const makeOrganization = async (): Promise<Params> => {
  const slug = newSlug();
  expect((await gateway.api('POST', '/organizations', { slug, name: 'Created by a test' })).status).toBe(201);
  return { org: slug };
};
const newToken = async (person: SignedIn) => (await person.makeToken()).id;
const metadata = async () => (await fetch((await gateway.mockIdp()).metadataUrl('okta'))).text();
const keyIn = async (state: string) => {
  const { body } = await gateway.api<{ items: { kid: string; state: string }[] }>('GET', '/keys');
  return body.items.find((key) => key.state === state)?.kid ?? '';
};
const lastSignIn = async () => {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${acme.slug}/sign-ins`);
  return body.items[0]?.id ?? '';
};
const newSetupLink = async () => (await gateway.api<{ id: string }>('POST', `/organizations/${acme.slug}/setup-links`, {})).body.id;
const newScimToken = async () =>
  (await gateway.api<{ id: string }>('POST', `/organizations/${acme.slug}/scim-tokens`, { name: 'example' })).body.id;
const newDomain = async () =>
  (await gateway.api<{ domain: string }>('POST', `/organizations/${acme.slug}/domains`, { domain: `${newSlug()}.example` })).body.domain;
const otherMetadata = async () => (await metadata()).replace(/entityID="[^"]+"/, `entityID="https://${newSlug()}.example/"`);
const connectionsOfAcme = () => `/organizations/${acme.slug}/connections`;
const inConnection = async () => {
  const { body } = await gateway.api<{ items: { id: string }[] }>('GET', connectionsOfAcme());
  return inAcme({ con: body.items[0]?.id ?? '' });
};
const newConnection = async () => {
  const body = { name: newSlug(), metadata_xml: await otherMetadata() };
  return (await gateway.api<{ id: string }>('POST', connectionsOfAcme(), body)).body.id;
};
/** Creates an organization in which a user of a new identity provider asks to become a member. */
async function newLinkRequest() {
  const { slug, ...organization } = await makeTestOrganization(gateway);
  const signIn = (issuer: string) =>
    organization.signIn(new HttpBrowser(), 'olivia', { values: { responseIssuer: issuer, assertionIssuer: issuer } });
  await signIn(OKTA_ISSUER);
  const issuer = 'https://new.example/idp';
  const query = `on_new_entity_id=link_by_email&link_until=${new Date(Date.now() + 3_600_000).toISOString()}`;
  const replaced = organization.metadata.replace(/entityID="[^"]+"/, `entityID="${issuer}"`);
  const { body } = await gateway.api<{ id: string; change: { id: string } }>(
    'PUT',
    `/organizations/${slug}/identity-provider?${query}`,
    replaced,
  );
  await signIn(issuer);
  const path = `/organizations/${slug}/connections/${body.id}/pending-members`;
  const [pending] = (await gateway.api<{ items: { id: string; link_request: { id: string } }[] }>('GET', path)).body.items;
  const params = { org: slug, con: body.id };
  return { params, inMember: { ...params, id: pending?.id ?? '' }, request: pending?.link_request.id ?? '', change: body.change.id };
}
const decideLink = async () => {
  const { inMember, request } = await newLinkRequest();
  return { params: inMember, sending: { body: { link_request: request } } };
};
/** Creates an organization in which the identity provider provisions a user who is an owner. */
async function newConflict() {
  const { slug, ...organization } = await makeTestOrganization(gateway);
  await organization.signIn(new HttpBrowser(), 'olivia');
  const scim = await makeScimClient(gateway, { slug });
  await scim.call('POST', '/Users', { userName: 'olivia@okta.acme.example' });
  const { body } = await gateway.api<{ id: string }>('GET', `/organizations/${slug}/identity-provider`);
  const params = { org: slug, con: body.id };
  const path = `/organizations/${slug}/connections/${body.id}/provisioning/conflicts`;
  const [member] = (await gateway.api<{ items: { id: string; conflict: { id: string } }[] }>('GET', path)).body.items;
  return { params, inMember: { ...params, id: member?.id ?? '' }, conflict: member?.conflict.id ?? '' };
}
const decideConflict = async () => {
  const { inMember, conflict } = await newConflict();
  return { params: inMember, sending: { body: { conflict } } };
};
const inAcme = (more: Params = {}): Params => ({ org: acme.slug, ...more });

/** Proposes metadata with another sign-in URL, as a setup link does while there are members. */
async function newProposal() {
  const params = await inConnection();
  const link = await newSetupLink();
  const organization = await getOrganizationById(gateway.runtime.store, acme.id);
  if (!organization) throw new Error('no organization');
  const content = (await metadata()).replaceAll(/Location="[^"]+"/g, `Location="https://idp.example/${newSlug()}"`);
  const loaded = await loadMetadata(gateway.runtime, { kind: 'document', content });
  const actor = { kind: 'setup_link', id: link } as const;
  await saveOrPropose(gateway.runtime, actor, { organization, connectionId: params.con, loaded });
  const path = `/organizations/${acme.slug}/connections/${params.con}/proposal`;
  return { params, sending: { body: { proposal: (await gateway.api<{ id: string }>('GET', path)).body.id } } };
}

/** One valid call of each operation, by an owner for operations of members, otherwise by the operator. */
const EXAMPLES: Readonly<Record<string, () => Example | Promise<Example>>> = {
  getMe: () => ({}),
  createSessionToken: () => ({ sending: { body: {} } }),
  listTokens: () => ({ sending: { query: { limit: '2' } } }),
  createToken: () => ({ sending: { body: { name: 'ci', expires_in_days: 30 } } }),
  revokeToken: async () => ({ params: { id: await newToken(olivia) } }),
  // The call revokes all CLI tokens of the caller, so it has a caller of its own.
  rotateTokens: async () => ({
    sending: { token: (await (await signedIn(gateway, acme, 'nina')).makeToken()).token, body: { name: 'new' } },
  }),
  listMembers: () => ({ params: inAcme(), sending: { query: { query: 'o' } } }),
  getMember: () => ({ params: inAcme({ id: olivia.id }) }),
  changeMember: () => ({ params: inAcme({ id: carl.id }), sending: { body: { suspended: false } } }),
  removeMember: async () => ({ params: inAcme({ id: (await seedMember(gateway.runtime, acme.id)).id }) }),
  rotateMemberTokens: async () => ({ params: inAcme({ id: (await seedMember(gateway.runtime, acme.id)).id }) }),
  listOrganizations: () => ({ sending: { query: { limit: '1' } } }),
  createOrganization: () => ({ sending: { body: { slug: newSlug(), name: 'New', domains: ['Example.COM'] } } }),
  getOrganization: () => ({ params: inAcme() }),
  changeOrganization: () => ({ params: inAcme(), sending: { body: { logo_url: 'https://example.com/logo.svg', cli_token_max_days: 90 } } }),
  getLogo: async () => {
    const params = await makeOrganization();
    await setLogo(
      gateway.runtime,
      { kind: 'operator' },
      { organizationId: await organizationIdOf(gateway.runtime.store, params.org ?? ''), octets: PNG },
    );
    return { params };
  },
  setLogo: () => ({ params: inAcme(), sending: { body: PNG, type: 'image/png' } }),
  removeLogo: () => ({ params: inAcme() }),
  deleteOrganization: async () => ({ params: await makeOrganization() }),
  getIdentityProvider: () => ({ params: inAcme() }),
  setIdentityProvider: async () => ({
    params: inAcme(),
    sending: { body: await metadata(), type: 'application/samlmetadata+xml', query: { dry_run: 'true' } },
  }),
  changeIdentityProviderSettings: () => ({ params: inAcme(), sending: { body: { authn_context: [], sign_requests: null } } }),
  removeIdentityProvider: async () => ({ params: await makeOrganization() }),
  listDomains: () => ({ params: inAcme() }),
  addDomain: () => ({ params: inAcme(), sending: { body: { domain: 'Example.NET' } } }),
  verifyDomain: async () => ({ params: inAcme({ domain: await newDomain() }), sending: { body: { confirm: true } } }),
  removeDomain: async () => ({ params: inAcme({ domain: await newDomain() }) }),
  listConnections: () => ({ params: inAcme() }),
  createConnection: async () => ({
    params: inAcme(),
    sending: { body: await otherMetadata(), type: 'application/samlmetadata+xml', query: { name: 'Other', dry_run: 'true' } },
  }),
  getConnection: async () => ({ params: await inConnection() }),
  setConnectionMetadata: async () => ({
    params: await inConnection(),
    sending: { body: { metadata_xml: await metadata() }, query: { dry_run: 'true' } },
  }),
  changeConnection: async () => ({
    params: await inConnection(),
    sending: { body: { name: 'Main', state: 'active', is_default: true, email_domains: ['Example.COM'] } },
  }),
  previewChange: async () => ({
    params: await inConnection(),
    sending: { body: { on_new_entity_id: 'keep', identifiers_csv: 'old_identifier,new_identifier\na,b\na,c\n' } },
  }),
  listPendingMembers: async () => ({ params: (await newLinkRequest()).params }),
  approveLink: decideLink,
  declineLink: decideLink,
  revokePendingMembers: async () => {
    const { params, change } = await newLinkRequest();
    return { params, sending: { body: { change } } };
  },
  removeConnection: async () => ({ params: inAcme({ con: await newConnection() }), sending: { query: { keep_sessions: 'true' } } }),
  getMetadataProposal: async () => ({ params: (await newProposal()).params }),
  acceptMetadataProposal: () => newProposal(),
  discardMetadataProposal: () => newProposal(),
  listScimTokens: () => ({ params: inAcme() }),
  createScimToken: () => ({ params: inAcme(), sending: { body: { name: 'example' } } }),
  revokeScimToken: async () => ({ params: inAcme({ id: await newScimToken() }) }),
  listProvisioningRequests: async () => ({ params: (await newConflict()).params, sending: { query: { limit: '1' } } }),
  listProvisioningConflicts: async () => ({ params: (await newConflict()).params }),
  approveProvisioning: decideConflict,
  declineProvisioning: decideConflict,
  listSetupLinks: () => ({ params: inAcme() }),
  createSetupLink: () => ({ params: inAcme(), sending: { body: { expires_in_days: 3 } } }),
  revokeSetupLink: async () => ({ params: inAcme({ id: await newSetupLink() }) }),
  getRoleMapping: () => ({ params: inAcme() }),
  setRoleMapping: async () => ({
    params: await makeOrganization(),
    sending: { body: { rules: [{ group: 'a', role: 'owner' }], default_role: 'none' } },
  }),
  listAudit: () => ({ params: inAcme(), sending: { query: { limit: '200' } } }),
  listSignIns: () => ({ params: inAcme(), sending: { query: { outcome: 'accepted', limit: '2' } } }),
  getSignIn: async () => ({ params: inAcme({ id: await lastSignIn() }) }),
  getSignInBundle: async () => ({ params: inAcme({ id: await lastSignIn() }) }),
  listKeys: () => ({}),
  rotateKeys: () => ({}),
  revokeKey: async () => ({ params: { kid: await keyIn('next') } }),
  getJwks: () => ({}),
  getAuthorizationServer: () => ({}),
  startDeviceLogin: () => ({ sending: { form: { client_id: 'samlgate-cli', organization: acme.slug } } }),
  getToken: () => ({
    sending: {
      form: { grant_type: TOKEN_EXCHANGE_GRANT, subject_token: ownerToken, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
    },
  }),
  introspectToken: () => ({ sending: { form: { token: collaboratorToken } } }),
  revokeHeldToken: async () => ({ sending: { form: { token: (await carl.makeToken()).token } } }),
  verify: () => ({ sending: { query: { role: 'owner', organization: acme.slug } } }),
  getOpenApi: () => ({}),
};

const tokenFor = ({ who }: OperationDescription): string | undefined =>
  who === 'public' ? undefined : who === 'member' || who === 'authenticated' ? ownerToken : gateway.operatorToken;

describe('OpenAPI document and real answers', () => {
  test.each(ALL.map((operation) => [operation.id, operation] as const))('%s answers as documented', async (id, operation) => {
    const example = await EXAMPLES[id]?.();
    if (!example) throw new Error(`Add an example of ${id} to this test.`);
    const answer = await send(operation, example.params ?? {}, { token: tokenFor(operation), ...example.sending });
    expect([answer.status, answer.status < 300 || answer.text]).toEqual([operation.status, true]);
    for (const name of operation.headers ?? []) expect(answer.headers.get(name)).toEqual(expect.any(String));
    if (!operation.answer) return expect(answer.text).toBe('');
    expect(operation.answer.safeParse(answer.json()).error?.issues ?? []).toEqual([]);
  });

  test('every operation has an example', () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual(ALL.map(({ id }) => id).sort());
  });

  test('describes every kind of audit entry', async () => {
    const { body } = await gateway.api('GET', `/organizations/${acme.slug}/audit?limit=200`);
    expect(new Set((body.items as { event: string }[]).map(({ event }) => event)).size).toBeGreaterThan(5);
    expect(answers.AUDIT_PAGE.safeParse(body).error?.issues ?? []).toEqual([]);
  });

  test('describes errors of the API and of the OAuth endpoints', async () => {
    const problem = await gateway.api('POST', '/organizations', {});
    expect(problem.status).toBe(400);
    expect(answers.PROBLEM.safeParse(problem.body).error?.issues ?? []).toEqual([]);
    const form = new URLSearchParams({ grant_type: DEVICE_CODE_GRANT, client_id: 'samlgate-cli', device_code: 'unknown' });
    const oauth = (await (await fetch(`${gateway.url}/oauth/token`, { method: 'POST', body: form })).json()) as object;
    expect(oauth).toMatchObject({ error: 'invalid_grant', code: 'validation_failed' });
    expect(answers.OAUTH_PROBLEM.safeParse(oauth).error?.issues ?? []).toEqual([]);
  });
});
