/** The sign-in log: the list, one sign-in with all its checks, the bundle for a support ticket, and the test sign-in. */

import { type Request, type RequestHandler, type Response, Router } from 'express';
import { acceptGroupsSuggestion, findGroupsSuggestion } from '../../auth/sign-in-log/groups-suggestion.ts';
import { flushSignInLog } from '../../auth/sign-in-log/record-sign-in.ts';
import { getLogEntry, listLogEntries, type SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { renderPage } from '../../console/layout.tsx';
import { SignInPage } from '../../console/sign-in-log/sign-in-log-entry-page.tsx';
import { SignInLogPage } from '../../console/sign-in-log/sign-in-log-page.tsx';
import { GatewayError } from '../../errors.ts';
import { findConnection } from '../../organizations/connections/connections.ts';
import { MEMBERS } from '../../organizations/members.ts';
import { isLockedForSetup } from '../../organizations/setup/setup-rights.ts';
import type { Runtime } from '../../runtime.ts';
import { organizationOf } from '../api/callers.ts';
import { checkShape, SIGN_IN_QUERY } from '../api/request-shapes.ts';
import { signInBundleJson } from '../api/sign-in-log-representations.ts';
import { requireWithinLimit } from '../limits/rate-limits.ts';
import { sendPage } from '../pages.ts';
import { sendTestSignIn } from '../saml/acs.tsx';
import { requireVisitedConnection } from './connections/visited-connection.ts';
import { entryForVisitor, maySeeEntry, UNKNOWN_ENTRY, visitActorOf } from './setup-visit.ts';
import { frameOf, redirectWithNotice, visitOf } from './visit.ts';

const TEXTS = {
  readsGroupsFrom: (attribute: string) => `Starting with the next sign-in, groups are also read from the attribute “${attribute}”.`,
} as const;

/** The whole log, for owners and the operator. */
export function signInPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showLog(runtime, request, response));
  router.use(oneSignInPages(runtime));
  return router;
}

/** Starts a test sign-in, whose result is shown in the sign-in log. */
export const beginTest =
  (runtime: Runtime): RequestHandler =>
  async (request, response) => {
    await requireWithinLimit(runtime, 'login_start', request);
    const organization = organizationOf(response);
    return sendTestSignIn(runtime, response, {
      organization,
      connection: requireVisitedConnection(response),
      actor: visitActorOf(request, response),
      resultsAt: `${visitOf(response).base}/sign-ins`,
    });
  };

/** The test sign-in and the page of one sign-in. During a setup, only the setup's own tests are found. */
export function oneSignInPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/test', beginTest(runtime));
  router.get('/:id', (request, response) => showSignIn(runtime, request, response));
  router.post('/:id/groups-attribute', async (request, response) => {
    const entry = await requestedEntry(runtime, request, response);
    const organization = organizationOf(response);
    const name = await acceptGroupsSuggestion(runtime, visitActorOf(request, response), { organization, entry });
    const notice = TEXTS.readsGroupsFrom(name);
    redirectWithNotice(runtime, response, `${visitOf(response).base}/sign-ins/${entry.id}`, notice);
  });
  router.get('/:id/bundle', async (request, response) => {
    // The bundle is masked for every reader, and describes what was received, so it is made of the whole entry.
    const entry = await findEntry(runtime, request, response);
    response.setHeader('Content-Disposition', `attachment; filename="samlgate-${entry.id}.json"`);
    response.setHeader('Cache-Control', 'no-store');
    response.json(signInBundleJson(entry, organizationOf(response), runtime.config.baseUrl));
  });
  return router;
}

async function showLog(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const filled = Object.fromEntries(Object.entries(request.query).filter(([, value]) => typeof value !== 'string' || value.trim() !== ''));
  const query = checkShape(SIGN_IN_QUERY.omit({ limit: true }), filled);
  await flushSignInLog(runtime);
  const { items, nextCursor } = await listLogEntries(runtime, organization.id, { ...query, limit: PAGE_SIZE });
  const page = (
    <SignInLogPage
      frame={frameOf(runtime, request, response)}
      entries={items}
      filter={{ outcome: query.outcome ?? '', code: query.code ?? '', person: query.person ?? '' }}
      addresses={
        await addressesOf(
          runtime,
          organization.id,
          items.flatMap(({ memberId }) => memberId ?? []),
        )
      }
      keptDays={runtime.config.signInLogDays}
      canTest={organization.connections.length > 0}
      cursor={query.cursor}
      nextCursor={nextCursor}
    />
  );
  sendWithTest(response, page);
}

const PAGE_SIZE = 50;

/** The form of the test sign-in is redirected to the identity provider. */
const sendWithTest = (response: Response, page: Parameters<typeof renderPage>[0]): void =>
  sendPage(response, 200, renderPage(page), { formsMayLeave: true });

async function addressesOf({ store }: Runtime, organizationId: string, ids: readonly string[]): Promise<Map<string, string>> {
  const members = await Promise.all([...new Set(ids)].map((id) => store.get(organizationId, MEMBERS, id)));
  return new Map(members.flatMap((member) => (member ? [[member.id, member.value.email] as const] : [])));
}

/** @throws not_found if there is no such entry, or if a setup requests anything but its own test */
async function findEntry(runtime: Runtime, request: Request, response: Response): Promise<SignInLogEntry> {
  await flushSignInLog(runtime);
  const entry = await getLogEntry(runtime, organizationOf(response).id, String(request.params.id));
  if (!maySeeEntry(response, entry)) throw new GatewayError('not_found', UNKNOWN_ENTRY);
  return entry;
}

/** Returns the requested entry, masked for a setup. @throws not_found */
async function requestedEntry(runtime: Runtime, request: Request, response: Response): Promise<SignInLogEntry> {
  return entryForVisitor(response, await findEntry(runtime, request, response));
}

async function showSignIn(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const entry = await requestedEntry(runtime, request, response);
  const { memberId } = entry;
  const { viewer, base } = visitOf(response);
  const connection = entry.connectionId === undefined ? undefined : findConnection(organization, entry.connectionId);
  const isLocked = viewer.kind === 'setup' && (await isLockedForSetup(runtime.store, { organization, connectionId: connection?.id }));
  const canChange = !isLocked && (connection !== undefined || entry.connectionId === undefined);
  const draftPath = `${base}/single-sign-on${viewer.kind === 'setup' ? '' : `/${connection?.id}`}/steps/live`;
  const addresses = await addressesOf(runtime, organization.id, memberId === undefined ? [] : [memberId]);
  const page = (
    <SignInPage
      frame={frameOf(runtime, request, response)}
      entry={entry}
      address={memberId === undefined ? undefined : addresses.get(memberId)}
      groupsAttribute={canChange ? findGroupsSuggestion(organization, entry) : undefined}
      canTest={
        entry.connectionId === undefined ? organization.connections.length > 0 : connection !== undefined && connection.state !== 'disabled'
      }
      canChange={canChange}
      goLivePath={connection?.state === 'draft' ? draftPath : undefined}
    />
  );
  sendWithTest(response, page);
}
