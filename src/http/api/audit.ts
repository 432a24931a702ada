/** `/organizations/{org}/audit`: the audit trail. */
import { auditJson } from '../../audit.ts';
import { readAudit } from '../../audit-trail/read-audit.ts';
import { summarizeRefusals } from '../../audit-trail/refusal-counts.ts';
import { summarizeTrail } from '../../audit-trail/trim-audit.ts';
import * as answers from './answer-shapes.ts';
import { operation } from './operation.ts';
import { pageJson, refusalSummaryJson, trailJson } from './representations.ts';
import { AUDIT_QUERY } from './request-shapes.ts';

export const AUDIT = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/audit',
    id: 'listAudit',
    summary: 'List audit entries',
    description:
      'Returns entries, the newest first. With a filter, a page may have fewer than `limit` items although more follow; only `next_cursor` tells. ' +
      'Refused messages without a trusted signature, and copies of signed ones, have no entries; `unsigned_refusals` counts those of the last 7 days.\n\n' +
      'Old entries are deleted; `oldest_at` and `trimmed` say how far.',
    who: 'owner',
    query: AUDIT_QUERY,
    status: 200,
    answer: answers.AUDIT_PAGE,
    handle: async ({ runtime, organization, query: { since, member, ...query } }) => {
      const page = await readAudit(runtime.store, organization.id, { ...query, sinceMs: since, memberId: member });
      const trail = await summarizeTrail(runtime, organization.id);
      const refusals = query.cursor === undefined ? await summarizeRefusals(runtime, organization.id) : undefined;
      return {
        ...pageJson(page, ({ value }) => auditJson(value)),
        ...trailJson(trail),
        unsigned_refusals: refusals?.map(refusalSummaryJson) ?? null,
      };
    },
  }),
];
