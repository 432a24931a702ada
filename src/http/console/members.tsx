/** The members of an organization: the list, the page of a member, and the actions of owners and the operator. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { endAllSessions, endSession } from '../../auth/sessions/sign-out.ts';
import { listCliTokens, revokeAllCliTokens, revokeCliToken, type TokenRevoker } from '../../auth/tokens/cli-tokens.ts';
import { MemberPage, RemoveMemberPage } from '../../console/members/member-page.tsx';
import { MembersPage } from '../../console/members/members-page.tsx';
import { counted } from '../../console/parts/counted.ts';
import { changeMember, type MemberRef, removeMember } from '../../organizations/member-changes.ts';
import { listMembers } from '../../organizations/member-list.ts';
import { getMember, isLastOwner, liveSessions, MEMBERS, type Member } from '../../organizations/members.ts';
import { isHeldDeactivated } from '../../organizations/provisioning/scim-users.ts';
import { provisioningConnections } from '../../organizations/provisioning/unprovisioned-members.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { checkShape, MEMBER_CHANGES, MEMBER_QUERY } from '../api/request-shapes.ts';
import { signalOf } from '../request-context.ts';
import { confirmationOf, frameOf, parseForm, redirectWithNotice, runAndRedirect, sendConsolePage, visitOf } from './visit.ts';

const TEXTS = {
  isSuspended: 'The member is suspended. All sessions of the member have ended.',
  suspensionLifted: 'The member is no longer suspended and can sign in again.',
  removed: (email: string) => `Removed ${email} from the organization.`,
  allRevoked: (count: number) => `Revoked ${counted(count, 'CLI token')}. Only the member can create a new one.`,
  tokenRevoked: 'The token is revoked. Programs can no longer use it.',
  sessionsEnded: (count: number) => `Ended ${counted(count, 'session')}.`,
  sessionEnded: 'The session has ended.',
  isOwner: 'The member is now an owner.',
  isCollaborator: 'The member is now a collaborator.',
} as const;

const LIST_QUERY = z.object({
  cursor: MEMBER_QUERY.shape.cursor,
  query: z.string().trim().max(254).default(''),
  provisioned: z.literal('no').optional(),
});
const PAGE_SIZE = 50;

export function memberPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showMembers(runtime, request, response));
  router.get('/:id', (request, response) => showMember(runtime, request, response));
  router.post('/:id/role', (request, response) => {
    const { role } = parseForm(MEMBER_CHANGES.pick({ role: true }).required().strip(), request);
    const notice = role === 'owner' ? TEXTS.isOwner : TEXTS.isCollaborator;
    return applyChange(runtime, request, response, { changes: { role }, notice });
  });
  router.post('/:id/suspend', (request, response) =>
    applyChange(runtime, request, response, {
      changes: { suspended: true },
      notice: TEXTS.isSuspended,
    }),
  );
  router.post('/:id/unsuspend', (request, response) =>
    applyChange(runtime, request, response, {
      changes: { suspended: false },
      notice: TEXTS.suspensionLifted,
    }),
  );
  router.get('/:id/remove', (request, response) => askToRemove(runtime, request, response, false));
  router.post('/:id/remove', (request, response) => remove(runtime, request, response));
  credentialRoutes(router, runtime);
  return router;
}

async function showMembers(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { query, cursor, provisioned } = checkShape(LIST_QUERY, request.query);
  const organization = organizationOf(response);
  const withoutUserOf = provisioned && provisioningConnections(organization);
  const filter = { limit: PAGE_SIZE, cursor, query: query === '' ? undefined : query, signal: signalOf(response), withoutUserOf };
  const { id } = organization;
  const [{ items, nextCursor }, count] = await Promise.all([listMembers(runtime.store, id, filter), runtime.store.count(id, MEMBERS)]);
  const members = items.map(({ value }) => value);
  const frame = frameOf(runtime, request, response);
  sendConsolePage(
    response,
    <MembersPage
      frame={frame}
      members={members}
      count={count}
      query={query}
      isUnprovisionedOnly={provisioned !== undefined}
      cursor={cursor}
      nextCursor={nextCursor}
    />,
  );
}

const memberOf = async ({ store }: Runtime, request: Request, response: Response): Promise<Member> =>
  (await getMember(store, organizationOf(response).id, String(request.params.id))).value;

async function showMember(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const { id } = organization;
  const member = await memberOf(runtime, request, response);
  const [tokens, last] = await Promise.all([listCliTokens(runtime, id, member.id), isLastOwner(runtime.store, id, member)]);
  const page = (
    <MemberPage
      frame={frameOf(runtime, request, response)}
      member={member}
      tokens={tokens}
      sessions={liveSessions(member, runtime.now())}
      currentSessionId={ownSessionId(response, member.id)}
      isLastOwner={last}
      isHeldDeactivated={isHeldDeactivated(member, organization)}
    />
  );
  sendConsolePage(response, page);
}

/** Returns the ID of the viewer's own session if the viewer is this member. */
function ownSessionId({ locals: { principal } }: Response, memberId: string): string | undefined {
  return principal?.kind === 'member' && principal.member.id === memberId ? principal.credential.id : undefined;
}

