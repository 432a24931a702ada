/** `/organizations/{org}/domains`: the domains that an organization verifies. */
import { claimsOf } from '../../organizations/domains/domain-claims.ts';
import { normalizeDomain } from '../../organizations/domains/domain-name.ts';
import { addDomain, removeDomain, verifyDomain } from '../../organizations/domains/domains.ts';
import { requireKeyWithinLimit } from '../limits/rate-limits.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { domainJson } from './representations.ts';
import { json, optionalJson } from './request-body.ts';
import { DOMAIN_VERIFICATION, NEW_DOMAIN } from './request-shapes.ts';

export const DOMAINS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/domains',
    id: 'listDomains',
    summary: 'List domains',
    description: 'Returns the domains that the organization added, in the order in which they were added. There is only one page.',
    who: 'owner',
    status: 200,
    answer: answers.DOMAIN_PAGE,
    handle: ({ organization }) => ({ items: claimsOf(organization).map(domainJson), next_cursor: null }),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/domains',
    id: 'addDomain',
    summary: 'Add a domain',
    description:
      'Adds a domain and returns the DNS record that verifies it. Until the domain is verified, it has no effect and reserves nothing. Adding a domain again returns the same record.',
    who: 'owner',
    body: json(NEW_DOMAIN),
    status: 201,
    answer: answers.DOMAIN,
    refusals: ['conflict'],
    handle: async ({ runtime, actor, organization, body }) =>
      domainJson(await addDomain(runtime, actor, { organizationId: organization.id, domain: body.domain })),
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/domains/{domain}/verify',
    id: 'verifyDomain',
    summary: 'Verify a domain',
    description:
      'Looks up the DNS record of the domain. Returns 409 if DNS does not have it or does not answer, or if another organization has the domain. Only the operator can set `confirm` and `transfer`.',
    who: 'owner',
    body: optionalJson(DOMAIN_VERIFICATION),
    status: 200,
    answer: answers.DOMAIN,
    refusals: ['not_found', 'conflict', 'rate_limited'],
    handle: async ({ runtime, actor, organization, params, body }) => {
      await requireKeyWithinLimit(runtime, 'domain_check', organization.id);
      return domainJson(
        await verifyDomain(runtime, actor, {
          organizationId: organization.id,
          domain: normalizeDomain(params.domain) ?? '',
          isConfirmed: body.confirm,
          isTransfer: body.transfer,
        }),
      );
    },
  }),
  operation({
    method: 'delete',
    path: '/api/v1/organizations/{org}/domains/{domain}',
    id: 'removeDomain',
    summary: 'Remove a domain',
    description: 'The domain no longer routes sign-ins, and `email_policy` no longer allows it. Members stay.',
    who: 'owner',
    status: 204,
    refusals: ['not_found'],
    handle: ({ runtime, actor, organization, params }) =>
      removeDomain(runtime, actor, { organizationId: organization.id, domain: normalizeDomain(params.domain) ?? '' }),
  }),
];
