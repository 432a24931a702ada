import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OPERATIONS } from '../../src/http/api/api.ts';
import type { OperationDescription, Who } from '../../src/http/api/operation.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

/** The callers of every operation. It repeats the rows on purpose: to admit more callers, both must change. */
const ACCESS: Readonly<Record<string, Who>> = {
  getOpenApi: 'public',
  getJwks: 'public',
  getAuthorizationServer: 'public',
  startDeviceLogin: 'public',
  getToken: 'public',
  revokeHeldToken: 'public',
  introspectToken: 'authenticated',
  verify: 'member',
  getMe: 'member',
  createSessionToken: 'member',
  listTokens: 'member',
  createToken: 'member',
  revokeToken: 'member',
  rotateTokens: 'member',
  listMembers: 'owner',
  getMember: 'owner',
  changeMember: 'owner',
  removeMember: 'owner',
  rotateMemberTokens: 'owner',
  getOrganization: 'owner',
  getIdentityProvider: 'owner',
  setIdentityProvider: 'owner',
  changeIdentityProviderSettings: 'owner',
  removeIdentityProvider: 'owner',
  listConnections: 'owner',
  createConnection: 'owner',
  getConnection: 'owner',
  setConnectionMetadata: 'owner',
  changeConnection: 'owner',
  removeConnection: 'owner',
  getMetadataProposal: 'owner',
  acceptMetadataProposal: 'owner',
  discardMetadataProposal: 'owner',
  previewChange: 'owner',
  listPendingMembers: 'owner',
  approveLink: 'owner',
  declineLink: 'owner',
  revokePendingMembers: 'owner',
  getRoleMapping: 'owner',
  setRoleMapping: 'owner',
  listDomains: 'owner',
  addDomain: 'owner',
  verifyDomain: 'owner',
  removeDomain: 'owner',
  listScimTokens: 'owner',
  createScimToken: 'owner',
  revokeScimToken: 'owner',
  listProvisioningRequests: 'owner',
  listProvisioningConflicts: 'owner',
  approveProvisioning: 'owner',
  declineProvisioning: 'owner',
  listSetupLinks: 'owner',
  createSetupLink: 'owner',
  revokeSetupLink: 'owner',
  listSignIns: 'owner',
  getSignIn: 'owner',
  getSignInBundle: 'owner',
  listAudit: 'owner',
  getLogo: 'owner',
  setLogo: 'owner',
  removeLogo: 'owner',
  listOrganizations: 'operator',
  createOrganization: 'operator',
  changeOrganization: 'operator',
  deleteOrganization: 'operator',
  listKeys: 'operator',
  rotateKeys: 'operator',
  revokeKey: 'operator',
};

const ALL: readonly OperationDescription[] = Object.values(OPERATIONS).flat();
const accessOf = ({ id }: OperationDescription): Who | undefined => ACCESS[id];
const operationsFor = (...who: Who[]) =>
  ALL.filter((operation) => who.includes(accessOf(operation) as Who)).map((operation) => [operation.id, operation] as const);
const changes = (operations: readonly (readonly [string, OperationDescription])[]) =>
  operations.filter(([, { method }]) => method !== 'get');
const reads = (operations: readonly (readonly [string, OperationDescription])[]) => operations.filter(([, { method }]) => method === 'get');

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let carl: SignedIn;
let tokens: Readonly<
  Record<'owner' | 'collaborator' | 'ownerSession' | 'collaboratorSession' | 'otherOwner' | 'otherOwnerSession', string>
>;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  const otherOrganization = await gateway.makeOrganization();
  const other = await signedIn(gateway, otherOrganization, 'olivia');
  olivia = await signedIn(gateway, acme, 'olivia');
  carl = await signedIn(gateway, acme, 'carl');
  const cliToken = async (person: SignedIn) => (await person.makeToken()).token;
  const sessionToken = async (person: SignedIn) => (await person.api<{ token: string }>('POST', '/me/session-token')).body.token;
  tokens = {
    owner: await cliToken(olivia),
    collaborator: await cliToken(carl),
    ownerSession: await sessionToken(olivia),
    collaboratorSession: await sessionToken(carl),
    otherOwner: await cliToken(other),
    otherOwnerSession: await sessionToken(other),
  };
});
afterAll(() => gateway.stop());

