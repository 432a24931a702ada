/** The JSON API of tokens: a member's own, those of a member as an owner sees them, and the keys that sign them all. */
import { type Request, type Response, Router } from 'express';
import { listSigningKeys, revokeSigningKey, rotateSigningKeys } from '../../auth/keys/signing-keys.ts';
import {
  createCliToken,
  type ListedCliToken,
  listCliTokens,
  type Minter,
  revokeAllCliTokens,
  revokeCliToken,
  rotateCliTokens,
} from '../../auth/tokens/cli-tokens.ts';
import { mintSessionToken } from '../../auth/tokens/session-tokens.ts';
import type { Runtime } from '../../runtime.ts';
import { invalidCursor } from '../../store/cursor.ts';
import { callerOf, memberOf, organizationOf, requireOperator } from './callers.ts';
import { cliTokenJson, newCliTokenJson, sessionTokenJson, signingKeyJson } from './representations.ts';
import { checkShape, NEW_TOKEN, PAGE_QUERY, SESSION_TOKEN_WISH, TOKEN_ROTATION } from './request-shapes.ts';

/** Below `/me`. */
export function ownTokenRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use((_request, response, next) => {
    memberOf(response);
    next();
  });
  router.post('/session-token', async (request, response) => {
    const { audience } = checkShape(SESSION_TOKEN_WISH, request.body ?? {});
    response.json(sessionTokenJson(await mintSessionToken(runtime, memberOf(response), audience)));
  });
  router.get('/tokens', async (request, response) => {
    const { organizationId, member } = memberOf(response);
    response.json(pageOf(await listCliTokens(runtime, organizationId, member.id), checkShape(PAGE_QUERY, request.query)));
  });
  router.post('/tokens', async (request, response) => {
    const { name, expires_in_days: expiresInDays } = checkShape(NEW_TOKEN, request.body);
    response.status(201).json(newCliTokenJson(await createCliToken(runtime, ...asker(request, response), { name, expiresInDays })));
  });
  router.post('/tokens/rotate', async (request, response) => {
    const { name } = checkShape(TOKEN_ROTATION, request.body ?? {});
    const { revoked, made } = await rotateCliTokens(runtime, ...asker(request, response), { name });
    response.json({ revoked, token: newCliTokenJson(made) });
  });
  router.delete('/tokens/:id', async (request, response) => {
    await revokeCliToken(runtime, ...asker(request, response), request.params.id);
    response.status(204).end();
  });
  return router;
}

function asker(request: Request, response: Response): [ReturnType<typeof callerOf>, Minter] {
  const { organizationId, member, credential } = memberOf(response);
  return [callerOf(request, response), { organizationId, memberId: member.id, credential }];
}

/** A member has few tokens, so all are read; the cursor is the id of the last one that was shown. */
function pageOf(tokens: readonly ListedCliToken[], { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const at = cursor === undefined ? 0 : tokens.findIndex(({ record }) => record.id === cursor) + 1;
  if (cursor !== undefined && at === 0) throw invalidCursor();
  const items = tokens.slice(at, at + limit);
  return { items: items.map(cliTokenJson), next_cursor: at + limit < tokens.length ? (items.at(-1)?.record.id ?? null) : null };
}

/** Below `/organizations/:org/members`, for owners and the operator. */
export function memberTokenRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/:id/tokens/rotate', async (request, response) => {
    const revoked = await revokeAllCliTokens(runtime, callerOf(request, response), organizationOf(response).id, request.params.id);
    response.json({ revoked });
  });
  return router;
}

/** Below `/keys`, for the operator. */
export function keyRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use((_request, response, next) => {
    requireOperator(response);
    next();
  });
  router.get('/', async (_request, response) => {
    response.json({ items: (await listSigningKeys(runtime)).map(signingKeyJson), next_cursor: null });
  });
  router.post('/rotate', async (request, response) => {
    response.json(signingKeyJson(await rotateSigningKeys(runtime, callerOf(request, response))));
  });
  router.post('/:kid/revoke', async (request, response) => {
    const { key, cliTokens } = await revokeSigningKey(runtime, callerOf(request, response), request.params.kid);
    response.json({ kid: key.kid, revoked_tokens: cliTokens });
  });
  return router;
}
