/** Home realm discovery and signing out. */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { authenticateSession, csrfTokenMatches } from '../auth/authenticate.ts';
import { destroySession, sessionMiddleware } from '../auth/sessions/browser-sessions.ts';
import { loginOf, MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { signOut } from '../auth/sessions/sign-out.ts';
import { renderPage } from '../console/layout.tsx';
import { LoginPage } from '../console/login-page.tsx';
import { hrefOf } from '../console/parts/paging.tsx';
import { SignedOutPage } from '../console/signed-out-page.tsx';
import { GatewayError } from '../errors.ts';
import { findOrganizationByDomain, getOrganization } from '../organizations/directory.ts';
import type { MemberSession } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import { confirmReplicated } from '../store/confirm-replicated.ts';
import { forgetOrganization, lastOrganization, rememberOrganization } from './last-organization.ts';
import { sendPage } from './pages.ts';
import { limited } from './rate-limits.ts';
import { actorOf } from './request-context.ts';
import { sendBrowserMessage } from './saml/browser-message.tsx';
import { continueLogout, takeOutcome } from './saml/slo.tsx';

const RETURN_TO = z.string().max(2048).optional();
const FORM = z.object({ who: z.string().trim().min(1).max(254), return_to: RETURN_TO });

export function loginRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const readForm = express.urlencoded({ extended: false, limit: '16kb', inflate: false });
  const sessions = sessionMiddleware(runtime, MEMBER_SESSION);

  router.use('/login', (_request, response, next) => {
    response.locals.route = 'login';
    response.locals.wayOut = { href: '/login', label: 'Back to the sign-in page' };
    next();
  });
  router.get('/login', (request, response) =>
    showLogin(runtime, request, response, { returnTo: RETURN_TO.safeParse(request.query.return_to).data }),
  );

  router.post('/login', limited(runtime, 'login_form'), readForm, async (request, response) => {
    const form = FORM.safeParse(request.body ?? {});
    if (!form.success) throw new GatewayError('validation_failed', 'Type your work e-mail address or the short name of your organization.');
    const { who, return_to: returnTo } = form.data;
    const slug = await slugFor(runtime, who);
    if (slug === undefined) return showLogin(runtime, request, response, { returnTo, unknown: who });
    rememberOrganization(runtime, request, response, slug);
    response.redirect(303, signInHref(slug, returnTo));
  });

  router.post('/login/forget', readForm, (request, response) => {
    const { return_to: given } = (request.body ?? {}) as { return_to?: unknown };
    const returnTo = RETURN_TO.safeParse(given).data;
    forgetOrganization(runtime, response);
    response.redirect(303, hrefOf('/login', { return_to: returnTo }));
  });

  router.post('/logout', readForm, sessions, async (request, response) => {
    response.locals.route = 'logout';
    const login = loginOf(request);
    const ended = await endSession(runtime, request, actorOf(request, response));
    const message = login && ended && (await continueLogout(runtime, response, login.organizationId, ended));
    if (message) return sendBrowserMessage(response, message);
    response.redirect(303, '/logout');
  });

  router.get('/logout', (request, response) => {
    response.locals.route = 'logout';
    const page = <SignedOutPage identityProvider={takeOutcome(runtime, request, response)} />;
    sendPage(response, 200, renderPage(page));
  });
  return router;
}

const signInHref = (slug: string, returnTo: string | undefined): string => hrefOf(`/saml/${slug}/login`, { return_to: returnTo });

/** Forms of this page lead to identity providers. */
async function showLogin(
  runtime: Runtime,
  request: Request,
  response: Response,
  { returnTo, unknown }: { readonly returnTo: string | undefined; readonly unknown?: string },
): Promise<void> {
  const organization = await lastOrganization(runtime, request);
  const last = organization && { name: organization.name, href: signInHref(organization.slug, returnTo) };
  const page = <LoginPage returnTo={returnTo} unknown={unknown} last={last} />;
  sendPage(response, unknown === undefined ? 200 : 404, renderPage(page), { formsMayLeave: true });
}

/** By e-mail domain, or by the organization's slug. */
async function slugFor(runtime: Runtime, who: string): Promise<string | undefined> {
  const at = who.lastIndexOf('@');
  if (at >= 0) return (await findOrganizationByDomain(runtime.store, who.slice(at + 1)))?.slug;
  try {
    return (await getOrganization(runtime.store, who.toLowerCase())).slug;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  }
}

/** A foreign page must not sign people out, so the form carries the session's own token. */
async function endSession(runtime: Runtime, request: Request, actor: ReturnType<typeof actorOf>): Promise<MemberSession | undefined> {
  const login = loginOf(request);
  let ended: MemberSession | undefined;
  if (login) {
    const principal = await authenticateSession(runtime, login).catch((error: unknown) => {
      if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined; // it had ended already
      throw error;
    });
    if (principal) {
      const { csrf } = (request.body ?? {}) as { csrf?: unknown };
      if (!csrfTokenMatches(typeof csrf === 'string' ? csrf : undefined, principal)) {
        throw new GatewayError('forbidden', 'This form is not from this session. Go back to the console and sign out there.');
      }
      ended = await signOut(runtime, { ...actor, kind: 'member', id: principal.member.id, email: principal.member.email }, login);
    } else await confirmReplicated(runtime.store, login.organizationId);
  }
  await destroySession(request);
  return ended;
}
