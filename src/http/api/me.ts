/** `/me`: the current member, and session tokens that represent the member to other services. */
import { issueSessionToken } from '../../auth/tokens/session-tokens.ts';
import { GatewayError } from '../../errors.ts';
import { getOrganizationById } from '../../organizations/organizations.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { meJson, sessionTokenJson } from './representations.ts';
import { optionalJson } from './request-body.ts';
import { SESSION_TOKEN_REQUEST } from './request-shapes.ts';

export const ME = [
  operation({
    method: 'get',
    path: '/api/v1/me',
    id: 'getMe',
    summary: 'Retrieve the current member',
    description: 'Returns the member, the organization and the credential of the request.',
    who: 'member',
    status: 200,
    answer: answers.ME,
    handle: async ({ runtime, principal }) => {
      const organization = await getOrganizationById(runtime.store, principal.organizationId);
      if (!organization) throw new GatewayError('unauthenticated');
      return meJson(principal, organization);
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/me/session-token',
    id: 'createSessionToken',
    summary: 'Create a session token',
    description:
      'Creates a short-lived token that represents the member to other services. Requires a session or a CLI token; the session token never outlives it.',
    who: 'member',
    body: optionalJson(SESSION_TOKEN_REQUEST),
    status: 200,
    answer: answers.SESSION_TOKEN,
    refusals: ['forbidden'],
    handle: async ({ runtime, principal, body }) => sessionTokenJson(await issueSessionToken(runtime, principal, body.audience)),
  }),
];
