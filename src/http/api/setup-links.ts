/** `/organizations/{org}/setup-links`: links for IT administrators without an account who set up single sign-on. */
import { createSetupLink, listSetupLinks, revokeSetupLink } from '../../organizations/setup/setup-links.ts';
import { toIsoTime } from '../../time.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { pageJson, setupLinkJson, setupUrl } from './representations.ts';
import { optionalJson } from './request-body.ts';
import { PAGE_QUERY, SETUP_LINK_OPTIONS } from './request-shapes.ts';

export const SETUP_LINKS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/setup-links',
    id: 'listSetupLinks',
    summary: 'List setup links',
    description: 'Returns setup links, the newest first. The secret URL of a link is never returned again.',
    who: 'owner',
    query: PAGE_QUERY,
    status: 200,
    answer: answers.SETUP_LINK_PAGE,
    handle: async ({ runtime, organization, query }) =>
      pageJson(await listSetupLinks(runtime.store, organization.id, query), (link) => setupLinkJson(link, runtime.now())),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/setup-links',
    id: 'createSetupLink',
    summary: 'Create a setup link',
    description:
      'Creates a link with which an IT administrator without an account sets up one connection, by default the default connection. The link works once and expires after 1 to 30 days. Its URL is returned only once.',
    who: 'owner',
    body: optionalJson(SETUP_LINK_OPTIONS),
    status: 201,
    answer: answers.NEW_SETUP_LINK,
    refusals: ['not_found', 'quota_exceeded'],
    handle: async ({ runtime, actor, organization, body }) => {
      const { id, secret, expiresAtMs } = await createSetupLink(runtime, actor, {
        organization,
        connectionId: body.connection,
        expiresInDays: body.expires_in_days,
      });
      return { id, url: setupUrl(runtime.config.baseUrl, secret), expires_at: toIsoTime(expiresAtMs) };
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/setup-links/{id}',
    id: 'revokeSetupLink',
    summary: 'Revoke a setup link',
    description: 'Revokes the link and ends a setup that was started with it.',
    who: 'owner',
    status: 204,
    refusals: ['not_found'],
    handle: ({ runtime, actor, organization, params }) =>
      revokeSetupLink(runtime, actor, { organizationId: organization.id, id: params.id }),
  }),
];
