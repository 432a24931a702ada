/** The users that the identity provider of a connection provisions: tokens, conflicts, and each user's state. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import {
  createScimToken,
  findEndingTokens,
  listConnectionTokens,
  revokeScimToken,
  scimTokenState,
} from '../../../auth/tokens/scim-tokens.ts';
import { lastUseOf } from '../../../auth/tokens/token-use.ts';
import { ConflictsPanel } from '../../../console/provisioning/conflicts-panel.tsx';
import { EndingScimTokens } from '../../../console/provisioning/ending-scim-tokens.tsx';
import { GroupsPanel } from '../../../console/provisioning/groups-panel.tsx';
import { LogPanel } from '../../../console/provisioning/log-panel.tsx';
import { ProvisioningPage } from '../../../console/provisioning/provisioning-page.tsx';
import { NewScimTokenPage, TokensPanel } from '../../../console/provisioning/tokens-panel.tsx';
import { UsersPanel } from '../../../console/provisioning/users-panel.tsx';
import { isIdpProduct } from '../../../console/setup-steps/idp-products.ts';
import type { OrganizationConnection } from '../../../organizations/connections/connections.ts';
import { usesScimGroups } from '../../../organizations/groups/group-roles.ts';
import { listGroupsWithCounts } from '../../../organizations/groups/groups-with-counts.ts';
import type { Connection } from '../../../organizations/organizations.ts';
import { approveConflict, declineConflict, listConflicts } from '../../../organizations/provisioning/provisioning-conflicts.ts';
import { readProvisioningLog } from '../../../organizations/provisioning/provisioning-log.ts';
import { isProvisioned } from '../../../organizations/provisioning/scim-users.ts';
import { countUnprovisioned } from '../../../organizations/provisioning/unprovisioned-members.ts';
import { listUsersWithMembers } from '../../../organizations/provisioning/users-with-members.ts';
import type { Runtime } from '../../../runtime.ts';
import { callerOf, organizationOf } from '../../api/callers.ts';
import { checkShape, MEMBER_QUERY } from '../../api/request-shapes.ts';
import { NEW_SCIM_TOKEN } from '../../api/scim-token-shapes.ts';
import { runOnce, takeSecret } from '../../run-once.ts';
import { findVisitedConnection, requireVisitedConnection, visitConnection } from '../connections/visited-connection.ts';
import { ownValues } from '../setup-steps/own-values.ts';
import { frameOf, parseForm, redirectWithNotice, runAndRedirect, sendConsolePage, visitOf } from '../visit.ts';

const TEXTS = {
  tokenRevoked: 'The SCIM token is revoked. The identity provider can no longer use it.',
  approved: 'Approved. Provision the user again at the identity provider, or wait for its next cycle.',
  declined: 'Declined. The user is not linked to this member.',
  tokenShownOnce: 'A new token is shown only once. If you did not copy it, revoke it and create another one.',
} as const;

const PAGE_SIZE = 50;
/** Fewer, because the members of each group are counted by reading them. */
const GROUPS_PAGE_SIZE = 20;
const PAGE = z.object({ cursor: MEMBER_QUERY.shape.cursor, groups: MEMBER_QUERY.shape.cursor });
/** Takes the same values as the API. An empty text means “never”, which the API calls null. */
const NEW_TOKEN_FORM = z.object({
  name: z.string().trim().pipe(NEW_SCIM_TOKEN.shape.name),
  expires_in_days: z
    .string()
    .transform((text) => (text === '' ? null : Number(text)))
    .pipe(NEW_SCIM_TOKEN.shape.expires_in_days.unwrap()),
});

/** Pages below `/provisioning` for the default connection, and below `/provisioning/{con}`. */
export function provisioningPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showPage(runtime, request, response));
  const ofConnection = Router({ caseSensitive: true, mergeParams: true });
  ofConnection.use(visitConnection);
  ofConnection.get('/', (request, response) => showPage(runtime, request, response));
  ofConnection.post('/tokens', (request, response) => createToken(runtime, request, response));
  ofConnection.get('/tokens/created', (request, response) => showCreatedToken(runtime, request, response));
  ofConnection.post('/tokens/:id/revoke', async (request, response) => {
    const token = { organizationId: organizationOf(response).id, id: String(request.params.id) };
    await revokeScimToken(runtime, callerOf(request, response), token);
    redirectWithNotice(runtime, response, pathOf(response), TEXTS.tokenRevoked);
  });
  const decide = (decideConflict: typeof approveConflict, notice: string) => (request: Request, response: Response) =>
    runAndRedirect(runtime, response, {
      run: async () => {
        await decideConflict(runtime, callerOf(request, response), {
          organizationId: organizationOf(response).id,
          connectionId: requireVisitedConnection(response).id,
          memberId: String(request.params.member),
          conflictId: String(request.params.conflict),
        });
        return notice;
      },
      href: pathOf(response),
    });
  const approved = TEXTS.approved;
  ofConnection.post('/conflicts/:member/:conflict/approve', decide(approveConflict, approved));
  ofConnection.post('/conflicts/:member/:conflict/decline', decide(declineConflict, TEXTS.declined));
  router.use('/:con', ofConnection);
  return router;
}

