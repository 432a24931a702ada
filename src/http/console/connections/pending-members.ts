/** The forms that decide about members who have not signed in since the identity provider changed. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { approveLink, declineLink } from '../../../organizations/idp-change/link-requests.ts';
import { revokePendingMembers } from '../../../organizations/idp-change/pending-members.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { parseForm, runAndRedirect, visitOf } from '../visit.ts';
import { requireVisitedConnection } from './visited-connection.ts';

const REVOCATION_FORM = z.object({ change: z.string() });

export function pendingMemberPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const run = (response: Response, work: () => Promise<unknown>, notice: string) =>
    runAndRedirect(runtime, response, {
      run: async () => {
        await work();
        return notice;
      },
      href: `${visitOf(response).base}/single-sign-on/${requireVisitedConnection(response).id}`,
    });
  const decide = (decideLink: typeof approveLink, notice: string) => (request: Request, response: Response) => {
    const decision = {
      organizationId: organizationOf(response).id,
      connectionId: requireVisitedConnection(response).id,
      memberId: String(request.params.member),
      requestId: String(request.params.request),
    };
    return run(response, () => decideLink(runtime, callerOf(request, response), decision), notice);
  };
  router.post('/:member/:request/approve', decide(approveLink, 'Approved. The user can sign in to this account now.'));
  router.post('/:member/:request/decline', decide(declineLink, 'Declined. The user gets a new account at the next sign-in.'));
  router.post('/revoke', (request, response) => {
    const { change: changeId } = parseForm(REVOCATION_FORM, request);
    const connectionId = requireVisitedConnection(response).id;
    const revocation = { organization: organizationOf(response), connectionId, changeId };
    const notice = 'The sessions and CLI tokens of these members are revoked.';
    return run(response, () => revokePendingMembers(runtime, callerOf(request, response), revocation), notice);
  });
  return router;
}
