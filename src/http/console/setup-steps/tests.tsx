/** The steps that a test sign-in belongs to: it shows what the identity provider sends, and whether users can sign in. */
import { type Request, type Response, Router } from 'express';
import { flushSignInLog } from '../../../auth/sign-in-log/record-sign-in.ts';
import { getLogEntry, listLogEntries, type SignInLogEntry } from '../../../auth/sign-in-log/sign-in-log.ts';
import { renderPage } from '../../../console/layout.tsx';
import { setupProgress } from '../../../console/setup-steps/steps.ts';
import { TestStep, UsersStep } from '../../../console/setup-steps/test-steps.tsx';
import { GatewayError } from '../../../errors.ts';
import type { Connection } from '../../../organizations/organizations.ts';
import { isLockedForSetup } from '../../../organizations/setup/setup-rights.ts';
import type { Runtime } from '../../../runtime.ts';
import { organizationOf } from '../../api/callers.ts';
import { requireWithinLimit } from '../../limits/rate-limits.ts';
import { sendPage } from '../../pages.ts';
import { sendTestSignIn } from '../../saml/acs.tsx';
import { findVisitedConnection, requireVisitedConnection } from '../connections/visited-connection.ts';
import { entryForVisitor, maySeeEntry, UNKNOWN_ENTRY, visitActorOf } from '../setup-visit.ts';
import { frameOf, singleSignOnPathOf, visitOf } from '../visit.ts';

const STEPS = { users: UsersStep, test: TestStep } as const;
type TestedStep = keyof typeof STEPS;

export function testPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  for (const step of ['users', 'test'] as const) {
    router.get(`/steps/${step}`, (request, response) => show(runtime, request, response, step));
    router.get(`/steps/${step}/:entry`, (request, response) => show(runtime, request, response, step));
    router.post(`/steps/${step}`, (request, response) => startTest(runtime, request, response, step));
  }
  return router;
}

async function startTest(runtime: Runtime, request: Request, response: Response, step: TestedStep): Promise<void> {
  await requireWithinLimit(runtime, 'login_start', request);
  await sendTestSignIn(runtime, response, {
    organization: organizationOf(response),
    connection: requireVisitedConnection(response),
    actor: visitActorOf(request, response),
    resultsAt: `${singleSignOnPathOf(response)}/steps/${step}`,
  });
}

async function show(runtime: Runtime, request: Request, response: Response, step: TestedStep): Promise<void> {
  const connection = findVisitedConnection(response);
  if (!connection) return response.redirect(303, `${singleSignOnPathOf(response)}/steps`);
  const organization = organizationOf(response);
  const isSetup = visitOf(response).viewer.kind === 'setup';
  const isLocked = isSetup && (await isLockedForSetup(runtime.store, { organization, connectionId: connection.id }));
  const { entry: id } = request.params;
  const entry = await (id === undefined ? findLastTest(runtime, response, connection) : requireTest(runtime, response, String(id)));
  const Step = STEPS[step];
  const page = (
    <Step
      frame={frameOf(runtime, request, response)}
      progress={setupProgress(organization, connection)}
      connection={connection}
      entry={entry}
      canChange={!isLocked}
    />
  );
  // The button of the test sign-in redirects to the identity provider.
  sendPage(response, 200, renderPage(page), { formsMayLeave: true });
}

/** Returns a test of this connection as the visitor may see it. */
const testForVisitor = (response: Response, entry: SignInLogEntry): SignInLogEntry | undefined =>
  entry.kind === 'test' && entry.connectionId === requireVisitedConnection(response).id && maySeeEntry(response, entry)
    ? entryForVisitor(response, entry)
    : undefined;

/** @throws not_found if there is no such entry, or if it is not a test of this connection */
async function requireTest(runtime: Runtime, response: Response, id: string): Promise<SignInLogEntry> {
  const test = testForVisitor(response, await getLogEntry(runtime, organizationOf(response).id, id));
  if (!test) throw new GatewayError('not_found', UNKNOWN_ENTRY);
  return test;
}

/** Tests of other connections, or of other setups, may be newer. */
const MAX_READ = 5;

/** Returns the last test sign-in with the current metadata, if its entry is still in the log. */
export async function findLastTest(runtime: Runtime, response: Response, connection: Connection): Promise<SignInLogEntry | undefined> {
  await flushSignInLog(runtime);
  const { id } = organizationOf(response);
  const { items } = await listLogEntries(runtime, id, { limit: 250 });
  const sinceMs = Date.parse(connection.updatedAt);
  for (const item of items.filter(({ kind, atMs }) => kind === 'test' && atMs >= sinceMs).slice(0, MAX_READ)) {
    const entry = await getLogEntry(runtime, id, item.id).catch(() => undefined);
    const test = entry && testForVisitor(response, entry);
    if (test) return test;
  }
  return undefined;
}
