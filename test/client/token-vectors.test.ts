/** Runs the test vectors of tokens that the Python package runs too (python/tests/test_token_vectors.py). */
import { readFileSync } from 'node:fs';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Auth, requireAuth } from '../../src/client/express.ts';

interface Vectors {
  readonly issuer: string;
  readonly audience: string;
  readonly jwks: object;
  readonly auth: Auth;
  readonly accepted: Readonly<Record<string, string>>;
  readonly refused: Readonly<Record<string, string>>;
  readonly access: readonly {
    readonly token?: string;
    readonly organization?: string;
    readonly role?: 'owner' | 'collaborator';
    readonly status: number;
    readonly answer?: string;
  }[];
  readonly headers: { readonly accepted: readonly string[]; readonly refused: readonly string[] };
  readonly answers: Readonly<Record<string, { readonly challenge: string; readonly body: object }>>;
  readonly organizations: { readonly refused: readonly string[] };
  readonly roles: { readonly refused: readonly unknown[] };
  readonly audiences: { readonly refused: readonly unknown[] };
  readonly clockTolerances: { readonly refused: readonly unknown[] };
}

const vectors = JSON.parse(readFileSync(path.join(import.meta.dirname, '../vectors/tokens.json'), 'utf8')) as Vectors;
const { issuer, audience } = vectors;
const valid = vectors.accepted['signed with ES256'] ?? '';

interface Outcome {
  readonly status: number;
  readonly challenge?: unknown;
  readonly body?: object;
  readonly auth?: Auth | undefined;
}

/** Calls the middleware as node:http does. */
function ask(authorization: string | undefined, options: Partial<Parameters<typeof requireAuth>[0]> = {}): Promise<Outcome> {
  const request: IncomingMessage & { auth?: Auth } = new IncomingMessage(new Socket());
  if (authorization !== undefined) request.headers.authorization = authorization;
  const response = new ServerResponse(request);
  return new Promise((resolve, reject) => {
    let challenge: unknown;
    jest.spyOn(response, 'writeHead').mockImplementation((...[status, headers]: unknown[]) => {
      challenge = (headers as Record<string, string>)['WWW-Authenticate'];
      response.statusCode = Number(status);
      return response;
    });
    jest.spyOn(response, 'end').mockImplementation((body: unknown) => {
      resolve({ status: response.statusCode, challenge, body: JSON.parse(String(body)) as object });
      return response;
    });
    requireAuth({ issuer, audience, ...options })(request, response, (error) =>
      error === undefined ? resolve({ status: 200, auth: request.auth }) : reject(error),
    );
  });
}

/** JavaScript callers can pass any value. */
function expectInvalid(options: object): void {
  expect(() => requireAuth({ issuer, ...options })).toThrow(expect.objectContaining({ code: 'argument_invalid' }));
}

describe('test vectors: tokens', () => {
  beforeEach(() => {
    // The tokens name a host that does not exist.
    jest.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json(vectors.jwks));
  });
  afterEach(() => void jest.restoreAllMocks());

  test.each(Object.entries(vectors.accepted))('accepts a token %s', async (_name, token) => {
    expect(await ask(`Bearer ${token}`)).toEqual({ status: 200, auth: vectors.auth });
  });

  test.each(Object.entries(vectors.refused))('rejects a token %s', async (_name, token) => {
    const isHeader = /^[\w.~+/=-]+$/.test(token);
    const answer = vectors.answers[isHeader ? 'invalid_token' : 'unauthenticated'];
    expect(await ask(`Bearer ${token}`)).toEqual({ status: 401, ...answer });
  });

  test.each(vectors.access)('answers $status for the organization $organization and the role $role', async (row) => {
    const { token, organization, role, status, answer } = row;
    const outcome = await ask(token === undefined ? undefined : `Bearer ${token}`, { organization, role });
    expect(outcome).toMatchObject({ status, ...(answer === undefined ? {} : vectors.answers[answer]) });
  });

  test.each(vectors.headers.accepted)('accepts the header “%sTOKEN”', async (scheme) => {
    expect(await ask(`${scheme}${valid}`)).toMatchObject({ status: 200 });
  });

  test.each(vectors.headers.refused)('rejects the header “%sTOKEN”', async (scheme) => {
    expect(await ask(`${scheme}${valid}`)).toEqual({ status: 401, ...vectors.answers.unauthenticated });
  });

  test.each(vectors.organizations.refused)('requireAuth throws for the organization %j', (organization) => {
    expectInvalid({ organization });
  });

  test.each([...vectors.roles.refused, null])('requireAuth throws for the role %j', (role) => expectInvalid({ role }));

  test.each([...vectors.audiences.refused, null])('requireAuth throws for the audience %j', (wrong) => expectInvalid({ audience: wrong }));

  test.each([...vectors.clockTolerances.refused, Number.NaN, Number.POSITIVE_INFINITY])(
    'requireAuth throws for the clock tolerance %p',
    (clockToleranceSeconds) => expectInvalid({ clockToleranceSeconds }),
  );

  test.each([0, 2.5, 300])('requireAuth allows the clock tolerance %p', (clockToleranceSeconds) => {
    expect(requireAuth({ issuer, clockToleranceSeconds })).toBeInstanceOf(Function);
  });
});