const pathOf = (request: Request, response: Response): string => `${visitOf(response).base}/members/${String(request.params.id)}`;

interface MemberForm {
  readonly changes: { readonly role?: 'owner' | 'collaborator'; readonly suspended?: boolean };
  readonly notice: string;
}

async function applyChange(runtime: Runtime, request: Request, response: Response, { changes, notice }: MemberForm): Promise<void> {
  const { viewer, base } = visitOf(response);
  const isOwnDemotion = viewer.kind === 'member' && viewer.id === request.params.id && changes.role === 'collaborator';
  const path = pathOf(request, response);
  await runAndRedirect(runtime, response, {
    run: async () => {
      await changeMember(runtime, callerOf(request, response), { ...memberRefOf(request, response), changes });
      return notice;
    },
    // Collaborators cannot see this page any longer.
    href: isOwnDemotion ? base : path,
    conflictHref: path,
  });
}

async function askToRemove(runtime: Runtime, request: Request, response: Response, mistyped: boolean): Promise<void> {
  const member = await memberOf(runtime, request, response);
  const tokens = await listCliTokens(runtime, organizationOf(response).id, member.id);
  const sessions = liveSessions(member, runtime.now()).length;
  const frame = frameOf(runtime, request, response);
  const page = <RemoveMemberPage frame={frame} member={member} tokens={tokens.length} sessions={sessions} mistyped={mistyped} />;
  sendConsolePage(response, page, mistyped ? 400 : 200);
}

async function remove(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { email } = await memberOf(runtime, request, response);
  if (confirmationOf(request)?.toLowerCase() !== email.toLowerCase()) return askToRemove(runtime, request, response, true);
  await runAndRedirect(runtime, response, {
    run: async () => {
      await removeMember(runtime, callerOf(request, response), memberRefOf(request, response));
      return TEXTS.removed(email);
    },
    href: `${visitOf(response).base}/members`,
    conflictHref: pathOf(request, response),
  });
}

const memberRefOf = (request: Request, response: Response): MemberRef => ({
  organizationId: organizationOf(response).id,
  memberId: String(request.params.id),
});

function tokenRevokerOf(request: Request, response: Response): TokenRevoker {
  const { principal } = response.locals;
  return { ...memberRefOf(request, response), credential: principal?.kind === 'member' ? principal.credential : undefined };
}

function credentialRoutes(router: Router, runtime: Runtime): void {
  router.post('/:id/tokens/rotate', async (request, response) => {
    const revoked = await revokeAllCliTokens(runtime, callerOf(request, response), tokenRevokerOf(request, response));
    const notice = TEXTS.allRevoked(revoked);
    redirectWithNotice(runtime, response, pathOf(request, response), notice);
  });
  router.post('/:id/tokens/:token/revoke', async (request, response) => {
    await revokeCliToken(runtime, callerOf(request, response), tokenRevokerOf(request, response), request.params.token);
    redirectWithNotice(runtime, response, pathOf(request, response), TEXTS.tokenRevoked);
  });
  router.post('/:id/sessions/end-all', async (request, response) => {
    const ownId = ownSessionId(response, String(request.params.id));
    const ended = await endAllSessions(runtime, callerOf(request, response), memberRefOf(request, response), ownId);
    redirectWithNotice(runtime, response, pathOf(request, response), TEXTS.sessionsEnded(ended));
  });
  router.post('/:id/sessions/:session/end', async (request, response) => {
    await endSession(runtime, callerOf(request, response), memberRefOf(request, response), request.params.session);
    redirectWithNotice(runtime, response, pathOf(request, response), TEXTS.sessionEnded);
  });
}
