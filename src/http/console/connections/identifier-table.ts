/** The table of identifiers that owners and the operator compare with the members before they decide about a new identity provider. */
import type { Request, Response } from 'express';
import { z } from 'zod';
import { requireRecentSignIn } from '../../../auth/sessions/recent-sign-in.ts';
import type { Notice } from '../../../console/navigation.ts';
import type { Comparison } from '../../../console/single-sign-on/members-decision.tsx';
import { GatewayError } from '../../../errors.ts';
import { type IdentifierTable, readIdentifierTable } from '../../../organizations/idp-change/identifier-table.ts';
import type { Runtime } from '../../../runtime.ts';
import { principalOf } from '../../api/callers.ts';
import { parseForm, visitOf } from '../visit.ts';

const TABLE_FORM = z.object({
  identifiers_file: z.union([z.instanceof(Uint8Array), z.literal('')]).optional(),
  identifiers_csv: z.string().optional(),
});

/** A table, or why it cannot be read. */
export interface PostedTable {
  readonly table?: IdentifierTable;
  readonly notice?: Notice;
  readonly status?: number;
  /** The pasted text, which the page shows again. */
  readonly text: string;
}

/** Returns what the page shows of a posted table. */
export const comparisonOf = (posted: PostedTable | undefined): Comparison | undefined =>
  posted && { text: posted.text, isCompared: posted.table !== undefined };

/** Reads the table of a form. @throws forbidden for a setup, whose holder must not learn which identifiers members have */
export async function readPostedTable(runtime: Runtime, request: Request, response: Response): Promise<PostedTable> {
  if (visitOf(response).viewer.kind === 'setup')
    throw new GatewayError('forbidden', 'Only owners and the operator can compare identifiers.');
  const { identifiers_file: file, identifiers_csv: text = '' } = parseForm(TABLE_FORM, request);
  try {
    requireRecentSignIn(principalOf(response), runtime.now());
    return { table: await readIdentifierTable(file instanceof Uint8Array && file.length > 0 ? textOf(file) : text), text };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const detail = error.facts.detail ?? error.textFor('user').title;
    return {
      notice: { kind: 'problem', text: detail.replace(/^identifiers_csv: /, 'Table of identifiers: ') },
      status: error.status,
      text,
    };
  }
}

function textOf(file: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(file);
  } catch (cause) {
    throw new GatewayError('validation_failed', { detail: 'identifiers_csv: must be UTF-8.', cause });
  }
}
