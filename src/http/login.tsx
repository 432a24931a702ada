/** The start page, the sign-in page, which finds the organization of a user, and signing out. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import { csrfTokenMatches, findSessionPrincipal } from '../auth/authenticate.ts';
import { destroySession, sessionMiddleware } from '../auth/sessions/browser-sessions.ts';
import { clearCookie } from '../auth/sessions/cookies.ts';
import { type Login, loginOf, MEMBER_SESSION } from '../auth/sessions/member-sessions.ts';
import { signOut } from '../auth/sessions/sign-out.ts';
import { shortReturnTo } from '../auth/sign-in/return-to.ts';
import { renderPage } from '../console/layout.tsx';
import { LoginPage } from '../console/login-page.tsx';
import { WelcomePage } from '../console/operator/welcome-page.tsx';
import { hrefOf } from '../console/parts/paging.tsx';
import { SignedOutPage } from '../console/signed-out-page.tsx';
import { GatewayError } from '../errors.ts';
import { findOrganizationByDomain, getOrganization, hasOrganizations } from '../organizations/directory.ts';
import { normalizeDomain } from '../organizations/domains/domain-name.ts';
import type { MemberSession } from '../organizations/members.ts';
import type { Runtime } from '../runtime.ts';
import { confirmReplicated } from '../store/confirm-replicated.ts';
import { forgetOrganization, lastOrganization, rememberOrganization } from './last-organization.ts';
import { limited } from './limits/rate-limits.ts';
import { sendPage } from './pages.ts';
import { actorOf } from './request-context.ts';
import { sendBrowserMessage } from './saml/browser-message.tsx';
import { shownOrganization } from './saml/logo.ts';
import { continueLogout, takeOutcome } from './saml/slo.tsx';

const TEXTS = {
  backToSignIn: 'Back to the sign-in page',
  whatToEnter: 'Enter your work email address or the short name of your organization.',
  otherSession: 'This form does not belong to your current session. Go back to the console and sign out there.',
} as const;

const RETURN_TO = z.string().transform(shortReturnTo).optional();
const FORM = z.object({ who: z.string().trim().min(1).max(254), return_to: RETURN_TO });

export function loginRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  const readForm = express.urlencoded({ extended: false, limit: '16kb', inflate: false });
  router.get('/', limited(runtime, 'login_page'), (_request, response) => showStart(runtime, response));
  router.use('/login', (_request, response, next) => {
    response.locals.route = 'login';
    response.locals.wayOut = { href: '/login', label: TEXTS.backToSignIn };
    next();
  });
  router.get('/login', limited(runtime, 'login_page'), (request, response) =>
    showLogin(runtime, request, response, { returnTo: RETURN_TO.safeParse(request.query.return_to).data }),
  );
  router.post('/login', limited(runtime, 'login_form'), readForm, (request, response) => submitLogin(runtime, request, response));
  router.post('/login/forget', readForm, (request, response) => {
    const { return_to: given } = (request.body ?? {}) as { return_to?: unknown };
    forgetOrganization(runtime, response);
    response.redirect(303, hrefOf('/login', { return_to: RETURN_TO.safeParse(given).data }));
  });
  return router.use(logoutRoutes(runtime, readForm));
}

/** Redirects to the console, or shows the operator the way if there is no organization yet. */
async function showStart({ store }: Runtime, response: Response): Promise<void> {
  response.locals.route = 'start';
  if (await hasOrganizations(store)) return response.redirect(303, '/console');
  sendPage(response, 200, renderPage(<WelcomePage />));
}

const signInHref = (slug: string, returnTo: string | undefined, loginHint?: string): string =>
  hrefOf(`/saml/${slug}/login`, { return_to: returnTo, login_hint: loginHint });

interface LoginForm {
  readonly returnTo: string | undefined;
  /** The entry for which no organization was found. */
  readonly unknown?: string;
}

/** Shows the sign-in page. Its form redirects to identity providers, so forms may leave the site. */
async function showLogin(runtime: Runtime, request: Request, response: Response, { returnTo, unknown }: LoginForm): Promise<void> {
  // An answer to an entry stays 404, so that scripts see that the organization is unknown.
  const isFirstVisit = unknown === undefined && !(await hasOrganizations(runtime.store));
  if (isFirstVisit) return sendPage(response, 200, renderPage(<WelcomePage />));
  const organization = await lastOrganization(runtime, request);
  const last = organization && { ...(await shownOrganization(runtime, organization)), href: signInHref(organization.slug, returnTo) };
  const page = <LoginPage returnTo={returnTo} unknown={unknown} last={last} />;
  sendPage(response, unknown === undefined ? 200 : 404, renderPage(page), { formsMayLeave: true });
}

async function submitLogin(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const form = FORM.safeParse(request.body ?? {});
  if (!form.success) throw new GatewayError('validation_failed', TEXTS.whatToEnter);
  const { who: entry, return_to: returnTo } = form.data;
  const slug = await findSlug(runtime, entry);
  if (slug === undefined) return showLogin(runtime, request, response, { returnTo, unknown: entry });
  rememberOrganization(runtime, request, response, slug);
  // The domain is enough to choose a connection. The address itself would be stored in the browser's history.
  const domain = /[@.]/.test(entry) ? normalizeDomain(entry.slice(entry.lastIndexOf('@') + 1)) : undefined;
  response.redirect(303, signInHref(slug, returnTo, domain));
}

/** Finds an organization by an email address, by a domain, or by its slug, which has no dot. */
async function findSlug(runtime: Runtime, entry: string): Promise<string | undefined> {
  if (/[@.]/.test(entry)) return (await findOrganizationByDomain(runtime.store, entry.slice(entry.lastIndexOf('@') + 1)))?.slug;
  try {
    return (await getOrganization(runtime.store, entry.toLowerCase())).slug;
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  }
}

function logoutRoutes(runtime: Runtime, readForm: RequestHandler): Router {
  const router = Router({ caseSensitive: true });
  router.use('/logout', (_request, response, next) => {
    response.locals.route = 'logout';
    next();
  });
  router.post('/logout', readForm, sessionMiddleware(runtime, MEMBER_SESSION), async (request, response) => {
    const login = loginOf(request);
    const ended = login && (await endSession(runtime, request, response, login));
    await destroySession(request);
    clearCookie(runtime, response, 'signedInTo');
    const message = ended && (await continueLogout(runtime, response, { organizationId: login.organizationId, session: ended }));
    if (message) return sendBrowserMessage(response, message);
    response.redirect(303, '/logout');
  });
  router.get('/logout', (request, response) => {
    const page = <SignedOutPage identityProvider={takeOutcome(runtime, request, response)} />;
    sendPage(response, 200, renderPage(page));
  });
  return router;
}

/**
 * Ends the member's session. The form carries the CSRF token, so that other sites cannot sign users out.
 * @returns the session that ended; undefined if it was no longer valid
 */
async function endSession(runtime: Runtime, request: Request, response: Response, login: Login): Promise<MemberSession | undefined> {
  const principal = await findSessionPrincipal(runtime, login);
  if (!principal) {
    // Another request ended it a moment ago. A success here must survive a failover as well.
    await confirmReplicated(runtime.store, login.organizationId);
    return undefined;
  }
  const { csrf } = (request.body ?? {}) as { csrf?: unknown };
  if (!csrfTokenMatches(typeof csrf === 'string' ? csrf : undefined, principal)) {
    throw new GatewayError('forbidden', TEXTS.otherSession);
  }
  return signOut(runtime, actorOf(request, response, principal), login);
}
