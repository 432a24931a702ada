/** Handles the last steps of a setup: going live, and the page with the next steps. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { DoneStep, LiveStep } from '../../../console/setup-steps/live-steps.tsx';
import { setupProgress } from '../../../console/setup-steps/steps.ts';
import { changeConnection } from '../../../organizations/connections/change-connection.ts';
import { goLive } from '../../../organizations/setup/go-live.ts';
import { isLockedForSetup } from '../../../organizations/setup/setup-rights.ts';
import { findMissedOwnerGroups } from '../../../organizations/setup/setup-roles.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { findVisitedConnection, requireVisitedConnection } from '../connections/visited-connection.ts';
import { visitActorOf } from '../setup-visit.ts';
import { frameOf, parseForm, runAndRedirect, sendConsolePage, singleSignOnPathOf, visitOf } from '../visit.ts';
import { ownValues } from './own-values.ts';
import { canChooseRoles } from './roles.tsx';
import { findLastTest } from './tests.tsx';

const TEXTS = {
  isLive: 'Single sign-on is live. Users can sign in now.',
} as const;

export function goLivePages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/steps/live', (request, response) => showLive(runtime, request, response));
  router.get('/steps/done', (request, response) => showDone(runtime, request, response));
  router.post('/go-live', (request, response) => activate(runtime, request, response));
  return router;
}

async function showLive(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const connection = findVisitedConnection(response);
  const path = singleSignOnPathOf(response);
  if (!connection || connection.state === 'active') return response.redirect(303, `${path}/steps`);
  const isSetup = visitOf(response).viewer.kind === 'setup';
  const isLocked = isSetup && (await isLockedForSetup(runtime.store, { organization, connectionId: connection.id }));
  const frame = frameOf(runtime, request, response);
  const progress = setupProgress(organization, connection);
  // Only visitors who choose the groups of the owners can correct them.
  const test = (await canChooseRoles(runtime, response)) ? await findLastTest(runtime, response, connection) : undefined;
  const missedGroups = test ? findMissedOwnerGroups(organization, test) : [];
  const page = <LiveStep frame={frame} progress={progress} connection={connection} isLocked={isLocked} missedOwnerGroups={missedGroups} />;
  sendConsolePage(response, page);
}

function showDone(runtime: Runtime, request: Request, response: Response): void {
  const organization = organizationOf(response);
  const connection = findVisitedConnection(response);
  if (connection?.state !== 'active') {
    response.redirect(303, `${singleSignOnPathOf(response)}/steps`);
    return;
  }
  const { login } = ownValues(runtime, organization);
  const frame = frameOf(runtime, request, response);
  const progress = setupProgress(organization, connection);
  sendConsolePage(
    response,
    <DoneStep frame={frame} progress={progress} organization={organization} connection={connection} login={login} />,
  );
}

const GO_LIVE_FORM = z.object({ allow_no_owner: z.literal('yes').optional() });

/** A setup link needs a test sign-in. Owners and the operator may activate a draft without one. */
async function activate(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { id: connectionId } = requireVisitedConnection(response);
  const organization = organizationOf(response);
  const allowNoOwner = parseForm(GO_LIVE_FORM, request).allow_no_owner === 'yes';
  await runAndRedirect(runtime, response, {
    run: async () => {
      if (visitOf(response).viewer.kind === 'setup') {
        await goLive(runtime, visitActorOf(request, response), { organization, connectionId });
      } else {
        const changes = { state: 'active' } as const;
        await changeConnection(runtime, callerOf(request, response), { organization, connectionId, changes, allowNoOwner });
      }
      return TEXTS.isLive;
    },
    href: `${singleSignOnPathOf(response)}/steps/done`,
    conflictHref: `${singleSignOnPathOf(response)}/steps/live`,
  });
}
