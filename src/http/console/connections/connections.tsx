/** The forms that add, change and delete connections, for owners and the operator. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import type { Actor } from '../../../audit.ts';
import { GatewayError } from '../../../errors.ts';
import { changeConnection, createConnection, removeConnection } from '../../../organizations/connections/change-connection.ts';
import { loadMetadataFor, type MetadataSource } from '../../../organizations/connections/identity-providers.ts';
import { acceptProposal, discardProposal, type ProposalAcceptance } from '../../../organizations/setup/metadata-proposals.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { CONNECTION_CHANGES, checkShape, toConnectionChanges } from '../../api/request-shapes.ts';
import { runOnce } from '../../run-once.ts';
import { setupLinkPages } from '../setup.tsx';
import { singleSignOnPages } from '../single-sign-on.tsx';
import { parseForm, redirectOnConflict, redirectWithNotice, requireManagerAgain, runAndRedirect, visitOf } from '../visit.ts';
import { pendingMemberPages } from './pending-members.ts';
import { requireVisitedConnection, visitConnection } from './visited-connection.ts';

const TEXTS = {
  isEnabled: 'The connection is enabled. Users can sign in through it.',
  isDefault: 'This is now the default connection.',
  isDisabled: 'The connection is disabled. Users cannot sign in through it.',
  proposalAccepted: 'The proposed metadata is in use. Check it with a test sign-in.',
  proposalDiscarded: 'The proposed metadata is discarded. Nothing was changed.',
  isSaved: 'The connection is saved.',
  confirmDeletion: 'Confirm that you want to delete the connection.',
  isDeleted: 'The connection is deleted.',
  metadataMissing: 'Enter a metadata URL or paste the XML.',
  isAdded: 'The connection is added as a draft. Test it, then enable it.',
} as const;

/** Pages below `/single-sign-on/{con}`: those of the default connection for another one, and the changes of the connection itself. */
export function connectionPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, mergeParams: true });
  router.use(visitConnection);
  router.use(singleSignOnPages(runtime));
  router.use('/setup-links', setupLinkPages(runtime));
  const change = (body: object, notice: string) => (request: Request, response: Response) =>
    saveChanges(runtime, request, response, { body, notice });
  router.post('/details', (request, response) => saveDetails(runtime, request, response));
  const enable = change({ state: 'active' }, TEXTS.isEnabled);
  router.post('/enable', (request, response) => {
    // The Go live page shows what is missing.
    const href = `${pathOf(response, requireVisitedConnection(response).id)}/steps/live`;
    return redirectOnConflict(runtime, response, href, () => enable(request, response));
  });
  router.post('/default', change({ is_default: true }, TEXTS.isDefault));
  router.post('/disable', (request, response) =>
    saveChanges(runtime, request, response, {
      body: { state: 'disabled', keep_sessions: keepsSessions(request) },
      notice: TEXTS.isDisabled,
    }),
  );
  router.use('/pending-members', pendingMemberPages(runtime));
  router.post('/remove', (request, response) => remove(runtime, request, response));
  const decideWith = (decide: ProposalDecision['decide'], notice: string) => (request: Request, response: Response) =>
    decideProposal(runtime, request, response, { decide, notice });
  router.post('/proposal/accept', decideWith(acceptProposal, TEXTS.proposalAccepted));
  router.post('/proposal/discard', decideWith(discardProposal, TEXTS.proposalDiscarded));
  return router;
}

/** The form that adds a connection, below `/single-sign-on`. */
export function newConnectionPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/', (request, response) => add(runtime, request, response));
  return router;
}

const fieldsOf = (request: Request) => (request.body ?? {}) as Readonly<Record<string, unknown>>;
const keepsSessions = (request: Request): boolean => fieldsOf(request).keep_sessions === 'yes';
const pathOf = (response: Response, connectionId = ''): string =>
  `${visitOf(response).base}/single-sign-on/${connectionId}`.replace(/\/$/, '');

interface Saving {
  readonly body: object;
  readonly notice: string;
}

/** Validates changes as the API does, and makes them. */
async function saveChanges(runtime: Runtime, request: Request, response: Response, { body, notice }: Saving): Promise<void> {
  const { id: connectionId } = requireVisitedConnection(response);
  const changes = toConnectionChanges(checkShape(CONNECTION_CHANGES, body));
  await changeConnection(runtime, callerOf(request, response), { organization: organizationOf(response), connectionId, ...changes });
  redirectWithNotice(runtime, response, pathOf(response, connectionId), notice);
}

const DETAILS_FORM = z.object({ name: z.string().trim(), email_domains: z.string().max(20_000) });

async function saveDetails(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { name, email_domains } = parseForm(DETAILS_FORM, request);
  const body = { name, email_domains: email_domains.split(/[\s,]+/).filter((domain) => domain !== '') };
  await saveChanges(runtime, request, response, { body, notice: TEXTS.isSaved });
}

interface ProposalDecision {
  readonly decide: (runtime: Runtime, actor: Actor, choice: ProposalAcceptance) => Promise<unknown>;
  readonly notice: string;
}

async function decideProposal(runtime: Runtime, request: Request, response: Response, { decide, notice }: ProposalDecision): Promise<void> {
  const { proposal, metadata_url: metadataUrl } = parseForm(PROPOSAL_FORM, request);
  const connection = requireVisitedConnection(response);
  const choice = { organization: organizationOf(response), connection, proposalId: proposal, metadataUrl };
  await runAndRedirect(runtime, response, {
    run: async () => {
      await decide(runtime, callerOf(request, response), choice);
      return notice;
    },
    href: pathOf(response, connection.id),
  });
}

const PROPOSAL_FORM = z.object({ proposal: z.string(), metadata_url: z.string().optional() });

async function remove(runtime: Runtime, request: Request, response: Response): Promise<void> {
  if (fieldsOf(request).confirmed !== 'yes') throw new GatewayError('conflict', TEXTS.confirmDeletion);
  const { id: connectionId } = requireVisitedConnection(response);
  const removal = { organization: organizationOf(response), connectionId, keepsSessions: keepsSessions(request) };
  await removeConnection(runtime, callerOf(request, response), removal);
  redirectWithNotice(runtime, response, pathOf(response), TEXTS.isDeleted);
}

const NEW_FORM = z.object({
  new_name: z.string().trim(),
  new_metadata_url: z.string().trim().max(2048).optional(),
  new_metadata_xml: z.string().optional(),
});

async function add(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { new_name, new_metadata_url: url, new_metadata_xml: xml } = parseForm(NEW_FORM, request);
  const { name } = checkShape(CONNECTION_CHANGES.required({ name: true }), { name: new_name });
  if (!url && !xml) throw new GatewayError('validation_failed', TEXTS.metadataMissing);
  const source: MetadataSource = url ? { kind: 'url', url } : { kind: 'document', content: Buffer.from(`\ufeff${xml}`) };
  await runOnce(runtime, request, response, async () => {
    const loaded = await loadMetadataFor(runtime, organizationOf(response), source);
    // The server that the user names decides how long the fetch takes.
    await requireManagerAgain(runtime, request, response);
    const { connection } = await createConnection(runtime, callerOf(request, response), {
      organization: organizationOf(response),
      name,
      loaded,
    });
    return { href: pathOf(response, connection.id), notice: TEXTS.isAdded };
  });
}
