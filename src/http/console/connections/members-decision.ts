/** The decision about the members of a new identity provider, in forms that save or restore metadata. */
import type { Response } from 'express';
import { z } from 'zod';
import type { DecisionPreviews } from '../../../console/single-sign-on/members-decision.tsx';
import { requireConnection } from '../../../organizations/connections/connections.ts';
import { ENTITY_ID_DECISIONS, type EntityIdDecision } from '../../../organizations/connections/entity-id-change.ts';
import type { MetadataChange } from '../../../organizations/connections/identity-providers.ts';
import type { ChangePreview } from '../../../organizations/idp-change/preview-change.ts';
import { findReplacement } from '../../../organizations/idp-change/replacement.ts';
import type { Organization } from '../../../organizations/organizations.ts';
import { visitOf } from '../visit.ts';

export const DECISION_FIELDS = {
  on_new_entity_id: z.enum(ENTITY_ID_DECISIONS).optional(),
  link_until: z.union([z.iso.date(), z.literal('')]).optional(),
};
const DECISION_FORM = z.object(DECISION_FIELDS);

/** Returns the decision of a form. The field `link_until` is sent with every decision. */
export const decisionOf = ({ on_new_entity_id: decision, link_until }: z.infer<typeof DECISION_FORM>) => ({
  decision,
  linkUntilMs: decision === 'link_by_email' && link_until ? Date.parse(link_until) : undefined,
});

/** Returns what each decision does to the members, of those that the visitor can choose. Undefined if no decision is needed. */
export async function previewDecisions(
  response: Response,
  preview: (decision: EntityIdDecision) => Promise<ChangePreview | undefined>,
): Promise<DecisionPreviews | undefined> {
  const new_accounts = await preview('new_accounts');
  if (!new_accounts || visitOf(response).viewer.kind === 'setup') return new_accounts && { new_accounts };
  return { new_accounts, keep: await preview('keep'), link_by_email: await preview('link_by_email') };
}

/** Returns whether saved metadata waits in a draft, because the members are kept. */
export const isKeptByDraft = (
  saved: Organization,
  { connectionId, decision }: Pick<MetadataChange, 'connectionId' | 'decision'>,
): boolean => decision === 'keep' && findReplacement(saved, requireConnection(saved, connectionId)) !== undefined;

export const DRAFT_TEXT =
  'The metadata is saved as a draft, and sign-ins continue as before. Open the draft under Connections and test it: your test puts it in place.';
