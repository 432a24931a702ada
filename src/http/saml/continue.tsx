/** The page that continues a sign-in which may replace a session of another organization. */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import type { SessionPrincipal } from '../../auth/principal.ts';
import { readRequestSession } from '../../auth/sessions/browser-sessions.ts';
import { clearCookie, setCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { readLogin } from '../../auth/sessions/member-sessions.ts';
import {
  type Continuation,
  confirmSignIn,
  continuationPath,
  declineSignIn,
  findSessionAtStake,
  PENDING_SIGN_IN,
} from '../../auth/sessions/pending-sign-ins.ts';
import { DEFAULT_RETURN_TO, safeReturnTo } from '../../auth/sign-in/return-to.ts';
import { renderPage } from '../../console/layout.tsx';
import { ReplaceSessionPage } from '../../console/replace-session-page.tsx';
import { GatewayError } from '../../errors.ts';
import { isSameSecret } from '../../ids.ts';
import { getOrganization } from '../../organizations/directory.ts';
import { getOrganizationById, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { checkShape } from '../api/request-shapes.ts';
import { requireOwnOrigin } from '../console/operator-visit.ts';
import { limited } from '../limits/rate-limits.ts';
import { sendPage } from '../pages.ts';
import { actorOf } from '../request-context.ts';

const TEXTS = {
  otherSignIn: 'This form belongs to another sign-in. Nothing was changed.',
} as const;

const FORM = z.object({ csrf: z.string(), answer: z.enum(['stay', 'switch']) });

export function continuationRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const readForm = express.urlencoded({ extended: false, limit: '16kb', inflate: false });
  const limit = limited(runtime, 'login_start');
  router.use('/saml/:org/continue', (_request, response, next) => {
    response.locals.route = 'saml';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.get('/saml/:org/continue', limit, (request, response) => continueSignIn(runtime, request, response));
  router.post('/saml/:org/continue', limit, requireOwnOrigin(runtime), readForm, (request, response) =>
    answerQuestion(runtime, request, response),
  );
  return router;
}

interface Visit extends Continuation {
  readonly organization: Organization;
  /** The member of the pending sign-in. */
  readonly next: SessionPrincipal;
}

/** Returns the pending sign-in of this browser; undefined if none is pending, or if its session has ended, for example by a suspension. */
async function findPending(runtime: Runtime, request: Request): Promise<Visit | undefined> {
  const organization = await getOrganization(runtime.store, String(request.params.org));
  const found = await readRequestSession(runtime, PENDING_SIGN_IN, request);
  if (found?.value.login.organizationId !== organization.id) return undefined;
  const next = await findSessionPrincipal(runtime, found.value.login);
  return next && { organization, sid: found.sid, pending: found.value, next };
}

/** Continues without a question if there is no session of another organization. */
async function continueSignIn(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const visit = await findPending(runtime, request);
  if (!visit) return leave(runtime, response);
  const current = await findSessionAtStake(runtime, visit.pending, await readLogin(runtime, request));
  const former = current && (await getOrganizationById(runtime.store, current.organizationId));
  if (!current || !former) return signIn(runtime, request, response, visit);
  sendQuestion(response, { visit, current, former });
}

interface Question {
  readonly visit: Visit;
  readonly current: SessionPrincipal;
  /** The organization of the current session. */
  readonly former: Organization;
}

/** The form redirects to the return URL, so it may leave the site. */
function sendQuestion(response: Response, { visit: { organization, pending, next }, current, former }: Question): void {
  const page = (
    <ReplaceSessionPage
      current={{ organization: former.name, email: current.member.email }}
      next={{ organization: organization.name, email: next.member.email }}
      action={continuationPath(organization.slug)}
      csrfToken={pending.login.csrfToken}
    />
  );
  sendPage(response, 200, renderPage(page), { formsMayLeave: true });
}

async function answerQuestion(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { csrf, answer } = checkShape(FORM, request.body ?? {});
  const visit = await findPending(runtime, request);
  if (!visit) return leave(runtime, response);
  if (!isSameSecret(csrf, visit.pending.login.csrfToken)) {
    throw new GatewayError('forbidden', TEXTS.otherSignIn);
  }
  if (answer === 'switch') return signIn(runtime, request, response, visit);
  await declineSignIn(runtime, actorOf(request, response), visit);
  leave(runtime, response);
}

async function signIn(runtime: Runtime, request: Request, response: Response, visit: Visit): Promise<void> {
  const { organization, sid, pending } = visit;
  await confirmSignIn(runtime, actorOf(request, response), visit, await readLogin(runtime, request));
  clearCookie(runtime, response, 'pendingSignIn');
  setSessionCookies(runtime, response, { sid, organizationId: organization.id });
  // The allow-list may have become shorter since.
  response.redirect(303, safeReturnTo(pending.returnTo, runtime.config.baseUrl, organization.allowedReturnUrls));
}

/** Returns to the console with the session that the browser has, if it has one. */
function leave(runtime: Runtime, response: Response): void {
  clearCookie(runtime, response, 'pendingSignIn');
  response.redirect(303, DEFAULT_RETURN_TO);
}

/** Sets the session cookie, and the cookie from which the assertion consumer service learns that the browser has a session. */
export function setSessionCookies(
  runtime: Runtime,
  response: Response,
  { sid, organizationId }: { readonly sid: string; readonly organizationId: string },
): void {
  setSignedCookie(runtime, response, 'member', sid);
  setCookie(runtime, response, 'signedInTo', organizationId);
}