/** Calls an operation in the organization `acme` without valid input, so that an allowed caller changes nothing either. */
async function call({ method, path }: OperationDescription, headers: Record<string, string>, slug = acme.slug) {
  const url = gateway.url + path.replace('{org}', slug).replace(/\{\w+\}/g, 'unknown');
  const response = await fetch(url, { method: method.toUpperCase(), headers });
  const text = await response.text();
  const { code } = (response.headers.get('content-type')?.includes('problem+json') ? JSON.parse(text) : {}) as { code?: string };
  return [response.status, code];
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const FORBIDDEN = [403, 'forbidden'];
const UNAUTHENTICATED = [401, 'unauthenticated'];
const NO_ORGANIZATION = [404, 'organization_unknown'];
const expectAllowed = (verdict: (string | number | undefined)[]) => {
  for (const refusal of [FORBIDDEN, UNAUTHENTICATED, NO_ORGANIZATION]) expect(verdict).not.toEqual(refusal);
};

test('the rows admit the callers listed here, and every operation is listed', () => {
  expect(Object.fromEntries(ALL.map(({ id, who }) => [id, who]))).toEqual(ACCESS);
});

describe('every operation that is not public', () => {
  const operations = operationsFor('authenticated', 'member', 'owner', 'operator');

  test.each(operations)('%s refuses anonymous callers and invalid credentials', async (_id, operation) => {
    expect(await call(operation, {})).toEqual(UNAUTHENTICATED);
    expect(await call(operation, bearer(`${tokens.owner}x`))).toEqual(UNAUTHENTICATED);
    expect(await call(operation, { authorization: `Basic ${btoa(`operator:${gateway.operatorToken}`)}` })).toEqual(UNAUTHENTICATED);
    expect(await call(operation, { ...bearer(`${tokens.owner}x`), cookie: olivia.cookie })).toEqual(UNAUTHENTICATED);
  });

  test.each(changes(operations).filter(([, { path }]) => path.startsWith('/api/')))(
    '%s refuses a session cookie without its CSRF token',
    async (_id, operation) => {
      expect(await call(operation, { cookie: olivia.cookie })).toEqual(FORBIDDEN);
      expect(await call(operation, { cookie: olivia.cookie, 'x-samlgate-csrf': carl.csrfToken })).toEqual(FORBIDDEN);
    },
  );
});

describe('operations for members', () => {
  test.each(operationsFor('member'))('%s refuses the operator', async (id, operation) => {
    // The tokens of protected services arrive at forward authentication, which must not tell a right guess from a wrong one.
    const refused = id === 'verify' ? [401, 'unauthenticated'] : FORBIDDEN;
    expect(await call(operation, bearer(gateway.operatorToken))).toEqual(refused);
  });

  test.each(reads(operationsFor('member')))('%s admits every member, also with a session token', async (_id, operation) => {
    for (const token of [tokens.owner, tokens.collaborator, tokens.collaboratorSession])
      expectAllowed(await call(operation, bearer(token)));
  });
});

describe('operations for owners', () => {
  test.each(operationsFor('owner'))('%s refuses collaborators', async (_id, operation) => {
    for (const token of [tokens.collaborator, tokens.collaboratorSession]) expect(await call(operation, bearer(token))).toEqual(FORBIDDEN);
    expect(await call(operation, { cookie: carl.cookie, 'x-samlgate-csrf': carl.csrfToken })).toEqual(FORBIDDEN);
  });

  test.each(changes(operationsFor('owner')))('%s refuses a session token of an owner', async (_id, operation) => {
    expect(await call(operation, bearer(tokens.ownerSession))).toEqual(FORBIDDEN);
  });

  test.each(reads(operationsFor('owner')))('%s admits owners and the operator', async (_id, operation) => {
    for (const token of [tokens.owner, tokens.ownerSession, gateway.operatorToken]) expectAllowed(await call(operation, bearer(token)));
    expectAllowed(await call(operation, { cookie: olivia.cookie }));
  });
});

describe('operations for the operator', () => {
  test.each(operationsFor('operator'))('%s refuses owners', async (_id, operation) => {
    for (const token of [tokens.owner, tokens.ownerSession, tokens.collaborator]) {
      expect(await call(operation, bearer(token))).toEqual(FORBIDDEN);
    }
    expect(await call(operation, { cookie: olivia.cookie, 'x-samlgate-csrf': olivia.csrfToken })).toEqual(FORBIDDEN);
  });

  test.each(reads(operationsFor('operator')))('%s admits the operator', async (_id, operation) => {
    expectAllowed(await call(operation, bearer(gateway.operatorToken)));
  });
});

describe('operations in an organization', () => {
  const operations = ALL.filter(({ path }) => path.includes('{org}')).map((operation) => [operation.id, operation] as const);

  test.each(operations)('%s hides the organization from owners of another one', async (_id, operation) => {
    for (const token of [tokens.otherOwner, tokens.otherOwnerSession])
      expect(await call(operation, bearer(token))).toEqual(NO_ORGANIZATION);
  });

  test.each(operations)('%s finds no organization for an unknown slug', async (_id, operation) => {
    for (const token of [tokens.owner, tokens.collaborator, gateway.operatorToken]) {
      expect(await call(operation, bearer(token), 'unknown-slug')).toEqual(NO_ORGANIZATION);
    }
  });
});

describe('paths without an operation', () => {
  const NOTHING = [404, 'not_found'];

  test.each([
    ['get', '/api/v1'],
    ['get', '/api/v1/nothing'],
    ['post', '/api/v1/me'],
    ['put', '/api/v1/keys'],
    ['get', '/api/v1/ME'],
    ['delete', '/api/v1/organizations'],
    ['post', '/api/v1/organizations/{org}/members'],
    ['get', '/api/v1/organizations/{org}/nothing'],
    ['post', '/api/v1/openapi.json'],
  ] as const)('%s %s answers 404, but only to authenticated callers', async (method, path) => {
    const nothing = { method, path } as OperationDescription;
    expect(await call(nothing, {})).toEqual(UNAUTHENTICATED);
    for (const token of [tokens.owner, tokens.collaborator, gateway.operatorToken])
      expect(await call(nothing, bearer(token))).toEqual(NOTHING);
  });
});
