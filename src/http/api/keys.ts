/** `/keys`: the keys that sign session tokens and CLI tokens. */
import { listSigningKeys, revokeSigningKey, rotateSigningKeys } from '../../auth/keys/signing-keys.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { signingKeyJson } from './representations.ts';

export const KEYS = [
  operation({
    method: 'get',
    path: '/api/v1/keys',
    id: 'listKeys',
    summary: 'List signing keys',
    description: 'Returns the keys that sign tokens, or still verify them. All keys fit on one page.',
    who: 'operator',
    status: 200,
    answer: answers.SIGNING_KEY_PAGE,
    handle: async ({ runtime }) => ({ items: (await listSigningKeys(runtime)).map(signingKeyJson), next_cursor: null }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/keys/rotate',
    id: 'rotateKeys',
    summary: 'Rotate the signing key',
    description: 'Makes the next key the active one. The key that was active only verifies from now on.',
    who: 'operator',
    status: 200,
    answer: answers.SIGNING_KEY,
    refusals: ['conflict'],
    handle: async ({ runtime, actor }) => signingKeyJson(await rotateSigningKeys(runtime, actor)),
  }),
  operation({
    method: 'post',
    path: '/api/v1/keys/{kid}/revoke',
    id: 'revokeKey',
    summary: 'Revoke a signing key',
    description: 'Immediately invalidates every token that the key has signed.',
    who: 'operator',
    status: 200,
    answer: answers.REVOKED_KEY,
    refusals: ['not_found', 'conflict'],
    handle: async ({ runtime, actor, params }) => {
      const { key, cliTokens } = await revokeSigningKey(runtime, actor, params.kid);
      return { kid: key.kid, revoked_tokens: cliTokens };
    },
  }),
];