const pathOf = (response: Response): string => `${visitOf(response).base}/provisioning/${requireVisitedConnection(response).id}`;

async function showPage(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = organizationOf(response);
  const shown = findVisitedConnection(response);
  const frame = frameOf(runtime, request, response);
  const cursors = checkShape(PAGE, request.query);
  const values = ownValues(runtime, organization);
  const product = shown && isIdpProduct(shown.product) ? shown.product : undefined;
  const ending = await findEndingTokens(runtime, organization);
  const page = (
    <ProvisioningPage
      frame={frame}
      connections={organization.connections}
      shown={shown}
      linkAttribute={organization.scimLinkAttribute}
      {...{ values, product }}
    >
      <EndingScimTokens frame={frame} tokens={ending} />
      {shown ? await panels(runtime, response, { frame, shown, cursors }) : null}
    </ProvisioningPage>
  );
  sendConsolePage(response, page);
}

interface Shown {
  readonly frame: ReturnType<typeof frameOf>;
  readonly shown: Connection;
  readonly cursors: z.infer<typeof PAGE>;
}

async function panels(runtime: Runtime, response: Response, { frame, shown, cursors }: Shown) {
  const organization = organizationOf(response);
  const target: OrganizationConnection = { organization, connection: shown };
  const path = pathOf(response);
  const [stored, conflicts, users, groups, log, unprovisioned] = await Promise.all([
    listConnectionTokens(runtime.store, organization.id, shown.id),
    listConflicts(runtime.store, target, { limit: PAGE_SIZE }),
    listUsersWithMembers(runtime.store, target, { limit: PAGE_SIZE, cursor: cursors.cursor }),
    listGroupsWithCounts(runtime.store, target, { limit: GROUPS_PAGE_SIZE, cursor: cursors.groups }),
    readProvisioningLog(runtime, { organizationId: organization.id, connectionId: shown.id }),
    countUnprovisioned(runtime.store, organization),
  ]);
  const tokens = await Promise.all(
    stored.map(async (token) => ({
      token,
      state: scimTokenState(organization, token, runtime.now()),
      use: await lastUseOf(runtime, organization.id, token.id),
    })),
  );
  const listed = conflicts.items.flatMap(({ value: member }) =>
    member.provisioningConflict ? [{ member, conflict: member.provisioningConflict }] : [],
  );
  // A new token replaces those that have expired, or that ended when the connection was disabled.
  const isFull = isProvisioned(organization, shown) && tokens.filter(({ state }) => state !== 'expired').length >= 2;
  const refusal = shown.state === 'disabled' ? 'disabled' : isFull ? 'full' : undefined;
  return (
    <>
      <ConflictsPanel frame={frame} path={path} conflicts={listed} hasMore={conflicts.nextCursor !== null} />
      <TokensPanel frame={frame} path={path} tokens={tokens} refusal={refusal} isDraft={shown.state === 'draft'} />
      <LogPanel frame={frame} log={log} isOff={runtime.config.signInLogDays === 0} />
      <UsersPanel
        {...{ frame, path, unprovisioned }}
        cursor={cursors.cursor}
        users={users.items}
        count={users.total}
        isRequired={organization.provisioning === 'scim_required'}
        nextCursor={users.nextCursor}
      />
      <GroupsPanel
        frame={frame}
        path={path}
        groups={groups.items}
        count={groups.total}
        memberships={groups.memberships}
        decidesRoles={usesScimGroups(organization)}
        cursor={cursors.groups}
        nextCursor={groups.nextCursor}
      />
    </>
  );
}

interface CreatedToken {
  readonly name: string;
  readonly token: string;
  readonly expiresAtMs?: number | undefined;
}

async function createToken(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { name, expires_in_days: days } = parseForm(NEW_TOKEN_FORM, request);
  await runOnce(runtime, request, response, async () => {
    const created = await createScimToken(runtime, callerOf(request, response), {
      organizationId: organizationOf(response).id,
      name,
      connectionId: requireVisitedConnection(response).id,
      expiresInDays: days ?? undefined,
    });
    const { token, expiresAtMs } = created;
    return { href: `${pathOf(response)}/tokens/created`, secret: { name, token, expiresAtMs } satisfies CreatedToken };
  });
}

async function showCreatedToken(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const created = await takeSecret<CreatedToken>(runtime, request, response);
  if (!created) {
    const text = TEXTS.tokenShownOnce;
    return redirectWithNotice(runtime, response, pathOf(response), { kind: 'problem', text });
  }
  const frame = frameOf(runtime, request, response);
  sendConsolePage(
    response,
    <NewScimTokenPage
      frame={frame}
      path={pathOf(response)}
      baseUrl={ownValues(runtime, organizationOf(response)).scim}
      created={created}
    />,
  );
}
