/** The web console: pages for people who are signed in. */
import { Router } from 'express';
import { authenticateSession } from '../auth/authenticate.ts';
import { sessionMiddleware } from '../auth/sessions.ts';
import { HomePage } from '../console/home-page.tsx';
import { renderPage } from '../console/layout.tsx';
import { GatewayError } from '../errors.ts';
import { getOrganizationById } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { sendPage } from './pages.ts';

export function consoleRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use('/console', sessionMiddleware(runtime));
  router.get('/console', async (request, response) => {
    response.locals.route = 'console';
    const toLogin = () => response.redirect(303, `/login?return_to=${encodeURIComponent(request.originalUrl)}`);
    const { login } = request.session;
    if (!login) return toLogin();
    const principal = await authenticateSession(runtime, login).catch((error: unknown) => {
      if (error instanceof GatewayError && error.code === 'unauthenticated') return undefined;
      throw error;
    });
    const organization = principal && (await getOrganizationById(runtime.store, principal.organizationId));
    if (!principal || !organization) return toLogin();
    const page = <HomePage member={principal.member} organization={organization} csrfToken={principal.csrfToken} />;
    sendPage(response, 200, renderPage(page), { formsMayLeave: true });
  });
  return router;
}
