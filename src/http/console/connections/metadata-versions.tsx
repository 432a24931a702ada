/** The form that restores a version of the metadata. */
import { Router } from 'express';
import { z } from 'zod';
import { RestoreIdentityProviderPage } from '../../../console/single-sign-on/single-sign-on-versions.tsx';
import { previewRestore, restoreMetadataVersion } from '../../../organizations/connections/restore-metadata.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { frameOf, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf } from '../visit.ts';
import { DECISION_FIELDS, DRAFT_TEXT, decisionOf, isKeptByDraft, previewDecisions } from './members-decision.ts';

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
      const previews = await previewDecisions(response, (each) => previewRestore(runtime, choice, each));
      const frame = frameOf(runtime, request, response);
      if (previews) {
        return sendConsolePage(response, <RestoreIdentityProviderPage frame={frame} versionId={versionId} previews={previews} />);
      }
    }
    const { organization, connectionId } = await restoreMetadataVersion(runtime, callerOf(request, response), choice);
    const isDraft = isKeptByDraft(organization, { connectionId, decision });
    const notice = isDraft ? DRAFT_TEXT : 'The earlier metadata is in use again. Check it with a test sign-in.';
    redirectWithNotice(runtime, response, singleSignOnPathOf(response), notice);
  });
  return router;
}
