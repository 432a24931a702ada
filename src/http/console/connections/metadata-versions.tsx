/** The form that restores a version of the metadata. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { RestoreIdentityProviderPage } from '../../../console/single-sign-on/single-sign-on-versions.tsx';
import { GatewayError } from '../../../errors.ts';
import { previewRestore, restoreMetadataVersion } from '../../../organizations/connections/restore-metadata.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { runComparison } from '../../limits/request-slots.ts';
import { frameOf, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf } from '../visit.ts';
import { comparisonOf, type PostedTable, readPostedTable } from './identifier-table.ts';
import { DECISION_FIELDS, DRAFT_TEXT, decisionOf, isKeptByDraft, previewDecisions } from './members-decision.ts';

const TEXTS = {
  isRestored: 'The earlier metadata is in use again. Check it with a test sign-in.',
  needsNoDecision: 'Restoring this metadata needs no decision about the members.',
} as const;

const RESTORE_FORM = z.object(DECISION_FIELDS);

/** For owners and the operator, not for setups. */
export function metadataVersionPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/:id/return', async (request, response) => {
    const choice = {
      organization: organizationOf(response),
      versionId: request.params.id,
      ...decisionOf(parseForm(RESTORE_FORM, request)),
    };
    const { versionId, decision } = choice;
    if (decision === undefined) {
      if (await showDecision(runtime, request, response, { versionId })) return;
    }
    const { organization, connectionId } = await restoreMetadataVersion(runtime, callerOf(request, response), choice);
    const isDraft = isKeptByDraft(organization, { connectionId, decision });
    const notice = isDraft ? DRAFT_TEXT : TEXTS.isRestored;
    redirectWithNotice(runtime, response, singleSignOnPathOf(response), notice);
  });
  router.post('/:id/compare', async (request, response) => {
    await runComparison(runtime, organizationOf(response).id, response, async () => {
      const posted = await readPostedTable(runtime, request, response);
      if (await showDecision(runtime, request, response, { versionId: request.params.id, posted })) return;
      throw new GatewayError('conflict', TEXTS.needsNoDecision);
    });
  });
  return router;
}

/** Asks for the decision about the members. @returns false if none is needed */
async function showDecision(
  runtime: Runtime,
  request: Request,
  response: Response,
  { versionId, posted }: { readonly versionId: string; readonly posted?: PostedTable },
): Promise<boolean> {
  const choice = { organization: organizationOf(response), versionId, table: posted?.table };
  const previews = await previewDecisions(response, (each) => previewRestore(runtime, choice, each));
  if (!previews) return false;
  const frame = frameOf(runtime, request, response, posted?.notice);
  const comparison = comparisonOf(posted);
  sendConsolePage(response, <RestoreIdentityProviderPage {...{ frame, versionId, previews, comparison }} />, posted?.status);
  return true;
}
