/** `/me/tokens`: the CLI tokens of the current member. */

import type { MemberPrincipal } from '../../auth/principal.ts';
import {
  createCliToken,
  type ListedCliToken,
  listCliTokens,
  revokeCliToken,
  rotateCliTokens,
  type TokenCreator,
} from '../../auth/tokens/cli-tokens.ts';
import { invalidCursor } from '../../store/cursor.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { cliTokenJson, newCliTokenJson, pageJson } from './representations.ts';
import { json, optionalJson } from './request-body.ts';
import { NEW_TOKEN, PAGE_QUERY, TOKEN_ROTATION } from './request-shapes.ts';

const tokenCreatorOf = ({ organizationId, member, credential }: MemberPrincipal): TokenCreator => ({
  organizationId,
  memberId: member.id,
  credential,
});

export const TOKENS = [
  operation({
    method: 'get',
    path: '/api/v1/me/tokens',
    id: 'listTokens',
    summary: 'List CLI tokens',
    description: 'Returns the member’s own CLI tokens, the newest first.',
    who: 'member',
    query: PAGE_QUERY,
    status: 200,
    answer: answers.CLI_TOKEN_PAGE,
    handle: async ({ runtime, principal: { organizationId, member }, query }) =>
      pageJson(pageOf(await listCliTokens(runtime, organizationId, member.id), query), cliTokenJson),
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/tokens',
    id: 'createToken',
    summary: 'Create a CLI token',
    description:
      'Creates a CLI token for the member. The token is returned only once. It expires after 90 days if `expires_in_days` is absent, or earlier if the organization or the token of the request allows less. A session token cannot create CLI tokens.',
    who: 'member',
    body: json(NEW_TOKEN),
    status: 201,
    answer: answers.NEW_CLI_TOKEN,
    refusals: ['forbidden', 'conflict'],
    handle: async ({ runtime, actor, principal, body: { name, expires_in_days: expiresInDays } }) =>
      newCliTokenJson(await createCliToken(runtime, actor, tokenCreatorOf(principal), { name, expiresInDays })),
  }),
  operation({
    method: 'delete',
    path: '/api/v1/me/tokens/{id}',
    id: 'revokeToken',
    summary: 'Revoke a CLI token',
    description:
      'Revokes one of the member’s own CLI tokens. The token is rejected from the next request on. A session token cannot revoke CLI tokens.',
    who: 'member',
    status: 204,
    refusals: ['forbidden', 'not_found'],
    handle: ({ runtime, actor, principal, params }) => revokeCliToken(runtime, actor, tokenCreatorOf(principal), params.id),
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/tokens/rotate',
    id: 'rotateTokens',
    summary: 'Rotate CLI tokens',
    description:
      'Revokes all CLI tokens of the member and creates a new one, which is returned only once. A session token cannot rotate CLI tokens.',
    who: 'member',
    body: optionalJson(TOKEN_ROTATION),
    status: 200,
    answer: answers.ROTATED_TOKENS,
    refusals: ['forbidden'],
    handle: async ({ runtime, actor, principal, body: { name, expires_in_days: expiresInDays } }) => {
      const { revoked, created } = await rotateCliTokens(runtime, actor, tokenCreatorOf(principal), { name, expiresInDays });
      return { revoked, token: newCliTokenJson(created) };
    },
  }),
];

/** Returns one page. The cursor is the ID of the last token on the page before: a member has few tokens, so all are read. */
function pageOf(tokens: readonly ListedCliToken[], { limit, cursor }: { limit: number; cursor?: string | undefined }) {
  const start = cursor === undefined ? 0 : tokens.findIndex(({ record }) => record.id === cursor) + 1;
  if (cursor !== undefined && start === 0) throw invalidCursor();
  const items = tokens.slice(start, start + limit);
  return { items, nextCursor: start + limit < tokens.length ? (items.at(-1)?.record.id ?? null) : null };
}
