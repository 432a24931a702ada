/** A member's own page: profile, CLI tokens and sessions. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { endAllSessions, endSession, type SessionOwner } from '../../auth/sessions/sign-out.ts';
import { createCliToken, listCliTokens, revokeAllCliTokens, revokeCliToken, type TokenCreator } from '../../auth/tokens/cli-tokens.ts';
import { findEndingTokens } from '../../auth/tokens/scim-tokens.ts';
import { cliTokenEndMs, tokenPolicyOf } from '../../auth/tokens/token-policy.ts';
import { CredentialsPage, RevokeAllPage } from '../../console/credentials/credentials-page.tsx';
import { CreatedTokenPage, NewTokenFormPage } from '../../console/credentials/new-token-page.tsx';
import { counted } from '../../console/parts/counted.ts';
import { liveSessions } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { NEW_TOKEN } from '../api/request-shapes.ts';
import { runOnce, takeSecret } from '../run-once.ts';
import { frameOf, parseForm, redirectWithNotice, sendConsolePage, sessionPrincipalOf } from './visit.ts';

const TEXTS = {
  tokenRevoked: 'The token is revoked. Programs can no longer use it.',
  sessionsEnded: (count: number) => `Ended ${counted(count, 'other session')}.`,
  sessionEnded: 'The session has ended.',
  tokenShownOnce: 'A new token is shown only once. If you did not copy it, revoke it and create another one.',
  allRevoked: (tokens: number, sessions: number) =>
    `Revoked ${counted(tokens, 'CLI token')} and ended ${counted(sessions, 'other session')}.`,
} as const;

const HOME = '/console';
/** Accepts the same values as the API. An empty string means “never”, which is `null` in the API. */
const NEW_TOKEN_FORM = z.object({
  name: z.string().trim().pipe(NEW_TOKEN.shape.name),
  expires_in_days: z
    .string()
    .transform((text) => (text === '' ? null : Number(text)))
    .pipe(NEW_TOKEN.shape.expires_in_days.unwrap()),
});

export function credentialPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => showCredentials(runtime, request, response));
  router.post('/tokens', (request, response) => createToken(runtime, request, response));
  router.get('/tokens/new', (request, response) => showNewToken(runtime, request, response));
  router.get('/tokens/created', (request, response) => showCreatedToken(runtime, request, response));
  router.post('/tokens/:id/revoke', async (request, response) => {
    await revokeCliToken(runtime, callerOf(request, response), ownerOf(response), request.params.id);
    redirectWithNotice(runtime, response, HOME, TEXTS.tokenRevoked);
  });
  router.get('/revoke-all', (request, response) => askToRevokeAll(runtime, request, response));
  router.post('/revoke-all', (request, response) => revokeAll(runtime, request, response));
  router.post('/sessions/end-others', async (request, response) => {
    const ended = await endAllSessions(runtime, callerOf(request, response), ownerOf(response), sessionPrincipalOf(response).credential.id);
    redirectWithNotice(runtime, response, HOME, TEXTS.sessionsEnded(ended));
  });
  router.post('/sessions/:id/end', async (request, response) => {
    await endSession(runtime, callerOf(request, response), ownerOf(response), request.params.id);
    redirectWithNotice(runtime, response, HOME, TEXTS.sessionEnded);
  });
  return router;
}

function ownerOf(response: Response): SessionOwner & TokenCreator {
  const { organizationId, member, credential } = sessionPrincipalOf(response);
  return { organizationId, memberId: member.id, credential };
}

async function showCredentials(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { organizationId, member, credential } = sessionPrincipalOf(response);
  const [tokens, policy] = await Promise.all([listCliTokens(runtime, organizationId, member.id), tokenPolicyOf(runtime, organizationId)]);
  sendConsolePage(
    response,
    <CredentialsPage
      frame={frameOf(runtime, request, response)}
      member={member}
      tokens={tokens}
      sessions={liveSessions(member, runtime.now())}
      currentSessionId={credential.id}
      endingScimTokens={member.role === 'owner' ? await findEndingTokens(runtime, organizationOf(response)) : []}
      policy={{ maxDays: policy?.maxDays, ssoWithinDays: policy?.ssoWithinDays }}
      loginCommand={loginCommand(runtime, response)}
    />,
  );
}

/** The page in place of the dialog, for browsers without scripts. */
async function showNewToken(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { organizationId, member } = sessionPrincipalOf(response);
  const policy = await tokenPolicyOf(runtime, organizationId);
  const frame = frameOf(runtime, request, response);
  sendConsolePage(response, <NewTokenFormPage frame={frame} role={member.role} maxDays={policy?.maxDays} />);
}

interface CreatedToken {
  readonly name: string;
  readonly token: string;
  readonly endsAtMs?: number | undefined;
}

async function createToken(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { name, expires_in_days: expiresInDays } = parseForm(NEW_TOKEN_FORM, request);
  const owner = ownerOf(response);
  await runOnce(runtime, request, response, async () => {
    const { record, token } = await createCliToken(runtime, callerOf(request, response), owner, { name, expiresInDays });
    const policy = await tokenPolicyOf(runtime, owner.organizationId);
    const endsAtMs = policy ? cliTokenEndMs(record, policy) : record.expiresAtMs;
    return { href: `${HOME}/tokens/created`, secret: { name: record.name, token, endsAtMs } satisfies CreatedToken };
  });
}

async function showCreatedToken(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const created = await takeSecret<CreatedToken>(runtime, request, response);
  if (!created) {
    const text = TEXTS.tokenShownOnce;
    return redirectWithNotice(runtime, response, HOME, { kind: 'problem', text });
  }
  const frame = frameOf(runtime, request, response);
  const apiUrl = `${runtime.config.baseUrl}/api/v1`;
  const command = loginCommand(runtime, response);
  sendConsolePage(response, <CreatedTokenPage frame={frame} created={created} loginCommand={command} apiUrl={apiUrl} />);
}

const loginCommand = ({ config }: Runtime, { locals }: Response): string =>
  `samlgate login --gateway ${config.baseUrl}${locals.organization ? ` --org ${locals.organization.slug}` : ''}`;

async function askToRevokeAll(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { organizationId, member } = sessionPrincipalOf(response);
  const tokens = await listCliTokens(runtime, organizationId, member.id);
  const otherSessions = liveSessions(member, runtime.now()).length - 1;
  sendConsolePage(response, <RevokeAllPage frame={frameOf(runtime, request, response)} tokens={tokens} otherSessions={otherSessions} />);
}

/** Revokes tokens first, because they live longer. If it fails halfway, submitting the form again continues. */
async function revokeAll(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const owner = ownerOf(response);
  const caller = callerOf(request, response);
  const tokens = await revokeAllCliTokens(runtime, caller, owner);
  const sessions = await endAllSessions(runtime, caller, owner, owner.credential.id);
  redirectWithNotice(runtime, response, HOME, TEXTS.allRevoked(tokens, sessions));
}
